//! The verb `storm`: runs storms and says what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};

use crate::checker::{Rule, Violation};
use crate::history::of_room;
use crate::plan::Storm;
use crate::profile::Profile;
use crate::run::{Outcome, run};
use crate::shrink::shrink;

/// So many lines of a room's history are shown.
const LINES: usize = 40;

#[derive(Parser)]
#[command(name = "storms")]
enum Verb {
    /// Runs storms.
    Storm(Wish),
}

#[derive(clap::Args)]
struct Wish {
    /// One storm, with everything that is to be said of it.
    #[arg(long)]
    seed: Option<u64>,
    /// Many, from one seed to before another: `1..101`.
    #[arg(long, value_parser = range, default_value = "1..21")]
    seeds: (u64, u64),
    /// Kinds of storms; all when none is named.
    #[arg(long, value_delimiter = ',')]
    profile: Vec<Profile>,
    /// Looks for the smallest storm that fails in the same way.
    #[arg(long)]
    shrink: bool,
    /// Shows the whole history.
    #[arg(long)]
    history: bool,
    /// Runs each storm twice, and says whose histories differ.
    #[arg(long)]
    twice: bool,
    /// Shows this many seeds of each broken rule.
    #[arg(long, default_value_t = 5)]
    show: usize,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text.split_once("..").ok_or("is written FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok((number(from)?, number(to)?))
}

pub(crate) fn main() -> ExitCode {
    let Verb::Storm(wish) = Verb::parse();
    let profiles = match wish.profile.is_empty() {
        true => Profile::value_variants().to_vec(),
        false => wish.profile.clone(),
    };
    let bad = match wish.seed {
        Some(seed) => {
            profiles.iter().filter(|profile| one(&Storm::draw(seed, **profile), &wish)).count()
        }
        None => profiles.iter().map(|profile| many(*profile, &wish)).sum(),
    };
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one storm and tells everything; whether it fails.
fn one(storm: &Storm, wish: &Wish) -> bool {
    let outcome = run(storm);
    storm.describe().iter().for_each(|line| println!("{line}"));
    if wish.history {
        print!("{}", outcome.history());
    }
    tell(&outcome);
    if let Some(first) = outcome.violations.first().filter(|_| wish.shrink) {
        let (least, tried) = shrink(storm, first.rule);
        println!("\nThe same in a smaller storm, the least of {tried}:");
        least.describe().iter().for_each(|line| println!("{line}"));
        tell(&run(&least));
    }
    !outcome.violations.is_empty()
}

fn tell(outcome: &Outcome) {
    let mut told = BTreeSet::new();
    for violation in &outcome.violations {
        let at = outcome.events.get(violation.event).map_or(0, |event| event.at);
        let Violation { rule, room, words, .. } = violation;
        println!("{rule:?} at {}.{:03} s, {room}: {words}", at / 1_000, at % 1_000);
        if told.insert((*rule, room.clone())) && told.len() <= 3 {
            for line in of_room(&outcome.events, room, violation.event, LINES) {
                println!("    {line}");
            }
        }
    }
    if outcome.violations.is_empty() {
        println!("nothing is broken, in {} events", outcome.events.len());
    }
}

/// The first violation of each room: what follows may follow from it.
fn firsts(outcome: &Outcome) -> impl Iterator<Item = &Violation> {
    let mut rooms = BTreeSet::new();
    outcome.violations.iter().filter(move |violation| rooms.insert(violation.room.clone()))
}

/// Runs many storms; how many fail.
fn many(profile: Profile, wish: &Wish) -> usize {
    let (began, (from, to)) = (Instant::now(), wish.seeds);
    let mut by_rule: BTreeMap<Rule, Vec<u64>> = BTreeMap::new();
    let (mut bad, mut events) = (0, 0);
    for seed in from..to {
        let storm = Storm::draw(seed, profile);
        let outcome = run(&storm);
        if wish.twice && run(&storm).events != outcome.events {
            println!("seed {seed} of {profile} has two histories");
            bad += 1;
        }
        let rules: BTreeSet<Rule> = firsts(&outcome).map(|v| v.rule).collect();
        bad += usize::from(!rules.is_empty());
        events += outcome.events.len();
        rules.into_iter().for_each(|rule| by_rule.entry(rule).or_default().push(seed));
    }
    let took = began.elapsed().as_secs_f64() / (to - from).max(1) as f64;
    println!("{profile}: {bad} of {} seeds fail, {events} events, {took:.2} s a seed", to - from);
    for (rule, seeds) in by_rule {
        let some: Vec<String> = seeds.iter().take(wish.show).map(u64::to_string).collect();
        println!("  {rule:?}: {} seeds, such as {}", seeds.len(), some.join(" "));
    }
    bad
}
