//! Kinds of shared stores, and what can go wrong with each.

use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::config::{Config, RedisConfig, StoreConfig};
use bigblueswarm::domain::meeting::MeetingId;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::store::{self, Store};

use crate::services::redis::{MASTER, RedisCluster, RedisSentinels, RedisServer};

/// A shared store of one kind.
pub(super) trait Deployment: Send + Sized + 'static {
    /// Starts the servers.
    fn start() -> Self;
    /// How balancers reach it.
    fn config(&self) -> RedisConfig;
    /// The same, as a section of a configuration file.
    fn section(&self) -> String;
    /// Every server that may keep data.
    fn servers(&self) -> Vec<&RedisServer>;
    /// Those that take writes.
    fn masters(&self) -> Vec<&RedisServer>;
    /// What is written from now on is lost by [`come_back_older`](Self::come_back_older).
    fn begin_to_lose(&mut self);
    /// The store goes on with the state at [`begin_to_lose`](Self::begin_to_lose). Returns when it takes writes again.
    fn come_back_older(&mut self);
    /// A meeting id whose record is lost then.
    fn losable(&self, name: &str) -> String {
        name.to_owned()
    }

    /// A replica's own connections.
    fn store(&self) -> Arc<dyn Store> {
        let config = Config::with_secrets(Secret::new("s"), Secret::new("k"));
        store::open(&StoreConfig::Redis(self.config()), &config.deadlines).expect("a store")
    }

    /// Every server accepts connections and answers nothing, or all go on.
    fn hang(&self, hangs: bool) {
        let each: fn(&RedisServer) = if hangs { RedisServer::pause } else { RedisServer::resume };
        self.servers().into_iter().for_each(each);
    }

    /// All keys are gone.
    fn flush(&self) {
        self.masters().into_iter().for_each(|master| ask(master, &["FLUSHALL"]));
    }

    /// One master refuses writes, or takes them again.
    fn fill(&self, full: bool) {
        let most = if full { "1" } else { "0" };
        let masters = self.masters();
        ask(masters.last().expect("a master"), &["CONFIG", "SET", "maxmemory", most]);
    }
}

fn ask(server: &RedisServer, words: &[&str]) {
    server.ask::<redis::Value>(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
}

/// Ends the connections to replicas: one that is paused would read later what it was sent.
fn disconnect_replicas(master: &RedisServer) {
    let ended: u64 = master.ask(&["CLIENT", "KILL", "TYPE", "replica"]).expect("an answer");
    assert!(ended > 0, "there was a replica");
}

/// One server with the defaults of Redis, which is killed and comes back with its last snapshot.
pub(super) struct SingleRedis(RedisServer);

impl Deployment for SingleRedis {
    fn start() -> Self {
        Self(RedisServer::start())
    }

    fn config(&self) -> RedisConfig {
        RedisConfig::at(self.0.address())
    }

    fn section(&self) -> String {
        format!("redis:\n  address: {}\n", self.0.address())
    }

    fn servers(&self) -> Vec<&RedisServer> {
        vec![&self.0]
    }

    fn masters(&self) -> Vec<&RedisServer> {
        vec![&self.0]
    }

    fn begin_to_lose(&mut self) {
        ask(&self.0, &["SAVE"]);
    }

    fn come_back_older(&mut self) {
        self.0.stop();
        self.0.start_again();
    }
}

/// A master whose replica copies nothing any more and then takes over.
pub(super) struct SentinelRedis(RedisSentinels);

impl Deployment for SentinelRedis {
    fn start() -> Self {
        Self(RedisSentinels::start())
    }

    fn config(&self) -> RedisConfig {
        self.0.config()
    }

    fn section(&self) -> String {
        let sentinels: Vec<_> = self.0.sentinels.iter().map(RedisServer::address).collect();
        format!("redis:\n  sentinels: [{}]\n  sentinelMaster: {MASTER}\n", sentinels.join(", "))
    }

    fn servers(&self) -> Vec<&RedisServer> {
        self.0.servers.iter().collect()
    }

    fn masters(&self) -> Vec<&RedisServer> {
        vec![&self.0.servers[0]]
    }

    fn begin_to_lose(&mut self) {
        self.0.servers[1].pause();
        disconnect_replicas(&self.0.servers[0]);
    }

    fn come_back_older(&mut self) {
        self.0.servers[0].stop();
        self.0.servers[1].resume();
        self.0.until_named(1);
    }
}

/// Three masters with a replica each; the second one's copies nothing any more and then takes over.
pub(super) struct ClusterRedis(RedisCluster);

/// The master that is lost, and its replica.
const LOST: usize = 1;
const TAKES_OVER: usize = 4;

impl Deployment for ClusterRedis {
    fn start() -> Self {
        Self(RedisCluster::with_replicas())
    }

    fn config(&self) -> RedisConfig {
        self.0.config()
    }

    fn section(&self) -> String {
        let nodes: Vec<_> = self.0.nodes.iter().map(RedisServer::address).collect();
        format!("redis:\n  cluster: [{}]\n", nodes.join(", "))
    }

    fn servers(&self) -> Vec<&RedisServer> {
        self.0.nodes.iter().collect()
    }

    fn masters(&self) -> Vec<&RedisServer> {
        self.0.nodes[..3].iter().collect()
    }

    fn begin_to_lose(&mut self) {
        self.0.nodes[TAKES_OVER].pause();
        disconnect_replicas(&self.0.nodes[LOST]);
    }

    fn come_back_older(&mut self) {
        self.0.nodes[LOST].stop();
        self.0.nodes[TAKES_OVER].resume();
        self.0.until_master(TAKES_OVER);
    }

    fn losable(&self, name: &str) -> String {
        let is_lost = |id: &String| {
            let key = MeetingId::new(id.as_str()).key();
            self.0.home_of(&format!("bigblueswarm:route:{{{key}}}")).0 == LOST
        };
        (0..).map(|n| format!("{name}-{n}")).find(is_lost).expect("there is no end of ids")
    }
}

/// Longer than memory is believed after the last proof that all changes were heard.
pub(super) const LEASE_EXPIRED: Duration = Duration::from_millis(1_300);
