//! The queue of what is owed to tenants' servers: any replica may deliver, each parcel one at a time.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;
use crate::bbb::callback::KEY_BYTES;
use crate::determinism::HashMap;
use crate::domain::delivery::DeliveryId;

/// So long a parcel that was settled is remembered, so that the same once more is known: the instance
/// that sent it may not have heard our answer.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(3600);
/// So many of those at most; the oldest go first.
pub const MOST_REMEMBERED: usize = 10_000;

/// Something in the queue. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub id: DeliveryId,
    /// When it is due; of a dead letter, when it died; while it is leased, when the lease ends.
    pub at: u64,
    /// What only its owner reads.
    pub slip: Vec<u8>,
    /// The larger part, which lists leave out.
    pub body: Bytes,
}

/// Which of two queues a parcel waits in: they are taken from and bounded apart, so that neither holds up the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// What a create asked for: few, and each is missed.
    #[default]
    Calls,
    /// Events of webhooks: many.
    Events,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Calls, Self::Events];
}

/// A tenant's server, by tenant and by scheme, host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    pub tenant: String,
    pub origin: String,
}

/// Whose a parcel is, where it goes, and the name of the webhook that it is for, empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub lane: Lane,
    pub target: Target,
    pub hook: String,
}

/// How much the queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Waiting ones of each lane, and as many dead letters.
    pub most: usize,
    /// All together, without what it takes to keep them; events at most half of it.
    pub bytes: u64,
    /// Of these, waiting ones of one tenant in each lane.
    pub tenant_most: usize,
    pub tenant_bytes: u64,
}

/// What became of a parcel that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    New,
    /// It is in the queue, or was settled a short while ago; nothing was changed.
    Known,
    /// There is no room.
    Full,
    /// There is, but its tenant has its share.
    OverShare,
}

/// How much of what is due is wanted.
#[derive(Clone, Debug)]
pub struct Wish {
    pub lane: Lane,
    /// So many at most, and no more than one beyond this many bytes.
    pub most: usize,
    pub bytes: usize,
    /// So many to one target and of one tenant, unless said otherwise.
    pub per_target: usize,
    pub per_tenant: usize,
    /// To these targets and of these tenants so many, as others are under way already or the target is paused.
    pub targets: HashMap<Target, usize>,
    pub tenants: HashMap<String, usize>,
}

impl Wish {
    /// A wish for so many, whoever's they are.
    pub fn any(lane: Lane, most: usize, bytes: usize) -> Self {
        let (targets, tenants) = (HashMap::default(), HashMap::default());
        let (per_target, per_tenant) = (usize::MAX, usize::MAX);
        Self { lane, most, bytes, per_target, per_tenant, targets, tenants }
    }

    pub fn to(&self, target: &Target) -> usize {
        self.targets.get(target).copied().unwrap_or(self.per_target)
    }

    pub fn of(&self, tenant: &str) -> usize {
        self.tenants.get(tenant).copied().unwrap_or(self.per_tenant)
    }
}

/// How many parcels wait for a target in a lane, and when the first of them is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub lane: Lane,
    pub target: Target,
    pub waiting: u64,
    pub first: u64,
}

/// What is to be delivered now, and how much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Leased: nobody else is given them until the lease ends.
    pub parcels: Vec<Parcel>,
    /// When the next one is due that might be taken, these left out.
    pub next: Option<u64>,
    /// Whether more is due that may not be taken now.
    pub held: bool,
    /// All of the lane.
    pub waiting: u64,
    pub dead: u64,
}

/// What becomes of a leased parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Delivered at this time.
    Done { at: u64 },
    /// To be tried again at this time.
    Again { at: u64, slip: Vec<u8> },
    /// A dead letter from this time on; when there are too many, the oldest is dropped.
    Dead { at: u64, slip: Vec<u8> },
}

/// The two parts of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pile {
    Waiting,
    Dead,
}

/// Some of a pile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of their times, without their bodies.
    pub parcels: Vec<Parcel>,
    /// How many the pile has.
    pub total: u64,
}

/// Keeps parcels. Every method answers within the store's deadline; what changes something is synced
/// when answered, but for leases.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// The key that callback URLs are sealed with: the one that is kept, else this one, which is kept from now on.
    async fn callback_key(&self, propose: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], StoreError>;
    /// Keeps these parcels; answers in their order. Dead letters make room for new ones.
    async fn owe(
        &self,
        parcels: Vec<(Way, Parcel)>,
        now: u64,
        room: Room,
    ) -> Result<Vec<Owed>, StoreError>;
    /// Leases what is due until the given time: of each target in turn, the longest due first.
    async fn take_due(&self, now: u64, until: u64, wish: Wish) -> Result<Due, StoreError>;
    /// Ends the lease that runs until this time; `false` when there is no such lease any more.
    async fn settle(
        &self,
        id: DeliveryId,
        until: u64,
        settle: Settle,
        room: Room,
    ) -> Result<bool, StoreError>;
    /// A part of a pile, from this place on.
    async fn pile(&self, pile: Pile, from: usize, most: usize) -> Result<Page, StoreError>;
    /// Makes a parcel due now, a dead one too; `false` when there is none of this id.
    async fn revive(&self, id: DeliveryId, now: u64) -> Result<bool, StoreError>;
    /// Drops a parcel; `false` when there is none of this id.
    async fn discard(&self, id: DeliveryId) -> Result<bool, StoreError>;
    /// Drops what waits for a webhook of this name; answers how many. What is under way is not tried again.
    async fn discard_hook(&self, tenant: &str, hook: &str) -> Result<u64, StoreError>;
    /// What waits for whom.
    async fn tallies(&self) -> Result<Vec<Tally>, StoreError>;
}
