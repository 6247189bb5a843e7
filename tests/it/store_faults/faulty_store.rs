//! One replica's connection to a store of any kind, which can be cut or fall silent while others' go on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bigblueswarm::bbb::callback::KEY_BYTES;
use bigblueswarm::domain::delivery::DeliveryId;
use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::meeting::{MeetingId, RouteKey, RouteRecord};
use bigblueswarm::domain::tenant::{TenantDocument, TenantId};
use bigblueswarm::outside::store::mark::Mark;
use bigblueswarm::outside::store::peers::{Chore, News, Shared, StoreTime, Turn};
use bigblueswarm::outside::store::queue::{
    Due, Owed, Page, Parcel, Pile, Queue, Room, Settle, Tally, Way, Wish,
};
use bigblueswarm::outside::store::{
    InstanceRecord, RecordingsKept, Shelf, Shelved, Step, Stepped, Store, StoreError, TenantChange,
    Told,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval};

/// What passes over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// Calls are answered; of what other replicas change nothing is heard.
    Silent,
    /// Nothing passes.
    Cut,
}

/// How often a replica that is cut off notices it.
const NOTICED_EVERY: Duration = Duration::from_millis(250);
/// For so long the store then counts as away.
const COUNTS_AS_AWAY: Duration = Duration::from_secs(1);

/// A store whose connection fails as the story wants it.
pub(super) struct FaultyStore {
    inner: Arc<dyn Store>,
    link: watch::Sender<Link>,
}

impl FaultyStore {
    pub(super) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, link: watch::Sender::new(Link::Up) })
    }

    pub(super) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    fn passes(&self) -> Result<(), StoreError> {
        match *self.link.borrow() {
            Link::Cut => Err(StoreError::Away("cut off".into())),
            Link::Up | Link::Silent => Ok(()),
        }
    }
}

/// Methods that pass the call on unless the connection is cut.
macro_rules! passing {
    (impl $trait:ident { $(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)* } $($more:tt)*) => {
        #[async_trait]
        impl $trait for FaultyStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$out, StoreError> {
                self.passes()?;
                self.inner.$name($($arg),*).await
            })*
            $($more)*
        }
    };
}

passing! {
    impl Queue {
        fn callback_key(propose: [u8; KEY_BYTES]) -> [u8; KEY_BYTES];
        fn owe(parcels: Vec<(Way, Parcel)>, now: u64, room: Room) -> Vec<Owed>;
        fn take_due(now: u64, until: u64, wish: Wish) -> Due;
        fn settle(id: DeliveryId, until: u64, settle: Settle, room: Room) -> bool;
        fn pile(pile: Pile, from: usize, most: usize) -> Page;
        fn revive(id: DeliveryId, now: u64) -> bool;
        fn discard(id: DeliveryId) -> bool;
        fn discard_hook(tenant: &str, hook: &str) -> u64;
        fn tallies() -> Vec<Tally>;
    }
}

passing! {
    impl Store {
        fn check() -> ();
        fn ping() -> ();
        fn instances() -> Vec<InstanceRecord>;
        fn set_instances(pool: Vec<InstanceRecord>) -> ();
        fn read_pool() -> (Vec<InstanceRecord>, Mark);
        fn change_pool(pool: Vec<InstanceRecord>, from: &Mark, again: Option<&Mark>) -> Option<Mark>;
        fn read_tenants() -> (Vec<TenantDocument>, Mark);
        fn change_tenant(change: TenantChange, from: &Mark) -> Option<(Mark, bool)>;
        fn restore_tenants(
            known: Vec<TenantDocument>,
            instead: Vec<TenantId>,
            from: &Mark,
            again: &Mark
        ) -> Option<Mark>;
        fn tenants() -> Vec<TenantDocument>;
        fn put_tenant(tenant: TenantDocument) -> ();
        fn rename_tenant(from: TenantId, to: TenantDocument) -> ();
        fn delete_tenant(host: TenantId) -> bool;
        fn all_routes() -> Vec<(RouteKey, RouteRecord)>;
        fn routes(keys: Vec<RouteKey>) -> Vec<RouteRecord>;
        fn step(steps: Vec<Step>) -> Vec<Stepped>;
        fn hint(meeting: &MeetingId) -> Option<InstanceId>;
        fn shelf(shelf: Shelf) -> Vec<Shelved>;
        fn shelve(shelf: Shelf, records: Vec<Shelved>) -> ();
        fn unshelve(shelf: Shelf, ids: Vec<String>) -> ();
        fn turn(chore: Chore, of: &InstanceId, lasts: Duration) -> Turn;
        fn share(
            chore: Chore,
            of: &InstanceId,
            asked_at: StoreTime,
            list: &[u8],
            lasts: Duration
        ) -> ();
        fn read_shared(chore: Chore, of: &InstanceId) -> Option<Shared>;
        fn keep_recordings(kept: RecordingsKept) -> ();
    }

    fn shared(&self) -> bool {
        self.inner.shared()
    }

    fn incarnation(&self) -> u64 {
        self.inner.incarnation()
    }

    fn ailment(&self) -> Option<String> {
        self.inner.ailment()
    }

    fn counts_pools(&self) -> bool {
        self.inner.counts_pools()
    }

    async fn forget_hint(&self, meeting: &MeetingId, instance: &InstanceId) {
        if self.passes().is_ok() {
            self.inner.forget_hint(meeting, instance).await;
        }
    }

    async fn leave(&self, chore: Chore, of: &InstanceId, tell: bool) {
        if self.passes().is_ok() {
            self.inner.leave(chore, of, tell).await;
        }
    }

    async fn tell(&self, news: &News) {
        if self.passes().is_ok() {
            self.inner.tell(news).await;
        }
    }

    async fn follow(&self, tell: mpsc::Sender<Told>) {
        let (heard, mut hears) = mpsc::channel(256);
        let mut link = self.link.subscribe();
        let passing_on = async {
            let mut notice = interval(NOTICED_EVERY);
            loop {
                let state = *link.borrow_and_update();
                let told = tokio::select! {
                    told = hears.recv() => match told {
                        // As the link is now: this task may have woken up late.
                        Some(told) if *link.borrow() == Link::Up => told,
                        Some(_) => continue,
                        None => return,
                    },
                    Ok(()) = link.changed() => match (state, *link.borrow()) {
                        // What passed meanwhile is to be read.
                        (Link::Silent | Link::Cut, Link::Up) => Told::Everything,
                        _ => continue,
                    },
                    _ = notice.tick(), if state == Link::Cut => {
                        Told::Away(Instant::now() + COUNTS_AS_AWAY)
                    }
                };
                if tell.send(told).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = self.inner.follow(heard) => {}
            () = passing_on => {}
        }
    }
}
