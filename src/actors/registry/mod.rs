//! Owns which instances exist, what admins said of them, and how healthy they are.

mod message;
mod pool;
mod storing;
mod told;
mod twins; // instances that are one server
mod unlisted;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::JoinHandle;
use tracing::{info, warn};

pub use self::message::*;
use self::pool::Pool;
use self::storing::{Edit, WaitingEdit};
use self::told::Others;
use super::{Subscriber, answer, settle_stored};
use crate::config::Config;
use crate::domain::instance::{Health, InstanceId, Roster, Twin};
use crate::domain::moment::Moment;
use crate::outside::clock::Clock;
use crate::outside::store::mark::{Mark, Verdict};
use crate::outside::store::{InstanceRecord, Store, StoreError};

const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// So long a change waits for the first reading while the store can't be read: less than its asker does.
const WAIT_FOR_READING: Duration = Duration::from_secs(3);
/// So many changes may wait for the store.
const MOST_WAITING: usize = 1_024;
/// Replicas say whom they reached once a second, and may be late.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// So many questions may wait for the first reading.
const MOST_HELD: usize = 8_192;

/// The registry as the runtime sees it.
pub struct Registry {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// Who hears of every change of the roster.
    pub subscribers: Vec<Subscriber<Arc<Roster>>>,
}

/// Its state: the pool, its published roster, and the changes on their way to the store.
pub struct RegistryState {
    pool: Pool,
    roster: Arc<Roster>,
    config: Arc<Config>,
    waiting: VecDeque<WaitingEdit>,
    storing: bool,
    /// The store had another state than we: nothing is stored before it was read.
    behind: bool,
    /// What the store has lost is being written again.
    writing_again: bool,
    /// A reading is under way; `true` when what it reads may be outdated already.
    loading: Option<bool>,
    /// Who asked during the first reading; they are answered when it ends, well or not.
    held: Vec<RpcReplyPort<Arc<Roster>>>,
    /// When the reading under way began.
    reading_since: Moment,
    /// Who waits for a reading that begins after this moment.
    readers: Vec<(Moment, RpcReplyPort<Result<(), StoreError>>)>,
    others: Others,
    /// Publishes again when the next dead instance's meetings count as gone.
    overdue: Option<JoinHandle<()>>,
    myself: ActorRef<RegistryMessage>,
}

impl Actor for Registry {
    type Msg = RegistryMessage;
    type State = RegistryState;
    /// What is in force, and the pool as an earlier occupant told it last.
    type Arguments = (Arc<Config>, Arc<Roster>);

