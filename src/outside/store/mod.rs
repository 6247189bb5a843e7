//! What survives us: instances, tenants, routes.

pub mod embedded; // one file, one process
pub mod mark; // which state was read
pub mod peers; // what replicas give each other
pub mod queue; // what is owed to tenants' servers
mod record; // how routes and instances are written down
pub mod redis; // one server, many replicas
pub mod take; // what a step does to a record, as a plain function
mod tenant; // tenants as the predecessor writes them
mod writes; // whether writes succeed
mod yaml; // scalars as Go's yaml.v3 writes them

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::mark::Mark;
use self::peers::{Chore, News, Shared, StoreTime, Turn};
use crate::bbb::checksum::Algorithm;
use crate::config::{Deadlines, StoreConfig};
use crate::domain::instance::{AdminState, InstanceId};
use crate::domain::meeting::{
    InternalId, MeetingId, Route, RouteKey, RouteRecord, RouteState, Version,
};
use crate::domain::secret::Secret;
use crate::domain::tenant::{TenantDocument, TenantId};

/// What becomes of a document that is written as YAML and read again.
#[cfg(feature = "test-util")]
pub fn through_yaml(document: &TenantDocument) -> Result<TenantDocument, String> {
    tenant::read(&document.spec.host, &tenant::write(document))
}

/// Why the store did not do what was asked. Nothing half-done stays.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached, or did not answer in time.
    #[error("store is away: {0}")]
    Away(String),
    /// Another process holds the embedded file.
    #[error("store file {0} is in use by another process")]
    InUse(String),
    /// What is stored can't be read.
    #[error("store holds what can't be read: {0}")]
    Unreadable(String),
    /// The configured address names no server.
    #[error("store address {0:?} is not host:port")]
    BadAddress(String),
    /// The authorities of `redis.ca` can't be read.
    #[error("redis.ca: {0}")]
    BadAuthority(String),
}

/// The store that is configured. One that is away is an error of its calls, not of this; an embedded
/// file is opened here, so one that is in use or can't be read is told at once.
pub fn open(config: &StoreConfig, deadlines: &Deadlines) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match config {
        StoreConfig::Embedded { path } => {
            Arc::new(embedded::Embedded::open(path, deadlines.store)?)
        }
        StoreConfig::Redis(config) => Arc::new(redis::Redis::new(config, deadlines.store)?),
    })
}

/// An instance as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRecord {
    pub id: InstanceId,
    pub secret: Secret,
    pub admin: AdminState,
    pub retired: bool,
    /// Its own choice of hash, when it has one.
    pub sign_with: Option<Algorithm>,
    /// What creates may ask for.
    pub tags: Vec<String>,
}

/// Asks for a meeting's home.
#[derive(Clone, Debug)]
pub struct ClaimAsk {
    pub key: RouteKey,
    /// The id's text, if it is known; kept with the route.
    pub meeting: Option<MeetingId>,
    pub tenant: TenantId,
    /// Best first. The first that holds no *other* tenant's meeting of this id is taken.
    pub candidates: Vec<InstanceId>,
    /// The version of the new entry, if one is made.
    pub version: Version,
    /// The entry of this version, which is `ending`, may be replaced.
    pub ended: Option<Version>,
    /// So many meetings the tenant may have, if that is bounded.
    pub most: Option<u32>,
}

/// What became of a [`ClaimAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The tenant's entry stood already, and is not the one that has [ended](ClaimAsk::ended); nothing was changed.
    Existing(Route),
    /// The entry was made, in state `claimed`; one that had ended went with its tombs.
    New(Route),
    /// Every candidate holds another tenant's meeting of this id (or there was none).
    Taken,
    /// The tenant has as many meetings as it may. Only a store that [counts](Store::counts_pools) says so.
    Full,
}

