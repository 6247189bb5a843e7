//! What the hooks actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;
use tokio::sync::watch;

use crate::actors::seat::{AskError, Seat};
use crate::domain::hook::{Hook, HookId, Hooks, Wish};
use crate::domain::instance::InstanceId;
use crate::domain::tenant::TenantId;
use crate::outside::store::{Shelved, StoreError};

/// Questions answered from memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Changes wait for the store.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// A meeting of an instance, by its internal id, and whose it is; none for one made without us.
pub type Owner = (String, Option<TenantId>);

/// What the hooks actor can be told and asked.
pub enum HooksMessage {
    /// Make this hook. Asked by [`crate::flows::hooks`]. Answers after it is stored.
    Create { tenant: TenantId, wish: Wish, reply_to: RpcReplyPort<Result<Made, HookError>> },
    /// Remove this hook. Asked by [`crate::flows::hooks`]. Answers after it is gone from the store;
    /// `false` when the tenant has none of this number.
    Destroy { tenant: TenantId, id: HookId, reply_to: RpcReplyPort<Result<bool, HookError>> },
    /// Whose is the meeting of this internal id on this instance? Asked by [`crate::flows::hooks`].
    Owner {
        instance: InstanceId,
        internal: String,
        reply_to: RpcReplyPort<Option<Option<TenantId>>>,
    },
    /// Whose some of an instance's meetings are. Told by flows: when one was created, by sweeps, by events.
    Learn { instance: InstanceId, owners: Vec<Owner> },
    /// The store was read, well or not. Told by the actor's own task.
    Loaded { incarnation: u64, result: Result<Vec<Shelved>, StoreError> },
    /// A change was stored, well or not. Told by the actor's own task.
    Stored(Box<Stored>),
    /// Another replica changed hooks: read them again. Told by the store's follower.
    Reload,
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// What became of a wish for a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    New(Arc<Hook>),
    /// The tenant has one for this callback URL already, which stays as it is.
    Known(Arc<Hook>),
}

/// Why a change of hooks was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HookError {
    #[error("the hooks are not loaded yet")]
    NotLoaded,
    #[error("the tenant has as many hooks as it may have")]
    TooMany,
    #[error("the number of this hook is another one's")]
    Clash,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// A change on its way to the store.
#[derive(Clone)]
pub(super) enum Change {
    Put(Arc<Hook>),
    Remove(TenantId, HookId),
}

/// Who waits for a change.
pub(super) enum Waiter {
    Create(RpcReplyPort<Result<Made, HookError>>),
    Destroy(RpcReplyPort<Result<bool, HookError>>),
}

/// A change that was stored, well or not.
pub struct Stored {
    pub(super) change: Change,
    pub(super) result: Result<(), StoreError>,
    pub(super) waiter: Waiter,
}

/// The hooks actor as its callers see it.
#[derive(Clone)]
pub struct HooksHandle {
    pub(crate) seat: Seat<HooksMessage>,
    /// Written by the actor; a value, so that reading it costs no question and changes can be waited for.
    pub(crate) known: watch::Receiver<Option<Arc<Hooks>>>,
}

impl HooksHandle {
    /// Every hook; none before they were read from the store.
    pub fn known(&self) -> Option<Arc<Hooks>> {
        self.known.borrow().clone()
    }

    /// The same, to be waited for whenever it changes.
    pub fn changes(&self) -> watch::Receiver<Option<Arc<Hooks>>> {
        self.known.clone()
    }

    /// Makes a hook; it is stored when this returns.
    pub async fn create(&self, tenant: TenantId, wish: Wish) -> Result<Made, HookError> {
        let question = |reply_to| HooksMessage::Create { tenant, wish, reply_to };
        self.seat.ask(STORE_WITHIN, question).await?
    }

    /// Removes a tenant's hook; `false` when it has none of this number.
    pub async fn destroy(&self, tenant: TenantId, id: HookId) -> Result<bool, HookError> {
        let question = |reply_to| HooksMessage::Destroy { tenant, id, reply_to };
        self.seat.ask(STORE_WITHIN, question).await?
    }

    /// Whose the meeting of this internal id on this instance is; none when that is not known.
    pub async fn owner(
        &self,
        instance: InstanceId,
        internal: String,
    ) -> Result<Option<Option<TenantId>>, AskError> {
        let question = |reply_to| HooksMessage::Owner { instance, internal, reply_to };
        self.seat.ask(ANSWER_WITHIN, question).await
    }

    /// Says whose some of an instance's meetings are. While nobody has a hook, nobody needs to know.
    pub fn learn(&self, instance: &InstanceId, owners: impl IntoIterator<Item = Owner>) {
        if self.known.borrow().as_ref().is_some_and(|hooks| !hooks.is_empty()) {
            let (instance, owners) = (instance.clone(), owners.into_iter().collect());
            self.seat.tell(HooksMessage::Learn { instance, owners });
        }
    }

    /// Has all hooks read again.
    pub(crate) fn reload(&self) {
        self.seat.tell(HooksMessage::Reload);
    }
}
