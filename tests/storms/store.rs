//! The store that replicas of a storm share: a model of Redis. Steps are the program's own [`take`]; connections, news,
//! snapshots and failovers are modelled as they are to those who call.

mod ear; // hearing of what others change
mod queue; // what is owed to tenants' servers
mod state; // what is kept, and as it was before

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bigblueswarm::bbb::callback::KEY_BYTES;
use bigblueswarm::determinism::Randomness;
use bigblueswarm::domain::delivery::DeliveryId;
use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::meeting::{MeetingId, RouteKey, RouteRecord};
use bigblueswarm::domain::tenant::{TenantDocument, TenantId};
use bigblueswarm::outside::store::mark::Mark;
use bigblueswarm::outside::store::peers::{Chore, News, Shared, StoreTime, Turn};
use bigblueswarm::outside::store::queue::{
    Due, Owed, Page, Parcel, Pile, Queue, Room, Settle, Tally, Way, Wish,
};
use bigblueswarm::outside::store::take::take;
use bigblueswarm::outside::store::{
    InstanceRecord, Shelf, Shelved, Step, Stepped, Store, StoreError, TenantChange, Told,
};
use tokio::sync::mpsc;
use tokio::time::sleep;

use self::state::{INSTANCES, State, TENANTS};
use crate::engine::TURN;
use crate::shared::{Amid, Held, Phase, Process};

/// Every call answers within this.
const DEADLINE: Duration = Duration::from_millis(900);
/// So long a claim waits for the store's replica.
const COPIED_WITHIN: Duration = Duration::from_millis(300);

/// The way from one replica to the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    /// Nothing passes, for so many reasons.
    pub(crate) cut: usize,
    /// What is asked is done, and no answer comes, for so many reasons.
    pub(crate) mute: usize,
    /// No news are heard on it.
    pub(crate) deaf: bool,
    /// News come so much later, and perhaps twice.
    pub(crate) late: Duration,
    pub(crate) doubled: bool,
}

/// The store itself.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) state: Held<State>,
    pub(crate) wires: Held<Vec<Wire>>,
    /// Whether claims count, as in one Redis; or they are told in one order, as in a Cluster.
    counts_pools: bool,
    randomness: Randomness,
}

impl Hub {
    pub(crate) fn new(replicas: usize, counts_pools: bool, randomness: Randomness) -> Self {
        let wires = Held::new(vec![Wire::default(); replicas]);
        Self { state: Held::new(State::default()), wires, counts_pools, randomness }
    }

    pub(crate) fn wire(&self, replica: usize, change: impl FnOnce(&mut Wire)) {
        self.wires.with(|wires| change(&mut wires[replica]));
    }

    fn trip(&self) -> Duration {
        Duration::from_secs_f64(self.randomness.within(0.000_2..=0.004))
    }
}

/// The store as one process of a replica has it.
pub(crate) struct SimStore {
    hub: Hub,
    replica: usize,
    process: Process,
    /// Who it is among those who change and hear.
    me: u64,
    /// Which state of the store it met last, and how often that was another.
    met: AtomicU64,
    incarnation: AtomicU64,
}

impl SimStore {
    pub(crate) fn new(hub: &Hub, replica: usize, process: &Process) -> Self {
        let (me, met) = hub.state.with(|state| (state.next_sender(), state.incarnation));
        let incarnation = AtomicU64::new(0);
        let process = process.clone();
        Self { hub: hub.clone(), replica, process, me, met: AtomicU64::new(met), incarnation }
    }

    fn wire(&self) -> Wire {
        self.hub.wires.with(|wires| wires[self.replica].clone())
    }

    /// Asks the store: there, done, and back.
    async fn ask<R>(&self, act: impl FnOnce(&mut State) -> R) -> Result<R, StoreError> {
        sleep(self.hub.trip()).await;
        self.passes(|wire| wire.cut > 0).await?;
        let (done, met) = self.hub.state.with(|state| (act(state), state.incarnation));
        if self.met.swap(met, Relaxed) != met {
            self.incarnation.fetch_add(1, Relaxed);
        }
        let back = self.hub.trip();
        // Who stands still from now on has no answer yet.
        sleep(if self.process.phase() == Phase::Asleep { back + TURN * 2 } else { back }).await;
        self.passes(|wire| wire.cut + wire.mute > 0).await?;
        Ok(done)
    }

    /// The same; the process may come to stand still before the answer is there.
    async fn ask_amid<R>(
        &self,
        calls: &[Amid],
        act: impl FnOnce(&mut State) -> R,
    ) -> Result<R, StoreError> {
        self.ask(|state| {
            calls.iter().for_each(|call| self.process.is_amid(*call));
            act(state)
        })
        .await
    }

