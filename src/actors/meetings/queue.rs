//! Steps on their way to the store: those that arrive while one batch is out go together in the next.

use std::collections::VecDeque;
use std::sync::Arc;

use ractor::{ActorRef, RpcReplyPort};
use tokio::task::JoinSet;

use super::message::{Home, MeetingsMessage, RouteError, Settled, Wish};
use crate::actors::settle;
use crate::domain::meeting::RouteKey;
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;
use crate::outside::store::{Step, Stepped, Store, StoreError};

/// So many steps share one sync or pipeline at most.
const BATCH: usize = 256;
/// So many steps may wait for the store.
const MOST_WAITING: usize = 16_384;

/// What is done when a step's result comes.
pub(super) enum Then {
    /// Whoever waits for this meeting's home is told.
    Home { wish: Box<Wish> },
    /// The asker is told whether the change fitted.
    Settle { reply_to: RpcReplyPort<Result<Settled, RouteError>> },
    /// The asker is told the home of what it found.
    Adopted { reply_to: RpcReplyPort<Result<Home, RouteError>> },
    /// Nobody waits: a sweep found it out.
    Quiet,
    /// The store learns again what it has lost.
    Again,
}

/// A step with what it is about and what comes after it.
pub(super) struct Pending {
    pub(super) key: RouteKey,
    pub(super) tenant: TenantId,
    pub(super) step: Step,
    pub(super) then: Then,
}

/// What became of a step's promise: whom it was about, and what to do now.
pub(super) struct Due {
    pub(super) key: RouteKey,
    pub(super) tenant: TenantId,
    pub(super) then: Then,
}

/// Steps that wait, and the batch that is out.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Pending>,
    out: Vec<Due>,
    /// When the batch that is out was sent.
    sent_at: Moment,
    tasks: JoinSet<()>,
}

impl Queue {
    /// Adds a step; gives it back when too many wait already.
    pub(super) fn push(&mut self, pending: Pending) -> Result<(), Box<Pending>> {
        if self.waiting.len() >= MOST_WAITING {
            return Err(Box::new(pending));
        }
        self.waiting.push_back(pending);
        Ok(())
    }

    /// Sends the next batch unless one is out.
    pub(super) fn pump(
        &mut self,
        store: &Arc<dyn Store>,
        myself: &ActorRef<MeetingsMessage>,
        now: Moment,
    ) {
        if !self.out.is_empty() || self.waiting.is_empty() {
            return;
        }
        self.sent_at = now;
        let batch: Vec<_> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
        let mut steps = Vec::with_capacity(batch.len());
        for Pending { key, tenant, step, then } in batch {
            steps.push(step);
            self.out.push(Due { key, tenant, then });
        }
        while self.tasks.try_join_next().is_some() {}
        let (store, myself, wanted) = (store.clone(), myself.clone(), steps.len());
        self.tasks.spawn(async move {
            let done = settle(async move { store.step(steps).await }).await;
            let result = match done {
                Ok(Ok(results)) if results.len() != wanted => {
                    Err(StoreError::Unreadable("a batch was answered in part".into()))
                }
                Ok(result) => result,
                Err(panic) => Err(StoreError::Away(panic.to_string())),
            };
            let _ = myself.cast(MeetingsMessage::Stepped(result));
        });
    }

    /// When the batch that is out, or was the last one out, was sent.
    pub(super) fn sent_at(&self) -> Moment {
        self.sent_at
    }

    /// The batch is back: each step's promise with its result. When the store failed, all that waited
    /// behind the batch fail with it, so that nobody waits through a second deadline.
    pub(super) fn back(
        &mut self,
        result: Result<Vec<Stepped>, StoreError>,
    ) -> Vec<(Due, Result<Stepped, StoreError>)> {
        let out = std::mem::take(&mut self.out);
        match result {
            Ok(results) => out.into_iter().zip(results.into_iter().map(Ok)).collect(),
            Err(error) => {
                let behind = self.waiting.drain(..);
                let behind =
                    behind.map(|Pending { key, tenant, then, .. }| Due { key, tenant, then });
                out.into_iter().chain(behind).map(|due| (due, Err(error.clone()))).collect()
            }
        }
    }

    /// Waits for the batch that is out; for the end of the program.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
