//! Owns which deliveries to tenants' servers are under way here, and when the next are looked for.
//! What is owed is in the store, so that it outlives us and any replica may deliver it.

mod carrying; // one attempt, in a task of its own
mod message;
mod sharing; // who may have how much under way, and which targets are left alone
mod storing; // what is accepted, many in one write

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::warn;

pub use self::carrying::Outcome;
use self::carrying::UnderWay;
pub use self::message::*;
pub use self::sharing::Spared;
use self::sharing::{Circuits, way};
use self::storing::{Arrivals, Waiting};
use super::{answer, settle_stored};
use crate::bbb::callback::{KEY_BYTES, Sealer};
use crate::config::{Callbacks as Rules, Config};
use crate::determinism::{HashMap, Randomness};
use crate::domain::delivery::{DeliveryId, millis};
use crate::outside::clock::Clock;
use crate::outside::store::queue::{Due, Room};
use crate::outside::store::{Store, StoreError};

/// Deliveries under way at once.
const AT_ONCE: usize = 32;
/// Bodies of these together, about.
const MOST_BYTES: usize = 64 << 20;
/// So long a delivery that was taken is ours; much longer than one attempt takes.
const LEASE: Duration = Duration::from_secs(60);
/// The longest pause before looking again; with replicas, as another may have left something behind.
const IDLE: Duration = Duration::from_secs(15);
const IDLE_SHARED: Duration = Duration::from_secs(5);
/// A pause when the store did not answer, or more is due than may be begun.
const PAUSE: Duration = Duration::from_secs(1);
const KEY_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Attempts under way at the end of the program may take so long; what they leave is delivered later.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// The callbacks actor as the runtime sees it.
pub struct Callbacks {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Randomness,
    pub carrier: Arc<dyn Carrier>,
    /// Where the key is written for all who seal and open.
    pub sealer: watch::Sender<Option<Arc<Sealer>>>,
}

/// Its state.
pub struct CallbacksState {
    rules: Rules,
    arrivals: Arrivals,
    circuits: Circuits,
    /// Whose parcels are being stored.
    storing: Vec<Waiting>,
    /// Whether the store is being asked what is due, and whether to ask again then.
    looking: bool,
    look_again: bool,
    /// Whether more was due than could be begun.
    more: bool,
    /// Counts the timers that were set: only the last one counts.
    turn: u64,
    /// When the last one set goes off, in milliseconds since 1970.
    look_at: u64,
    failing: bool,
    under_way: HashMap<DeliveryId, UnderWay>,
    /// The store's state for which the key was read.
    keyed_for: Option<u64>,
    tasks: TaskTracker,
}

impl CallbacksState {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            arrivals: Arrivals::default(),
            circuits: Circuits::default(),
            storing: Vec::new(),
            looking: false,
            look_again: false,
            more: false,
            turn: 0,
            look_at: 0,
            failing: false,
            under_way: HashMap::default(),
            keyed_for: None,
            tasks: TaskTracker::new(),
        }
    }

    fn room(&self) -> Room {
        let Rules { most, most_bytes, tenant_most, tenant_bytes, .. } = self.rules;
        Room { most, bytes: most_bytes as u64, tenant_most, tenant_bytes: tenant_bytes as u64 }
    }
}

impl Actor for Callbacks {
    type Msg = CallbacksMessage;
    type State = CallbacksState;
    type Arguments = Arc<Config>;

    async fn pre_start(
        &self,
        myself: ActorRef<CallbacksMessage>,
        config: Arc<Config>,
    ) -> Result<CallbacksState, ActorProcessingErr> {
        let mut state = CallbacksState::new(config.callbacks.clone());
        self.look(&myself, &mut state);
        Ok(state)
    }

