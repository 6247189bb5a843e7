//! Means that are learnt from what is seen: a guess at first, and the old half forgotten in time.

use serde::{Deserialize, Serialize};

/// From so many values on older ones are half forgotten, so that another term shows.
const REMEMBERED: f64 = 1000.0;

/// What is taken for true before anything was seen, which weighs as much as so many values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    pub(super) mean: f64,
    /// The standard deviation.
    pub(super) off: f64,
    pub(super) weighs: f64,
}

/// Values that were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    count: f64,
    sum: f64,
    /// The sum of their squares.
    squares: f64,
}

impl Cell {
    pub(super) fn learn(&mut self, value: f64) {
        if self.count >= REMEMBERED {
            let Self { count, sum, squares } = self;
            [count, sum, squares].into_iter().for_each(|kept| *kept /= 2.0);
        }
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    pub(super) fn mean(&self, guess: Guess) -> f64 {
        (guess.weighs * guess.mean + self.sum) / (guess.weighs + self.count)
    }

    /// The square of the standard deviation.
    pub(super) fn variance(&self, guess: Guess) -> f64 {
        let (all, mean) = (guess.weighs + self.count, self.mean(guess));
        let guessed = guess.weighs * (guess.mean * guess.mean + guess.off * guess.off);
        ((guessed + self.squares) / all - mean * mean).max(0.0)
    }

    /// Whether values of 0 and 1 alone can have made it.
    pub(super) fn is_of_parts(&self) -> bool {
        self.sum <= self.count
    }
}

/// So many cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Cell>", into = "Vec<Cell>")]
pub(super) struct Cells<const N: usize>(Vec<Cell>);

impl<const N: usize> Cells<N> {
    pub(super) fn at(&self, index: usize) -> &Cell {
        &self.0[index]
    }

    pub(super) fn at_mut(&mut self, index: usize) -> &mut Cell {
        &mut self.0[index]
    }

    pub(super) fn all(&self) -> &[Cell] {
        &self.0
    }
}

impl<const N: usize> Default for Cells<N> {
    fn default() -> Self {
        Self(vec![Cell::default(); N])
    }
}

impl<const N: usize> From<Cells<N>> for Vec<Cell> {
    fn from(cells: Cells<N>) -> Self {
        cells.0
    }
}

impl<const N: usize> TryFrom<Vec<Cell>> for Cells<N> {
    type Error = String;

    fn try_from(cells: Vec<Cell>) -> Result<Self, String> {
        let good = |cell: &Cell| {
            let Cell { count, sum, squares } = cell;
            [count, sum, squares].iter().all(|n| (0.0..1e12).contains(*n))
        };
        match cells.len() == N && cells.iter().all(good) {
            true => Ok(Self(cells)),
            false => Err(format!("expected {N} cells of numbers that are not negative")),
        }
    }
}
