//! A configuration shown: to admins, to its author, and what a reload changes.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::keys::{self, KEYS, Key};
use super::{Config, StoreConfig, Written};

/// What stands in for a secret.
pub(crate) const MASK: &str = "********";
/// What secrets are called, in keys that this version does not know.
const SECRETIVE: [&str; 4] = ["secret", "password", "token", "key"];

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
            "redis" => !draft.redis.is_used(),
            "influxdb" => draft.influx.address.is_none(),
            "store" => matches!(self.store, StoreConfig::Redis(_)),
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
        let written = self.written.reloaded(&new.written);
        let (balancer, health) = (new.balancer, new.health);
        Self { swarm: new.swarm, admin: new.admin, balancer, health, written, ..self.clone() }
    }
}

/// Masks every secret in what `GET configurations` shows, also those of keys that this version does not know.
pub(crate) fn mask_secrets(shown: &mut Value) {
    let Value::Object(root) = shown else { return };
    for (section, value) in root {
        let Value::Object(keys) = value else { continue };
        for (name, value) in keys {
            if is_secret(section, name) && !matches!(value, Value::Null) && value != "" {
                *value = json!(MASK);
            } else if let Value::String(text) = value {
                *text = without_login(text);
            }
        }
    }
}

fn is_secret(section: &str, name: &str) -> bool {
    let mut known = keys::section(section).into_iter().flat_map(keys::of);
    let lower = name.to_ascii_lowercase();
    known.find(|key| key.is_spelt(name)).map_or_else(
        || SECRETIVE.iter().any(|word| lower.ends_with(word)),
        |key| key.field.is_secret(),
    )
}

/// A URL without the user and password that it may hold.
fn without_login(text: &str) -> String {
    let login = text.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split('/').next().unwrap_or_default();
        let (login, _) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://{MASK}{}", &rest[login.len()..]))
    });
    login.unwrap_or_else(|| text.to_owned())
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
    let unused = key.section == "store" && new.redis.is_used();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shown: Value, expected: Value) {
        let mut masked = shown;
        mask_secrets(&mut masked);
        assert_eq!(masked, expected);
    }

    #[test]
    fn secrets_are_masked_by_what_their_keys_are_or_are_called() {
        check(
            json!({"admin": {"apiKey": "k", "ingestToken": ""}, "port": 1,
                   "redis": {"address": "rediss://ada:pw@h:1/0", "password": "p"}}),
            json!({"admin": {"apiKey": MASK, "ingestToken": ""}, "port": 1,
                   "redis": {"address": format!("rediss://{MASK}@h:1/0"), "password": MASK}}),
        );
        check(
            json!({"postgres": {"password": "p", "host": "a@b"}, "later": {"someToken": "t", "keys": 3}}),
            json!({"postgres": {"password": MASK, "host": "a@b"}, "later": {"someToken": MASK, "keys": 3}}),
        );
        check(json!([1]), json!([1]));
    }
}
