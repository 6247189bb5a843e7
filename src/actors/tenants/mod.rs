//! Owns who may call: the tenants, their secrets and limits.

mod book;
mod message;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::time::Instant;
use tracing::{info, warn};

use self::book::Book;
pub use self::message::*;
use super::{answer, settle_stored};
use crate::config::Config;
use crate::domain::tenant::{Tenant, TenantDocument, TenantId};
use crate::outside::store::mark::{Known, Mark, Verdict};
use crate::outside::store::{Store, StoreError, TenantChange};

/// Between two attempts to read a store that is away.
const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// So long a change waits for the first reading while the store can't be read: less than its asker does.
const WAIT_FOR_READING: Duration = Duration::from_secs(3);
/// So many changes may wait for the store.
const MOST_WAITING: usize = 1_024;
/// So often a change is tried where others lose or restore the store meanwhile.
const MOST_TRIES: u32 = 8;
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
    waiting: VecDeque<WaitingChange>,
    storing: bool,
    /// Which state of the store the book is.
    known: Known,
    /// The store had another state than we: nothing is stored before it was read.
    behind: bool,
    /// What the store has lost is being written again.
    writing_again: bool,
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
            known: Known::default(),
            behind: false,
            writing_again: false,
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
            TenantsMessage::Find { .. }
            | TenantsMessage::Identify { .. }
            | TenantsMessage::List { .. }
                if state.may_hold() =>
            {
                state.held.push(message);
            }
            TenantsMessage::Find { host, reply_to } => answer(reply_to, state.find(&host)),
            TenantsMessage::Identify { tenant, reply_to } => {
                answer(reply_to, state.known(state.book.identify(&tenant)));
            }
            TenantsMessage::List { reply_to } => answer(reply_to, state.book.documents()),
            TenantsMessage::Put { document, reply_to } => {
                self.change(&myself, TenantWish::Put(document), reply_to, state);
            }
            TenantsMessage::Rename { from, to, reply_to } => {
                self.change(&myself, TenantWish::Rename { from, to }, reply_to, state);
            }
            TenantsMessage::Delete { host, reply_to } => {
                self.change(&myself, TenantWish::Delete(host), reply_to, state);
            }
            TenantsMessage::Reload => self.load(&myself, state),
            TenantsMessage::Loaded(result) => self.loaded(&myself, result, state),
            TenantsMessage::WrittenAgain(result) => self.written_again(&myself, result, state),
            TenantsMessage::Stored(stored) => {
                if state.stored(*stored) {
                    self.load(&myself, state);
                }
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
            let result = settle_stored(async move { store.read_tenants().await }).await;
            let _ = myself.cast(TenantsMessage::Loaded(result));
        });
    }

    fn loaded(
        &self,
        myself: &ActorRef<TenantsMessage>,
        result: Result<(Vec<TenantDocument>, Mark), StoreError>,
        state: &mut TenantsState,
    ) {
        let freshness = state.loading.take();
        for question in state.held.drain(..) {
            let _ = myself.cast(question);
        }
        match result {
            _ if freshness == Some(Freshness::Overtaken) => self.load(myself, state),
            Ok((documents, mark))
                if state.known.judge(&mark, documents.is_empty()) == Verdict::WriteAgain =>
            {
                self.write_again(myself, &documents, mark, state);
            }
            Ok((documents, mark)) => {
                if !state.loaded {
                    info!(tenants = documents.len(), "tenants are loaded");
                }
                state.book.replace(documents);
                state.known.take(mark);
                state.loaded = true;
                state.behind = false;
                self.store_next(myself, state);
            }
            Err(error) => {
                warn!(%error, "tenants could not be read; trying again");
                state.refuse_patient(&error);
                myself.send_after(LOAD_AGAIN_AFTER, || TenantsMessage::Reload);
            }
        }
    }

    fn change(
        &self,
        myself: &ActorRef<TenantsMessage>,
        wish: TenantWish,
        reply_to: RpcReplyPort<Result<(), TenantError>>,
        state: &mut TenantsState,
    ) {
        if state.waiting.len() >= MOST_WAITING {
            let full = StoreError::Away("too many changes are waiting".into());
            return answer(reply_to, Err(full.into()));
        }
        let since = Instant::now();
        state.waiting.push_back(WaitingChange { wish, reply_to, since, tries: 0 });
        self.store_next(myself, state);
    }

    /// Stores the next change, one at a time, so that the store sees them in the order of asking. Nothing is stored
    /// before the tenants were read: what a change comes to depends on them.
    fn store_next(&self, myself: &ActorRef<TenantsMessage>, state: &mut TenantsState) {
        while state.loaded && !state.storing && !state.behind {
            let Some(waiting) = state.waiting.pop_front() else { return };
            // Whoever was told that it came to nothing shall be right.
            if waiting.reply_to.is_closed() {
                continue;
            }
            match state.book.judge(waiting.wish.clone()) {
                Ok(change) => self.store(myself, waiting, change, state),
                Err(error) => answer(waiting.reply_to, Err(error)),
            }
        }
    }

    fn store(
        &self,
        myself: &ActorRef<TenantsMessage>,
        waiting: WaitingChange,
        change: TenantChange,
        state: &mut TenantsState,
    ) {
        state.storing = true;
        let (store, myself, wanted) = (self.store.clone(), myself.clone(), change.clone());
        let from = state.known.mark().cloned().unwrap_or_default();
        tokio::spawn(async move {
            let result =
                settle_stored(async move { store.change_tenant(wanted, &from).await }).await;
            let stored = Box::new(Stored { waiting, change, result });
            let _ = myself.cast(TenantsMessage::Stored(stored));
        });
    }

    /// The store has lost what is known here, and has this instead.
    fn write_again(
        &self,
        myself: &ActorRef<TenantsMessage>,
        found: &[TenantDocument],
        mark: Mark,
        state: &mut TenantsState,
    ) {
        let again = state.known.mark().cloned();
        let Some(again) = again.filter(|_| !state.writing_again) else { return };
        state.writing_again = true;
        let known: Vec<_> = state.book.documents().iter().map(|d| (**d).clone()).collect();
        let hosts = found.iter().map(|document| TenantId::new(document.spec.host.as_str()));
        let instead = hosts.filter(|host| !state.book.contains(host.as_str())).collect();
        warn!(tenants = known.len(), "the store has lost tenants: they are written again");
        let (store, myself) = (self.store.clone(), myself.clone());
        tokio::spawn(async move {
            let write = async move { store.restore_tenants(known, instead, &mark, &again).await };
            let result = settle_stored(write).await;
            let _ = myself.cast(TenantsMessage::WrittenAgain(result));
        });
    }

    /// They are read again in any case: another replica may have been quicker, or know more.
    fn written_again(
        &self,
        myself: &ActorRef<TenantsMessage>,
        result: Result<Option<Mark>, StoreError>,
        state: &mut TenantsState,
    ) {
        state.writing_again = false;
        match result {
            Ok(_) => self.load(myself, state),
            Err(error) => {
                warn!(%error, "tenants could not be written again; trying again");
                myself.send_after(LOAD_AGAIN_AFTER, || TenantsMessage::Reload);
            }
        }
    }
}

