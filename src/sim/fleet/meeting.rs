//! A meeting: who joins it when, and what it costs.

use std::time::Duration;

use super::dice::Dice;
use crate::domain::forecast::{self, Habit};
use crate::domain::moment::Moment;

/// How long it takes people on average to come back after their server died, in seconds.
const COME_BACK: f64 = 60.0;
/// Cores that a meeting keeps busy by the model, which is what balancers can know.
pub(super) fn cost(users: usize, webcams: usize) -> f64 {
    forecast::cost(users as u64, webcams as u64)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Join {
    pub(super) at: Moment,
    pub(super) webcam: bool,
}

/// What happens in a meeting, wherever it is placed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meeting {
    pub(super) created: Moment,
    pub(super) end: Moment,
    /// In the order of time, all before its end.
    pub(super) joins: Vec<Join>,
    /// None when nobody has met in its room before.
    pub(super) met: Option<Habit>,
    /// How much more it costs than the model says.
    pub(super) factor: f64,
}

impl Meeting {
    pub(super) fn new(created: Moment, end: Moment, mut joins: Vec<Join>) -> Self {
        joins.retain(|join| join.at < end);
        joins.sort_by_key(|join| join.at);
        Self { created, end, joins, met: None, factor: 1.0 }
    }

    /// The same meeting, created again after its server died: who was there comes back one by one.
    pub(super) fn again(&self, at: Moment, dice: &mut Dice) -> Self {
        let mut back = |join: &Join| match join.at <= at {
            true => at + seconds(dice.exponential(COME_BACK)),
            false => join.at,
        };
        let joins = self.joins.iter().map(|join| Join { at: back(join), ..*join }).collect();
        Self { met: self.met, factor: self.factor, ..Self::new(at, self.end, joins) }
    }

    /// What its room will have done when it has ended.
    pub(super) fn did(&self) -> Habit {
        let webcams = self.joins.iter().filter(|join| join.webcam).count();
        let peak = cost(self.joins.len(), webcams);
        Habit { peak, lasted: self.end.since(self.created) }
    }

    /// Cores that it really keeps busy.
    pub(super) fn cost(&self, users: usize, webcams: usize) -> f64 {
        self.factor * cost(users, webcams)
    }

    /// What it costs at each of these times, which are in order.
    pub(super) fn costs(&self, times: impl Iterator<Item = Moment>) -> impl Iterator<Item = f64> {
        let (mut users, mut webcams) = (0, 0);
        times.map(move |at| {
            while let Some(join) = self.joins.get(users).filter(|join| join.at <= at) {
                users += 1;
                webcams += usize::from(join.webcam);
            }
            self.cost(users, webcams)
        })
    }
}

/// A span of so many seconds, to the millisecond; none when it is negative.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1000.0).round() as u64)
}
