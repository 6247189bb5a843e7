//! The list of stories by fault and kind of store in `actors.md`, compared with the tests of this program.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::map::rust_files;

const HEADING: &str = "## Stories of the store faults";
const FAULTS: usize = 13;
/// Kinds of stores: their letters in the list, and the modules of stories that run on several.
const KINDS: [(char, &str); 4] = [
    ('E', "in_the_embedded_store"),
    ('R', "in_redis"),
    ('S', "behind_sentinels"),
    ('C', "in_a_cluster"),
];

/// A row: the fault, its stories with the kinds they run on, and the kinds on which it can't happen.
struct Row {
    fault: String,
    stories: Vec<(String, BTreeSet<char>)>,
    excused: BTreeSet<char>,
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string("actors.md").expect("actors.md");
    let part = text.split_once(HEADING).expect("the heading").1;
    let part = part.split("\n## ").next().unwrap_or_default();
    part.lines().filter(|line| line.starts_with("| F")).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [fault, _, stories, excused] = cells[..] else { panic!("four columns: {line}") };
    let story = |words: &str| {
        let (name, kinds) = words.trim_start_matches('`').split_once('`').expect(words);
        (name.to_owned(), letters(kinds))
    };
    Row {
        fault: fault.to_owned(),
        stories: stories.split(", ").map(story).collect(),
        excused: letters(excused.split(':').next().unwrap_or_default()),
    }
}

fn letters(words: &str) -> BTreeSet<char> {
    let letters = words.chars().filter(|c| !c.is_whitespace());
    let kinds: BTreeSet<_> = letters.collect();
    assert!(kinds.iter().all(|c| KINDS.iter().any(|(letter, _)| letter == c)), "{words:?}");
    kinds
}

/// Paths of all tests of this program, by the name of their function.
fn tests() -> BTreeMap<String, Vec<String>> {
    let this = std::env::current_exe().expect("this program");
    let listed = Command::new(this).arg("--list").output().expect("a list").stdout;
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&listed).lines() {
        if let Some(path) = line.strip_suffix(": test") {
            let name = path.rsplit("::").next().unwrap_or(path).to_owned();
            tests.entry(name).or_default().push(path.to_owned());
        }
    }
    tests
}

/// The kinds that a test's path names; none for a story of one kind alone.
fn kinds_of(paths: &[String]) -> BTreeSet<char> {
    let is_in = |module: &str| paths.iter().any(|path| path.split("::").any(|m| m == module));
    KINDS.iter().filter(|(_, module)| is_in(module)).map(|(letter, _)| *letter).collect()
}

#[test]
fn every_store_fault_has_a_story_on_every_kind_of_store_where_it_can_happen() {
    let (rows, tests) = (rows(), tests());
    let faults: Vec<_> = rows.iter().map(|row| row.fault.clone()).collect();
    assert_eq!(faults, (1..=FAULTS).map(|n| format!("F{n}")).collect::<Vec<_>>());
    let own: String = rust_files("src")
        .into_iter()
        .map(|path| std::fs::read_to_string(path).expect("a source file"))
        .collect();
    let mut wrong = Vec::new();
    for Row { fault, stories, excused } in &rows {
        let mut told: BTreeSet<char> = BTreeSet::new();
        for (name, kinds) in stories {
            told.extend(kinds);
            match tests.get(name) {
                Some(paths) if matches!(kinds_of(paths), found if found.is_empty() || found == *kinds) =>
                    {}
                Some(paths) => wrong.push(format!("{fault}: {name} runs on {:?}", kinds_of(paths))),
                None if own.contains(&format!("fn {name}()")) => {}
                None => wrong.push(format!("{fault}: the story {name} is gone")),
            }
        }
        let all: BTreeSet<char> = KINDS.iter().map(|(letter, _)| *letter).collect();
        let missing: String =
            all.iter().filter(|c| !told.contains(c) && !excused.contains(c)).collect();
        if !missing.is_empty() || told.intersection(excused).count() > 0 {
            wrong.push(format!("{fault}: nothing is said of {missing:?}, or too much"));
        }
    }
    let listed = |name: &String| rows.iter().any(|row| row.stories.iter().any(|(n, _)| n == name));
    let is_fault = |name: &String| {
        let number = name.strip_prefix('f').and_then(|rest| rest.split_once('_'));
        number.is_some_and(|(number, _)| number.parse::<usize>().is_ok())
    };
    let unlisted = tests.keys().filter(|name| is_fault(name) && !listed(name));
    wrong.extend(unlisted.map(|name| format!("{name} stands in no row")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
