//! A round over the instances, shared by those who asked for a list before it began.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::determinism::{HashMap, HashSet};
use crate::domain::tenant::TenantId;

/// The answer of each tenant, in pieces; `None` where some of its meetings are not known just now.
pub type Answers = HashMap<TenantId, Option<Vec<Bytes>>>;

/// One round. Its first asker leads it; if that one fails, another does.
pub struct Round {
    /// When somebody first asked for it.
    pub asked_at: Instant,
    /// Ends when the round before this one has ended.
    pub turn: CancellationToken,
    /// Whose meetings are kept; decided when it begins.
    pub tenants: OnceCell<Arc<HashSet<TenantId>>>,
    /// None when it came to nothing.
    pub answers: OnceCell<Option<Answers>>,
    ended: CancellationToken,
}

impl Round {
    fn after(turn: CancellationToken) -> Self {
        Self {
            asked_at: Instant::now(),
            turn,
            tenants: OnceCell::new(),
            answers: OnceCell::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Lets the next round begin when it is dropped.
    pub fn under_way(&self) -> DropGuard {
        self.ended.clone().drop_guard()
    }
}

/// The rounds: the one that can still be joined, and the end of the one that began last.
pub(super) struct Rounds {
    next: Option<(Arc<Round>, HashSet<TenantId>)>,
    last: CancellationToken,
}

impl Default for Rounds {
    fn default() -> Self {
        let last = CancellationToken::new();
        last.cancel();
        Self { next: None, last }
    }
}

impl Rounds {
    /// The round that has not begun, with this tenant among those it is for.
    pub(super) fn join(&mut self, tenant: TenantId) -> Arc<Round> {
        let last = &self.last;
        let begin = || (Arc::new(Round::after(last.clone())), HashSet::default());
        let (round, tenants) = self.next.get_or_insert_with(begin);
        tenants.insert(tenant);
        round.clone()
    }

    /// Whom a round is for, which nobody joins any more; none when it has begun before, or is not known.
    pub(super) fn begin(&mut self, round: &Arc<Round>) -> Option<HashSet<TenantId>> {
        let (next, tenants) = self.next.take_if(|(next, _)| Arc::ptr_eq(next, round))?;
        self.last = next.ended.clone();
        Some(tenants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_joined_until_it_begins_and_ends_for_the_next() {
        let (t, u) = (TenantId::new("t"), TenantId::new("u"));
        let mut rounds = Rounds::default();
        let one = rounds.join(t.clone());
        assert!(Arc::ptr_eq(&one, &rounds.join(u.clone())) && one.turn.is_cancelled());
        assert_eq!(rounds.begin(&one), Some(HashSet::from_iter([t.clone(), u])));
        let two = rounds.join(t.clone());
        assert!(!Arc::ptr_eq(&one, &two) && !two.turn.is_cancelled());
        assert_eq!(rounds.begin(&one), None);
        drop(one.under_way());
        assert!(two.turn.is_cancelled());
        assert_eq!(rounds.begin(&two), Some(HashSet::from_iter([t])));
    }
}
