//! Section `redis`: a single server, the servers that Sentinels watch over, or a Cluster.

use std::path::PathBuf;

use crate::domain::secret::Secret;

/// How to reach Redis, and as whom.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisConfig {
    pub servers: RedisServers,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub database: i64,
    /// Whether connections are encrypted, those to Sentinels too.
    pub tls: bool,
    /// The authorities that sign the servers' certificates, as PEM; without it those of the system.
    pub ca: Option<PathBuf>,
    /// Whether the predecessor's keys of meetings and recordings are written beside ours; never in a Cluster.
    pub keep_predecessor_keys: bool,
}

/// Who answers as Redis.
#[derive(Clone, Debug, PartialEq)]
pub enum RedisServers {
    /// One server: `host:port`, or a URL `redis://` or `rediss://`.
    One(String),
    Sentinels(Sentinels),
    /// Some nodes of a Cluster, each `host:port`, from which the others are learned.
    Cluster(Vec<String>),
}

/// Who knows which server is the master.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentinels {
    /// Each `host:port`.
    pub addresses: Vec<String>,
    /// What they call the master.
    pub master: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
}

impl RedisConfig {
    /// Servers that ask for nothing.
    pub fn plain(servers: RedisServers) -> Self {
        Self {
            servers,
            username: None,
            password: None,
            database: 0,
            tls: false,
            ca: None,
            keep_predecessor_keys: true,
        }
    }

    /// A single server that asks for nothing.
    pub fn at(address: impl Into<String>) -> Self {
        Self::plain(RedisServers::One(address.into()))
    }
}
