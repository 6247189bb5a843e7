//! The configuration laid flat: one place for each key that can be written.

use std::path::PathBuf;

use super::{Config, LoadsConfig, RedisConfig, RedisServers, Sentinels, StoreConfig};
use crate::domain::secret::Secret;

/// A configuration in the making, or one taken apart to be shown.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Everything but `store` and `loads`, which are built from the fields below.
    pub(super) config: Config,
    pub(super) path: PathBuf,
    pub(super) redis: Redis,
    pub(super) influx: Influx,
}

/// Section `redis`; without any servers the embedded store is used.
#[derive(Clone, Debug)]
pub(super) struct Redis {
    pub(super) address: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: i64,
    pub(super) tls: bool,
    pub(super) ca: Option<PathBuf>,
    pub(super) sentinels: Vec<String>,
    pub(super) sentinel_master: Option<String>,
    pub(super) sentinel_username: Option<String>,
    pub(super) sentinel_password: Option<Secret>,
    pub(super) cluster: Vec<String>,
    pub(super) keep_predecessor_keys: bool,
}

impl Redis {
    fn none() -> Self {
        Self {
            address: None,
            username: None,
            password: None,
            database: 0,
            tls: false,
            ca: None,
            sentinels: Vec::new(),
            sentinel_master: None,
            sentinel_username: None,
            sentinel_password: None,
            cluster: Vec::new(),
            keep_predecessor_keys: true,
        }
    }

    fn of(config: &RedisConfig) -> Self {
        let config = config.clone();
        let logins = Self {
            username: config.username,
            password: config.password,
            database: config.database,
            tls: config.tls,
            ca: config.ca,
            keep_predecessor_keys: config.keep_predecessor_keys,
            ..Self::none()
        };
        match config.servers {
            RedisServers::One(address) => Self { address: Some(address), ..logins },
            RedisServers::Cluster(cluster) => Self { cluster, ..logins },
            RedisServers::Sentinels(Sentinels { addresses, master, username, password }) => Self {
                sentinels: addresses,
                sentinel_master: Some(master),
                sentinel_username: username,
                sentinel_password: password,
                ..logins
            },
        }
    }

    /// Whether any servers are named.
    pub(super) fn is_used(&self) -> bool {
        self.address.is_some() || !self.sentinels.is_empty() || !self.cluster.is_empty()
    }

    fn close(self) -> Option<RedisConfig> {
        let encrypted = self.address.as_ref().is_some_and(|url| url.starts_with("rediss://"));
        let servers = match (self.address, self.sentinel_master) {
            (Some(address), _) => RedisServers::One(address),
            (None, Some(master)) if !self.sentinels.is_empty() => {
                let (username, password) = (self.sentinel_username, self.sentinel_password);
                let addresses = self.sentinels;
                RedisServers::Sentinels(Sentinels { addresses, master, username, password })
            }
            _ if !self.cluster.is_empty() => RedisServers::Cluster(self.cluster),
            _ => return None,
        };
        let (tls, database) = (self.tls || encrypted, self.database);
        let (username, password, ca) = (self.username, self.password, self.ca);
        let keep_predecessor_keys = self.keep_predecessor_keys;
        let logins =
            RedisConfig { username, password, database, tls, ca, ..RedisConfig::plain(servers) };
        Some(RedisConfig { keep_predecessor_keys, ..logins })
    }
}

/// Section `influxdb`; without an address agents push to us.
#[derive(Clone, Debug, Default)]
pub(super) struct Influx {
    pub(super) address: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) organization: Option<String>,
    pub(super) bucket: Option<String>,
}

impl Draft {
    /// Every default, and no secrets.
    pub(super) fn new() -> Self {
        let none = Secret::new("");
        Self::of(&Config::with_secrets(none.clone(), none))
    }

    pub(super) fn of(config: &Config) -> Self {
        let mut draft = Self {
            config: config.clone(),
            path: PathBuf::from(super::STORE_PATH),
            redis: Redis::none(),
            influx: Influx::default(),
        };
        match &config.store {
            StoreConfig::Embedded { path } => draft.path.clone_from(path),
            StoreConfig::Redis(redis) => draft.redis = Redis::of(redis),
        }
        if let LoadsConfig::Influx { address, token, organization, bucket } = &config.loads {
            draft.influx = Influx {
                address: Some(address.clone()),
                token: Some(token.clone()),
                organization: Some(organization.clone()),
                bucket: Some(bucket.clone()),
            };
        }
        draft
    }

    /// The configuration, once the rules have found nothing missing.
    pub(super) fn close(self) -> Config {
        let store = match self.redis.close() {
            Some(redis) => StoreConfig::Redis(redis),
            None => StoreConfig::Embedded { path: self.path },
        };
        let loads = match self.influx {
            Influx {
                address: Some(address),
                token: Some(token),
                organization: Some(organization),
                bucket: Some(bucket),
            } => LoadsConfig::Influx { address, token, organization, bucket },
            _ => LoadsConfig::Embedded,
        };
        Config { store, loads, ..self.config }
    }
}
