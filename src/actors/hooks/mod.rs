//! Owns the tenants' webhooks, kept in the store, and a memory of whose the meetings of events are.

mod message;
mod owners;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tracing::{info, warn};

pub use self::message::*;
use self::owners::Owners;
use super::{answer, settle, settle_stored};
use crate::domain::hook::{Hook, HookId, Hooks as AllHooks, MOST_OF_A_TENANT, Wish};
use crate::domain::tenant::TenantId;
use crate::outside::store::{Shelf, Shelved, Store, StoreError};

/// Between two attempts to read a store that is away.
const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// So many changes may wait for the store.
const MOST_WAITING: usize = 1_024;

/// The hooks actor as the runtime sees it.
pub struct Hooks {
    pub store: Arc<dyn Store>,
    /// Where the hooks are written for all who read them.
    pub known: watch::Sender<Option<Arc<AllHooks>>>,
}

/// Its state: the hooks, the changes on their way to the store, and whose meetings are.
pub struct HooksState {
    hooks: AllHooks,
    loaded: bool,
    /// Whether a reading is under way, and whether what it reads may be older than what is known.
    loading: Option<Freshness>,
    /// The store's state that was read last.
    incarnation: u64,
    waiting: VecDeque<(Change, Waiter)>,
    storing: bool,
    owners: Owners,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Fresh,
    Overtaken,
}

impl Actor for Hooks {
    type Msg = HooksMessage;
    type State = HooksState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<HooksMessage>,
        (): (),
    ) -> Result<HooksState, ActorProcessingErr> {
        myself.cast(HooksMessage::Reload)?;
        Ok(HooksState {
            hooks: AllHooks::default(),
            loaded: false,
            loading: None,
            incarnation: 0,
            waiting: VecDeque::new(),
            storing: false,
            owners: Owners::default(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<HooksMessage>,
        message: HooksMessage,
        state: &mut HooksState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HooksMessage::Create { tenant, wish, reply_to } => match state.judge(&tenant, wish) {
                Ok(Made::New(hook)) => {
                    self.change(&myself, Change::Put(hook), Waiter::Create(reply_to), state);
                }
                judged => answer(reply_to, judged),
            },
            HooksMessage::Destroy { tenant, id, reply_to } => match state.has(&tenant, id) {
                Ok(true) => {
                    let change = Change::Remove(tenant, id);
                    self.change(&myself, change, Waiter::Destroy(reply_to), state);
                }
                judged => answer(reply_to, judged),
            },
            HooksMessage::Owner { instance, internal, reply_to } => {
                answer(reply_to, state.owners.get(instance, internal));
            }
            HooksMessage::Learn { instance, owners } => {
                owners.into_iter().for_each(|(id, owner)| state.owners.learn(&instance, id, owner));
            }
            HooksMessage::Reload => self.load(&myself, state),
            HooksMessage::Loaded { incarnation, result } => {
                self.loaded(&myself, incarnation, result, state);
            }
            HooksMessage::Stored(stored) => {
                state.stored(*stored);
                self.publish(state);
                self.store_next(&myself, state);
            }
            #[cfg(feature = "test-util")]
            HooksMessage::Crash => panic!("asked to crash"),
        }
        Ok(())
    }
}

impl Hooks {
    fn load(&self, myself: &ActorRef<HooksMessage>, state: &mut HooksState) {
        if state.loading.is_some() {
            state.loading = Some(Freshness::Overtaken); // what is being read may be older than this call
            return;
        }
        state.loading = Some(Freshness::Fresh);
        let (store, myself) = (self.store.clone(), myself.clone());
        tokio::spawn(async move {
            let read = settle(async move {
                let read = store.shelf(Shelf::Hooks).await;
                (store.incarnation(), read)
            });
            let (incarnation, result) =
                read.await.unwrap_or_else(|e| (0, Err(StoreError::Away(e.to_string()))));
            let _ = myself.cast(HooksMessage::Loaded { incarnation, result });
        });
    }

    fn loaded(
        &self,
        myself: &ActorRef<HooksMessage>,
        incarnation: u64,
        result: Result<Vec<Shelved>, StoreError>,
        state: &mut HooksState,
    ) {
        let freshness = state.loading.take();
        match result {
            _ if freshness == Some(Freshness::Overtaken) => self.load(myself, state),
            Ok(records) => {
                let read: AllHooks = records.into_iter().filter_map(read).collect();
                if !state.loaded && !read.is_empty() {
                    info!(hooks = read.len(), "webhooks are loaded");
                }
                let lost = state.taken(read, incarnation);
                self.keep_again(lost);
                self.publish(state);
            }
            Err(error) => {
                warn!(%error, "webhooks could not be read; trying again");
                myself.send_after(LOAD_AGAIN_AFTER, || HooksMessage::Reload);
            }
        }
    }

    /// Writes hooks that the store has lost, such as by a failover. When that fails they are written
    /// after the store's next change of state, or made again by their tenants.
    fn keep_again(&self, lost: Vec<Shelved>) {
        if lost.is_empty() {
            return;
        }
        warn!(hooks = lost.len(), "the store has lost webhooks; they are written again");
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.shelve(Shelf::Hooks, lost).await {
                warn!(%error, "webhooks could not be written again");
            }
        });
    }

    fn publish(&self, state: &HooksState) {
        if !state.loaded {
            return;
        }
        metrics::gauge!("bigblueswarm_hooks_known").set(state.hooks.len() as f64);
        self.known.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&state.hooks);
            if is_new {
                *known = Some(Arc::new(state.hooks.clone()));
            }
            is_new
        });
    }

    fn change(
        &self,
        myself: &ActorRef<HooksMessage>,
        change: Change,
        waiter: Waiter,
        state: &mut HooksState,
    ) {
        if state.waiting.len() >= MOST_WAITING {
            let full = StoreError::Away("too many changes are waiting".into());
            return waiter.refuse(full.into());
        }
        state.waiting.push_back((change, waiter));
        self.store_next(myself, state);
    }

    /// Stores the next change, one at a time, so that the store sees them in the order of asking.
    fn store_next(&self, myself: &ActorRef<HooksMessage>, state: &mut HooksState) {
        if state.storing {
            return;
        }
        let Some((change, waiter)) = state.next() else { return };
        state.storing = true;
        let (store, myself, wanted) = (self.store.clone(), myself.clone(), change.clone());
        tokio::spawn(async move {
            let result = settle_stored(async move { write(&*store, wanted).await }).await;
            let _ = myself.cast(HooksMessage::Stored(Box::new(Stored { change, result, waiter })));
        });
    }
}

