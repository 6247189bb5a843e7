//! Owns which meeting lives on which instance, and the claims under way.

mod apart; // where calls about a meeting would not reach another one
mod claims;
mod doubt;
mod finding;
mod forecast;
mod keeping;
mod lease; // how long memory may answer
mod leaving; // routes to instances that left the pool
mod message;
mod names;
mod pools;
mod queue;
mod reconcile;
mod sighted;
mod stalls;
mod sweeping;
mod table;
mod told;
mod twins; // instances that list the same meetings

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::JoinSet;
use tracing::{info, warn};

use self::doubt::Doubt;
use self::forecast::Forecast;
use self::keeping::Keeping;
pub use self::lease::BELIEVED_FOR;
use self::lease::Lease;
pub use self::message::*;
use self::names::Names;
use self::pools::Unheard;
use self::queue::Queue;
use self::sighted::Sighted;
use self::stalls::Stalls;
use self::table::Table;
use super::{answer, settle_stored};
use crate::config::Config;
use crate::determinism::{HashMap, HashSet, Randomness};
use crate::domain::forecast::Outlook;
use crate::domain::instance::{Health, InstanceId, Roster};
use crate::domain::load::LoadSnapshot;
use crate::domain::meeting::{MeetingId, Route, RouteKey, RouteRecord, Version};
use crate::domain::moment::Moment;
use crate::domain::placement::{Question, Rules};
use crate::domain::tag::TagWish;
use crate::domain::tenant::{Tenant, TenantId};
use crate::outside::clock::Clock;
use crate::outside::store::{Store, StoreError};

const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The meetings actor as the runtime sees it.
pub struct Meetings {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Randomness,
}

/// Its state.
pub struct MeetingsState {
    myself: ActorRef<MeetingsMessage>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    randomness: Randomness,
    table: Table,
    lease: Lease,
    keeping: Keeping,
    /// Whether what is stored of rooms is being read, and whether it was.
    recalling: bool,
    recalled: bool,
    roster: Arc<Roster>,
    rules: Rules,
    /// How many cores instances have, where the configuration says it.
    cores: HashMap<InstanceId, f64>,
    /// When all records were read first: then memory is complete, unless others write the store too.
    loaded_at: Option<Moment>,
    /// When the reading that is under way began.
    loading: Option<Moment>,
    /// Something may have been missed since it began, so that all is read once more.
    load_again: bool,
    queue: Queue,
    /// Who waits for a home that is being stored. A crash drops them, and they hear `Down`.
    claiming: HashMap<(RouteKey, TenantId), Vec<Waiter>>,
    /// Claims of ours that others may not have heard of yet, where a pool bounds them.
    unheard: HashMap<(RouteKey, TenantId), Unheard>,
    /// What is being told to other replicas.
    telling: JoinSet<()>,
    /// Who waits for a record that is being read.
    fetching: HashMap<RouteKey, Vec<Asker>>,
    sighted: Sighted,
    names: Names,
    stalls: Stalls,
    strays: HashMap<InstanceId, HashSet<Stray>>,
    missing: leaving::Missing,
    /// All strays together, as lists need them.
    all_strays: Arc<HashSet<Stray>>,
    doubt: Doubt,
    /// When it was last said that placements go by no measurements.
    said_blind: Option<Moment>,
}

/// Somebody who waits for a home that is being stored.
enum Waiter {
    Home(RpcReplyPort<Result<Home, RouteError>>),
    Find(Asker),
}

/// Somebody who asks where a meeting lives.
struct Asker {
    tenant: TenantId,
    meeting: MeetingId,
    /// The most users of the tenant, if the asker lets one join.
    joins: Option<UserPool>,
    reply_to: RpcReplyPort<Result<Where, RouteError>>,
}

impl Actor for Meetings {
    type Msg = MeetingsMessage;
    type State = MeetingsState;
    /// What is in force, and the pool as the registry told it last.
    type Arguments = (Arc<Config>, Arc<Roster>);

