//! How much meetings still grow, by when they began, how old they are and how many are in them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::learnt::{Cells, Guess};

/// The age, in seconds, and the number of users from which on each row and column counts.
const AGES: [u64; 9] = [0, 60, 120, 180, 240, 360, 480, 720, 1200];
const SIZES: [u64; 6] = [0, 1, 3, 7, 15, 40];
const CELLS: usize = Phase::ALL.len() * AGES.len() * SIZES.len();
/// A meeting of this age has grown up.
pub(super) const GROWN: Duration = Duration::from_mins(25);
/// Before anything was seen: a young meeting will use so many cores more, give or take as many. Both shrink to
/// nothing as it gets older.
const GUESS: Guess = Guess { mean: 0.6, off: 0.9, weighs: 4.0 };
const GUESS_UNTIL: f64 = 600.0;

/// The part of the hour in which a meeting began: around the full hour those with a timetable do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Hour,
    After,
    Quarter,
    Rest,
}

impl Phase {
    pub(super) const ALL: [Self; 4] = [Self::Hour, Self::After, Self::Quarter, Self::Rest];

    /// The phase at this time of day.
    pub fn of(since_midnight: Duration) -> Self {
        match since_midnight.as_secs() % 3600 {
            0..90 | 3000.. => Self::Hour,
            90..420 => Self::After,
            420..1200 => Self::Quarter,
            _ => Self::Rest,
        }
    }
}

/// How many cores meetings still grew by that were once in the same cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Growth(Cells<CELLS>);

/// Names a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) phase: Phase,
    age: u8,
    size: u8,
}

impl At {
    pub(super) fn new(phase: Phase, age: Duration, users: u64) -> Self {
        let last = |from: &[u64], value| from.iter().rposition(|&from| from <= value);
        let age = last(&AGES, age.as_secs()).unwrap_or(0) as u8;
        let size = last(&SIZES, users).unwrap_or(0) as u8;
        Self { phase, age, size }
    }

    /// Whether it is older than the other by a row at least.
    pub(super) fn older(self, than: Self) -> bool {
        self.age > than.age
    }

    fn index(self) -> usize {
        let row = self.phase as usize * AGES.len() + usize::from(self.age);
        row * SIZES.len() + usize::from(self.size)
    }
}

impl Growth {
    /// Cores that a meeting still grows by, and their variance. The age is needed besides the cell, as the guess
    /// shrinks steadily.
    pub(super) fn expected(&self, at: At, age: Duration) -> (f64, f64) {
        let young = (1.0 - age.as_secs_f64() / GUESS_UNTIL).max(0.0);
        let guess = Guess { mean: GUESS.mean * young, off: GUESS.off * young, ..GUESS };
        let cell = self.0.at(at.index());
        (cell.mean(guess), cell.variance(guess))
    }

    /// A meeting that was in this cell has grown by so many cores since.
    pub(super) fn learn(&mut self, at: At, more: f64) {
        self.0.at_mut(at.index()).learn(more);
    }
}
