//! What the tenants actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;
use tokio::time::Instant;

use crate::actors::seat::{AskError, Seat};
use crate::config::Config;
use crate::domain::tenant::{Tenant, TenantDocument, TenantId};
use crate::outside::store::mark::Mark;
use crate::outside::store::{StoreError, TenantChange};

/// Reads and lookups answer from memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Changes wait for the store.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// What the tenants actor can be told and asked.
pub enum TenantsMessage {
    /// Who is called by this host? Asked by every BBB call. Answers the tenant of exactly this
    /// host, else of the host without its port, else nothing.
    Find { host: Arc<str>, reply_to: RpcReplyPort<Result<Arc<Tenant>, FindError>> },
    /// Who is it that meetings, recordings or callbacks are marked with this for? Asked by the callbacks flow.
    Identify { tenant: TenantId, reply_to: RpcReplyPort<Result<Arc<Tenant>, FindError>> },
    /// Every document, by host. Asked by the admin surface.
    List { reply_to: RpcReplyPort<Vec<Arc<TenantDocument>>> },
    /// Makes or replaces a tenant. Asked by the admin surface. Answers after it is stored.
    Put { document: Box<TenantDocument>, reply_to: RpcReplyPort<Result<(), TenantError>> },
    /// Gives a tenant another host; who it is stays. Asked by the admin surface. Answers after it is stored.
    Rename { from: String, to: String, reply_to: RpcReplyPort<Result<(), TenantError>> },
    /// Removes the tenant of this host. Asked by the admin surface. Answers after it is stored.
    Delete { host: String, reply_to: RpcReplyPort<Result<(), TenantError>> },
    /// The store was read, well or not. Told by the actor's own task.
    Loaded(Result<(Vec<TenantDocument>, Mark), StoreError>),
    /// What the store has lost was written again, or not, if another was quicker. Told by the actor's own task.
    WrittenAgain(Result<Option<Mark>, StoreError>),
    /// A change was stored, well or not. Told by the actor's own task.
    Stored(Box<Stored>),
    /// Another replica changed tenants: read them again. Told by the store's follower.
    Reload,
    /// The configuration changed. Told by the settings actor.
    Configure(Arc<Config>),
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// A change whose storing has ended.
pub struct Stored {
    pub(super) waiting: WaitingChange,
    pub(super) change: TenantChange,
    /// None when the tenants were not those that were known.
    pub(super) result: Result<Option<(Mark, bool)>, StoreError>,
}

/// A change that waits, and who waits for it.
pub(super) struct WaitingChange {
    pub(super) wish: TenantWish,
    pub(super) reply_to: RpcReplyPort<Result<(), TenantError>>,
    pub(super) since: Instant,
    pub(super) tries: u32,
}

/// What an admin wants changed. What that is in the store depends on the tenants at its turn.
#[derive(Clone)]
pub(super) enum TenantWish {
    Put(Box<TenantDocument>),
    /// The tenant of this host.
    Delete(String),
    /// The tenant of this host gets another one.
    Rename {
        from: String,
        to: String,
    },
}

/// Why a host gave no tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("no tenant has this host")]
    Unknown,
    /// The store was not read yet, so nothing is known.
    #[error("tenants are not loaded yet")]
    NotLoaded,
}

/// Why a change of tenants was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TenantError {
    #[error("tenant not found for deletion")]
    NotFound,
    #[error("no tenant has the host {0:?}")]
    Unknown(String),
    #[error("there is a tenant with the host {0:?} already")]
    Exists(String),
    /// Its meetings and recordings would be the other's.
    #[error(
        "meetings and recordings that are marked with {tag:?} belong to the tenant of the host {host:?}, which had that \
         name before: choose another host, or delete that tenant first"
    )]
    Taken { tag: String, host: String },
    #[error(
        "spec.tag: the tenant of the host {host:?} is marked with {tag:?}, which can't be changed"
    )]
    OtherTag { host: String, tag: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// The tenants actor as its callers see it.
#[derive(Clone)]
pub struct TenantsHandle(pub(crate) Seat<TenantsMessage>);

impl TenantsHandle {
    /// The tenant that a request's host (with its port, as sent) names.
    pub async fn find(&self, host: Arc<str>) -> Result<Result<Arc<Tenant>, FindError>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| TenantsMessage::Find { host, reply_to }).await
    }

    /// The tenant that things are marked with this for, whatever its host is now.
    pub async fn identify(
        &self,
        tenant: TenantId,
    ) -> Result<Result<Arc<Tenant>, FindError>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| TenantsMessage::Identify { tenant, reply_to }).await
    }

    /// Has all tenants read again.
    pub(crate) fn reload(&self) {
        self.0.tell(TenantsMessage::Reload);
    }

    /// Every tenant's document, by host.
    pub async fn list(&self) -> Result<Vec<Arc<TenantDocument>>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| TenantsMessage::List { reply_to }).await
    }

    /// Makes or replaces a tenant; it is stored when this returns.
    pub async fn put(&self, document: TenantDocument) -> Result<(), TenantError> {
        let document = Box::new(document);
        self.0.ask(STORE_WITHIN, |reply_to| TenantsMessage::Put { document, reply_to }).await?
    }

    /// Gives the tenant of a host another one, by which it is called from then on. Its meetings, recordings, webhooks and
    /// callbacks go along; it is stored when this returns.
    pub async fn rename(&self, from: String, to: String) -> Result<(), TenantError> {
        self.0.ask(STORE_WITHIN, |reply_to| TenantsMessage::Rename { from, to, reply_to }).await?
    }

    /// Removes the tenant of a host; it is gone from the store when this returns.
    pub async fn delete(&self, host: String) -> Result<(), TenantError> {
        self.0.ask(STORE_WITHIN, |reply_to| TenantsMessage::Delete { host, reply_to }).await?
    }
}
