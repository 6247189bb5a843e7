//! What an operator can say, checked once and typed from then on.

mod consul;
mod draft;
mod fault;
mod field;
mod keys;
mod part;
mod redis;
mod rules;
mod sheet;
mod show;
mod source;
mod text;
mod yaml;

pub use consul::Consul;
pub use fault::{Fault, Faults};
pub use part::Part;
pub use redis::{RedisConfig, RedisServers, Sentinels};
pub use sheet::Environment;
pub(crate) use show::{MASK, mask_secrets};
pub use source::{ConfigSource, LoadError, Parsed, environment, parse};

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::bbb::checksum::Algorithm;
use crate::domain::instance::InstanceId;
use crate::domain::placement::{COMFORT, Policy, RISK};
use crate::domain::reach::Inside;
use crate::domain::secret::Secret;

/// The configuration the program runs with. Holding one means it is sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub swarm: Swarm,
    pub admin: Admin,
    pub balancer: Balancer,
    pub http: Http,
    pub health: HealthRules,
    pub deadlines: Deadlines,
    pub limits: Limits,
    pub store: StoreConfig,
    pub loads: LoadsConfig,
    pub recordings: Recordings,
    pub callbacks: Callbacks,
    pub compat: Compat,
    pub written: Written,
}

/// Durations that are written otherwise than we would, such as `-5m`, by key: shown as they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written(BTreeMap<String, String>);

const STORE_PATH: &str = "data/bigblueswarm.redb";

/// Section `bigblueswarm`.
#[derive(Clone, Debug, PartialEq)]
pub struct Swarm {
    /// The secret of tenants that have none of their own.
    pub secret: Secret,
    pub recordings_poll_interval: Duration,
}

/// Section `admin`.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    pub api_key: Secret,
    /// What Telegraf sends to `/api/v2/write`; without one that endpoint refuses everything.
    pub ingest_token: Option<Secret>,
}

/// Which processor figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CpuMetric {
    /// `usage_system`, as the predecessor read it.
    System,
    /// 100 - `usage_idle`.
    Total,
}

/// Section `balancer`.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancer {
    pub metrics_range: Duration,
    pub cpu_limit: f64,
    pub mem_limit: f64,
    /// So many standard deviations of what is to come count as load.
    pub risk: f64,
    /// Percent of an instance's cores from which load weighs more.
    pub comfort: f64,
    /// How many cores instances have, whatever their agents say.
    pub cores: BTreeMap<InstanceId, f64>,
    /// Of so many rooms is kept what they did the last time.
    pub known_rooms: usize,
    pub aggregation_interval: Duration,
    pub poll_interval: Duration,
    pub policy: Policy,
    pub cpu_metric: CpuMetric,
    /// The hash towards instances that do not say otherwise.
    pub sign_with: Algorithm,
}

/// Section `http`, with the top-level `port`.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    pub address: IpAddr,
    pub port: u16,
    /// Whose `X-Forwarded-Host` counts.
    pub trusted_proxies: Vec<IpNet>,
}

/// Section `health`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealthRules {
    pub probe_interval: Duration,
    pub probe_timeout: Duration,
    /// So many failed probes in a row mean dead.
    pub failures: u32,
    /// So many good probes in a row end a suspicion.
    pub successes: u32,
    pub sweep_interval: Duration,
    pub sweep_timeout: Duration,
    /// How long a dead instance's meetings count as not known just now; afterwards they are gone.
    pub unknown_for: Duration,
}

/// Section `deadlines`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deadlines {
    /// A whole create, with all its attempts; clients give up after 10 s.
    pub create: Duration,
    /// So long a create is waited for before its instance is asked whether it has the meeting.
    pub attempt: Duration,
    pub connect: Duration,
    /// Any other call, to the first byte of its answer.
    pub first_byte: Duration,
    /// The same for insertDocument, which may fetch the document first.
    pub insert_document: Duration,
    /// Between two parts of a body.
    pub body: Duration,
    /// One step of the store.
    pub store: Duration,
    /// A merged list.
    pub list: Duration,
    /// From SIGTERM to the end of the last request.
    pub drain: Duration,
}

/// Section `limits`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    pub connections: usize,
    /// Requests inside at once; more are refused with 503.
    pub requests: usize,
    pub header_bytes: usize,
    pub header_timeout: Duration,
    pub body_bytes: usize,
    /// So much of a body is kept in memory for a second attempt; what is larger goes to a temporary file.
    pub replay_body: usize,
    /// The largest list that is read from one instance.
    pub answer_bytes: usize,
    /// The largest write of metrics, unpacked.
    pub ingest_bytes: usize,
    /// Memory for the last known lists of all instances together, compressed.
    pub known_lists_bytes: usize,
}

