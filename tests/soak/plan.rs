//! Which faults a soak has, drawn from its seed before it begins.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

pub(crate) const REPLICAS: usize = 3;
pub(crate) const SERVERS: usize = 4;
pub(crate) const SENTINELS: usize = 3;
/// One fault begins about this often.
const EVERY: u64 = 15_000;

/// Something that goes wrong from a moment on for some time, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) number: usize,
    pub(crate) at: u64,
    pub(crate) lasts: u64,
    pub(crate) what: Trouble,
}

/// What can go wrong. Whatever is killed is started again at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    ReplicaKilled(usize),
    ReplicaStopped(usize),
    /// Neither Redis nor a Sentinel is reached from this replica; connections stay and nothing passes.
    ReplicaCutOff(usize),
    /// Neither is reached, and connections are reset.
    ReplicaRefused(usize),
    MasterKilled,
    MasterStopped,
    FollowerKilled,
    FollowerStopped,
    /// The master can't write to its disk and says MISCONF.
    DiskFull,
    SentinelKilled(usize),
    SentinelStopped(usize),
    InfluxdKilled,
    InfluxdStopped,
    TelegrafKilled(usize),
    /// It loses its meetings.
    ServerKilled(usize),
    ServerStopped(usize),
    /// It runs and keeps its meetings, and nobody gets a connection.
    ServerRefused(usize),
    /// It does what it is asked and answers creates so many milliseconds later.
    ServerSlow(usize, u64),
    /// It answers HTTP 500 to everything.
    ServerFails(usize),
    /// This replica alone does not reach it.
    ServerApart(usize, usize),
    ProxyKilled,
    /// An admin lets it take no new meetings.
    ServerDrained(usize),
    /// An admin posts the list without it, and later with it again.
    ServerRetired(usize),
}

/// Faults of one part come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Replicas,
    Redis,
    Metrics,
    Server(usize),
    Proxy,
    Admin,
}

/// The faults of a soak of this length.
pub(crate) fn draw(seed: u64, length: Duration) -> Vec<Fault> {
    let mut rng = StdRng::seed_from_u64(seed);
    let end = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut faults = Vec::new();
    let mut at = EVERY / 2;
    while at + EVERY < end {
        let (what, lasts) = trouble(&mut rng);
        faults.push(Fault { number: faults.len(), at, lasts, what });
        at += rng.random_range(EVERY / 2..EVERY * 3 / 2);
    }
    faults
}

fn trouble(rng: &mut StdRng) -> (Trouble, u64) {
    use Trouble::*;
    // The first replica is never killed, so that it shows what one uses over time.
    let killed = ReplicaKilled(rng.random_range(1..REPLICAS));
    let replica = rng.random_range(0..REPLICAS);
    let sentinel = rng.random_range(0..SENTINELS);
    let server = rng.random_range(0..SERVERS);
    let slow = ServerSlow(server, rng.random_range(1_000..7_000));
    let short = [
        killed,
        killed,
        ReplicaStopped(replica),
        ReplicaStopped(replica),
        ReplicaCutOff(replica),
        ReplicaRefused(replica),
        MasterKilled,
        MasterKilled,
        MasterStopped,
        FollowerKilled,
        FollowerStopped,
        DiskFull,
        SentinelKilled(sentinel),
        SentinelStopped(sentinel),
        ProxyKilled,
    ];
    let long = [
        InfluxdKilled,
        InfluxdStopped,
        TelegrafKilled(server),
        ServerKilled(server),
        ServerKilled(server),
        ServerStopped(server),
        ServerStopped(server),
        ServerRefused(server),
        ServerFails(server),
        slow,
        ServerApart(server, replica),
        ServerDrained(server),
        ServerRetired(server),
    ];
    match rng.random_bool(0.6) {
        true => (*short.choose(rng).expect("one"), rng.random_range(500..12_000)),
        false => (*long.choose(rng).expect("one"), rng.random_range(2_000..40_000)),
    }
}

impl Trouble {
    pub(crate) fn part(self) -> Part {
        use Trouble::*;
        match self {
            ReplicaKilled(_) | ReplicaStopped(_) | ReplicaCutOff(_) | ReplicaRefused(_) => {
                Part::Replicas
            }
            MasterKilled | MasterStopped | FollowerKilled | FollowerStopped | DiskFull
            | SentinelKilled(_) | SentinelStopped(_) => Part::Redis,
            InfluxdKilled | InfluxdStopped | TelegrafKilled(_) => Part::Metrics,
            ProxyKilled => Part::Proxy,
            ServerDrained(_) | ServerRetired(_) => Part::Admin,
            ServerKilled(n)
            | ServerStopped(n)
            | ServerRefused(n)
            | ServerSlow(n, _)
            | ServerApart(n, _)
            | ServerFails(n) => Part::Server(n),
        }
    }

    /// The server whose probes fail.
    pub(crate) fn silences(self) -> Option<usize> {
        use Trouble::*;
        match self {
            ServerKilled(n) | ServerStopped(n) | ServerRefused(n) | ServerFails(n) => Some(n),
            _ => None,
        }
    }

    /// What is counted together.
    pub(crate) fn kind(self) -> &'static str {
        use Trouble::*;
        match self {
            ReplicaKilled(_) => "balancer killed",
            ReplicaStopped(_) => "balancer stopped",
            ReplicaCutOff(_) => "balancer cut off from Redis",
            ReplicaRefused(_) => "balancer's connections to Redis reset",
            MasterKilled => "Redis master killed",
            MasterStopped => "Redis master stopped",
            FollowerKilled => "Redis replica killed",
            FollowerStopped => "Redis replica stopped",
            DiskFull => "Redis without a disk (MISCONF)",
            SentinelKilled(_) => "Sentinel killed",
            SentinelStopped(_) => "Sentinel stopped",
            InfluxdKilled => "InfluxDB killed",
            InfluxdStopped => "InfluxDB stopped",
            TelegrafKilled(_) => "Telegraf killed",
            ServerKilled(_) => "server killed, meetings lost",
            ServerStopped(_) => "server stopped",
            ServerRefused(_) => "server cut off",
            ServerSlow(..) => "server slow to create",
            ServerFails(_) => "server fails (HTTP 500)",
            ServerApart(..) => "one balancer cut off from a server",
            ProxyKilled => "HAProxy killed",
            ServerDrained(_) => "server drained by an admin",
            ServerRetired(_) => "server left out of the posted list",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {:.1} s", self.what, self.lasts as f64 / 1e3)
    }
}