/// What a route shall become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// The same route in this state. Lost when none stands.
    State(RouteState),
    /// `claimed` on the first candidate that holds no other tenant's meeting of this id; with
    /// `tomb`, the instance it leaves may hold a copy and is added to `tombs`. Its new home is never a tomb.
    /// The tenant may have `most` meetings, if that is bounded.
    Moved { candidates: Vec<InstanceId>, tomb: bool, most: Option<u32> },
    /// `confirmed` on this instance, for a meeting that was found there. `expect: None` means: none
    /// stands. Tombs stay, but for this instance.
    Adopted { instance: InstanceId },
    /// None; `confirmed` where it was before for a meeting that was claimed elsewhere since.
    Removed,
}

/// Changes a route if it still is what the asker saw.
#[derive(Clone, Debug)]
pub struct ChangeAsk {
    pub key: RouteKey,
    /// The id's text, if it is known; kept with a route that the change makes.
    pub meeting: Option<MeetingId>,
    pub tenant: TenantId,
    /// The version the asker saw; `None`: no route stood.
    pub expect: Option<Version>,
    pub becomes: Becomes,
    /// What the instance calls the meeting, if that is news; kept with the route until it moves.
    pub internal: Option<InternalId>,
    /// The version of the entry after the change.
    pub version: Version,
    /// Whether the change must be on disk before it is answered.
    pub durable: bool,
}

/// What became of a [`ChangeAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Done; the route as it is now, `None` after a removal.
    Done(Option<Route>),
    /// The version did not fit; the route as it is.
    Lost(Option<Route>),
    /// A move or adoption found every candidate held by another tenant's meeting of this id.
    Taken,
    /// The tenant has as many meetings as it may beside the one that is moved. Only a store that
    /// [counts](Store::counts_pools) says so.
    Full,
}

/// What is changed about the tenants.
#[derive(Clone, Debug)]
pub enum TenantChange {
    Put(Box<TenantDocument>),
    /// The tenant of this host.
    Delete(TenantId),
    /// This document instead of that of another host, in one step.
    Rename {
        from: TenantId,
        document: Box<TenantDocument>,
    },
}

/// One step on a route, so that steps that arrive together share one sync or one pipeline.
#[derive(Clone, Debug)]
pub enum Step {
    Claim(ClaimAsk),
    Change(ChangeAsk),
}

/// What became of a [`Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepped {
    Claimed(Claimed),
    Changed(Changed),
}

/// A kind of small records that are kept by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// The tenants' webhooks.
    Hooks,
    /// What instances listed of their recordings.
    Recordings,
    /// What rooms came to when they met last, and what was learnt of meetings in general.
    Rooms,
}

impl Shelf {
    /// Those whose changes other replicas are told of. What becomes of rooms each sees for itself in the sweeps, and it
    /// changes all the time: whoever read it again at each change would read without end.
    pub const TOLD: [Self; 2] = [Self::Hooks, Self::Recordings];

    pub(super) fn is_told(self) -> bool {
        Self::TOLD.contains(&self)
    }

    /// The name under which the store keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hooks => "hooks",
            Self::Recordings => "recordings",
            Self::Rooms => "rooms",
        }
    }
}

/// A record of a [`Shelf`]: its id, and bytes that only its owner reads.
pub type Shelved = (String, Vec<u8>);

/// A recording's id, and the instance it is or was on.
pub type RecordingAt = (String, InstanceId);

/// What is kept of recordings from now on, and what no longer is.
#[derive(Clone, Debug, Default)]
pub struct RecordingsKept {
    pub there: Vec<Shelved>,
    pub gone: Vec<String>,
    /// Those that the predecessor would know.
    pub named: Vec<RecordingAt>,
    /// Those that it would not know, or not there.
    pub unnamed: Vec<RecordingAt>,
}

/// What became of one tenant's route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Became {
    pub tenant: TenantId,
    /// What stood before; none when no route did.
    pub was: Option<Version>,
    /// What stands now; none after a removal.
    pub route: Option<Route>,
}

