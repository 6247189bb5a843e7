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
fn circumstances_make_other_days_with_the_same_figures() {
    let figures = |policy: &str, flags: &str| {
        let line = "--compare --seeds 1 --fleet 5 --profile school --json --policy";
        let all = outcomes(&format!("{line} {policy} {flags}"));
        let [outcome] = all.try_into().expect("one policy on one kind of day");
        let fields: Vec<_> = outcome.as_object().expect("object").keys().collect();
        assert_eq!(fields, FIELDS, "{flags}");
        outcome
    };
    let [random, predictive] = ["random", "predictive"].map(|policy| figures(policy, ""));
    for flags in ["--without-history", "--balancers 4"] {
        assert_eq!(figures("random", flags), random, "{flags}");
        assert_ne!(figures("predictive", flags), predictive, "{flags}");
    }
    assert_ne!(figures("random", "--cost-error 0.3"), random);
    assert_eq!(figures("random", "--cost-error 0 --balancers 1"), random);
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
        "--compare --risk -1",
        "--compare --comfort 0",
        "--risk 1",
        "--compare --policy best",
        "--compare --json --csv",
        "--compare --port 9001",
        "--compare --trace no-such-file.csv",
        "--compare --cores 8,8",
        "--compare --trace day.csv --cores 8 --fleet 5",
        "--compare --cost-error -0.3",
        "--compare --cost-error NaN",
        "--compare --cost-error 2.1",
        "--compare --balancers 0",
        "--compare --balancers 101",
        "--without-history",
        "--cost-error 0.3",
        "--balancers 4",
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

#[test]
fn a_trace_shows_what_the_pool_would_have_done_and_a_faulty_one_where_it_is_wrong() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("day.csv");
    let line = format!("--compare --cores 8,8,16 --json --trace {}", path.display());
    let row = |n: u32| format!("2026-03-02T09:{n:02}:00,2026-03-02T10:30:00,{},3", 20 + n);
    let rows: Vec<_> = (0..18).map(row).collect();
    std::fs::write(&path, format!("created,ended,users,webcams\n{}\n", rows.join("\n")))
        .expect("written");
    let all = outcomes(&line);
    assert_eq!(all.len(), 6, "one for each policy");
    for outcome in &all {
        assert_eq!((&outcome["profile"], &outcome["servers"]), (&"trace".into(), &3.into()));
        assert!(outcome["peak"].as_f64() > Some(0.5), "{outcome}");
    }
    let overloaded = |n: usize| all[n]["overloaded_user_minutes_pct"].as_f64();
    assert!(overloaded(5) < overloaded(0), "the oracle does better than chance: {all:?}");
    std::fs::write(&path, "created,ended,users,webcams\n2026-03-02T09:00,2026-03-02T10:30,-1,0\n")
        .expect("written");
    let Output { status, stderr, .. } = simulate(&line);
    let expected = format!(
        "{}: line 2, column users: expected a number from 0 to 10000, found \"-1\"\n",
        path.display()
    );
    assert_eq!(
        (status.code(), String::from_utf8_lossy(&stderr).into_owned()),
        (Some(64), expected)
    );
}

#[test]
fn a_picture_has_a_panel_for_each_policy_and_a_line_for_each_server() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("day.svg");
    let line =
        format!("--compare --seeds 1 --fleet 5 --policy seed,oracle --svg {}", path.display());
    assert!(said(&line).starts_with("Policy"), "the table is printed too");
    let svg = std::fs::read_to_string(&path).expect("written");
    let count = |what: &str| svg.matches(what).count();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!((count("of user-minutes overloaded</text>"), count("<title>server ")), (2, 12));
    for said in [">8 cores</text>", ">32 cores</text>", ">overloaded</text>"] {
        assert_eq!(count(said), 1, "the legend says{said}");
    }
    for said in [">80 %</text>", ">100 %</text>", ">9:00</text>", ">16:00</text>"] {
        assert_eq!(count(said), 2, "each panel says{said}");
    }
    assert_eq!(count("cores</title></path>"), 12, "five servers and the one that joins, twice");
    said(&line);
    assert_eq!(std::fs::read_to_string(&path).expect("written"), svg, "the same each time");
    let Output { status, stderr, .. } =
        simulate("--compare --fleet 5 --svg /no/such/folder/day.svg");
    assert_eq!((status.code(), stderr.starts_with(b"/no/such/folder/day.svg: ")), (Some(64), true));
}
