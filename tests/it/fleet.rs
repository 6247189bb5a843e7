//! Stories about `simulate --compare`, as it is called from a shell.

use std::process::{Command, Output};

use serde_json::Value;

const FIELDS: [&str; 10] = [
    "policy",
    "profile",
    "servers",
    "peak",
    "overloaded_user_minutes_pct",
    "worst_day_pct",
    "peak_utilisation",
    "max_over_mean",
    "failed_creates",
    "split_meetings",
];

fn simulate(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bigblueswarm"));
    command.arg("simulate").args(line.split_whitespace()).env_clear();
    command.output().expect("started")
}

fn said(line: &str) -> String {
    let Output { status, stdout, stderr } = simulate(line);
    assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

fn outcomes(line: &str) -> Vec<Value> {
    serde_json::from_str(&said(line)).expect("a JSON array")
}

#[test]
fn a_comparison_is_an_array_of_objects_with_every_figure_and_the_same_each_time() {
    let line = "--compare --seeds 2 --fleet 5 --json";
    let all = outcomes(line);
    assert_eq!(all.len(), 12, "six policies, two profiles");
    for outcome in &all {
        let fields: Vec<_> = outcome.as_object().expect("object").keys().collect();
        assert_eq!(fields, FIELDS);
        assert_eq!((outcome["servers"].as_u64(), outcome["peak"].as_f64()), (Some(5), Some(0.65)));
        assert_eq!(
            (&outcome["failed_creates"], &outcome["split_meetings"]),
            (&0.into(), &0.into())
        );
        let figures = ["overloaded_user_minutes_pct", "worst_day_pct"].map(|f| outcome[f].as_f64());
        assert!(figures[0] <= figures[1] && figures[0] >= Some(0.0), "{outcome}");
    }
    let policies: Vec<_> =
        all[..6].iter().filter_map(|outcome| outcome["policy"].as_str()).collect();
    let expected = ["random", "round-robin", "seed", "least-participants", "predictive", "oracle"];
    assert_eq!(policies, expected);
    assert_eq!(outcomes(line), all);
    assert_ne!(outcomes("--compare --seeds 2 --fleet 5 --json --first-seed 7"), all);
}

#[test]
fn csv_and_the_table_say_the_same_as_json() {
    let what = "--compare --seeds 1 --fleet 5,6 --profile school --policy random,oracle --peak 0.5";
    let json = outcomes(&format!("{what} --json"));
    let csv = said(&format!("{what} --csv"));
    let mut rows = csv.lines();
    assert_eq!(rows.next(), Some(FIELDS.join(",").as_str()));
    let table = said(what);
    assert!(table.starts_with("Policy"), "{table}");
    for (outcome, (row, line)) in json.iter().zip(rows.by_ref().zip(table.lines().skip(1))) {
        let texts = FIELDS.map(|f| outcome[f].to_string().trim_matches('"').to_owned());
        assert_eq!(row, texts.join(","));
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), texts);
    }
    assert_eq!((json.len(), rows.next()), (4, None));
}

#[test]
fn the_readme_says_what_the_program_prints() {
    let readme = include_str!("../../README.md");
    for (profile, column) in [("univ", 2), ("school", 5)] {
        let all = outcomes(&format!("--compare --seeds 10 --fleet 5 --profile {profile} --json"));
        for outcome in all {
            let policy = outcome["policy"].as_str().expect("a policy");
            let row = readme.lines().find(|line| line.starts_with(&format!("| `{policy}` |")));
            let cell =
                row.expect("a row for each policy").split('|').nth(column).expect("a column");
            let overloaded = outcome["overloaded_user_minutes_pct"].as_f64().expect("a number");
            assert_eq!(cell.trim(), format!("{overloaded:.2}"), "{policy}, {profile}, 5 servers");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    for line in [
        "--compare --seeds 0",
        "--compare --fleet 1",
        "--compare --fleet 5,many",
        "--compare --peak NaN",
        "--compare --peak 0",
        "--compare --profile bank",
        "--compare --policy best",
        "--compare --json --csv",
        "--compare --port 9001",
        "--seeds 2",
        "--json",
        "--csv",
    ] {
        let Output { status, stdout, stderr } = simulate(line);
        let error = String::from_utf8_lossy(&stderr);
        assert_eq!((status.code(), stdout.len()), (Some(64), 0), "{line}: {error}");
        assert!(error.starts_with("error: "), "{line}: {error}");
    }
}
