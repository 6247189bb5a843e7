//! How long meetings last.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::growth::Phase;
use super::learnt::{Cell, Cells, Guess};

/// Ages are told apart by so many seconds, and those beyond the last step no more.
const STEP: f64 = 300.0;
const STEPS: usize = 36;
const CELLS: usize = Phase::ALL.len() * STEPS;
/// Before anything was seen: of those that reach a step, this part ends in it.
const GUESS: Guess = Guess { mean: 0.07, off: 0.0, weighs: 8.0 };

/// The part of meetings that end at which age: 1 for each that did in a step, 0 for each that came through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Cells<CELLS>")]
pub(super) struct Stays(Cells<CELLS>);

/// The step that an age is in.
pub(super) fn step(age: Duration) -> u8 {
    ((age.as_secs_f64() / STEP) as usize).min(STEPS - 1) as u8
}

impl Stays {
    /// How likely meetings of this age are to be there still at each time ahead, in the order of those.
    pub(super) fn stay<const N: usize>(
        &self,
        phase: Phase,
        age: Duration,
        ahead: [Duration; N],
    ) -> [f64; N] {
        let (mut at, mut left) = (age.as_secs_f64() / STEP, 1.0);
        ahead.map(|ahead| {
            let until = (age + ahead).as_secs_f64() / STEP;
            while at < until {
                let step = at as usize;
                let next = (step as f64 + 1.0).min(until);
                left *= 1.0 - self.ends(phase, step) * (next - at);
                at = next;
            }
            left
        })
    }

    /// The part of those that reach a step that ends in it.
    fn ends(&self, phase: Phase, step: usize) -> f64 {
        self.0.at(index(phase, step.min(STEPS - 1))).mean(GUESS)
    }

    /// A meeting passed a step, or ended in it.
    pub(super) fn learn(&mut self, phase: Phase, step: u8, ended: bool) {
        let step = usize::from(step).min(STEPS - 1);
        self.0.at_mut(index(phase, step)).learn(f64::from(u8::from(ended)));
    }
}

fn index(phase: Phase, step: usize) -> usize {
    phase as usize * STEPS + step
}

impl TryFrom<Cells<CELLS>> for Stays {
    type Error = &'static str;

    fn try_from(cells: Cells<CELLS>) -> Result<Self, Self::Error> {
        match cells.all().iter().all(Cell::is_of_parts) {
            true => Ok(Self(cells)),
            false => Err("expected no more that ended than came so far"),
        }
    }
}
