//! How much meetings still grow, by when they began, how old they are and how many are in them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The age, in seconds, and the number of users from which on each row and column counts.
const AGES: [u64; 9] = [0, 60, 120, 180, 240, 360, 480, 720, 1200];
const SIZES: [u64; 6] = [0, 1, 3, 7, 15, 40];
const CELLS: usize = Phase::ALL.len() * AGES.len() * SIZES.len();
/// A meeting of this age has grown up.
pub(super) const GROWN: Duration = Duration::from_mins(25);
/// Before anything was seen: a young meeting will use so many cores more, give or take as many. Both shrink to
/// nothing as it gets older.
const GUESS: (f64, f64) = (0.6, 0.9);
const GUESS_UNTIL: f64 = 600.0;
/// The guess weighs as much as so many meetings.
const GUESS_WEIGHS: f64 = 4.0;
/// From so many meetings on older ones are half forgotten, so that another term shows.
const REMEMBERED: f64 = 1000.0;

/// The part of the hour in which a meeting began: around the full hour those with a timetable do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Hour,
    After,
    Quarter,
    Rest,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Hour, Self::After, Self::Quarter, Self::Rest];

    /// The phase so long after a full hour.
    pub fn of(since_midnight: Duration) -> Self {
        match since_midnight.as_secs() % 3600 {
            0..90 | 3000.. => Self::Hour,
            90..420 => Self::After,
            420..1200 => Self::Quarter,
            _ => Self::Rest,
        }
    }
}

/// What was seen of meetings that were once in the same cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cell {
    count: f64,
    /// Sums of what they still grew by, in cores, and of its squares.
    sum: f64,
    squares: f64,
}

/// How much meetings still grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Cell>", into = "Vec<Cell>")]
pub(super) struct Growth(Vec<Cell>);

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
        let Cell { count, sum, squares } = self.0[at.index()];
        let young = (1.0 - age.as_secs_f64() / GUESS_UNTIL).max(0.0);
        let (guess, off) = (GUESS.0 * young, GUESS.1 * young);
        let all = GUESS_WEIGHS + count;
        let mean = (GUESS_WEIGHS * guess + sum) / all;
        let square = (GUESS_WEIGHS * (guess * guess + off * off) + squares) / all;
        (mean, (square - mean * mean).max(0.0))
    }

    /// A meeting that was in this cell has grown by so many cores since.
    pub(super) fn learn(&mut self, at: At, more: f64) {
        let cell = &mut self.0[at.index()];
        if cell.count >= REMEMBERED {
            *cell =
                Cell { count: cell.count / 2.0, sum: cell.sum / 2.0, squares: cell.squares / 2.0 };
        }
        cell.count += 1.0;
        cell.sum += more;
        cell.squares += more * more;
    }
}

impl Default for Growth {
    fn default() -> Self {
        Self(vec![Cell::default(); CELLS])
    }
}

impl From<Growth> for Vec<Cell> {
    fn from(growth: Growth) -> Self {
        growth.0
    }
}

impl TryFrom<Vec<Cell>> for Growth {
    type Error = String;

    fn try_from(cells: Vec<Cell>) -> Result<Self, String> {
        let good = |cell: &Cell| {
            let Cell { count, sum, squares } = cell;
            [count, sum, squares].iter().all(|n| (0.0..1e12).contains(*n))
        };
        match cells.len() == CELLS && cells.iter().all(good) {
            true => Ok(Self(cells)),
            false => Err(format!("expected {CELLS} cells of numbers that are not negative")),
        }
    }
}