async fn write(store: &dyn Store, change: Change) -> Result<(), StoreError> {
    match change {
        Change::Put(hook) => store.shelve(Shelf::Hooks, vec![written(&hook)]).await,
        Change::Remove(tenant, id) => store.unshelve(Shelf::Hooks, vec![key(&tenant, id)]).await,
    }
}

fn key(tenant: &TenantId, id: HookId) -> String {
    format!("{tenant}/{}", id.0)
}

fn written(hook: &Hook) -> Shelved {
    (key(&hook.tenant(), hook.id), serde_json::to_vec(hook).unwrap_or_default())
}

fn read((id, bytes): Shelved) -> Option<Hook> {
    let hook = serde_json::from_slice(&bytes);
    hook.inspect_err(|_| warn!(hook.key = id, "a stored webhook can't be read and is left out"))
        .ok()
}

impl Waiter {
    fn refuse(self, error: HookError) {
        match self {
            Self::Create(reply_to) => answer(reply_to, Err(error)),
            Self::Destroy(reply_to) => answer(reply_to, Err(error)),
        }
    }
}

impl HooksState {
    /// What becomes of a wish: the hook to be stored, or the one that is there.
    fn judge(&self, tenant: &TenantId, wish: Wish) -> Result<Made, HookError> {
        if !self.loaded {
            return Err(HookError::NotLoaded);
        }
        if let Some(known) = self.hooks.with_url(tenant, &wish) {
            return Ok(Made::Known(known.clone()));
        }
        let hook = Hook::new(tenant, wish);
        match self.hooks.get(tenant, hook.id) {
            Some(_) => Err(HookError::Clash),
            None if self.hooks.of(tenant).count() + self.coming(tenant) >= MOST_OF_A_TENANT => {
                Err(HookError::TooMany)
            }
            None => Ok(Made::New(Arc::new(hook))),
        }
    }

    /// The next change that is to be stored. A hook whose URL another one got meanwhile is that one.
    fn next(&mut self) -> Option<(Change, Waiter)> {
        loop {
            let (change, waiter) = self.waiting.pop_front()?;
            let known = match &change {
                Change::Put(hook) => self.hooks.with_url(&hook.tenant(), &hook.wish).cloned(),
                Change::Remove(..) => None,
            };
            match (known, waiter) {
                (Some(known), Waiter::Create(reply_to)) => answer(reply_to, Ok(Made::Known(known))),
                (_, waiter) => return Some((change, waiter)),
            }
        }
    }

    /// How many hooks of a tenant wait to be stored.
    fn coming(&self, tenant: &TenantId) -> usize {
        let is_new =
            |change: &Change| matches!(change, Change::Put(hook) if hook.tenant() == *tenant);
        self.waiting.iter().filter(|(change, _)| is_new(change)).count()
    }

    fn has(&self, tenant: &TenantId, id: HookId) -> Result<bool, HookError> {
        if !self.loaded {
            return Err(HookError::NotLoaded);
        }
        Ok(self.hooks.get(tenant, id).is_some())
    }

    /// Takes what the store has. Answers what it has lost if it may have gone back to an older state.
    fn taken(&mut self, mut read: AllHooks, incarnation: u64) -> Vec<Shelved> {
        let went_back = self.loaded && self.incarnation != incarnation;
        let mut lost = Vec::new();
        if went_back {
            for hook in self.hooks.iter().filter(|h| read.get(&h.tenant(), h.id).is_none()) {
                lost.push(written(hook));
            }
            self.hooks.iter().for_each(|hook| {
                if read.get(&hook.tenant(), hook.id).is_none() {
                    read.put((**hook).clone());
                }
            });
        }
        (self.hooks, self.loaded, self.incarnation) = (read, true, incarnation);
        lost
    }

    fn stored(&mut self, stored: Stored) {
        self.storing = false;
        let Stored { change, result, waiter } = stored;
        if result.is_ok() && self.loading.is_some() {
            self.loading = Some(Freshness::Overtaken);
        }
        match (result, &change, waiter) {
            (Err(error), _, waiter) => waiter.refuse(error.into()),
            (Ok(()), Change::Put(hook), Waiter::Create(reply_to)) => {
                self.hooks.put((**hook).clone());
                answer(reply_to, Ok(Made::New(hook.clone())));
            }
            (Ok(()), Change::Remove(tenant, id), Waiter::Destroy(reply_to)) => {
                self.hooks.remove(tenant, *id);
                answer(reply_to, Ok(true));
            }
            (Ok(()), _, waiter) => waiter.refuse(HookError::NotLoaded),
        }
    }
}
