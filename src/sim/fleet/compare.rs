//! Every policy on every cell of days: the same days for all.

use std::num::NonZero;
use std::ops::Range;
use std::thread;

use serde::Serialize;

use super::day::{Day, Profile};
use super::policy::Policy;
use super::run::run;
use super::tally::Summary;

/// Whose day, on how many servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub profile: Profile,
    pub servers: usize,
}

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub policies: Vec<Policy>,
    pub cells: Vec<Cell>,
    /// The fluid peak of each day.
    pub peak: f64,
    /// One day for each.
    pub seeds: Range<u64>,
}

/// What a policy's days were like in one cell: means over the days where nothing else is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub policy: Policy,
    pub profile: Profile,
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
            cells.flat_map(|&cell| self.seeds.clone().map(move |s| (cell, s))).collect();
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
        of_cells.flat_map(|(&cell, days)| self.outcomes_of(cell, days)).collect()
    }

    /// One day under every policy.
    fn day(&self, cell: Cell, seed: u64) -> Vec<Summary> {
        let day = Day::new(cell.profile, cell.servers, self.peak, seed);
        self.policies.iter().map(|&policy| run(&day, policy, seed)).collect()
    }

    fn outcomes_of(&self, cell: Cell, days: &[(usize, Vec<Summary>)]) -> Vec<Outcome> {
        let of_policy = |n: usize| days.iter().map(|(_, of_day)| of_day[n]).collect::<Vec<_>>();
        let policies = self.policies.iter().enumerate();
        policies.map(|(n, &policy)| self.outcome(policy, cell, &of_policy(n))).collect()
    }

    fn outcome(&self, policy: Policy, cell: Cell, days: &[Summary]) -> Outcome {
        let mean =
            |of: fn(&Summary) -> f64| rounded(days.iter().map(of).sum::<f64>() / days.len() as f64);
        let overloaded = |day: &Summary| day.overloaded;
        Outcome {
            policy,
            profile: cell.profile,
            servers: cell.servers,
            peak: self.peak,
            overloaded_user_minutes_pct: mean(overloaded),
            worst_day_pct: rounded(days.iter().map(overloaded).fold(0.0, f64::max)),
            peak_utilisation: mean(|day| day.peak_utilisation),
            max_over_mean: mean(|day| day.max_over_mean),
            failed_creates: days.iter().map(|day| day.failed_creates).sum(),
            split_meetings: days.iter().map(|day| day.split_meetings).sum(),
        }
    }
}

/// To three decimals, which is more than the days' chance leaves certain.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
