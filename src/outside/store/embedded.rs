//! The store in one file, for one process: redb, every acknowledged durable write synced.

mod file; // opening, closing and opening again
mod queue; // what is owed to tenants' servers
mod second; // a copy of instances and tenants
mod shelves; // small records by kind and id
mod synced; // what a failed sync means
mod tables; // what is in it, one transaction per function

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::bbb::callback::KEY_BYTES;
use crate::determinism::aside;
use crate::domain::delivery::DeliveryId;
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{MeetingId, RouteKey, RouteRecord};
use crate::domain::tenant::{TenantDocument, TenantId};

use super::queue::{Due, Owed, Page, Parcel, Pile, Queue, Room, Settle, Tally, Way, Wish};
use super::writes::Writes;
use super::{InstanceRecord, Shelf, Shelved, Step, Stepped, Store, StoreError, Told};
use file::Kept;

/// With less the file may soon not grow any more.
const FREE_BYTES: u64 = 1 << 20;
/// A lazy write reaches the disk at the latest so long after it was answered.
const LAZY_FOR: Duration = Duration::from_secs(1);

/// The embedded store. Its file is locked until the last work on it has ended after the drop.
pub struct Embedded {
    kept: Arc<Kept>,
    /// One piece of work at a time, so that late ones wait here and not on blocked threads.
    turns: Arc<Semaphore>,
    deadline: Duration,
    writes: Writes,
}

impl Embedded {
    /// Opens the file, or makes it together with its directories. Blocks until that is done; after a
    /// crash the file is checked and repaired first.
    pub fn open(path: &Path, deadline: Duration) -> Result<Self, StoreError> {
        let kept = Arc::new(Kept::open(path)?);
        let turns = Arc::new(Semaphore::new(1));
        Ok(Self { kept, turns, deadline, writes: Writes::default() })
    }

    /// Does the work on a thread that may block. When the deadline passes first, the work may still be done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&redb::Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let done = on_its_turn(self.kept.clone(), self.turns.clone(), work);
        let result = timeout(self.deadline, done)
            .await
            .unwrap_or_else(|_| Err(StoreError::Away("the disk did not answer in time".into())));
        super::measured("embedded", started.elapsed(), result)
    }

    /// Changes instances or tenants, and then their second copy.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&redb::Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let kept = self.kept.clone();
        let changed = self.run(move |database| {
            let done = work(database)?;
            kept.copy(database);
            Ok(done)
        });
        changed.await
    }

    /// Sees to it that lazy writes are synced soon, even if nothing else is written.
    fn sync_later(&self) {
        if !self.kept.turn_lazy() {
            return;
        }
        let (kept, turns) = (Arc::downgrade(&self.kept), self.turns.clone());
        tokio::spawn(async move {
            sleep(LAZY_FOR).await;
            let Some(kept) = kept.upgrade().filter(|kept| kept.is_lazy()) else { return };
            let synced = on_its_turn(kept.clone(), turns, tables::sync).await;
            match synced {
                Ok(()) => kept.turn_synced(),
                Err(e) => warn!(error = %e, "lazy writes are not on disk yet"),
            }
        });
    }
}

async fn on_its_turn<T: Send + 'static>(
    kept: Arc<Kept>,
    turns: Arc<Semaphore>,
    work: impl FnOnce(&redb::Database) -> Result<T, redb::Error> + Send + 'static,
) -> Result<T, StoreError> {
    let gone = |_| StoreError::Away("the program is stopping".into());
    let turn = turns.acquire_owned().await.map_err(gone)?;
    let done = aside(move || {
        let _turn = turn;
        kept.run(work)
    });
    done.await.unwrap_or_else(|_| Err(StoreError::Away("the program is stopping".into())))
}

#[async_trait]
impl Store for Embedded {
    fn shared(&self) -> bool {
        false
    }

    fn ailment(&self) -> Option<String> {
        self.writes.ailment()
    }

    async fn check(&self) -> Result<(), StoreError> {
        let kept = self.kept.clone();
        let checked = self.run(move |database| kept.check(database)).await;
        let full = |free| StoreError::Away(format!("the disk is full: {free} bytes are free"));
        let room =
            checked.and_then(|free| if free < FREE_BYTES { Err(full(free)) } else { Ok(()) });
        self.writes.checked(room)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.run(tables::ping).await
    }

