//! The verb `storm`: runs storms and says what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};

use crate::checker::{Rule, Violation};
use crate::harness::commit;
use crate::history::of_room;
use crate::plan::{Part, Storm};
use crate::profile::Profile;
use crate::run::{Outcome, run};
use crate::shrink::shrink;
use crate::workers;

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
    /// These seeds of each kind, from one to before another: `1..101`.
    #[arg(long, value_parser = range, conflicts_with = "seed")]
    seeds: Option<(u64, u64)>,
    /// So many storms in all, spread over the kinds.
    #[arg(long, default_value_t = 100, conflicts_with_all = ["seed", "seeds"])]
    count: u64,
    /// The first seed of each kind.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Kinds of storms; all when none is named.
    #[arg(long, value_delimiter = ',')]
    profile: Vec<Profile>,
    /// So many storms run at once; as many as there are cores when it is not said.
    #[arg(long)]
    jobs: Option<usize>,
    /// Ends at the first storm that fails.
    #[arg(long)]
    stop: bool,
    /// Looks for the smallest storm that fails in the same way.
    #[arg(long)]
    shrink: bool,
    #[command(flatten)]
    part: Part,
    /// Shows the whole history.
    #[arg(long)]
    history: bool,
    /// Runs each storm twice, and says whose histories differ.
    #[arg(long)]
    twice: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text.split_once("..").ok_or("is written FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok((number(from)?, number(to)?))
}

impl Wish {
    fn profiles(&self) -> Vec<Profile> {
        match self.profile.is_empty() {
            true => Profile::value_variants().to_vec(),
            false => self.profile.clone(),
        }
    }

    /// All seeds and kinds, kinds in turn.
    fn storms(&self) -> Vec<(u64, Profile)> {
        let profiles = self.profiles();
        let (from, to) = self.seeds.unwrap_or((self.first, u64::MAX));
        let all = (from..to).flat_map(|seed| profiles.iter().map(move |p| (seed, *p)));
        match self.seeds {
            Some(_) => all.collect(),
            None => all.take(usize::try_from(self.count).unwrap_or(usize::MAX)).collect(),
        }
    }
}

pub(crate) fn main() -> ExitCode {
    let Verb::Storm(wish) = Verb::parse();
    let is_well = match wish.seed {
        Some(seed) => {
            let draw = |profile| Storm::draw(seed, profile).only(&wish.part);
            let storms = wish.profiles().into_iter().map(draw);
            storms.filter(|storm| !one(storm, &wish)).count() == 0
        }
        None => many(&wish),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one storm and tells everything; whether nothing is broken.
fn one(storm: &Storm, wish: &Wish) -> bool {
    let outcome = run(storm);
    storm.describe().iter().for_each(|line| println!("{line}"));
    if wish.history {
        print!("{}", outcome.history());
    }
    tell(&outcome);
    if let Some(first) = outcome.violations.first().filter(|_| wish.shrink) {
        let breaks = |storm: &Storm| run(storm).violations.iter().any(|v| v.rule == first.rule);
        let (least, tried) = shrink(storm, breaks);
        println!("\nThe same in a smaller storm, the least of {tried}:");
        least.describe().iter().for_each(|line| println!("{line}"));
        tell(&run(&least));
        let Storm { seed, profile, .. } = storm;
        println!("again: storm --seed {seed} --profile {profile} {}", Part::of(&least));
    }
    outcome.violations.is_empty()
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

/// The rules that are broken first in each room: what follows may follow from it.
fn firsts(outcome: &Outcome) -> BTreeSet<Rule> {
    let mut rooms = BTreeSet::new();
    let first = outcome.violations.iter().filter(|violation| rooms.insert(&violation.room));
    first.map(|violation| violation.rule).collect()
}

/// What came of one of many storms.
struct Short {
    seed: u64,
    profile: Profile,
    events: usize,
    rules: BTreeSet<Rule>,
    /// The same seed gave two histories.
    differs: bool,
}

impl Short {
    /// How it fails.
    fn words(&self) -> String {
        let rules: Vec<String> = self.rules.iter().map(|rule| format!("{rule:?}")).collect();
        match (self.differs, rules.is_empty()) {
            (true, true) => "has two histories".into(),
            (true, false) => format!("has two histories and breaks {}", rules.join(" ")),
            (false, _) => format!("breaks {}", rules.join(" ")),
        }
    }
}

/// What came of many.
#[derive(Default)]
struct Sum {
    storms: usize,
    events: usize,
    bad: usize,
    by_profile: BTreeMap<Profile, (usize, usize)>,
    by_rule: BTreeMap<Rule, usize>,
    /// Which fail, and how.
    failing: BTreeSet<(Profile, u64, String)>,
}

impl Sum {
    fn add(&mut self, short: &Short) {
        let is_bad = !short.rules.is_empty() || short.differs;
        let (storms, bad) = self.by_profile.entry(short.profile).or_default();
        *storms += 1;
        *bad += usize::from(is_bad);
        if is_bad {
            self.failing.insert((short.profile, short.seed, short.words()));
        }
        self.storms += 1;
        self.bad += usize::from(is_bad);
        self.events += short.events;
        short.rules.iter().for_each(|rule| *self.by_rule.entry(*rule).or_default() += 1);
    }

    fn tell(&self, took: f64, jobs: usize) {
        println!("\n{} storms, {} events, {} fail", self.storms, self.events, self.bad);
        println!("commit {}, {took:.0} s, {jobs} at once", commit());
        let by_profile = self.by_profile.iter().map(|(profile, (storms, bad))| match bad {
            0 => format!("{profile} {storms}"),
            _ => format!("{profile} {storms} ({bad} fail)"),
        });
        println!("seeds: {}", by_profile.collect::<Vec<_>>().join(", "));
        let by_rule = self.by_rule.iter().map(|(rule, bad)| format!("{rule:?} {bad}"));
        let by_rule = by_rule.collect::<Vec<_>>().join(", ");
        println!("violations: {}", if by_rule.is_empty() { "none" } else { &by_rule });
        for (profile, seed, words) in &self.failing {
            println!("failing: seed {seed} of {profile} {words}");
        }
    }
}

/// Runs many storms; whether nothing is broken.
fn many(wish: &Wish) -> bool {
    let began = Instant::now();
    let jobs = wish.jobs.unwrap_or_else(workers::cores);
    let mut sum = Sum::default();
    workers::each(
        wish.storms(),
        jobs,
        |(seed, profile)| short(seed, profile, wish.twice),
        |short| {
            sum.add(&short);
            if short.differs || !short.rules.is_empty() {
                println!("seed {} of {} {}", short.seed, short.profile, short.words());
            }
            !(wish.stop && sum.bad > 0)
        },
    );
    sum.tell(began.elapsed().as_secs_f64(), jobs);
    sum.bad == 0
}

fn short(seed: u64, profile: Profile, twice: bool) -> Short {
    let storm = Storm::draw(seed, profile);
    let outcome = run(&storm);
    let differs = twice && run(&storm).events != outcome.events;
    Short { seed, profile, events: outcome.events.len(), rules: firsts(&outcome), differs }
}
