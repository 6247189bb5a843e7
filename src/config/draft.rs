//! The configuration laid flat: one place for each key that can be written.

use std::path::PathBuf;

use super::{Config, LoadsConfig, StoreConfig};
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

/// Section `redis`; without an address the embedded store is used.
#[derive(Clone, Debug)]
pub(super) struct Redis {
    pub(super) address: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: i64,
    pub(super) keep_predecessor_keys: bool,
}

impl Default for Redis {
    fn default() -> Self {
        Self { address: None, password: None, database: 0, keep_predecessor_keys: true }
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
            redis: Redis::default(),
            influx: Influx::default(),
        };
        match &config.store {
            StoreConfig::Embedded { path } => draft.path.clone_from(path),
            StoreConfig::Redis { address, password, database, keep_predecessor_keys } => {
                draft.redis = Redis {
                    address: Some(address.clone()),
                    password: password.clone(),
                    database: *database,
                    keep_predecessor_keys: *keep_predecessor_keys,
                };
            }
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
        let store = match self.redis {
            Redis { address: Some(address), password, database, keep_predecessor_keys } => {
                StoreConfig::Redis { address, password, database, keep_predecessor_keys }
            }
            Redis { address: None, .. } => StoreConfig::Embedded { path: self.path },
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