    async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        self.run(tables::instances).await
    }

    async fn set_instances(&self, pool: Vec<InstanceRecord>) -> Result<(), StoreError> {
        self.change(move |database| tables::set_instances(database, &pool)).await
    }

    async fn tenants(&self) -> Result<Vec<TenantDocument>, StoreError> {
        self.run(tables::tenants).await
    }

    async fn put_tenant(&self, tenant: TenantDocument) -> Result<(), StoreError> {
        self.change(move |database| tables::put_tenant(database, &tenant)).await
    }

    async fn rename_tenant(&self, from: TenantId, to: TenantDocument) -> Result<(), StoreError> {
        self.change(move |database| tables::rename_tenant(database, &from, &to)).await
    }

    async fn delete_tenant(&self, host: TenantId) -> Result<bool, StoreError> {
        self.change(move |database| tables::delete_tenant(database, &host)).await
    }

    async fn all_routes(&self) -> Result<Vec<(RouteKey, RouteRecord)>, StoreError> {
        self.run(tables::all_routes).await
    }

    async fn routes(&self, keys: Vec<RouteKey>) -> Result<Vec<RouteRecord>, StoreError> {
        self.run(move |database| tables::routes(database, &keys)).await
    }

    async fn step(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreError> {
        let stepped = self.run(move |database| tables::step(database, &steps)).await;
        if !matches!(stepped, Ok((_, tables::Written::Nothing))) {
            self.writes.stepped(&stepped);
        }
        let (answers, written) = stepped?;
        match written {
            tables::Written::Lazily => self.sync_later(),
            tables::Written::Synced => self.kept.turn_synced(),
            tables::Written::Nothing => {}
        }
        Ok(answers)
    }

    /// The predecessor had no embedded store, so it left no hints here.
    async fn hint(&self, _: &MeetingId) -> Result<Option<InstanceId>, StoreError> {
        Ok(None)
    }

    async fn forget_hint(&self, _: &MeetingId, _: &InstanceId) {}

    async fn shelf(&self, shelf: Shelf) -> Result<Vec<Shelved>, StoreError> {
        self.run(move |database| shelves::read(database, shelf)).await
    }

    async fn shelve(&self, shelf: Shelf, records: Vec<Shelved>) -> Result<(), StoreError> {
        self.run(move |database| shelves::put(database, shelf, &records)).await
    }

    async fn unshelve(&self, shelf: Shelf, ids: Vec<String>) -> Result<(), StoreError> {
        self.run(move |database| shelves::remove(database, shelf, &ids)).await
    }

    async fn follow(&self, tell: mpsc::Sender<Told>) {
        tell.closed().await;
    }
}

#[async_trait]
impl Queue for Embedded {
    async fn callback_key(&self, propose: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], StoreError> {
        self.run(move |database| queue::key(database, &propose)).await
    }

    async fn owe(
        &self,
        parcels: Vec<(Way, Parcel)>,
        now: u64,
        room: Room,
    ) -> Result<Vec<Owed>, StoreError> {
        self.run(move |database| queue::owe(database, &parcels, now, room)).await
    }

    async fn take_due(&self, now: u64, until: u64, wish: Wish) -> Result<Due, StoreError> {
        let due = self.run(move |database| queue::take_due(database, now, until, &wish)).await?;
        if !due.parcels.is_empty() {
            self.sync_later();
        }
        Ok(due)
    }

    async fn settle(
        &self,
        id: DeliveryId,
        until: u64,
        settle: Settle,
        room: Room,
    ) -> Result<bool, StoreError> {
        self.run(move |database| queue::settle(database, &id, until, settle, room)).await
    }

    async fn pile(&self, pile: Pile, from: usize, most: usize) -> Result<Page, StoreError> {
        self.run(move |database| queue::pile(database, pile, from, most)).await
    }

    async fn revive(&self, id: DeliveryId, now: u64) -> Result<bool, StoreError> {
        self.run(move |database| queue::revive(database, &id, now)).await
    }

    async fn discard(&self, id: DeliveryId) -> Result<bool, StoreError> {
        self.run(move |database| queue::discard(database, &id)).await
    }

    async fn discard_hook(&self, tenant: &str, hook: &str) -> Result<u64, StoreError> {
        let (tenant, hook) = (tenant.to_owned(), hook.to_owned());
        self.run(move |database| queue::discard_hook(database, &tenant, &hook)).await
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        self.run(queue::tallies).await
    }
}
