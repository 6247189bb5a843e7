//! How long memory may answer for a store that others write too.
//!
//! What others change is told, but neither to a process that is stopped nor on a connection that fell silent. So memory is
//! believed only for a while after the last good look at the store, by a clock that never goes back, compared at the
//! moment of answering. A store that was asked and does not answer leaves nothing but memory.

use std::time::Duration;

use tokio::time::Instant;

use super::MeetingsState;
use super::table::Slot;
use crate::domain::meeting::{RouteKey, Version};
use crate::domain::moment::Moment;

/// So long after a good look memory is believed, and what was told from memory.
pub const BELIEVED_FOR: Duration = Duration::from_secs(1);
/// While changes are not heard, so long a record is believed after it was asked for.
const UNHEARD_FOR: Duration = Duration::from_millis(500);

/// Until when memory may answer, and why.
#[derive(Debug, Default)]
pub(super) struct Lease {
    /// All that was told until shortly before this was heard.
    heard: Moment,
    /// The store was asked shortly before this and did not answer.
    away: Moment,
}

impl Lease {
    /// All that had been told at this moment has been heard.
    pub(super) fn heard(&mut self, at: Moment) {
        self.heard = self.heard.max(at + BELIEVED_FOR);
        self.away = Moment::default();
    }

    /// The store answered.
    pub(super) fn met(&mut self) {
        self.away = Moment::default();
    }

    /// The store did not answer; until then it will have been asked again.
    pub(super) fn away(&mut self, until: Moment) {
        self.away = self.away.max(until);
    }

    /// Whether changes are told at once.
    pub(super) fn hears(&self, now: Moment) -> bool {
        now < self.heard
    }

    fn is_away(&self, now: Moment) -> bool {
        now < self.away
    }

    /// Whether a record may be believed that was asked for then, if it was.
    pub(super) fn allows(&self, asked_at: Option<Moment>, now: Moment) -> bool {
        self.hears(now)
            || self.is_away(now)
            || asked_at.is_some_and(|at| now.since(at) < UNHEARD_FOR)
    }
}

impl MeetingsState {
    /// Whether memory says of this slot what the store has, or would say, if it does not answer. What it may have lost is
    /// asked for too: others may have changed it since.
    pub(super) fn trusts(&self, slot: &Slot) -> bool {
        if !self.store.shared() {
            return true;
        }
        let now = self.clock.now();
        let doubted = self.table.is_doubted(slot) && !self.lease.is_away(now);
        let asked_at = (!slot.hearsay).then_some(slot.read_at);
        !slot.stale && !doubted && self.lease.allows(asked_at, now)
    }

    /// Whether what is known of this route may be behind, and nothing better is to be had: the store does not answer, or may
    /// have come back with it or without it, be it before this program started.
    pub(super) fn is_unproven(&self, key: RouteKey, version: Version) -> bool {
        let now = self.clock.now();
        let away = self.store.shared() && self.lease.is_away(now);
        let in_doubt = self.doubt.stands(now) || self.doubt.covers_start(self.loaded_at, now);
        away || in_doubt && self.table.is_one_sided(&key, version)
    }

    /// What we sent to all at this moment came back, after all that was told before.
    pub(super) fn heard(&mut self, sent: Instant) {
        // In this order: should the process be stopped in between, the moment is too early rather than too late.
        let now = self.clock.now();
        self.lease.heard(now.before(sent.elapsed()));
    }

    /// The store does not answer, and will have been asked again at this moment.
    pub(super) fn away(&mut self, until: Instant) {
        let now = self.clock.now();
        self.lease.away(now + until.saturating_duration_since(Instant::now()));
    }

    /// Whether an answer to a question of this moment came so late that it may be what stood before.
    pub(super) fn is_late(&self, asked_at: Moment) -> bool {
        self.store.shared() && self.clock.now().since(asked_at) >= BELIEVED_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment(Duration::from_millis(millis))
    }

    #[track_caller]
    fn check(happens: impl FnOnce(&mut Lease), now: u64, believed: bool) {
        let mut lease = Lease::default();
        happens(&mut lease);
        assert_eq!(lease.allows(Some(at(1_000)), at(now)), believed, "{lease:?} at {now}");
    }

    #[test]
    fn memory_is_believed_for_a_second_after_the_store_was_seen_and_while_that_does_not_answer() {
        check(|_| {}, 1_499, true);
        check(|_| {}, 1_500, false);
        check(|lease| lease.heard(at(4_000)), 4_999, true);
        check(|lease| lease.heard(at(4_000)), 5_000, false);
        check(|lease| lease.away(at(6_000)), 5_999, true);
        check(|lease| lease.away(at(6_000)), 6_000, false);
        for back in [|lease: &mut Lease| lease.heard(at(4_000)), Lease::met] {
            let returns = |lease: &mut Lease| {
                lease.away(at(6_000));
                back(lease);
            };
            check(returns, 5_500, false);
        }
    }
}
