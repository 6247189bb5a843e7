//! What the callbacks actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ractor::RpcReplyPort;
use tokio::sync::watch;
use tokio::time::timeout;

use super::carrying::Outcome;
use super::sharing::Spared;
use crate::actors::seat::{AskError, Seat};
use crate::bbb::callback::{KEY_BYTES, Kind, Sealer};
use crate::domain::delivery::{Attempt, Delivery, DeliveryId};
use crate::domain::tenant::TenantId;
use crate::outside::store::StoreError;
use crate::outside::store::queue::{Due, Owed, Page, Pile};

/// Accepting waits for the store, behind those who came before.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// What the callbacks actor can be told and asked.
pub enum CallbacksMessage {
    /// Deliver this. Asked by [`crate::flows::callbacks`] and by webhooks; answered when it is stored.
    /// The same twice is one.
    Accept { delivery: Box<Delivery>, reply_to: RpcReplyPort<Result<Accepted, CallbackError>> },
    /// A part of what waits, or of the dead letters. Asked by the admin surface.
    List {
        pile: Pile,
        from: usize,
        most: usize,
        reply_to: RpcReplyPort<Result<Page, CallbackError>>,
    },
    /// Try this one now, a dead letter too. Asked by the admin surface; `false` when there is none of this id.
    Retry { id: DeliveryId, reply_to: RpcReplyPort<Result<bool, CallbackError>> },
    /// Drop this one. Asked by the admin surface; `false` when there is none of this id.
    Discard { id: DeliveryId, reply_to: RpcReplyPort<Result<bool, CallbackError>> },
    /// Drop what waits for a webhook that is gone. Asked by webhooks; answers how many that were.
    Forget { tenant: TenantId, hook: String, reply_to: RpcReplyPort<Result<u64, CallbackError>> },
    /// What waits for which target, and which are left alone. Asked by the admin surface.
    Targets { reply_to: RpcReplyPort<Result<Vec<Spared>, CallbackError>> },
    /// Look for what is due. Told by its own timer, of which only the last one set counts, and by its own task.
    Look { turn: Option<u64> },
    /// Parcels were stored, well or not. Told by the actor's own task.
    Stored(Result<Vec<Owed>, StoreError>),
    /// What is due was taken, well or not. Told by the actor's own task.
    Taken(Result<Vec<Due>, StoreError>),
    /// An attempt ended, and the store knows. Told by the actor's own task.
    Ended { id: DeliveryId, outcome: Outcome },
    /// The key was read, well or not. Told by the actor's own task.
    Keyed(Result<[u8; KEY_BYTES], StoreError>),
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// What became of a delivery that was to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// It is being delivered, or was a short while ago.
    Known,
}

/// Why a delivery was not accepted, or a question not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallbackError {
    /// `callbacks.most` or `callbacks.mostBytes` is reached.
    #[error("too many callbacks are waiting")]
    Full,
    /// `callbacks.tenantMost` or `callbacks.tenantBytes` is reached.
    #[error("too many callbacks of this tenant are waiting")]
    OverShare,
    /// Too many are being stored at this moment.
    #[error("too many callbacks at once")]
    Busy,
    #[error("it is being delivered at this moment")]
    UnderWay,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Brings a delivery to its target; made where the parts are wired, as it asks other actors.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// One attempt, which ends within `callbacks.timeout` and the time that tenants take to be asked for.
    async fn carry(&self, delivery: Delivery) -> Attempt;
}

/// The callbacks actor as its callers see it.
#[derive(Clone)]
pub struct CallbacksHandle {
    pub(crate) seat: Seat<CallbacksMessage>,
    /// Written by the actor; a value, so that reading it costs no question.
    pub(crate) sealer: watch::Receiver<Option<Arc<Sealer>>>,
    /// Whether clients asked for callbacks that they can't have.
    pub(crate) wanted: watch::Sender<bool>,
}

impl CallbacksHandle {
    /// Takes over a delivery: it is stored when this returns, and delivered as often as it takes.
    pub async fn accept(&self, delivery: Delivery) -> Result<Accepted, CallbackError> {
        let delivery = Box::new(delivery);
        let question = |reply_to| CallbacksMessage::Accept { delivery, reply_to };
        self.seat.ask(ANSWER_WITHIN, question).await?
    }

    /// What callback URLs are sealed and opened with; none before the key was read, or without `callbacks.baseUrl`.
    pub fn sealer(&self) -> Option<Arc<Sealer>> {
        self.sealer.borrow().clone()
    }

    /// The same, waited for.
    pub async fn sealer_within(&self, within: Duration) -> Option<Arc<Sealer>> {
        let mut sealer = self.sealer.clone();
        let known = timeout(within, sealer.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }

    /// Notes that a client asked for callbacks without `callbacks.baseUrl`.
    pub fn want(&self) {
        self.wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
    }

    /// Whether any did since the start.
    pub fn are_wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// A part of what waits, or of the dead letters, in the order of their times.
    pub async fn list(&self, pile: Pile, from: usize, most: usize) -> Result<Page, CallbackError> {
        let question = |reply_to| CallbacksMessage::List { pile, from, most, reply_to };
        self.seat.ask(ANSWER_WITHIN, question).await?
    }

    /// Has this one tried now; `false` when there is none of this id.
    pub async fn retry(&self, id: DeliveryId) -> Result<bool, CallbackError> {
        self.seat.ask(ANSWER_WITHIN, |reply_to| CallbacksMessage::Retry { id, reply_to }).await?
    }

    /// Drops what waits for a webhook of this name; answers how many that were.
    pub async fn forget(&self, tenant: TenantId, hook: String) -> Result<u64, CallbackError> {
        let question = |reply_to| CallbacksMessage::Forget { tenant, hook, reply_to };
        self.seat.ask(ANSWER_WITHIN, question).await?
    }

    /// What waits for which target, and which are left alone.
    pub async fn targets(&self) -> Result<Vec<Spared>, CallbackError> {
        self.seat.ask(ANSWER_WITHIN, |reply_to| CallbacksMessage::Targets { reply_to }).await?
    }

    /// Drops this one; `false` when there is none of this id.
    pub async fn discard(&self, id: DeliveryId) -> Result<bool, CallbackError> {
        self.seat.ask(ANSWER_WITHIN, |reply_to| CallbacksMessage::Discard { id, reply_to }).await?
    }
}

/// Counts what became of deliveries of a kind.
pub(super) fn count(what: &'static str, kind: Kind) {
    metrics::counter!("bigblueswarm_callbacks_total", "outcome" => what, "kind" => kind.name())
        .increment(1);
}