    async fn pre_start(
        &self,
        myself: ActorRef<MeetingsMessage>,
        (config, roster): (Arc<Config>, Arc<Roster>),
    ) -> Result<MeetingsState, ActorProcessingErr> {
        myself.cast(MeetingsMessage::Recall)?;
        myself.cast(MeetingsMessage::Reload)?;
        myself.send_after(keeping::LOOK_EVERY, || MeetingsMessage::Keep);
        myself.send_after(leaving::LOOK_EVERY, || MeetingsMessage::Clear);
        let mut state = MeetingsState {
            myself,
            store: self.store.clone(),
            clock: self.clock.clone(),
            randomness: self.randomness.clone(),
            table: Table::new(Forecast::new(since_1970(&*self.clock))),
            lease: Lease::default(),
            keeping: Keeping::default(),
            recalling: false,
            recalled: false,
            roster,
            rules: rules(&config),
            cores: HashMap::default(),
            loaded_at: None,
            loading: None,
            load_again: false,
            queue: Queue::default(),
            claiming: HashMap::default(),
            unheard: HashMap::default(),
            telling: JoinSet::new(),
            fetching: HashMap::default(),
            sighted: Sighted::default(),
            names: Names::default(),
            stalls: Stalls::default(),
            strays: HashMap::default(),
            missing: leaving::Missing::default(),
            all_strays: Arc::default(),
            doubt: Doubt::default(),
            said_blind: None,
        };
        state.configure(&config);
        state.doubt.follow(&state.roster, state.clock.now());
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<MeetingsMessage>,
        message: MeetingsMessage,
        state: &mut MeetingsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            MeetingsMessage::Find { tenant, meeting, joins, reply_to } => {
                state.find(Asker { tenant, meeting, joins, reply_to });
            }
            MeetingsMessage::Claim { wish, reply_to } => state.claim(wish, reply_to),
            MeetingsMessage::Move { wish, from, tomb, reply_to } => {
                state.move_on(wish, from, tomb, reply_to);
            }
            MeetingsMessage::Set { tenant, key, from, to, internal, reply_to } => {
                state.set(tenant, key, from, (to, internal), reply_to);
            }
            MeetingsMessage::Adopt { tenant, meeting, instance, internal, reply_to } => {
                state.adopt(tenant, meeting, (instance, internal), reply_to);
            }
            MeetingsMessage::Swept { sweep, reply_to } => answer(reply_to, state.swept(&sweep)),
            MeetingsMessage::Explain { tenant, loads, tags, reply_to } => {
                answer(reply_to, state.explain(&tenant, &loads, &tags));
            }
            MeetingsMessage::Routes { instances, tenants, reply_to } => {
                answer(reply_to, state.routes(&instances, &tenants));
            }
            MeetingsMessage::Strays { reply_to } => answer(reply_to, state.hidden()),
            MeetingsMessage::Count { reply_to } => answer(reply_to, state.count()),
            MeetingsMessage::Looks { instance, lookup } => {
                state.names.learn(instance, lookup, state.clock.now());
            }
            MeetingsMessage::Owner { instance, internal, reply_to } => {
                answer(reply_to, state.table.owner(&instance, &internal));
            }
            MeetingsMessage::Stalled { instance, tenant } => {
                state.stalls.add(instance, tenant, state.clock.now());
            }
            MeetingsMessage::Roster(roster) => state.follow(roster),
            MeetingsMessage::Changed(key) => state.table.changed(key, self.clock.now()),
            MeetingsMessage::Became { key, became } => state.became(key, *became),
            MeetingsMessage::Joined { key, tenant } => {
                state.table.joined(&key, &tenant, self.clock.now());
            }
            MeetingsMessage::Echo { key, tenant, version } => state.echo(key, tenant, version),
            MeetingsMessage::Heard(sent) => state.heard(sent),
            MeetingsMessage::Away(until) => state.away(until),
            MeetingsMessage::Missed => {
                state.table.doubt(self.clock.now());
                state.load();
            }
            MeetingsMessage::Reload => state.load(),
            MeetingsMessage::Loaded(result) => state.load_ended(result),
            MeetingsMessage::Fetched { sent_at, keys, result } => {
                state.fetched(sent_at, keys, result);
            }
            MeetingsMessage::Stepped(result) => state.stepped(result),
            MeetingsMessage::Recall => state.recall(),
            MeetingsMessage::Recalled(result) => state.recalled(result),
            MeetingsMessage::Keep => state.keep(),
            MeetingsMessage::Clear => state.clear(),
            MeetingsMessage::Kept { rooms, result } => state.kept(rooms, result),
            MeetingsMessage::Configure(config) => state.configure(&config),
            #[cfg(feature = "test-util")]
            MeetingsMessage::Crash => panic!("asked to crash"),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<MeetingsMessage>,
        state: &mut MeetingsState,
    ) -> Result<(), ActorProcessingErr> {
        state.queue.finish().await;
        state.write_the_rest().await;
        Ok(())
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        policy: config.balancer.policy,
        cpu_limit: config.balancer.cpu_limit,
        mem_limit: config.balancer.mem_limit,
        metrics_range: config.balancer.metrics_range,
        risk: config.balancer.risk,
        comfort: config.balancer.comfort / 100.0,
    }
}

/// The time of day at the clock's start, since 1970.
fn since_1970(clock: &dyn Clock) -> Duration {
    let wall = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    wall.saturating_sub(clock.now().0)
}

