//! The queue of what is owed to tenants' servers: any replica may deliver, each parcel one at a time.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;
use crate::bbb::callback::KEY_BYTES;
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

/// How much the queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Waiting ones, and as many dead letters.
    pub most: usize,
    /// All together, without what it takes to keep them.
    pub bytes: u64,
}

/// What became of a parcel that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    New,
    /// It is in the queue, or was settled a short while ago; nothing was changed.
    Known,
    /// There is no room.
    Full,
}

/// What is to be delivered now, and how much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Leased: nobody else is given them until the lease ends.
    pub parcels: Vec<Parcel>,
    /// When the next one is due, these left out.
    pub next: Option<u64>,
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
        parcels: Vec<Parcel>,
        now: u64,
        room: Room,
    ) -> Result<Vec<Owed>, StoreError>;
    /// Leases what is due, the longest due first, until the given time: so many at most, and no more
    /// than one beyond this many bytes.
    async fn take_due(
        &self,
        now: u64,
        until: u64,
        most: usize,
        bytes: usize,
    ) -> Result<Due, StoreError>;
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
}
