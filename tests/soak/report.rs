//! What is said of a soak: a table, and the history of what was broken.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::checker::Violation;
use crate::history::{Answer, Event, Room, What, of_room};
use crate::measure::Series;
use crate::plan::Fault;

/// So many lines of a room's history are shown.
const LINES: usize = 60;
/// So many rooms' histories.
const ROOMS: usize = 5;

/// What came of a soak.
pub(crate) struct Outcome {
    pub(crate) commit: String,
    pub(crate) minutes: u64,
    pub(crate) seed: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) events: Vec<Event>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) series: Vec<Series>,
    /// What balancers logged as faults of their own.
    pub(crate) errors: Vec<String>,
}

impl Outcome {
    pub(crate) fn is_clean(&self) -> bool {
        let grows = self.series.iter().any(Series::grows);
        self.violations.is_empty() && self.errors.is_empty() && !grows
    }

    /// The table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from("| | |\n|---|---|\n");
        let mut row = |what: &str, text: String| {
            writeln!(table, "| {what} | {text} |").expect("text can be written");
        };
        row("commit", self.commit.clone());
        row("minutes, seed", format!("{}, {}", self.minutes, self.seed));
        row("calls", counted(self.calls()));
        row("answers", counted(self.answers()));
        row("meetings", counted(self.meetings()));
        row("faults", counted(self.faults.iter().map(|fault| fault.what.kind().to_owned())));
        row("violations", counted(self.violations.iter().map(|v| format!("{:?}", v.rule))));
        row("errors and panics logged", self.errors.len().to_string());
        for series in &self.series {
            row(&series.name, ends(series));
        }
        table
    }

    fn calls(&self) -> impl Iterator<Item = String> {
        self.events.iter().filter_map(|event| match event.what {
            What::Asked { call, .. } => Some(format!("{call:?}")),
            _ => None,
        })
    }

    fn answers(&self) -> impl Iterator<Item = String> {
        self.events.iter().filter_map(|event| match &event.what {
            What::Answered { answer, .. } => Some(named(answer)),
            _ => None,
        })
    }

    fn meetings(&self) -> impl Iterator<Item = String> {
        self.events.iter().filter_map(|event| match &event.what {
            What::Born { .. } => Some("made".to_owned()),
            What::Gone { exit, .. } => Some(format!("{exit:?}")),
            _ => None,
        })
    }

    /// Every broken rule, and the histories of the first rooms.
    pub(crate) fn tell(&self) {
        let mut told: BTreeSet<&Room> = BTreeSet::new();
        for violation in &self.violations {
            let Violation { rule, room, words, event } = violation;
            let at = self.events.get(*event).map_or(0, |event| event.at);
            println!("{rule:?} at {}.{:03} s, {room}: {words}", at / 1_000, at % 1_000);
            if told.len() < ROOMS && told.insert(room) {
                let lines = of_room(&self.events, room, *event, LINES);
                lines.iter().for_each(|line| println!("    {line}"));
            }
        }
        self.errors.iter().take(LINES).for_each(|line| println!("logged: {line}"));
        for series in self.series.iter().filter(|series| series.grows()) {
            println!("{} grows: {:?}", series.name, series.quarters());
        }
    }
}

fn named(answer: &Answer) -> String {
    match answer {
        Answer::Made(_) => "made".into(),
        Answer::Joins => "let in".into(),
        Answer::Shown(_) => "shown".into(),
        Answer::Running(running) => format!("running {running}"),
        Answer::Ended => "ended".into(),
        Answer::Listed(_) => "listed".into(),
        Answer::Denied => "no such meeting".into(),
        Answer::Stranded(_) => "stranded".into(),
        Answer::Refused(key) => format!("refused {key}"),
        Answer::NotKnown(why) => format!("not known ({why})"),
    }
}

/// How often each stands there.
fn counted(all: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    let sum: usize = counts.values().sum();
    let each: Vec<_> = counts.iter().map(|(one, count)| format!("{count} {one}")).collect();
    if each.is_empty() { "none".into() } else { format!("{sum}: {}", each.join(", ")) }
}

/// The medians of the first and the last quarter.
fn ends(series: &Series) -> String {
    let [first, .., last] = series.quarters();
    let word = |value: Option<u64>| value.map_or("not seen".into(), |value| value.to_string());
    format!("{} in the first quarter, {} in the last", word(first), word(last))
}