    async fn queue<R>(&self, act: impl FnOnce(&mut queue::Parcels) -> R) -> Result<R, StoreError> {
        self.ask(|state| state.queue(act)).await
    }

    async fn passes(&self, cut: fn(&Wire) -> bool) -> Result<(), StoreError> {
        if !cut(&self.wire()) {
            return Ok(());
        }
        sleep(DEADLINE).await;
        Err(StoreError::Away("cut off".into()))
    }
}

#[async_trait]
impl Store for SimStore {
    fn shared(&self) -> bool {
        true
    }

    fn counts_pools(&self) -> bool {
        self.hub.counts_pools
    }

    fn incarnation(&self) -> u64 {
        self.incarnation.load(Relaxed)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask(|_| ()).await
    }

    async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        self.ask(|state| state.kept.pool.clone()).await
    }

    async fn set_instances(&self, pool: Vec<InstanceRecord>) -> Result<(), StoreError> {
        let me = self.me;
        self.ask(|state| state.change(me, INSTANCES, |kept| kept.pool = pool)).await
    }

    async fn read_pool(&self) -> Result<(Vec<InstanceRecord>, Mark), StoreError> {
        self.ask(|state| (state.kept.pool.clone(), state.mark(INSTANCES))).await
    }

    async fn change_pool(
        &self,
        pool: Vec<InstanceRecord>,
        from: &Mark,
        again: Option<&Mark>,
    ) -> Result<Option<Mark>, StoreError> {
        let (me, guard) = (self.me, state::Guard { from, exactly: true, again });
        self.ask(|state| state.guarded(me, INSTANCES, guard, |kept| kept.pool = pool)).await
    }

    async fn read_tenants(&self) -> Result<(Vec<TenantDocument>, Mark), StoreError> {
        self.ask(|state| (state.tenants(), state.mark(TENANTS))).await
    }

    async fn change_tenant(
        &self,
        change: TenantChange,
        from: &Mark,
    ) -> Result<Option<(Mark, bool)>, StoreError> {
        let exactly = matches!(change, TenantChange::Rename { .. });
        let guard = state::Guard { from, exactly, again: None };
        let (me, mut there) = (self.me, true);
        let done = self.ask(|state| {
            state.guarded(me, TENANTS, guard, |kept| match change {
                TenantChange::Put(document) => kept.put(*document),
                TenantChange::Delete(host) => there = kept.tenants.remove(host.as_str()).is_some(),
                TenantChange::Rename { from, document } => {
                    kept.tenants.remove(from.as_str());
                    kept.put(*document);
                }
            })
        });
        let mark = done.await?;
        Ok(mark.map(|mark| (mark, there)))
    }

    async fn restore_tenants(
        &self,
        known: Vec<TenantDocument>,
        instead: Vec<TenantId>,
        from: &Mark,
        again: &Mark,
    ) -> Result<Option<Mark>, StoreError> {
        let (me, guard) = (self.me, state::Guard { from, exactly: true, again: Some(again) });
        let restore = |state: &mut State| {
            state.guarded(me, TENANTS, guard, |kept| {
                instead.iter().for_each(|host| drop(kept.tenants.remove(host.as_str())));
                known.into_iter().for_each(|document| kept.put(document));
            })
        };
        self.ask(restore).await
    }

    async fn tenants(&self) -> Result<Vec<TenantDocument>, StoreError> {
        self.ask(|state| state.tenants()).await
    }

    async fn put_tenant(&self, tenant: TenantDocument) -> Result<(), StoreError> {
        let me = self.me;
        self.ask(|state| state.change(me, TENANTS, |kept| kept.put(tenant))).await
    }

    async fn rename_tenant(&self, from: TenantId, to: TenantDocument) -> Result<(), StoreError> {
        let me = self.me;
        let rename = |kept: &mut state::Kept| {
            kept.tenants.remove(from.as_str());
            kept.put(to);
        };
        self.ask(|state| state.change(me, TENANTS, rename)).await
    }

    async fn delete_tenant(&self, host: TenantId) -> Result<bool, StoreError> {
        let me = self.me;
        let delete = |kept: &mut state::Kept| kept.tenants.remove(host.as_str()).is_some();
        self.ask(|state| state.change(me, TENANTS, delete)).await
    }

    async fn all_routes(&self) -> Result<Vec<(RouteKey, RouteRecord)>, StoreError> {
        self.ask(|state| state.kept.routes.iter().map(|(k, r)| (*k, r.clone())).collect()).await
    }

    async fn routes(&self, keys: Vec<RouteKey>) -> Result<Vec<RouteRecord>, StoreError> {
        let read = |state: &mut State| {
            let record = |key| state.kept.routes.get(key).cloned().unwrap_or_default();
            keys.iter().map(record).collect()
        };
        self.ask_amid(&[Amid::Store, Amid::Read], read).await
    }

    async fn step(&self, steps: Vec<Step>) -> Result<Vec<Stepped>, StoreError> {
        let (me, hub) = (self.me, &self.hub);
        let (stepped, lag) = self
            .ask_amid(&[Amid::Store], |state| {
                let stepped = steps.iter().map(|step| state.step(me, hub, step, take)).collect();
                state.remember();
                (stepped, state.lag)
            })
            .await?;
        if steps.iter().any(Step::durable) && !lag.is_zero() {
            sleep(lag.min(COPIED_WITHIN)).await;
        }
        Ok(stepped)
    }

    async fn hint(&self, _: &MeetingId) -> Result<Option<InstanceId>, StoreError> {
        self.ask(|_| None).await
    }

    async fn forget_hint(&self, _: &MeetingId, _: &InstanceId) {}

    async fn shelf(&self, shelf: Shelf) -> Result<Vec<Shelved>, StoreError> {
        self.ask(|state| state.shelf(shelf)).await
    }

    async fn shelve(&self, shelf: Shelf, records: Vec<Shelved>) -> Result<(), StoreError> {
        let me = self.me;
        self.ask(|state| state.shelve(me, shelf, records)).await
    }

    async fn unshelve(&self, shelf: Shelf, ids: Vec<String>) -> Result<(), StoreError> {
        let me = self.me;
        self.ask(|state| state.unshelve(me, shelf, &ids)).await
    }

    async fn turn(
        &self,
        chore: Chore,
        instance: &InstanceId,
        hold: Duration,
    ) -> Result<Turn, StoreError> {
        let me = self.me;
        self.ask(|state| state.chores.turn(me, (chore, instance), hold)).await
    }

    async fn share(
        &self,
        chore: Chore,
        instance: &InstanceId,
        asked: StoreTime,
        list: &[u8],
        keep: Duration,
    ) -> Result<(), StoreError> {
        let (me, hub) = (self.me, &self.hub);
        self.ask(|state| {
            if state.chores.share(me, (chore, instance), asked, list, keep) {
                state.publish(me, hub, &Told::News(me, News::Done(chore, instance.mark())));
            }
        })
        .await
    }

    async fn read_shared(
        &self,
        chore: Chore,
        instance: &InstanceId,
    ) -> Result<Option<Shared>, StoreError> {
        self.ask(|state| state.chores.read((chore, instance))).await
    }

    async fn leave(&self, chore: Chore, instance: &InstanceId, tell: bool) {
        let (me, hub) = (self.me, &self.hub);
        let left = self.ask(|state| {
            if state.chores.leave(me, (chore, instance)) && tell {
                state.publish(me, hub, &Told::News(me, News::Done(chore, instance.mark())));
            }
        });
        let _ = left.await;
    }

    async fn tell(&self, news: &News) {
        let (me, hub, told) = (self.me, &self.hub, Told::News(self.me, news.clone()));
        let _ = self.ask(|state| state.publish(me, hub, &told)).await;
    }

    async fn follow(&self, tell: mpsc::Sender<Told>) {
        ear::follow(self, tell).await;
    }
}

