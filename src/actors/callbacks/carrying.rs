//! Attempts: each in a task of its own, so many at once in all and to one host.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::time::sleep;
use tracing::{debug, error, warn};

use super::{Callbacks, CallbacksMessage, CallbacksState, Carrier, PAUSE, count, way};
use crate::actors::settle;
use crate::bbb::callback::Kind;
use crate::domain::delivery::{Attempt, DeliveryId, Next, Slip, millis};
use crate::outside::clock::Clock;
use crate::outside::store::Store;
use crate::outside::store::queue::{Lane, Parcel, Room, Settle, Target, Way};

/// So often an attempt's end is told to a store that does not answer; then the lease must run out.
const TELL_TIMES: usize = 5;

/// An attempt that has not ended.
pub(super) struct UnderWay {
    pub(super) lane: Lane,
    pub(super) target: Target,
    pub(super) bytes: usize,
    /// In milliseconds since 1970.
    pub(super) began: u64,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// When it is tried again, if it is.
    pub again: Option<u64>,
    /// Whether the target failed, or works; none when that was not seen.
    pub failed: Option<bool>,
}

/// One attempt and what it needs.
struct Carrying {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    carrier: Arc<dyn Carrier>,
    room: Room,
    retry_for: std::time::Duration,
    parcel: Parcel,
}

impl Callbacks {
    /// Begins a delivery that was taken.
    pub(super) fn begin(
        &self,
        myself: &ActorRef<CallbacksMessage>,
        parcel: Parcel,
        state: &mut CallbacksState,
    ) {
        let (id, bytes) = (parcel.id, parcel.slip.len() + parcel.body.len());
        if state.under_way.contains_key(&id) {
            return; // its lease ran out, but here it is not over
        }
        let slip: Option<Slip> = serde_json::from_slice(&parcel.slip).ok();
        let Way { lane, target, .. } = slip.as_ref().map(way).unwrap_or_default();
        let carrying = Carrying {
            store: self.store.clone(),
            clock: self.clock.clone(),
            carrier: self.carrier.clone(),
            room: state.room(),
            retry_for: state.rules.retry_for,
            parcel,
        };
        state.under_way.insert(id, UnderWay { lane, target, bytes, began: self.now() });
        let myself = myself.clone();
        state.tasks.spawn(async move {
            let outcome = settle(carrying.run(slip)).await.unwrap_or_else(|error| {
                error!(%error, delivery.id = %id, "an attempt to deliver failed in itself; it comes again");
                Outcome::default()
            });
            let _ = myself.cast(CallbacksMessage::Ended { id, outcome });
        });
    }
}

impl Carrying {
    /// Makes the attempt.
    async fn run(self, slip: Option<Slip>) -> Outcome {
        let id = self.parcel.id;
        let Some(mut slip) = slip else {
            error!(delivery.id = %id, "a stored callback can't be read and is dropped");
            self.tell(Settle::Done { at: self.now() }).await;
            return Outcome::default();
        };
        if slip.is_old_news(self.now()) {
            said(id, &slip, &Next::Dropped);
            self.tell(Settle::Done { at: self.now() }).await;
            return Outcome::default();
        }
        let attempt = self.carrier.carry(slip.together(id, self.parcel.body.clone())).await;
        let failed = match &attempt {
            Attempt::Delivered => Some(false),
            Attempt::Failed(_) => Some(true),
            Attempt::Unsent(_) | Attempt::Hopeless(_) => None,
        };
        if attempt != Attempt::Delivered {
            count("failed", slip.kind);
        }
        let now = self.now();
        let next = slip.after(attempt, now, self.retry_for);
        said(id, &slip, &next);
        let text = serde_json::to_vec(&slip).unwrap_or_default();
        let (settle, again) = match next {
            Next::Done | Next::Dropped => (Settle::Done { at: now }, None),
            Next::Again { at } => (Settle::Again { at, slip: text }, Some(at)),
            Next::Dead => (Settle::Dead { at: now, slip: text }, None),
        };
        self.tell(settle).await;
        Outcome { again, failed }
    }

    async fn tell(&self, settle: Settle) {
        let Parcel { id, at, .. } = self.parcel;
        for _ in 0..TELL_TIMES {
            match self.store.settle(id, at, settle.clone(), self.room).await {
                Ok(true) => return,
                Ok(false) => {
                    return debug!(delivery.id = %id, "a delivery was dropped or taken over meanwhile");
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
        warn!(delivery.id = %id, "the store did not hear of an attempt: it may be made once more");
    }

    fn now(&self) -> u64 {
        millis(self.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
    }
}

/// Counts and logs the end of an attempt. The target's host is all of it that is shown.
fn said(id: DeliveryId, slip: &Slip, next: &Next) {
    let (tenant, host, attempts) = (&slip.tenant, slip.host(), slip.attempts);
    let (kind, error): (Kind, _) = (slip.kind, slip.error.as_deref().unwrap_or_default());
    match next {
        Next::Done => count("delivered", kind),
        Next::Again { .. } => debug!(
            delivery.id = %id, tenant.name = tenant, kind = kind.name(), target.host = host, attempts, error,
            "a callback was not delivered; it is tried again"
        ),
        Next::Dropped => {
            count("dropped", kind);
            debug!(
                delivery.id = %id, tenant.name = tenant, kind = kind.name(), target.host = host, attempts, error,
                "an event could not be delivered while it was news: it is dropped"
            );
        }
        Next::Dead => {
            count("dead", kind);
            warn!(
                delivery.id = %id, tenant.name = tenant, kind = kind.name(), target.host = host, attempts, error,
                "a callback could not be delivered: it is a dead letter now"
            );
        }
    }
}
