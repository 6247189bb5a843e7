//! Where a story's store lives, and short words for what stories say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bigblueswarm::config::{Config, RedisConfig, StoreConfig};
use bigblueswarm::domain::instance::{AdminState, InstanceId};
use bigblueswarm::domain::meeting::{MeetingId, Route, RouteKey, RouteState, Version};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::domain::tenant::TenantId;
use bigblueswarm::outside::store::embedded::Embedded;
use bigblueswarm::outside::store::redis::Redis;
use bigblueswarm::outside::store::{
    Becomes, ChangeAsk, Changed, ClaimAsk, Claimed, InstanceRecord, Step, Stepped, Store, open,
};
use tempfile::TempDir;

use crate::services::redis::{RedisCluster, RedisSentinels, RedisServer};

/// Long enough for a busy machine; stories about lateness have their own.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A place that outlives the stores opened in it.
pub(crate) trait Home {
    fn start() -> Self;
    /// As many stores on the same state as there would be replicas.
    fn replicas(&self, many: usize) -> Vec<Arc<dyn Store>>;
    /// Ends and starts again what keeps the state. All stores must be dropped.
    fn restart(&mut self);

    fn open(&self) -> Arc<dyn Store> {
        self.replicas(1).remove(0)
    }
}

pub(crate) struct EmbeddedHome(TempDir);

impl Home for EmbeddedHome {
    fn start() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn replicas(&self, many: usize) -> Vec<Arc<dyn Store>> {
        let path = self.0.path().join("data/deep/swarm.redb");
        let one: Arc<dyn Store> = Arc::new(Embedded::open(&path, DEADLINE).expect("it opens"));
        vec![one; many]
    }

    fn restart(&mut self) {}
}

pub(crate) struct RedisHome(RedisServer);

impl Home for RedisHome {
    fn start() -> Self {
        Self(RedisServer::start_appending())
    }

    fn replicas(&self, many: usize) -> Vec<Arc<dyn Store>> {
        (0..many).map(|_| Arc::new(redis_at(&self.0, DEADLINE)) as Arc<dyn Store>).collect()
    }

    fn restart(&mut self) {
        self.0.stop();
        self.0.start_again();
    }
}

/// A master with a replica. What ends it is a failover: the replica goes on with what was acknowledged.
pub(crate) struct SentinelHome(RedisSentinels);

impl Home for SentinelHome {
    fn start() -> Self {
        Self(RedisSentinels::start())
    }

    fn replicas(&self, many: usize) -> Vec<Arc<dyn Store>> {
        (0..many)
            .map(|_| Arc::new(redis_in(&self.0.config(), DEADLINE)) as Arc<dyn Store>)
            .collect()
    }

    fn restart(&mut self) {
        self.0.fail_over();
    }
}

/// Three masters.
pub(crate) struct ClusterHome(RedisCluster);

impl Home for ClusterHome {
    fn start() -> Self {
        Self(RedisCluster::start())
    }

    fn replicas(&self, many: usize) -> Vec<Arc<dyn Store>> {
        (0..many)
            .map(|_| Arc::new(redis_in(&self.0.config(), DEADLINE)) as Arc<dyn Store>)
            .collect()
    }

    fn restart(&mut self) {
        self.0.restart();
    }
}

/// Runs each story on each kind of store, in a module of its own.
macro_rules! on_stores {
    ($($module:ident: $kind:path),*; $stories:tt) => {
        $(crate::store::home::on_stores!(@ $module $kind, $stories);)*
    };
    (@ $module:ident $kind:path, { $($story:ident)* }) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story::<$kind>().await;
            })*
        }
    };
}
pub(crate) use on_stores;

pub(crate) fn redis_in(config: &RedisConfig, deadline: Duration) -> Redis {
    Redis::new(config, deadline).expect("a store")
}

pub(crate) fn redis_at(server: &RedisServer, deadline: Duration) -> Redis {
    redis_in(&RedisConfig::at(server.address()), deadline)
}

pub(crate) fn version() -> Version {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 63);
    Version(NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn key(meeting: &str) -> RouteKey {
    MeetingId::new(meeting).key()
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name)
}

pub(crate) fn instance(name: &str) -> InstanceId {
    InstanceId::new(format!("https://{name}.example.org/bigbluebutton"))
}

pub(crate) fn instances(names: &[&str]) -> Vec<InstanceId> {
    names.iter().map(|name| instance(name)).collect()
}

pub(crate) fn record(name: &str) -> InstanceRecord {
    InstanceRecord {
        id: instance(name),
        secret: Secret::new(format!("secret of {name}")),
        admin: AdminState::Enabled,
        retired: false,
        sign_with: None,
        tags: Vec::new(),
    }
}

pub(crate) fn claim(meeting: &str, by: &str, candidates: &[&str]) -> Step {
    Step::Claim(ClaimAsk {
        key: key(meeting),
        meeting: Some(MeetingId::new(meeting)),
        tenant: tenant(by),
        candidates: instances(candidates),
        version: version(),
        ended: None,
        most: None,
    })
}

pub(crate) fn change(meeting: &str, by: &str, expect: Option<Version>, becomes: Becomes) -> Step {
    Step::Change(ChangeAsk {
        key: key(meeting),
        meeting: Some(MeetingId::new(meeting)),
        tenant: tenant(by),
        expect,
        becomes,
        internal: None,
        version: version(),
        durable: true,
    })
}

/// Takes one step.
pub(crate) async fn take(store: &dyn Store, step: Step) -> Stepped {
    let mut answers = store.step(vec![step]).await.expect("the store answers");
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Claims and expects a new route.
pub(crate) async fn claimed(
    store: &dyn Store,
    meeting: &str,
    by: &str,
    candidates: &[&str],
) -> Route {
    match take(store, claim(meeting, by, candidates)).await {
        Stepped::Claimed(Claimed::New(route)) => {
            assert_eq!((route.state, route.tombs.len()), (RouteState::Claimed, 0));
            route
        }
        other => panic!("no new claim: {other:?}"),
    }
}

/// Changes and expects it to be done.
pub(crate) async fn changed(
    store: &dyn Store,
    meeting: &str,
    by: &str,
    expect: Option<Version>,
    becomes: Becomes,
) -> Option<Route> {
    match take(store, change(meeting, by, expect, becomes)).await {
        Stepped::Changed(Changed::Done(route)) => route,
        other => panic!("not changed: {other:?}"),
    }
}

#[tokio::test]
async fn the_configured_store_is_opened() {
    let server = RedisServer::start();
    let directory = tempfile::tempdir().expect("a directory");
    let secret = || Secret::new("0123456789abcdef");
    let deadlines = Config::with_secrets(secret(), secret()).deadlines;
    let path = directory.path().join("swarm.redb");
    let embedded = StoreConfig::Embedded { path: path.clone() };
    let shared = StoreConfig::Redis(RedisConfig::at(server.address()));
    for (config, is_shared) in [(&embedded, false), (&shared, true)] {
        let store = open(config, &deadlines).expect("it opens");
        store.ping().await.expect("it answers");
        assert_eq!(store.shared(), is_shared);
        let again = open(config, &deadlines);
        assert_eq!(again.is_ok(), is_shared, "only an embedded file is for one process");
    }
    assert!(path.exists());
}
