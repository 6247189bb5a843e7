//! What the oracle knows: how much every server will have to do, through the whole day.

use std::time::Duration;

use super::meeting::Meeting;
use crate::domain::moment::Moment;

const SLOT: Duration = Duration::from_secs(30);
const SLOTS: usize = 24 * 120;

/// Cores that are needed in each slot of the day.
#[derive(Clone, Debug)]
pub(super) struct Curve(Vec<f64>);

impl Curve {
    pub(super) fn flat() -> Self {
        Self(vec![0.0; SLOTS])
    }

    pub(super) fn add(&mut self, costs: &Costs) {
        for (slot, cost) in self.0.iter_mut().skip(costs.from).zip(&costs.costs) {
            *slot += cost;
        }
    }

    /// How much worse a server with so many cores becomes by a meeting: the fourth powers of its load, so that
    /// what is near its end weighs most.
    pub(super) fn harm(&self, costs: &Costs, cores: f64) -> f64 {
        let fourth = |x: f64| x * x * x * x;
        let slots = self.0.iter().skip(costs.from).zip(&costs.costs);
        slots.map(|(had, cost)| cores * (fourth((had + cost) / cores) - fourth(had / cores))).sum()
    }
}

/// What a meeting costs in each slot in which it is.
pub(super) struct Costs {
    from: usize,
    costs: Vec<f64>,
}

impl Costs {
    pub(super) fn of(meeting: &Meeting) -> Self {
        let slot = |at: Moment| (at.0.as_millis() / SLOT.as_millis()) as usize;
        let from = slot(meeting.created);
        let until = (slot(meeting.end) + 1).min(SLOTS);
        let ends = (from..until).map(|n| Moment(SLOT * (n as u32 + 1)));
        Self { from, costs: meeting.costs(ends).collect() }
    }
}