impl TenantsState {
    /// Whether the first reading is under way and there is room for those who wait for it.
    fn may_hold(&self) -> bool {
        !self.loaded && self.loading.is_some() && self.held.len() < MOST_HELD
    }

    fn find(&self, host: &str) -> Result<Arc<Tenant>, FindError> {
        self.known(self.book.find(host))
    }

    fn known(&self, found: Option<Arc<Tenant>>) -> Result<Arc<Tenant>, FindError> {
        let unknown = if self.loaded { FindError::Unknown } else { FindError::NotLoaded };
        found.ok_or(unknown)
    }

    /// The store can't be read: who has waited long for the first reading hears why, before the patience ends.
    fn refuse_patient(&mut self, error: &StoreError) {
        let long = |waiting: &mut WaitingChange| waiting.since.elapsed() >= WAIT_FOR_READING;
        while !self.loaded
            && let Some(waiting) = self.waiting.pop_front_if(long)
        {
            answer(waiting.reply_to, Err(error.clone().into()));
        }
    }

    /// A change ended; whether the store has to be read before it is tried again.
    fn stored(&mut self, stored: Stored) -> bool {
        self.storing = false;
        let Stored { mut waiting, change, result } = stored;
        let done = match result {
            Ok(Some((mark, was_there))) => {
                if self.loading.is_some() {
                    self.loading = Some(Freshness::Overtaken);
                }
                self.known.take(mark);
                self.take(change, was_there)
            }
            Ok(None) if waiting.tries < MOST_TRIES => {
                waiting.tries += 1;
                self.waiting.push_front(waiting);
                self.behind = true;
                return true;
            }
            Ok(None) => Err(StoreError::Away("others keep changing the tenants".into()).into()),
            Err(error) => Err(error.into()),
        };
        answer(waiting.reply_to, done);
        false
    }

    fn take(&mut self, change: TenantChange, was_there: bool) -> Result<(), TenantError> {
        match change {
            TenantChange::Put(document) => self.book.put(*document),
            TenantChange::Rename { from, document } => {
                self.book.remove(from.as_str());
                self.book.put(*document);
            }
            TenantChange::Delete(host) => {
                self.book.remove(host.as_str());
                if !was_there {
                    return Err(TenantError::NotFound);
                }
            }
        }
        Ok(())
    }
}
