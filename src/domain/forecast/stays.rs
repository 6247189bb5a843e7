//! How long meetings last.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::growth::Phase;

/// Ages are told apart by so many seconds, and those beyond the last step no more.
const STEP: f64 = 300.0;
const STEPS: usize = 36;
const PHASES: usize = 4;
/// Before anything was seen: of those that reach a step, this part ends in it; it weighs as much as so many meetings.
const GUESS: f64 = 0.07;
const GUESS_WEIGHS: f64 = 8.0;
/// From so many meetings on older ones are half forgotten.
const REMEMBERED: f64 = 1000.0;

/// How many meetings came to the end of a step or ended in it, and how many ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Step {
    reached: f64,
    ended: f64,
}

/// How many meetings end at which age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>", into = "Vec<Step>")]
pub(super) struct Stays(Vec<Step>);

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
        let Step { reached, ended } = self.0[index(phase, step.min(STEPS - 1))];
        (GUESS_WEIGHS * GUESS + ended) / (GUESS_WEIGHS + reached)
    }

    /// A meeting passed a step, or ended in it.
    pub(super) fn learn(&mut self, phase: Phase, step: u8, ended: bool) {
        let step = &mut self.0[index(phase, usize::from(step).min(STEPS - 1))];
        if step.reached >= REMEMBERED {
            *step = Step { reached: step.reached / 2.0, ended: step.ended / 2.0 };
        }
        step.reached += 1.0;
        step.ended += f64::from(u8::from(ended));
    }
}

fn index(phase: Phase, step: usize) -> usize {
    phase as usize * STEPS + step
}

impl Default for Stays {
    fn default() -> Self {
        Self(vec![Step::default(); PHASES * STEPS])
    }
}

impl From<Stays> for Vec<Step> {
    fn from(stays: Stays) -> Self {
        stays.0
    }
}

impl TryFrom<Vec<Step>> for Stays {
    type Error = String;

    fn try_from(steps: Vec<Step>) -> Result<Self, String> {
        let good = |step: &Step| step.ended >= 0.0 && (step.ended..1e12).contains(&step.reached);
        match steps.len() == PHASES * STEPS && steps.iter().all(good) {
            true => Ok(Self(steps)),
            false => Err(format!("expected {} steps of numbers", PHASES * STEPS)),
        }
    }
}
