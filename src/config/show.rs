//! A configuration shown: to admins, to its author, and what a reload changes.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::keys::{self, KEYS, Key};
use super::{Config, StoreConfig, Swarm, Written};

const MASK: &str = "********";

impl Config {
    /// The predecessor's `GET configurations`, secrets included, with our own keys beside its own.
    pub fn to_json(&self) -> Value {
        let mut draft = Draft::of(self);
        let mut root = Map::new();
        for key in KEYS {
            let value = match self.as_written(key, &mut draft) {
                Value::Null => json!(""),
                value => value,
            };
            if key.section.is_empty() {
                root.insert(key.name.into(), value);
            } else if let Value::Object(section) =
                root.entry(key.section).or_insert_with(|| json!({}))
            {
                section.insert(key.name.into(), value);
            }
        }
        let postgres = json!({"host": "", "port": 0, "user": "", "password": "", "database": ""});
        root.insert("postgres".into(), postgres);
        Value::Object(root)
    }

    /// What is in force as a file that could be written, with secrets masked.
    pub fn to_masked_yaml(&self) -> String {
        let mut draft = Draft::of(self);
        let mut out = String::new();
        for section in std::iter::once("").chain(keys::sections()) {
            let lines = keys::of(section).filter_map(|key| self.masked_line(key, &mut draft));
            let lines: String = lines.collect();
            if !section.is_empty() && !lines.is_empty() {
                out += &format!("{section}:\n");
            }
            out += &lines;
        }
        out
    }

    /// One line of YAML; JSON's scalars and lists are YAML too. None for what is not set or not used.
    fn masked_line(&self, key: &Key, draft: &mut Draft) -> Option<String> {
        let unused = match key.section {
            "redis" => draft.redis.address.is_none(),
            "influxdb" => draft.influx.address.is_none(),
            "store" => matches!(self.store, StoreConfig::Redis { .. }),
            _ => false,
        };
        let value =
            Some(self.as_written(key, draft)).filter(|value| !unused && !value.is_null())?;
        let value = if key.field.is_secret() { json!(MASK) } else { value };
        let indent = if key.section.is_empty() { "" } else { "  " };
        Some(format!("{indent}{}: {value}\n", key.name))
    }

    fn as_written(&self, key: &Key, draft: &mut Draft) -> Value {
        let written = self.written.0.get(&key.path());
        written.map_or_else(|| key.field.show(draft), |text| text.as_str().into())
    }

    /// A line for each key that `new` says otherwise, without secrets.
    pub fn changes(&self, new: &Self) -> Vec<String> {
        let (mut old, mut new) = (Draft::of(self), Draft::of(new));
        KEYS.iter().filter_map(|key| change(key, &mut old, &mut new)).collect()
    }

    /// What is in force once `new` was read: what needs a restart stays as it is.
    pub fn reloaded(&self, new: Self) -> Self {
        let swarm = Swarm {
            secret: new.swarm.secret,
            recordings_poll_interval: self.swarm.recordings_poll_interval,
        };
        let written = self.written.reloaded(&new.written);
        let (balancer, health) = (new.balancer, new.health);
        Self { swarm, admin: new.admin, balancer, health, written, ..self.clone() }
    }
}

impl Written {
    fn reloaded(&self, new: &Self) -> Self {
        let from = |key: &Key| {
            if key.live {
                new.0.get_key_value(&key.path())
            } else {
                self.0.get_key_value(&key.path())
            }
        };
        Self(KEYS.iter().filter_map(from).map(|(key, text)| (key.clone(), text.clone())).collect())
    }
}

fn change(key: &Key, old: &mut Draft, new: &mut Draft) -> Option<String> {
    let [before, after] = [key.field.show(old), key.field.show(new)];
    let unused = key.section == "store" && new.redis.address.is_some();
    if before == after || unused {
        return None;
    }
    let path = key.path();
    let what = if key.field.is_secret() {
        format!("{path} changed")
    } else {
        format!("{path}: {} → {}", plain(&before), plain(&after))
    };
    Some(if key.live { what } else { format!("{what} (needs a restart)") })
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