    async fn post_stop(
        &self,
        _: ActorRef<CallbacksMessage>,
        state: &mut CallbacksState,
    ) -> Result<(), ActorProcessingErr> {
        state.tasks.close();
        let _ = tokio::time::timeout(FINISH_WITHIN, state.tasks.wait()).await;
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<CallbacksMessage>,
        message: CallbacksMessage,
        state: &mut CallbacksState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            CallbacksMessage::Accept { delivery, reply_to } => {
                self.accept(&myself, *delivery, reply_to, state);
            }
            CallbacksMessage::Stored(result) => self.stored(&myself, result, state),
            CallbacksMessage::List { pile, from, most, reply_to } => {
                let store = self.store.clone();
                state.tasks.spawn(async move {
                    answer(reply_to, store.pile(pile, from, most).await.map_err(Into::into));
                });
            }
            CallbacksMessage::Retry { id, reply_to } => {
                if state.under_way.contains_key(&id) {
                    answer(reply_to, Err(CallbackError::UnderWay));
                    return Ok(());
                }
                let (store, now) = (self.store.clone(), self.now());
                state.tasks.spawn(async move {
                    let revived = store.revive(id, now).await;
                    let _ = myself.cast(CallbacksMessage::Look { turn: None });
                    answer(reply_to, revived.map_err(Into::into));
                });
            }
            CallbacksMessage::Forget { tenant, hook, reply_to } => {
                let store = self.store.clone();
                state.tasks.spawn(async move {
                    let gone = store.discard_hook(tenant.as_str(), &hook).await;
                    answer(reply_to, gone.map_err(Into::into));
                });
            }
            CallbacksMessage::Targets { reply_to } => self.targets(reply_to, state),
            CallbacksMessage::Discard { id, reply_to } => {
                let store = self.store.clone();
                state.tasks.spawn(async move {
                    answer(reply_to, store.discard(id).await.map_err(Into::into));
                });
            }
            CallbacksMessage::Look { turn } => {
                if turn.is_none_or(|turn| turn == state.turn) {
                    self.look(&myself, state);
                }
            }
            CallbacksMessage::Taken(result) => self.taken(&myself, result, state),
            CallbacksMessage::Ended { id, outcome } => self.ended(&myself, id, outcome, state),
            CallbacksMessage::Keyed(result) => self.keyed(&myself, result, state),
            #[cfg(feature = "test-util")]
            CallbacksMessage::Crash => panic!("asked to crash"),
        }
        Ok(())
    }
}

impl Callbacks {
    /// Milliseconds since 1970.
    fn now(&self) -> u64 {
        let since = self.clock.wall().duration_since(std::time::UNIX_EPOCH);
        millis(since.unwrap_or_default())
    }

    /// Takes what is due, as far as it can be begun now.
    fn look(&self, myself: &ActorRef<CallbacksMessage>, state: &mut CallbacksState) {
        self.read_key(myself, state);
        if state.looking {
            state.look_again = true;
            return;
        }
        let bytes: usize = state.under_way.values().map(|under_way| under_way.bytes).sum();
        let bytes = MOST_BYTES.saturating_sub(bytes);
        if state.under_way.len() >= AT_ONCE || bytes == 0 {
            state.more = true;
            return;
        }
        (state.looking, state.look_again, state.more) = (true, false, false);
        let (store, now, myself) = (self.store.clone(), self.now(), myself.clone());
        let wishes = state.wishes(now, bytes);
        let until = now + millis(LEASE);
        tokio::spawn(async move {
            let taken = settle_stored(async move {
                let mut all = Vec::new();
                for wish in wishes {
                    all.push(store.take_due(now, until, wish).await?);
                }
                Ok(all)
            });
            let _ = myself.cast(CallbacksMessage::Taken(taken.await));
        });
    }

