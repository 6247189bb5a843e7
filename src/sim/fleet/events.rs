//! What happens when: the one order of all events of a day.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::domain::moment::Moment;

/// Something that happens. A meeting is named by its place in the run's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A server begins to be there.
    Up(usize),
    Down(usize),
    /// The balancer learns whether a server is there.
    Noticed(usize, bool),
    Create(usize),
    /// The next of those who join.
    Join(usize),
    End(usize),
    /// Agents measure, the balancer sweeps.
    Tick,
}

/// Events to come. Those of the same moment come in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BinaryHeap<Reverse<(Moment, u64, Event)>>,
    added: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Moment, event: Event) {
        self.events.push(Reverse((at, self.added, event)));
        self.added += 1;
    }

    pub(super) fn next(&mut self) -> Option<(Moment, Event)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
