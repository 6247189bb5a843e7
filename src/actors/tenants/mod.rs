//! Owns who may call: the tenants, their secrets and limits.

mod book;
mod message;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tracing::{info, warn};

use self::book::Book;
pub use self::message::*;
use super::{answer, settle};
use crate::config::Config;
use crate::domain::tenant::TenantDocument;
use crate::outside::store::{Store, StoreError};

/// Between two attempts to read a store that is away.
const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// So many changes may wait for the store.
const MOST_WAITING: usize = 1_024;
/// So many questions may wait for the first reading.
const MOST_HELD: usize = 8_192;

/// The tenants actor as the runtime sees it.
pub struct Tenants {
    pub store: Arc<dyn Store>,
}

/// Its state: the book, and the changes on their way to the store.
pub struct TenantsState {
    book: Book,
    loaded: bool,
    /// Whether a reading is under way, and whether what it read may be older than the book.
    loading: Option<Freshness>,
    waiting: VecDeque<(Change, RpcReplyPort<Result<(), TenantError>>)>,
    storing: bool,
    /// Questions that came during the first reading; they are answered when it ends, well or not.
    held: Vec<TenantsMessage>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Fresh,
    Overtaken,
}

impl Actor for Tenants {
    type Msg = TenantsMessage;
    type State = TenantsState;
    type Arguments = Arc<Config>;

    async fn pre_start(
        &self,
        myself: ActorRef<TenantsMessage>,
        config: Arc<Config>,
    ) -> Result<TenantsState, ActorProcessingErr> {
        myself.cast(TenantsMessage::Reload)?;
        Ok(TenantsState {
            book: Book::new(config.swarm.secret.clone()),
            loaded: false,
            loading: None,
            waiting: VecDeque::new(),
            storing: false,
            held: Vec::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<TenantsMessage>,
        message: TenantsMessage,
        state: &mut TenantsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TenantsMessage::Find { .. } | TenantsMessage::List { .. } if state.may_hold() => {
                state.held.push(message);
            }
            TenantsMessage::Find { host, reply_to } => answer(reply_to, state.find(&host)),
            TenantsMessage::List { reply_to } => answer(reply_to, state.book.documents()),
            TenantsMessage::Put { document, reply_to } => {
                self.change(&myself, Change::Put(document), reply_to, state);
            }
            TenantsMessage::Delete { tenant, reply_to } => {
                if state.loaded && !state.book.contains(&tenant) {
                    answer(reply_to, Err(TenantError::NotFound));
                } else {
                    self.change(&myself, Change::Delete(tenant), reply_to, state);
                }
            }
            TenantsMessage::Reload => self.load(&myself, state),
            TenantsMessage::Loaded(result) => self.loaded(&myself, result, state),
            TenantsMessage::Stored(stored) => {
                state.stored(*stored);
                self.store_next(&myself, state);
            }
            TenantsMessage::Configure(config) => state.book.set_global(&config.swarm.secret),
            #[cfg(feature = "test-util")]
            TenantsMessage::Crash => panic!("asked to crash"),
        }
        Ok(())
    }
}

impl Tenants {
    fn load(&self, myself: &ActorRef<TenantsMessage>, state: &mut TenantsState) {
        if state.loading.is_some() {
            state.loading = Some(Freshness::Overtaken); // what is being read may be older than this call
            return;
        }
        state.loading = Some(Freshness::Fresh);
        let (store, myself) = (self.store.clone(), myself.clone());
        tokio::spawn(async move {
            let read = settle(async move { store.tenants().await }).await;
            let result = read.unwrap_or_else(|e| Err(StoreError::Away(e.to_string())));
            let _ = myself.cast(TenantsMessage::Loaded(result));
        });
    }

    fn loaded(
        &self,
        myself: &ActorRef<TenantsMessage>,
        result: Result<Vec<TenantDocument>, StoreError>,
        state: &mut TenantsState,
    ) {
        let freshness = state.loading.take();
        for question in state.held.drain(..) {
            let _ = myself.cast(question);
        }
        match result {
            _ if freshness == Some(Freshness::Overtaken) => self.load(myself, state),
            Ok(documents) => {
                if !state.loaded {
                    info!(tenants = documents.len(), "tenants are loaded");
                }
                state.book.replace(documents);
                state.loaded = true;
            }
            Err(error) => {
                warn!(%error, "tenants could not be read; trying again");
                myself.send_after(LOAD_AGAIN_AFTER, || TenantsMessage::Reload);
            }
        }
    }

    fn change(
        &self,
        myself: &ActorRef<TenantsMessage>,
        change: Change,
        reply_to: RpcReplyPort<Result<(), TenantError>>,
        state: &mut TenantsState,
    ) {
        if state.waiting.len() >= MOST_WAITING {
            let full = StoreError::Away("too many changes are waiting".into());
            return answer(reply_to, Err(full.into()));
        }
        state.waiting.push_back((change, reply_to));
        self.store_next(myself, state);
    }

    /// Stores the next change, one at a time, so that the store sees them in the order of asking.
    fn store_next(&self, myself: &ActorRef<TenantsMessage>, state: &mut TenantsState) {
        if state.storing {
            return;
        }
        let Some((change, reply_to)) = state.waiting.pop_front() else { return };
        state.storing = true;
        let (store, myself, wanted) = (self.store.clone(), myself.clone(), change.clone());
        tokio::spawn(async move {
            let done = settle(async move { write(&*store, wanted).await }).await;
            let result = done.unwrap_or_else(|e| Err(StoreError::Away(e.to_string()).into()));
            let stored = Box::new(Stored { change, result, reply_to });
            let _ = myself.cast(TenantsMessage::Stored(stored));
        });
    }
}

async fn write(store: &dyn Store, change: Change) -> Result<(), TenantError> {
    match change {
        Change::Put(document) => Ok(store.put_tenant(*document).await?),
        Change::Delete(tenant) => match store.delete_tenant(tenant).await? {
            true => Ok(()),
            false => Err(TenantError::NotFound),
        },
    }
}

impl TenantsState {
    /// Whether the first reading is under way and there is room for those who wait for it.
    fn may_hold(&self) -> bool {
        !self.loaded && self.loading.is_some() && self.held.len() < MOST_HELD
    }

    fn find(&self, host: &str) -> Result<Arc<crate::domain::tenant::Tenant>, FindError> {
        let unknown = if self.loaded { FindError::Unknown } else { FindError::NotLoaded };
        self.book.find(host).ok_or(unknown)
    }

    fn stored(&mut self, stored: Stored) {
        self.storing = false;
        if stored.result.is_ok() {
            if self.loading.is_some() {
                self.loading = Some(Freshness::Overtaken);
            }
            match stored.change {
                Change::Put(document) => self.book.put(*document),
                Change::Delete(tenant) => self.book.remove(&tenant),
            }
        }
        answer(stored.reply_to, stored.result);
    }
}
