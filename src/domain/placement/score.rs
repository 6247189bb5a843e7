//! How loaded an instance is, as a number that can be compared.

use std::fmt;
use std::time::Duration;

use super::{Own, Policy};
use crate::domain::load::Load;
use crate::domain::moment::Moment;

/// What a new meeting will come to use, in percent of one core. The simulator's best of 40 to 100 (README, "Placement").
const MEETING: f64 = 80.0;
/// How long meetings grow before they use that.
const GROWTH: Duration = Duration::from_mins(10);
/// Cores of an instance whose agent does not say.
const ASSUMED_CORES: f64 = 4.0;

/// An instance's load, lower is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) cpu: f64,
    rest: Rest,
}

/// What counts besides its measured CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rest {
    /// As the predecessor: the measured memory.
    Mem(f64),
    /// What is still to come; memory only bounds, as meetings use little of it.
    Coming {
        /// Percent that the meeting to be placed and our own recent placements will still add.
        more: f64,
        /// How many placements of ours the mean does not show in full.
        young: usize,
        cores: Option<f64>,
    },
}

impl Score {
    /// Weighs an instance; nothing unless both means were measured.
    pub(super) fn of(
        load: &Load,
        own: Option<&Own>,
        policy: Policy,
        range: Duration,
    ) -> Option<Self> {
        let cpu = load.cpu.filter(|cpu| cpu.is_finite())?;
        let mem = load.mem.filter(|mem| mem.is_finite())?;
        let rest = match policy {
            Policy::Seed => Rest::Mem(mem),
            Policy::Predictive => coming(load, own, range),
        };
        Some(Self { cpu, rest })
    }

    pub(super) fn total(&self) -> f64 {
        match self.rest {
            Rest::Mem(mem) => self.cpu + mem,
            Rest::Coming { more, .. } => self.cpu + more,
        }
    }
}

fn coming(load: &Load, own: Option<&Own>, range: Duration) -> Rest {
    let recent = own.map_or(&[][..], |own| &own.recent);
    let unseen = recent.iter().map(|&made| unseen(made, load.newest, range));
    let (young, weight) =
        unseen.filter(|&w| w > 0.0).fold((0, 1.0), |(n, sum), w| (n + 1, sum + w));
    let cores = load.cores.filter(|&cores| cores.is_finite() && cores >= 1.0);
    Rest::Coming { more: weight * MEETING / cores.unwrap_or(ASSUMED_CORES), young, cores }
}

/// How long a placement counts for more than what is measured of it.
pub(super) fn counts_for(range: Duration) -> Duration {
    range / 2 + GROWTH
}

/// How much of a placement the mean does not show yet, from 1 to 0.
///
/// A meeting grows for a while, and a mean over `range` is as old as half of it. What counts is the newest measurement
/// and not the present: while no new one arrives, nothing more is shown.
fn unseen(made: Moment, newest: Moment, range: Duration) -> f64 {
    let left = counts_for(range).saturating_sub(newest.since(made));
    (left.as_secs_f64() / GROWTH.as_secs_f64()).min(1.0)
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu {:.1} % + ", self.cpu)?;
        let (more, young, cores) = match self.rest {
            Rest::Mem(mem) => return write!(f, "mem {mem:.1} %"),
            Rest::Coming { more, young, cores } => (more, young, cores),
        };
        write!(f, "{more:.1} for this meeting")?;
        if young > 0 {
            write!(f, " and {young} recent placements")?;
        }
        match cores {
            Some(cores) => write!(f, " on {cores} cores"),
            None => write!(f, ", cores unknown, {ASSUMED_CORES} assumed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(made: u64, newest: u64, range: u64, weight: f64) {
        let at = |secs| Moment(Duration::from_secs(secs));
        assert_eq!(unseen(at(made), at(newest), Duration::from_secs(range)), weight);
    }

    #[test]
    fn a_placement_fades_as_its_meeting_grows_and_the_mean_comes_to_show_it() {
        check(1000, 1000, 300, 1.0);
        check(1005, 1000, 300, 1.0);
        check(850, 1000, 300, 1.0);
        check(550, 1000, 300, 0.5);
        check(250, 1000, 300, 0.0);
        check(10, 1000, 300, 0.0);
        check(10, 10, 0, 1.0);
        check(10, 310, 0, 0.5);
    }
}