impl MeetingsState {
    fn configure(&mut self, config: &Config) {
        self.rules = rules(config);
        self.doubt.configure(config.health.unknown_for);
        self.cores = config.balancer.cores.clone().into_iter().collect();
        let (range, most) = (config.balancer.metrics_range, config.balancer.known_rooms);
        let gone = self.table.forecast_mut().configure(range, most, self.clock.now());
        self.keeping.owe(gone);
    }

    fn follow(&mut self, roster: Arc<Roster>) {
        self.table.forecast_mut().follow(&roster);
        self.names.follow(&roster);
        self.stalls.follow(&roster);
        self.forget_strays(&roster);
        self.doubt.follow(&roster, self.clock.now());
        self.roster = roster;
    }

    /// Whether all records were read.
    fn has_loaded(&self) -> bool {
        self.loaded_at.is_some()
    }

    /// Whether memory holds every route there is.
    fn complete(&self) -> bool {
        self.has_loaded() && !self.store.shared()
    }

    /// The home that a route describes; nothing when its instance is not of the pool any more.
    fn home(&self, key: RouteKey, route: &Route) -> Option<Home> {
        let member = self.roster.get(&route.instance)?;
        Some(Home {
            key,
            instance: member.instance.clone(),
            meeting: route.meeting.clone(),
            internal: route.internal.clone(),
            lookup: self.names.lookup(&route.instance),
            shadowed: self.names.shadow(key, route),
            version: route.version,
            state: route.state,
            released: member.releases_meetings(),
            lost: member.lost_meetings(),
            accepts: member.refusal().is_none(),
            suspect: member.health == Health::Suspect,
            unsettled: route.left.as_ref().is_some_and(|left| self.may_live(left)),
            unproven: self.is_unproven(key, route.version),
        })
    }

    /// Whether a meeting of this instance may live, as far as anybody can know.
    fn may_live(&self, instance: &InstanceId) -> bool {
        self.roster.get(instance).is_some_and(|member| !member.lost_meetings())
    }

    /// The home that a route describes, as [`Self::home`]. Fails where the instance is unknown here and may have been added
    /// since the pool was read: then nothing can be said of the meeting before the pool was read once more.
    fn heard_home(
        &self,
        key: RouteKey,
        tenant: &TenantId,
        route: &Route,
    ) -> Result<Option<Home>, RouteError> {
        if let Some(home) = self.home(key, route) {
            return Ok(Some(home));
        }
        let slot = self.table.get(&key, tenant);
        let since = slot.map_or_else(Moment::default, |slot| slot.settled_at);
        let fresh = self.roster.loaded && since < self.roster.read_at;
        if self.store.shared() && !fresh { Err(RouteError::Unheard) } else { Ok(None) }
    }

    /// A version that no route has had, for what follows on the one that is known of this route.
    fn draw(&self, key: RouteKey, tenant: &TenantId, expect: Option<Version>) -> Version {
        let known = self.table.last_version(&key, tenant);
        let wall = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Version::next(expect.or(known), wall.as_millis() as u64, self.randomness.draw())
    }

    fn load(&mut self) {
        if self.loading.is_some() {
            self.load_again = true;
            return;
        }
        self.loading = Some(self.clock.now());
        let (store, myself) = (self.store.clone(), self.myself.clone());
        tokio::spawn(async move {
            let result = settle_stored(async move { store.all_routes().await }).await;
            let _ = myself.cast(MeetingsMessage::Loaded(result));
        });
    }

    fn load_ended(&mut self, result: Result<Vec<(RouteKey, RouteRecord)>, StoreError>) {
        self.look_at_store();
        let Some(sent_at) = self.loading.take() else { return };
        match result {
            Ok(records) => {
                self.lease.met();
                let count = records.len();
                self.table.read_all(records, sent_at);
                self.write_again();
                if !self.has_loaded() {
                    info!(records = count, "routes are loaded");
                    self.table.begin();
                    self.loaded_at = Some(self.clock.now());
                }
            }
            Err(error) => {
                warn!(%error, "routes could not be read; trying again");
                self.load_again = false;
                self.myself.send_after(LOAD_AGAIN_AFTER, || MeetingsMessage::Reload);
            }
        }
        if std::mem::take(&mut self.load_again) {
            self.load();
        }
    }

    fn question<'a>(
        &'a self,
        tenant: &'a Tenant,
        loads: &'a LoadSnapshot,
        except: &'a HashSet<InstanceId>,
        tags: &'a TagWish,
        coming: &'a Outlook,
    ) -> Question<'a> {
        Question {
            tenant,
            roster: &self.roster,
            loads,
            own: self.table.forecast().own(),
            cores: &self.cores,
            coming,
            except,
            tags,
            now: self.clock.now(),
            rules: self.rules,
        }
    }

    fn count(&self) -> Counts {
        let (by_instance, by_tenant) = self.table.usage();
        let strays = self.all_strays.clone();
        Counts { by_instance, by_tenant, strays, loaded: self.has_loaded() }
    }
}
