//! The store that replicas share: Redis, with the predecessor's keys beside ours.

mod chores; // what one replica does for all
mod copies; // whether replicas have what was written
mod follow; // what other replicas change
mod guarded; // changes from a known state
mod hints; // the predecessor's keys of meetings and recordings
mod incarnation; // which server answers
mod keys; // every key's name
mod link; // single, Sentinel, Cluster: connections, deadlines, errors
mod pool; // instances
mod queue; // what is owed to tenants' servers
mod routes; // claims and changes
mod shelves; // small records by kind and id
mod tenants; // the predecessor's tenant documents

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tracing::debug;

use crate::bbb::callback::KEY_BYTES;
use crate::config::RedisConfig;
use crate::domain::delivery::DeliveryId;
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{MeetingId, RouteKey, RouteRecord};
use crate::domain::tenant::{TenantDocument, TenantId};

use super::mark::Mark;
use super::peers::{Chore, News, Shared, StoreTime, Turn};
use super::queue::{Due, Owed, Page, Parcel, Pile, Queue, Room, Settle, Tally, Way, Wish};
use super::writes::Writes;
use super::{
    InstanceRecord, RecordingsKept, Shelf, Shelved, Step, Stepped, Store, StoreError, TenantChange,
    Told,
};
use follow::Written;
use guarded::Guarded;
use hints::Hints;
use link::Link;

/// The store in Redis.
pub struct Redis {
    link: Link,
    /// Who we are among the replicas, so that our own changes are not told back to us.
    sender: String,
    written: Written,
    hints: Hints,
    writes: Writes,
}

impl Redis {
    /// A store in the Redis that is configured. Nothing is connected yet: servers that are away are an
    /// error of the calls, each within the deadline, until they are back.
    pub fn new(config: &RedisConfig, deadline: Duration) -> Result<Self, StoreError> {
        let link = Link::new(config, deadline)?;
        let sender = format!("{:016x}", rand::random::<u64>());
        let hints = Hints { kept: config.keep_predecessor_keys && !link.is_cluster() };
        let (written, writes) = (Written::default(), Writes::default());
        Ok(Self { link, sender, written, hints, writes })
    }
}

#[async_trait]
impl Store for Redis {
    fn shared(&self) -> bool {
        true
    }

    fn incarnation(&self) -> u64 {
        self.link.incarnation.count()
    }

    fn ailment(&self) -> Option<String> {
        self.writes.ailment().or_else(|| self.link.copies.ailment())
    }

    /// In a Cluster each record is in another slot, and no step sees two of them.
    fn counts_pools(&self) -> bool {
        !self.link.is_cluster()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.writes.checked(self.link.within(self.link.check()).await)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.link.send(::redis::pipe().cmd("PING").ignore()).await
    }