#[async_trait]
impl Queue for SimStore {
    async fn callback_key(&self, propose: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], StoreError> {
        self.ask(|state| state.callback_key(propose)).await
    }

    async fn owe(
        &self,
        parcels: Vec<(Way, Parcel)>,
        _: u64,
        room: Room,
    ) -> Result<Vec<Owed>, StoreError> {
        self.queue(|queue| queue.owe(parcels, room)).await
    }

    async fn take_due(&self, now: u64, until: u64, wish: Wish) -> Result<Due, StoreError> {
        self.queue(|queue| queue.take_due(now, until, &wish)).await
    }

    async fn settle(
        &self,
        id: DeliveryId,
        until: u64,
        settle: Settle,
        _: Room,
    ) -> Result<bool, StoreError> {
        self.queue(|queue| queue.settle(id, until, settle)).await
    }

    async fn pile(&self, pile: Pile, from: usize, most: usize) -> Result<Page, StoreError> {
        self.queue(|queue| queue.pile(pile, from, most)).await
    }

    async fn revive(&self, id: DeliveryId, now: u64) -> Result<bool, StoreError> {
        self.queue(|queue| queue.revive(id, now)).await
    }

    async fn discard(&self, id: DeliveryId) -> Result<bool, StoreError> {
        self.queue(|queue| queue.discard(id)).await
    }

    async fn discard_hook(&self, tenant: &str, hook: &str) -> Result<u64, StoreError> {
        self.queue(|queue| queue.discard_hook(tenant, hook)).await
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        self.queue(|queue| queue.tallies()).await
    }
}
