//! Every policy on every cell of days: the same days for all.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use serde::Serialize;

use super::chart::svg;
use super::circumstances::Circumstances;
use super::day::{Day, Profile};
use super::policy::Policy;
use super::run::run;
use super::tally::Summary;

/// Days of one kind.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Whose day, on how many servers, and its fluid peak.
    Model { profile: Profile, servers: usize, peak: f64 },
    /// A day that really was. Chance only decides what measurements are like.
    Trace(Arc<Day>),
}

impl Cell {
    fn day(&self, seed: u64, circumstances: Circumstances) -> Day {
        match self {
            &Self::Model { profile, servers, peak } => {
                Day::new(profile, servers, peak, seed, circumstances)
            }
            Self::Trace(day) => day.under(circumstances, seed),
        }
    }
}

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub policies: Vec<Policy>,
    pub cells: Vec<Cell>,
    /// One day for each.
    pub seeds: Range<u64>,
    pub circumstances: Circumstances,
}

/// What a policy's days were like in one cell: means over the days where nothing else is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub policy: Policy,
    /// A profile, or `trace`.
    pub profile: &'static str,
    pub servers: usize,
    pub peak: f64,
    /// Part of all minutes of users that they spent on servers with more than 80 % of their cores busy.
    pub overloaded_user_minutes_pct: f64,
    /// The same, of the worst day.
    pub worst_day_pct: f64,
    /// The highest load of a server, over its cores; above 1 it had more to do than it could.
    pub peak_utilisation: f64,
    /// The highest load of a server over the fleet's, in busy hours.
    pub max_over_mean: f64,
    /// In all days.
    pub failed_creates: u32,
    pub split_meetings: u32,
}

impl Comparison {
    /// Lets all days happen, on as many threads as there are cores.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let cells = self.cells.iter();
        let days: Vec<_> =
            cells.flat_map(|cell| self.seeds.clone().map(move |s| (cell, s))).collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let share = |first: usize| {
            let mine = days.iter().enumerate().skip(first).step_by(threads);
            mine.map(|(n, &(cell, seed))| (n, self.day(cell, seed))).collect::<Vec<_>>()
        };
        let mut done: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|n| scope.spawn(move || share(n))).collect();
            let results = workers.into_iter().map(|worker| worker.join());
            results
                .flat_map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        // Which thread was quicker must not show.
        done.sort_unstable_by_key(|(n, _)| *n);
        let of_cells = done.chunks((self.seeds.end - self.seeds.start) as usize);
        let of_cells = self.cells.iter().zip(of_cells);
        of_cells.flat_map(|(cell, days)| self.outcomes_of(cell, days)).collect()
    }

    /// Draws the first day of the first kind under every policy.
    pub fn svg(&self) -> String {
        let (seed, circumstances) = (self.seeds.start, self.circumstances);
        let day = self.cells.first().map(|cell| cell.day(seed, circumstances));
        day.map_or_else(String::new, |day| svg(&day, &self.policies, seed, circumstances))
    }

    /// One day under every policy.
    fn day(&self, cell: &Cell, seed: u64) -> Vec<Summary> {
        let day = cell.day(seed, self.circumstances);
        let under = |&policy| run(&day, policy, seed, self.circumstances);
        self.policies.iter().map(under).collect()
    }

    fn outcomes_of(&self, cell: &Cell, days: &[(usize, Vec<Summary>)]) -> Vec<Outcome> {
        let of_policy = |n: usize| days.iter().map(|(_, of_day)| of_day[n]).collect::<Vec<_>>();
        let policies = self.policies.iter().enumerate();
        policies.map(|(n, &policy)| outcome(policy, cell, &of_policy(n))).collect()
    }
}

fn outcome(policy: Policy, cell: &Cell, days: &[Summary]) -> Outcome {
    let (profile, servers, peak) = match cell {
        Cell::Model { profile, servers, peak } => (profile.name(), *servers, *peak),
        Cell::Trace(day) => ("trace", day.servers.len(), rounded(day.fluid_peak)),
    };
    let mean =
        |of: fn(&Summary) -> f64| rounded(days.iter().map(of).sum::<f64>() / days.len() as f64);
    let overloaded = |day: &Summary| day.overloaded;
    Outcome {
        policy,
        profile,
        servers,
        peak,
        overloaded_user_minutes_pct: mean(overloaded),
        worst_day_pct: rounded(days.iter().map(overloaded).fold(0.0, f64::max)),
        peak_utilisation: mean(|day| day.peak_utilisation),
        max_over_mean: mean(|day| day.max_over_mean),
        failed_creates: days.iter().map(|day| day.failed_creates).sum(),
        split_meetings: days.iter().map(|day| day.split_meetings).sum(),
    }
}

/// To three decimals, which is more than the days' chance leaves certain.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