    async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        pool::read(&self.link).await.map(|(pool, _)| pool)
    }

    async fn read_pool(&self) -> Result<(Vec<InstanceRecord>, Mark), StoreError> {
        pool::read(&self.link).await
    }

    async fn change_pool(
        &self,
        pool: Vec<InstanceRecord>,
        from: &Mark,
        again: Option<&Mark>,
    ) -> Result<Option<Mark>, StoreError> {
        let (sender, what) = (&*self.sender, pool::INSTANCES);
        let guarded = Guarded { sender, what, from, exactly: true, again };
        let writing = pool::change(&self.link, guarded, &pool);
        self.written.noting(pool::digest_of(&pool), writing).await
    }

    async fn set_instances(&self, pool: Vec<InstanceRecord>) -> Result<(), StoreError> {
        let writing = pool::replace(&self.link, &self.sender, &pool);
        self.written.noting(pool::digest_of(&pool), writing).await
    }

    async fn tenants(&self) -> Result<Vec<TenantDocument>, StoreError> {
        tenants::read_all(&self.link).await
    }

    async fn read_tenants(&self) -> Result<(Vec<TenantDocument>, Mark), StoreError> {
        tenants::read_marked(&self.link).await
    }

    async fn change_tenant(
        &self,
        change: TenantChange,
        from: &Mark,
    ) -> Result<Option<(Mark, bool)>, StoreError> {
        let (sender, what) = (&*self.sender, tenants::TENANTS);
        // Whether a host is free is known of exactly the state that was read.
        let exactly = matches!(change, TenantChange::Rename { .. });
        let guarded = Guarded { sender, what, from, exactly, again: None };
        match change {
            TenantChange::Rename { from, document } => {
                tenants::change(&self.link, guarded, &[*document], &[from]).await
            }
            TenantChange::Put(document) => {
                tenants::change(&self.link, guarded, &[*document], &[]).await
            }
            TenantChange::Delete(host) => tenants::change(&self.link, guarded, &[], &[host]).await,
        }
    }

    async fn restore_tenants(
        &self,
        known: Vec<TenantDocument>,
        instead: Vec<TenantId>,
        from: &Mark,
        again: &Mark,
    ) -> Result<Option<Mark>, StoreError> {
        let (sender, what) = (&*self.sender, tenants::TENANTS);
        let guarded = Guarded { sender, what, from, exactly: true, again: Some(again) };
        let done = tenants::change(&self.link, guarded, &known, &instead).await?;
        Ok(done.map(|(mark, _)| mark))
    }

    async fn put_tenant(&self, tenant: TenantDocument) -> Result<(), StoreError> {
        tenants::put(&self.link, &self.sender, &tenant).await
    }

    async fn rename_tenant(&self, from: TenantId, to: TenantDocument) -> Result<(), StoreError> {
        tenants::rename(&self.link, &self.sender, &from, &to).await
    }

    async fn delete_tenant(&self, host: TenantId) -> Result<bool, StoreError> {
        tenants::delete(&self.link, &self.sender, &host).await
    }

    async fn all_routes(&self) -> Result<Vec<(RouteKey, RouteRecord)>, StoreError> {
        routes::read_all(&self.link).await
    }

    async fn routes(&self, keys: Vec<RouteKey>) -> Result<Vec<RouteRecord>, StoreError> {
        self.link.within(routes::read(&self.link, &keys)).await
    }

    async fn step(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreError> {
        let by = routes::By { sender: &self.sender, hints: self.hints, pools: self.counts_pools() };
        let steps = routes::step(&self.link, by, &steps);
        let stepped = self.link.within(steps).await;
        self.writes.stepped(&stepped);
        stepped
    }

    async fn hint(&self, meeting: &MeetingId) -> Result<Option<InstanceId>, StoreError> {
        hints::read(&self.link, meeting).await
    }

    async fn forget_hint(&self, meeting: &MeetingId, instance: &InstanceId) {
        if !self.hints.kept {
            return;
        }
        if let Err(error) = hints::forget(&self.link, meeting, instance).await {
            debug!(meeting.id = %meeting, %error, "the predecessor's key was not removed");
        }
    }

    async fn shelf(&self, shelf: Shelf) -> Result<Vec<Shelved>, StoreError> {
        shelves::read(&self.link, shelf).await
    }

    async fn shelve(&self, shelf: Shelf, records: Vec<Shelved>) -> Result<(), StoreError> {
        shelves::put(&self.link, &self.sender, shelf, &records).await
    }

    async fn unshelve(&self, shelf: Shelf, ids: Vec<String>) -> Result<(), StoreError> {
        shelves::remove(&self.link, &self.sender, shelf, &ids).await
    }

    async fn turn(
        &self,
        chore: Chore,
        instance: &InstanceId,
        hold: Duration,
    ) -> Result<Turn, StoreError> {
        chores::turn(&self.link, &self.sender, chore, instance, hold).await
    }

    async fn share(
        &self,
        chore: Chore,
        instance: &InstanceId,
        asked: StoreTime,
        list: &[u8],
        keep: Duration,
    ) -> Result<(), StoreError> {
        chores::share(&self.link, &self.sender, (chore, instance), asked, list, keep).await
    }

    async fn read_shared(
        &self,
        chore: Chore,
        instance: &InstanceId,
    ) -> Result<Option<Shared>, StoreError> {
        chores::read(&self.link, &self.sender, chore, instance).await
    }

    async fn leave(&self, chore: Chore, instance: &InstanceId, tell: bool) {
        chores::leave(&self.link, &self.sender, chore, instance, tell).await;
    }

    async fn tell(&self, news: &News) {
        chores::tell(&self.link, &self.sender, news).await;
    }

    async fn keep_recordings(&self, kept: RecordingsKept) -> Result<(), StoreError> {
        shelves::keep_recordings(&self.link, &self.sender, self.hints, &kept).await
    }

    async fn follow(&self, tell: mpsc::Sender<Told>) {
        follow::follow(&self.link, &self.sender, &self.written, tell).await;
    }
}

#[async_trait]
impl Queue for Redis {
    async fn callback_key(&self, propose: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], StoreError> {
        queue::key(&self.link, propose).await
    }

    async fn owe(
        &self,
        parcels: Vec<(Way, Parcel)>,
        now: u64,
        room: Room,
    ) -> Result<Vec<Owed>, StoreError> {
        queue::owe(&self.link, &parcels, now, room).await
    }

    async fn take_due(&self, now: u64, until: u64, wish: Wish) -> Result<Due, StoreError> {
        queue::take_due(&self.link, now, until, &wish).await
    }

    async fn settle(
        &self,
        id: DeliveryId,
        until: u64,
        settle: Settle,
        room: Room,
    ) -> Result<bool, StoreError> {
        queue::settle(&self.link, &id, until, settle, room).await
    }

    async fn pile(&self, pile: Pile, from: usize, most: usize) -> Result<Page, StoreError> {
        queue::pile(&self.link, pile, from, most).await
    }

    async fn revive(&self, id: DeliveryId, now: u64) -> Result<bool, StoreError> {
        queue::revive(&self.link, &id, now).await
    }

    async fn discard(&self, id: DeliveryId) -> Result<bool, StoreError> {
        queue::discard(&self.link, &id).await
    }

    async fn discard_hook(&self, tenant: &str, hook: &str) -> Result<u64, StoreError> {
        queue::discard_hook(&self.link, tenant, hook).await
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        queue::tallies(&self.link).await
    }
}
