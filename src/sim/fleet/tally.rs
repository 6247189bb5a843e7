//! What a day was like: who sat on servers with too much to do, and how even the load was.

use std::time::Duration;

use crate::domain::moment::Moment;

/// A server with more of its cores busy is overloaded.
const OVERLOADED: f64 = 0.8;
/// Hours in which the balance counts, as long as the fleet has something to do.
const BUSY: std::ops::Range<Moment> =
    Moment(Duration::from_hours(9))..Moment(Duration::from_hours(16));
const BUSY_FROM: f64 = 0.45;

/// A server at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) cores: f64,
    /// Cores that its meetings would keep busy, which can be more than it has.
    pub(super) load: f64,
    pub(super) users: usize,
}

/// Counts through a day.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    overloaded: f64,
    users: f64,
    highest: f64,
    ratios: f64,
    ratios_taken: u32,
    pub(super) failed_creates: u32,
    pub(super) split_meetings: u32,
}

/// What a day was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Part of all minutes that users spent on servers with more than 80 % of their cores busy, in percent.
    pub overloaded: f64,
    /// The highest load of any server, over its cores.
    pub peak_utilisation: f64,
    /// The highest load of a server over the fleet's, in the mean of the busy hours.
    pub max_over_mean: f64,
    /// Creates that found no server.
    pub failed_creates: u32,
    /// Meetings that were created while they ran elsewhere.
    pub split_meetings: u32,
}

impl Tally {
    /// Counts the servers that are there.
    pub(super) fn count(&mut self, now: Moment, servers: impl Iterator<Item = Reading>) {
        let (mut cores, mut load, mut highest) = (0.0, 0.0, 0.0f64);
        for server in servers {
            let use_ = server.load / server.cores;
            self.users += server.users as f64;
            if use_ > OVERLOADED {
                self.overloaded += server.users as f64;
            }
            highest = highest.max(use_);
            cores += server.cores;
            load += server.load;
        }
        self.highest = self.highest.max(highest);
        if BUSY.contains(&now) && load > BUSY_FROM * cores {
            self.ratios += highest / (load / cores);
            self.ratios_taken += 1;
        }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            overloaded: 100.0 * self.overloaded / self.users.max(1.0),
            peak_utilisation: self.highest,
            max_over_mean: self.ratios / f64::from(self.ratios_taken.max(1)),
            failed_creates: self.failed_creates,
            split_meetings: self.split_meetings,
        }
    }
}
