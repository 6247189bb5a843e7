//! A Cluster of three masters, with a replica each where a story needs them.

use bigblueswarm::config::{RedisConfig, RedisServers};

use super::super::free_ports;
use super::{APPENDING, AT_ONCE, PLAIN, RedisServer, until};

/// As many masters; slot N is the business of master N * MASTERS / SLOTS.
const MASTERS: usize = 3;
const SLOTS: usize = 16384;

/// The nodes: masters first, then the replica of each.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Three masters.
    pub(crate) fn start() -> Self {
        Self::of(MASTERS)
    }

    /// Three masters, each with a replica.
    pub(crate) fn with_replicas() -> Self {
        Self::of(MASTERS * 2)
    }

    fn of(nodes: usize) -> Self {
        let cluster = Self { nodes: (0..nodes).map(|_| node()).collect() };
        cluster.introduce();
        for n in 0..MASTERS {
            let [first, last] = [n, n + 1].map(|n| n * SLOTS / MASTERS);
            let (first, last) = (first.to_string(), (last - 1).to_string());
            cluster.tell(n, &["ADDSLOTSRANGE", &first, &last]);
        }
        for (n, replica) in cluster.nodes.iter().enumerate().skip(MASTERS) {
            let id = cluster.id(n - MASTERS);
            until("the replica knows its master", || {
                replica.ask::<()>(&["CLUSTER", "REPLICATE", &id]).is_ok()
            });
            until("the replica follows", || replica.says("replication", "master_link_status:up"));
        }
        cluster.until_ok();
        cluster
    }

    /// Makes all nodes known to each other.
    fn introduce(&self) {
        for n in 0..self.nodes.len() {
            // Masters that begin with one epoch would have to agree on others first.
            self.tell(n, &["SET-CONFIG-EPOCH", &(n + 1).to_string()]);
        }
        for n in 1..self.nodes.len() {
            self.meet(n);
        }
    }

    fn meet(&self, n: usize) {
        let node = &self.nodes[n];
        let (port, bus) = (node.port().to_string(), bus_of(node));
        self.tell(0, &["MEET", "127.0.0.1", &port, &bus]);
    }

    /// A further node without slots; its place.
    pub(crate) fn add(&mut self) -> usize {
        self.nodes.push(node());
        let place = self.nodes.len() - 1;
        self.tell(place, &["SET-CONFIG-EPOCH", &(place + 1).to_string()]);
        self.meet(place);
        self.until_ok();
        place
    }

    /// Says `CLUSTER …` to a node.
    fn tell(&self, n: usize, words: &[&str]) {
        let words = [&["CLUSTER"], words].concat();
        self.nodes[n].ask::<()>(&words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
    }

    fn id(&self, n: usize) -> String {
        self.nodes[n].ask(&["CLUSTER", "MYID"]).expect("an id")
    }

    /// Waits until every running node knows all and can answer.
    pub(crate) fn until_ok(&self) {
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        for node in self.nodes.iter().filter(|node| node.child.is_some()) {
            until("the Cluster is ok", || {
                let info: redis::RedisResult<String> = node.ask(&["CLUSTER", "INFO"]);
                let info = info.unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains(&known)
            });
        }
    }

    pub(crate) fn config(&self) -> RedisConfig {
        let addresses = self.nodes.iter().map(RedisServer::address).collect();
        RedisConfig::plain(RedisServers::Cluster(addresses))
    }

    /// Kills every node and starts all again.
    pub(crate) fn restart(&mut self) {
        self.nodes.iter_mut().for_each(RedisServer::stop);
        self.nodes.iter_mut().for_each(RedisServer::start_again);
        self.until_ok();
    }

    /// The node that has this key's slot, and the slot.
    pub(crate) fn home_of(&self, key: &str) -> (usize, u16) {
        let slot: u16 = self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]).expect("a slot");
        (self.owner(slot).expect("an owner"), slot)
    }

    fn owner(&self, slot: u16) -> Option<usize> {
        self.nodes.iter().position(|node| {
            if node.child.is_none() || !node.says("replication", "role:master") {
                return false;
            }
            type Range = (u16, u16, redis::Value);
            let slots: Vec<Vec<redis::Value>> = node.ask(&["CLUSTER", "SLOTS"]).unwrap_or_default();
            let ranges = slots.into_iter().filter_map(|mut range| {
                range.truncate(3);
                redis::from_redis_value::<Range>(redis::Value::Array(range)).ok()
            });
            let mut ranges = ranges.filter(|(first, last, _)| (*first..=*last).contains(&slot));
            let Some((.., redis::Value::Array(master))) = ranges.next() else { return false };
            matches!(master.get(1), Some(redis::Value::Int(port)) if *port == i64::from(node.port()))
        })
    }

    /// Begins to move a slot: what is there is still answered, what is not is asked for at its new home.
    pub(crate) fn begin_to_move(&self, slot: u16, to: usize) {
        let from = self.owner(slot).expect("an owner");
        let (number, source, target) = (slot.to_string(), self.id(from), self.id(to));
        self.tell(to, &["SETSLOT", &number, "IMPORTING", &source]);
        self.tell(from, &["SETSLOT", &number, "MIGRATING", &target]);
    }

    /// Moves the keys of a slot, and then the slot.
    pub(crate) fn end_to_move(&self, slot: u16, to: usize) {
        let from = self.owner(slot).expect("an owner");
        let (number, target) = (slot.to_string(), self.id(to));
        let (source, port) = (&self.nodes[from], self.nodes[to].port().to_string());
        loop {
            let keys = ["CLUSTER", "GETKEYSINSLOT", &number, "10"];
            let keys: Vec<String> = source.ask(&keys).expect("keys");
            if keys.is_empty() {
                break;
            }
            for key in keys {
                let migrate = ["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"];
                source.ask::<()>(&migrate).unwrap_or_else(|e| panic!("{key}: {e}"));
            }
        }
        self.tell(to, &["SETSLOT", &number, "NODE", &target]);
        for n in (0..self.nodes.len()).filter(|n| *n != to) {
            // A replica hears it from its master.
            let words = ["CLUSTER", "SETSLOT", &number, "NODE", &target];
            let _ = self.nodes[n].ask::<()>(&words);
        }
    }

    pub(crate) fn move_slot(&self, slot: u16, to: usize) {
        if self.owner(slot) != Some(to) {
            self.begin_to_move(slot, to);
            self.end_to_move(slot, to);
        }
    }

    /// Waits until this node is a master.
    pub(crate) fn until_master(&self, n: usize) {
        until("the replica takes over", || self.nodes[n].says("replication", "role:master"));
        let others = self.nodes.iter().filter(|node| node.child.is_some());
        for node in others {
            until("the Cluster is ok again", || {
                let info: redis::RedisResult<String> = node.ask(&["CLUSTER", "INFO"]);
                info.is_ok_and(|info| info.contains("cluster_state:ok"))
            });
        }
    }
}

fn node() -> RedisServer {
    let [bus] = free_ports::<1>();
    let bus = bus.to_string();
    let clustered = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
    let port = ["--cluster-port", &bus];
    RedisServer::start_from(None, &[&PLAIN[..], &APPENDING, &AT_ONCE, &clustered, &port].concat())
}

fn bus_of(node: &RedisServer) -> String {
    let at = node.options.iter().position(|option| option == "--cluster-port").expect("a port");
    node.options[at + 1].clone()
}
