//! How loaded an instance is, as a number that can be compared.

use std::fmt;
use std::time::Duration;

use super::{Own, Policy};
use crate::domain::load::Load;
use crate::domain::moment::Moment;

/// What a new meeting will come to use, in percent of one core: BBB's own advice is 8 cores for 200
/// users, which is 4 % of a core for each, and ten of them make a usual meeting.
const MEETING: f64 = 40.0;
/// Cores of an instance whose agent does not say.
const ASSUMED_CORES: f64 = 4.0;

/// An instance's load, lower is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) cpu: f64,
    pub(super) mem: f64,
    /// What our own placements will still add.
    coming: f64,
    /// How many placements of ours the means do not show in full.
    young: usize,
    cores: Option<f64>,
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
        let cores = load.cores.filter(|&cores| cores.is_finite() && cores >= 1.0);
        let mut score = Self { cpu, mem, coming: 0.0, young: 0, cores };
        if policy == Policy::Predictive {
            let recent = own.map_or(&[][..], |own| &own.recent);
            let unseen = recent.iter().map(|&made| unseen(made, load.newest, range));
            let (young, weight) =
                unseen.filter(|&w| w > 0.0).fold((0, 0.0), |(n, sum), w| (n + 1, sum + w));
            score.young = young;
            score.coming = weight * MEETING / cores.unwrap_or(ASSUMED_CORES);
        }
        Some(score)
    }

    pub(super) fn total(&self) -> f64 {
        self.cpu + self.mem + self.coming
    }
}

/// How much of a placement the means do not show yet, from 1 to 0.
///
/// A mean over `range` shows a meeting that began `age` before its newest point by `age / range`. What
/// counts is the newest measurement and not the present: while no new one arrives, nothing more is shown.
fn unseen(made: Moment, newest: Moment, range: Duration) -> f64 {
    let age = newest.since(made);
    if age >= range { 0.0 } else { 1.0 - age.as_secs_f64() / range.as_secs_f64() }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu {:.1} % + mem {:.1} %", self.cpu, self.mem)?;
        match (self.young, self.cores) {
            (0, _) => Ok(()),
            (young, Some(cores)) => {
                write!(f, " + {:.1} for {young} recent placements on {cores} cores", self.coming)
            }
            (young, None) => {
                write!(
                    f,
                    " + {:.1} for {young} recent placements, cores unknown, {ASSUMED_CORES} assumed",
                    self.coming
                )
            }
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
    fn a_placement_fades_as_the_mean_comes_to_show_it() {
        check(1000, 1000, 300, 1.0);
        check(1005, 1000, 300, 1.0);
        check(850, 1000, 300, 0.5);
        check(700, 1000, 300, 0.0);
        check(10, 1000, 300, 0.0);
        check(10, 10, 0, 0.0);
    }
}