    async fn pre_start(
        &self,
        myself: ActorRef<RegistryMessage>,
        (config, roster): (Arc<Config>, Arc<Roster>),
    ) -> Result<RegistryState, ActorProcessingErr> {
        myself.cast(RegistryMessage::Reload)?;
        Ok(RegistryState {
            pool: Pool::after(&roster),
            roster,
            config,
            waiting: VecDeque::new(),
            storing: false,
            behind: false,
            writing_again: false,
            loading: None,
            held: Vec::new(),
            reading_since: Moment::default(),
            readers: Vec::new(),
            others: Others::default(),
            overdue: None,
            myself,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<RegistryMessage>,
        message: RegistryMessage,
        state: &mut RegistryState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RegistryMessage::Roster { reply_to } if state.may_hold() => state.held.push(reply_to),
            RegistryMessage::Roster { reply_to } => answer(reply_to, state.roster.clone()),
            RegistryMessage::Read { reply_to } => {
                if state.readers.len() < MOST_HELD {
                    state.readers.push((self.clock.now(), reply_to));
                    self.load(&myself, state);
                }
            }
            RegistryMessage::OthersReach { instance, reply_to } => {
                let health = &state.config.health;
                // As long as it may take until it has probed and said so once more.
                let within = health.probe_interval * 2 + health.probe_timeout + TOLD_WITHIN;
                answer(reply_to, state.pool.others_reach(&instance, within, self.clock.now()));
            }
            RegistryMessage::Replace { list, reply_to } => {
                self.edit(&myself, Edit::Replace(list), Some(reply_to), state);
            }
            RegistryMessage::SetAdmin { instance, admin, reply_to } => {
                self.edit(&myself, Edit::SetAdmin(instance, admin), Some(reply_to), state);
            }
            RegistryMessage::SignWith { instance, hash, reply_to } => {
                self.edit(&myself, Edit::SignWith(instance, hash), Some(reply_to), state);
            }
            RegistryMessage::Tag { instance, tags, reply_to } => {
                self.edit(&myself, Edit::Tag(instance, tags), Some(reply_to), state);
            }
            RegistryMessage::Forget { instance, reply_to } => {
                self.edit(&myself, Edit::Forget(instance), Some(reply_to), state);
            }
            RegistryMessage::Probed { instance, sent_at, result } => {
                self.probed(&instance, sent_at, result, state);
            }
            RegistryMessage::Outlook { since, reply_to } => {
                answer(reply_to, self.outlook(&state.pool, since));
            }
            RegistryMessage::Told { by, outlook } => self.told(by, outlook, state),
            RegistryMessage::Suspect { instance, why } => self.suspect(&instance, why, state),
            RegistryMessage::Refused { instance, why } => self.refused(&instance, why, state),
            RegistryMessage::Swept { instance, twin } => self.swept(&instance, twin, state),
            RegistryMessage::Left { instance, left } => {
                self.left(&myself, &instance, &left, state);
            }
            RegistryMessage::Reload => self.load(&myself, state),
            RegistryMessage::Loaded(result) => self.loaded(&myself, result, state),
            RegistryMessage::WrittenAgain(result) => self.written_again(&myself, result, state),
            RegistryMessage::Stored(stored) => self.stored(&myself, *stored, state),
            RegistryMessage::Publish if state.roster.loaded => self.tell(&state.roster),
            RegistryMessage::Publish => {}
            RegistryMessage::Configure(config) => {
                state.config = config;
                self.publish(state);
            }
            RegistryMessage::Overdue => self.publish(state),
            #[cfg(feature = "test-util")]
            RegistryMessage::Crash => panic!("asked to crash"),
        }
        Ok(())
    }
}

impl Registry {
    /// Makes the roster anew and tells it to everyone who wants it. Until the store was read there is
    /// nothing to tell, and what was told before stands.
    fn publish(&self, state: &mut RegistryState) {
        if !state.pool.loaded {
            return;
        }
        let now = self.clock.now();
        state.roster = Arc::new(state.pool.roster(&state.config, now));
        let wait = state.pool.next_lost(state.config.health.unknown_for, now);
        let again = wait.map(|wait| publish_after(&state.myself, wait));
        if let Some(before) = std::mem::replace(&mut state.overdue, again) {
            before.abort();
        }
        let healthy = state.roster.members().iter().filter(|m| m.health == Health::Up).count();
        metrics::gauge!("bigblueswarm_registry_instances").set(state.roster.members().len() as f64);
        metrics::gauge!("bigblueswarm_registry_instances_up").set(healthy as f64);
        self.tell(&state.roster);
    }

    fn tell(&self, roster: &Arc<Roster>) {
        for subscriber in &self.subscribers {
            subscriber(roster.clone());
        }
    }

    fn probed(
        &self,
        id: &InstanceId,
        sent_at: Moment,
        result: Result<(), String>,
        state: &mut RegistryState,
    ) {
        let Some(watch) = state.pool.watch(id) else { return };
        if !watch.probed(result, sent_at, &state.config.health) {
            return;
        }
        let (health, why) = (watch.health, watch.why.clone().unwrap_or_default());
        match health {
            Health::Up => info!(instance.id = %id, "instance is up"),
            _ => warn!(instance.id = %id, ?health, %why, "instance failed its probe"),
        }
        self.publish(state);
    }

    fn suspect(&self, id: &InstanceId, why: String, state: &mut RegistryState) {
        let Some(watch) = state.pool.watch(id) else { return };
        if watch.suspect(why.clone()) {
            warn!(instance.id = %id, %why, "instance is suspect: it takes no new meetings");
            self.publish(state);
        }
    }

    fn refused(&self, id: &InstanceId, why: String, state: &mut RegistryState) {
        let Some(watch) = state.pool.watch(id) else { return };
        if watch.refused(why.clone()) {
            warn!(instance.id = %id, %why, "instance refuses our calls: check its secret, and the hash it is signed with");
            self.publish(state);
        }
    }