    fn taken(
        &self,
        myself: &ActorRef<CallbacksMessage>,
        result: Result<Vec<Due>, StoreError>,
        state: &mut CallbacksState,
    ) {
        state.looking = false;
        let due = match result {
            Ok(due) => due,
            Err(error) => {
                if !std::mem::replace(&mut state.failing, true) {
                    warn!(%error, "the callbacks that are due could not be read; trying again");
                }
                return self.look_after(PAUSE, myself, state);
            }
        };
        state.failing = false;
        let waiting: u64 = due.iter().map(|due| due.waiting).sum();
        metrics::gauge!("bigblueswarm_callbacks_waiting").set(waiting as f64);
        let dead = due.first().map_or(0, |due| due.dead);
        metrics::gauge!("bigblueswarm_callbacks_dead").set(dead as f64);
        let next = due.iter().filter_map(|due| due.next).min();
        let held = due.iter().any(|due| due.held);
        for parcel in due.into_iter().flat_map(|due| due.parcels) {
            self.begin(myself, parcel, state);
        }
        let now = self.now();
        let wait = |at: u64| Duration::from_millis(at.saturating_sub(now));
        let due_now = next.is_some_and(|at| at <= now);
        state.more = due_now || held;
        if state.look_again || due_now && state.under_way.len() < AT_ONCE {
            return self.look(myself, state);
        }
        let idle = if self.store.shared() { IDLE_SHARED } else { IDLE };
        // What is held is looked for by what ends, and when the first target is no longer left alone.
        let end = state.circuits.first_end(now).filter(|_| held);
        let until = next.filter(|at| *at > now).into_iter().chain(end).map(wait).min();
        let until = until.unwrap_or(idle).min(idle);
        self.look_after(if due_now { until.max(PAUSE) } else { until }, myself, state);
    }

    fn ended(
        &self,
        myself: &ActorRef<CallbacksMessage>,
        id: DeliveryId,
        outcome: Outcome,
        state: &mut CallbacksState,
    ) {
        if let Some(UnderWay { lane, target, began, .. }) = state.under_way.remove(&id)
            && let Some(failed) = outcome.failed
        {
            state.circuits.note((lane, target), failed, began, self.now());
        }
        // What is being looked up may have been read before this ended.
        if state.more || state.looking {
            return self.look(myself, state);
        }
        let sooner = outcome.again.filter(|at| *at < state.look_at);
        if let Some(at) = sooner {
            let wait = Duration::from_millis(at.saturating_sub(self.now()));
            self.look_after(wait, myself, state);
        }
    }

    fn look_after(
        &self,
        wait: Duration,
        myself: &ActorRef<CallbacksMessage>,
        state: &mut CallbacksState,
    ) {
        state.turn += 1;
        state.look_at = self.now() + millis(wait);
        let turn = Some(state.turn);
        myself.send_after(wait, move || CallbacksMessage::Look { turn });
    }

    /// Reads the key when URLs are to be sealed; and again when the store may have lost it: then ours
    /// is kept there from now on.
    fn read_key(&self, myself: &ActorRef<CallbacksMessage>, state: &mut CallbacksState) {
        let incarnation = self.store.incarnation();
        if state.rules.base_url.is_none() || state.keyed_for == Some(incarnation) {
            return;
        }
        state.keyed_for = Some(incarnation);
        let known = self.sealer.borrow().as_ref().map(|sealer| *sealer.key());
        let propose: [u8; KEY_BYTES] = known.unwrap_or_else(|| self.randomness.draw());
        let (store, myself) = (self.store.clone(), myself.clone());
        tokio::spawn(async move {
            let read = settle_stored(async move { store.callback_key(propose).await }).await;
            let _ = myself.cast(CallbacksMessage::Keyed(read));
        });
    }

    fn keyed(
        &self,
        myself: &ActorRef<CallbacksMessage>,
        result: Result<[u8; KEY_BYTES], StoreError>,
        state: &mut CallbacksState,
    ) {
        let key = match result {
            Ok(key) => key,
            Err(error) => {
                warn!(%error, "the key of callback URLs could not be read; trying again");
                state.keyed_for = None;
                return self.look_after(KEY_AGAIN_AFTER, myself, state);
            }
        };
        let known = self.sealer.borrow().clone();
        let sealer = match known {
            Some(known) if *known.key() == key => return,
            Some(known) => {
                warn!("the store has another key for callback URLs; ours opens what it sealed");
                known.with_key(key)
            }
            None => Sealer::new(key),
        };
        self.sealer.send_replace(Some(Arc::new(sealer)));
    }
}
