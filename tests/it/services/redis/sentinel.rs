//! A master, its replica, and three Sentinels of which two must agree.

use std::time::Duration;

use bigblueswarm::config::{RedisConfig, RedisServers, Sentinels};

use super::{APPENDING, AT_ONCE, PLAIN, RedisServer, until};

/// What the Sentinels call the master.
pub(crate) const MASTER: &str = "swarm";
/// So long a server must be silent until a Sentinel takes it for down. They ask once a second.
const DOWN_AFTER: Duration = Duration::from_millis(1_500);

/// The servers and their Sentinels.
pub(crate) struct RedisSentinels {
    pub(crate) servers: [RedisServer; 2],
    pub(crate) sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    pub(crate) fn start() -> Self {
        let first = RedisServer::start_from(None, &[&PLAIN[..], &APPENDING, &AT_ONCE].concat());
        let port = first.port().to_string();
        let follows = ["--replicaof", "127.0.0.1", &port];
        let second =
            RedisServer::start_from(None, &[&PLAIN[..], &APPENDING, &AT_ONCE, &follows].concat());
        until("the replica follows", || second.says("replication", "master_link_status:up"));
        let file = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {MASTER} {}\n\
             sentinel failover-timeout {MASTER} 3000\n",
            DOWN_AFTER.as_millis()
        );
        let sentinel = || RedisServer::start_from(Some(file.clone()), &["--sentinel"]);
        let sentinels: Vec<_> = (0..3).map(|_| sentinel()).collect();
        let this = Self { servers: [first, second], sentinels };
        for sentinel in &this.sentinels {
            until("the Sentinels know each other", || {
                let known = this.known(sentinel);
                let count = |name: &str| known.get(name).cloned().unwrap_or_default();
                count("num-other-sentinels") == "2" && count("num-slaves") == "1"
            });
        }
        this
    }

    fn known(&self, sentinel: &RedisServer) -> std::collections::HashMap<String, String> {
        sentinel.ask(&["SENTINEL", "MASTER", MASTER]).unwrap_or_default()
    }

    pub(crate) fn config(&self) -> RedisConfig {
        let addresses = self.sentinels.iter().map(RedisServer::address).collect();
        let (master, username, password) = (MASTER.to_owned(), None, None);
        let sentinels = Sentinels { addresses, master, username, password };
        RedisConfig::plain(RedisServers::Sentinels(sentinels))
    }

    /// The place of the server that all Sentinels name.
    pub(crate) fn named(&self) -> Option<usize> {
        let mut ports: Vec<_> =
            self.sentinels.iter().map(|sentinel| self.known(sentinel).remove("port")).collect();
        ports.dedup();
        match &ports[..] {
            [Some(port)] => {
                self.servers.iter().position(|server| server.port().to_string() == *port)
            }
            _ => None,
        }
    }

    /// Waits until the Sentinels have made the other server the master.
    pub(crate) fn until_named(&self, place: usize) {
        until("a failover", || {
            self.named() == Some(place) && self.servers[place].says("replication", "role:master")
        });
    }

    /// Kills the master, waits until its replica is the master, and starts it again as the replica's.
    pub(crate) fn fail_over(&mut self) {
        let master = self.named().expect("a master");
        self.servers[master].stop();
        self.until_named(1 - master);
        self.servers[master].start_again();
        let port = self.servers[1 - master].port().to_string();
        let follows = ["REPLICAOF", "127.0.0.1", &port];
        self.servers[master].ask::<()>(&follows).expect("it follows");
        let follows = || self.servers[master].says("replication", "master_link_status:up");
        until("the old master follows", follows);
    }
}