/// Where state is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreConfig {
    Embedded { path: PathBuf },
    Redis(RedisConfig),
}

/// Where load figures come from.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadsConfig {
    /// Telegraf pushes to us.
    Embedded,
    Influx {
        address: String,
        token: Secret,
        organization: String,
        bucket: String,
    },
}

/// Section `recordings`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recordings {
    /// The host of the tenant whose are the recordings without our tag; without one nobody sees them.
    pub untagged_tenant: Option<String>,
}

/// Section `callbacks`.
#[derive(Clone, Debug, PartialEq)]
pub struct Callbacks {
    /// Where instances reach us; without one callbacks pass us by, and there are no webhooks.
    pub base_url: Option<String>,
    /// What is inside our networks and may be a target all the same.
    pub allow: Vec<Inside>,
    /// So long a delivery is tried before it is a dead letter.
    pub retry_for: Duration,
    /// One attempt, from its start to the end of the answer.
    pub timeout: Duration,
    /// Deliveries that may wait, as many webhook events, and dead letters that are kept.
    pub most: usize,
    /// The bytes of all of these together; of events at most half.
    pub most_bytes: usize,
    /// One tenant's deliveries that may wait, and as many of its events; and the bytes of each.
    pub tenant_most: usize,
    pub tenant_bytes: usize,
    /// The largest body of a callback.
    pub body_bytes: usize,
}

/// Section `compat`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compat {
    /// Accept form posts whose checksum covers nothing, as BBB 3.0 does.
    pub unsigned_forms: bool,
    /// Answer certain refusals with v3's HTTP statuses 403 and 500 instead of BBB's 200.
    pub v3_statuses: bool,
}

impl Config {
    /// Every default, with these two secrets.
    pub fn with_secrets(secret: Secret, api_key: Secret) -> Self {
        let secs = Duration::from_secs;
        Self {
            swarm: Swarm { secret, recordings_poll_interval: secs(15 * 60) },
            admin: Admin { api_key, ingest_token: None },
            balancer: Balancer {
                metrics_range: secs(5 * 60),
                cpu_limit: 90.0,
                mem_limit: 90.0,
                risk: RISK,
                comfort: COMFORT * 100.0,
                cores: BTreeMap::new(),
                known_rooms: 50_000,
                aggregation_interval: secs(10),
                poll_interval: secs(10),
                policy: Policy::default(),
                cpu_metric: CpuMetric::Total,
                sign_with: Algorithm::Sha256,
            },
            http: Http {
                address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                port: 8080,
                trusted_proxies: private_networks(),
            },
            health: HealthRules {
                probe_interval: secs(5),
                probe_timeout: secs(3),
                failures: 3,
                successes: 2,
                sweep_interval: secs(10),
                sweep_timeout: secs(10),
                unknown_for: secs(120),
            },
            deadlines: Deadlines {
                create: secs(9),
                attempt: secs(4),
                connect: secs(2),
                first_byte: secs(10),
                insert_document: secs(30),
                body: secs(30),
                store: Duration::from_millis(900),
                list: secs(4),
                drain: secs(25),
            },
            limits: Limits {
                connections: 20_000,
                requests: 4_096,
                header_bytes: 32 * 1024,
                header_timeout: secs(10),
                body_bytes: 64 << 20,
                replay_body: 1 << 20,
                answer_bytes: 64 << 20,
                ingest_bytes: 16 << 20,
                known_lists_bytes: 64 << 20,
            },
            store: StoreConfig::Embedded { path: PathBuf::from(STORE_PATH) },
            loads: LoadsConfig::Embedded,
            recordings: Recordings::default(),
            callbacks: Callbacks {
                base_url: None,
                allow: Vec::new(),
                retry_for: secs(24 * 3600),
                timeout: secs(10),
                most: 10_000,
                most_bytes: 256 << 20,
                tenant_most: 2_000,
                tenant_bytes: 32 << 20,
                body_bytes: 4 << 20,
            },
            compat: Compat { unsigned_forms: false, v3_statuses: false },
            written: Written::default(),
        }
    }
}

/// Loopback and the private ranges of RFC 1918 and RFC 4193.
fn private_networks() -> Vec<IpNet> {
    let listed =
        ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
    listed.iter().filter_map(|net| net.parse().ok()).collect()
}