/// What another replica changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Instances,
    Tenants,
    Shelf(Shelf),
    Route(RouteKey),
    /// A route of this record became another.
    Became(RouteKey, Box<Became>),
    /// The claim of this version, made here, has been told to all: what others claimed before was told before.
    Echo(RouteKey, TenantId, Version),
    /// What all had been told at this moment has been told here: what we sent to all then came back. Memory of a shared
    /// store is believed only for a while after it.
    Heard(Instant),
    /// The store was asked and did not answer; until then it will have been asked again.
    Away(Instant),
    /// What a replica, named by a number, tells the others.
    News(u64, peers::News),
    /// We may have missed something: read everything again.
    Everything,
}

/// Keeps instances, tenants, routes, small records, and by [`queue::Queue`] what is owed. Every method answers within the deadline it was built with;
/// those that read a whole shared store in many parts (`tenants`, `all_routes`, `shelf`) answer each part within it.
#[async_trait]
pub trait Store: queue::Queue + Send + Sync + 'static {
    /// Whether other processes write here too, so that memory may be behind.
    fn shared(&self) -> bool;
    /// Changes when the store may have gone back to an older state, such as by a failover: what it does
    /// not know may be true all the same. Asked after an answer, so that no change before it is overlooked.
    fn incarnation(&self) -> u64 {
        0
    }
    /// What works less well than it should while it answers, for operators.
    fn ailment(&self) -> Option<String> {
        None
    }
    /// Whether claims count the tenant's meetings in the same step. If not, whoever claims has to know of all others.
    fn counts_pools(&self) -> bool {
        false
    }
    /// Whether it takes writes: writes one tiny record, unseen by everyone else. Fails as well while steps failed lately.
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Whether it answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The whole pool, ordered by URL.
    async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError>;
    /// Replaces the whole pool in one atomic step.
    async fn set_instances(&self, pool: Vec<InstanceRecord>) -> Result<(), StoreError>;

    /// The whole pool, and which state of it that is.
    async fn read_pool(&self) -> Result<(Vec<InstanceRecord>, Mark), StoreError> {
        Ok((self.instances().await?, Mark::default()))
    }
    /// Replaces the whole pool if it is in this state; the state it is in then, or none when it was another.
    /// With `again`, what is written is what the store has lost, in its state of then.
    async fn change_pool(
        &self,
        pool: Vec<InstanceRecord>,
        _from: &Mark,
        _again: Option<&Mark>,
    ) -> Result<Option<Mark>, StoreError> {
        self.set_instances(pool).await.map(|()| Some(Mark::default()))
    }

    /// Every tenant, and which state of them that is.
    async fn read_tenants(&self) -> Result<(Vec<TenantDocument>, Mark), StoreError> {
        Ok((self.tenants().await?, Mark::default()))
    }
    /// Makes or replaces a tenant, or removes one, if the tenants are in this state or a later one of the same
    /// epoch; for a renaming, in exactly this one. Answers the state they are in then, and whether there was one to
    /// remove; none when it was another.
    async fn change_tenant(
        &self,
        change: TenantChange,
        _from: &Mark,
    ) -> Result<Option<(Mark, bool)>, StoreError> {
        let was_there = match change {
            TenantChange::Put(document) => self.put_tenant(*document).await.map(|()| true),
            TenantChange::Delete(host) => self.delete_tenant(host).await,
            TenantChange::Rename { from, document } => {
                self.rename_tenant(from, *document).await.map(|()| true)
            }
        };
        Ok(Some((Mark::default(), was_there?)))
    }
    /// Writes these tenants again, which the store has lost, instead of those that it came back with, if it
    /// is still in this state; the state they are in then.
    async fn restore_tenants(
        &self,
        _known: Vec<TenantDocument>,
        _instead: Vec<TenantId>,
        _from: &Mark,
        _again: &Mark,
    ) -> Result<Option<Mark>, StoreError> {
        Ok(Some(Mark::default()))
    }

    /// Every tenant. A document that can't be read is left out and said in the log.
    async fn tenants(&self) -> Result<Vec<TenantDocument>, StoreError>;
    /// Makes or replaces the tenant of the document's host.
    async fn put_tenant(&self, tenant: TenantDocument) -> Result<(), StoreError>;
    /// Puts this tenant in place of that of another host, in one step.
    async fn rename_tenant(&self, from: TenantId, to: TenantDocument) -> Result<(), StoreError>;
    /// Removes a tenant; `false` when there was none.
    async fn delete_tenant(&self, host: TenantId) -> Result<bool, StoreError>;

    /// Every record of routes.
    async fn all_routes(&self) -> Result<Vec<(RouteKey, RouteRecord)>, StoreError>;
    /// The records of these keys, in their order; empty where there is none.
    async fn routes(&self, keys: Vec<RouteKey>) -> Result<Vec<RouteRecord>, StoreError>;
    /// Takes every step atomically by itself, in this order, in one sync or pipeline; answers in the same order.
    async fn step(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreError>;

    /// Where the predecessor's key says a meeting lives. A hint only: ask the instance. Those that are written
    /// go with the steps.
    async fn hint(&self, meeting: &MeetingId) -> Result<Option<InstanceId>, StoreError>;
    /// Removes the predecessor's key for a meeting (best effort), if it still names the instance and no
    /// route leads there.
    async fn forget_hint(&self, meeting: &MeetingId, instance: &InstanceId);

    /// Every record of a shelf, ordered by id.
    async fn shelf(&self, shelf: Shelf) -> Result<Vec<Shelved>, StoreError>;
    /// Puts these records there in one atomic step, in place of those with the same ids. Synced when
    /// answered. Nothing else is written meanwhile, so that much is better put there in parts.
    async fn shelve(&self, shelf: Shelf, records: Vec<Shelved>) -> Result<(), StoreError>;
    /// Takes the records of these ids away in one atomic step; unknown ones are passed over.
    async fn unshelve(&self, shelf: Shelf, ids: Vec<String>) -> Result<(), StoreError>;

    /// Asks for the turn at a chore, for so long; whoever has it and asks again keeps it.
    async fn turn(&self, _: Chore, _: &InstanceId, _: Duration) -> Result<Turn, StoreError> {
        Ok(Turn::Alone)
    }
    /// Shares what came of a chore for so long, and keeps the turn as long again. A list that is too
    /// large is shared as such. What another replica asked for later stands.
    async fn share(
        &self,
        _: Chore,
        _: &InstanceId,
        _: StoreTime,
        _: &[u8],
        _: Duration,
    ) -> Result<(), StoreError> {
        Ok(())
    }
    /// What was shared last, if it is kept still.
    async fn read_shared(&self, _: Chore, _: &InstanceId) -> Result<Option<Shared>, StoreError> {
        Ok(None)
    }
    /// Gives the turn up, if it is ours; with `tell`, the others are to take it soon.
    async fn leave(&self, _: Chore, _: &InstanceId, _tell: bool) {}
    /// Tells the other replicas, as far as they hear it.
    async fn tell(&self, _: &News) {}
    /// Takes these changes of [`Shelf::Recordings`] over, and the predecessor's keys with them where there are any.
    async fn keep_recordings(&self, kept: RecordingsKept) -> Result<(), StoreError> {
        let RecordingsKept { there, gone, .. } = kept;
        if !there.is_empty() {
            self.shelve(Shelf::Recordings, there).await?;
        }
        if gone.is_empty() { Ok(()) } else { self.unshelve(Shelf::Recordings, gone).await }
    }

    /// Tells what other replicas change, for as long as `tell` is open, and a few times a second that all of it was told
    /// ([`Told::Heard`]) or that the store does not answer. An embedded store has none to tell of.
    async fn follow(&self, tell: mpsc::Sender<Told>);
}

/// Counts how long a call took and whether it was answered.
fn measured<T>(
    store: &'static str,
    took: Duration,
    result: Result<T, StoreError>,
) -> Result<T, StoreError> {
    let outcome = if result.is_ok() { "answered" } else { "failed" };
    let labels = [("store", store), ("outcome", outcome)];
    metrics::histogram!("bigblueswarm_store_call_seconds", &labels).record(took);
    result
}