    fn swept(&self, id: &InstanceId, twin: Option<Twin>, state: &mut RegistryState) {
        let Some(watch) = state.pool.watch(id) else { return };
        let listed = watch.listed();
        let learnt = twin.is_some_and(|twin| state.pool.learn_twin(id, twin));
        if listed || learnt {
            self.publish(state);
        }
        if learnt {
            twins::say(id, &state.roster);
        }
    }

    fn left(
        &self,
        myself: &ActorRef<RegistryMessage>,
        id: &InstanceId,
        left: &Left,
        state: &mut RegistryState,
    ) {
        if !state.pool.is_done(id, left) {
            return;
        }
        let into = state.roster.get(id).and_then(|member| member.same_server.alias_of.clone());
        match &into {
            None => {
                info!(instance.id = %id, "a retired instance says that nothing is left on it: it is forgotten");
            }
            Some(into) => {
                info!(instance.id = %id, other = %into, "another address of the same server has taken over from a retired one");
            }
        }
        self.edit(myself, Edit::Done { id: id.clone(), into }, None, state);
    }

    fn load(&self, myself: &ActorRef<RegistryMessage>, state: &mut RegistryState) {
        if state.loading.is_some() {
            state.loading = Some(true);
            return;
        }
        state.loading = Some(false);
        state.reading_since = self.clock.now();
        let (store, myself) = (self.store.clone(), myself.clone());
        tokio::spawn(async move {
            let result = settle_stored(async move { store.read_pool().await }).await;
            let _ = myself.cast(RegistryMessage::Loaded(result));
        });
    }

    fn loaded(
        &self,
        myself: &ActorRef<RegistryMessage>,
        result: Result<(Vec<InstanceRecord>, Mark), StoreError>,
        state: &mut RegistryState,
    ) {
        let outdated = state.loading.take() == Some(true);
        let heard = result.as_ref().map(drop).map_err(StoreError::clone);
        match result {
            _ if outdated => self.load(myself, state),
            Ok((records, mark))
                if state.pool.known.judge(&mark, records.is_empty()) == Verdict::WriteAgain =>
            {
                self.write_again(myself, mark, state);
            }
            Ok((records, mark)) => {
                if !state.pool.loaded {
                    info!(instances = records.len(), "instances are loaded");
                }
                let kept = unlisted::unexplained(&state.pool, &records, &mark);
                let records = unlisted::with(&records, &kept);
                unlisted::say(&state.pool, &records, &mark);
                state.pool.take(records, mark, self.clock.now());
                state.pool.read_at = state.reading_since;
                self.publish(state);
                state.behind = false;
                if !kept.is_empty() {
                    self.edit(myself, Edit::Keep(kept), None, state);
                }
                self.store_next(myself, state);
            }
            Err(error) => {
                warn!(%error, "instances could not be read; trying again");
                state.refuse_patient(&error);
                myself.send_after(LOAD_AGAIN_AFTER, || RegistryMessage::Reload);
            }
        }
        if !outdated && !state.writing_again {
            state.tell_readers(&heard);
        }
        if state.loading.is_none() {
            let told = state.held.drain(..);
            told.for_each(|reply_to| answer(reply_to, state.roster.clone()));
        }
    }
}

/// Has the registry publish again after this time.
fn publish_after(myself: &ActorRef<RegistryMessage>, wait: Duration) -> JoinHandle<()> {
    let myself = myself.clone();
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        let _ = myself.cast(RegistryMessage::Overdue);
    })
}

impl RegistryState {
    /// A reading that began then has ended, well or not.
    fn tell_readers(&mut self, heard: &Result<(), StoreError>) {
        let since = self.reading_since;
        for (_, reply_to) in self.readers.extract_if(.., |(asked_at, _)| *asked_at <= since) {
            answer(reply_to, heard.clone());
        }
    }

    /// Whether nothing is known before the reading under way ends, and there is room for those who wait.
    fn may_hold(&self) -> bool {
        !self.roster.loaded && self.loading.is_some() && self.held.len() < MOST_HELD
    }
}
