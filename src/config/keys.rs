//! Every key that can be written, in the order of `config/default.yml`.

use super::field::Field::{self, *};

/// One key and what belongs to it.
pub(super) struct Key {
    /// Empty for a key at the top.
    pub(super) section: &'static str,
    /// As v3 writes it; v1 and v2 write it in snake case.
    pub(super) name: &'static str,
    pub(super) field: Field,
    /// Whether a change applies while the program runs.
    pub(super) live: bool,
}

impl Key {
    /// Such as `balancer.cpuLimit`.
    pub(super) fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.into()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }

    /// Such as `BBS_BALANCER_CPU_LIMIT`.
    pub(super) fn variable(&self) -> String {
        let section = if self.section.is_empty() {
            String::new()
        } else {
            format!("{}_", snake(self.section))
        };
        format!("BBS_{section}{}", snake(self.name)).to_uppercase()
    }

    /// Whether `written` is this key in either spelling.
    pub(super) fn is_spelt(&self, written: &str) -> bool {
        written == self.name || written == snake(self.name)
    }
}

/// `cpuLimit` as `cpu_limit`.
pub(super) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The section that is meant by `written`; v1 and v2 called the first one otherwise.
pub(super) fn section(written: &str) -> Option<&'static str> {
    let written = if written == "bigbluebutton" { "bigblueswarm" } else { written };
    sections().find(|section| *section == written)
}

/// Every section, in the order of the file.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    KEYS.iter().map(|key| key.section).filter(move |section| {
        let first = *section != last;
        last = section;
        first && !section.is_empty()
    })
}

/// The keys of a section; of the top, when it is empty.
pub(super) fn of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

const fn live(section: &'static str, name: &'static str, field: Field) -> Key {
    Key { section, name, field, live: true }
}

const fn fixed(section: &'static str, name: &'static str, field: Field) -> Key {
    Key { section, name, field, live: false }
}

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

/// Every key there is.
pub(super) static KEYS: &[Key] = &[
    fixed("", "port", Port(|d| &mut d.config.http.port)),
    live("bigblueswarm", "secret", Secret(|d| &mut d.config.swarm.secret)),
    live(
        "bigblueswarm",
        "recordingsPollInterval",
        Duration(|d| &mut d.config.swarm.recordings_poll_interval),
    ),
    live("admin", "apiKey", Secret(|d| &mut d.config.admin.api_key)),
    live("admin", "ingestToken", Token(|d| &mut d.config.admin.ingest_token)),
    live("balancer", "policy", Policy(|d| &mut d.config.balancer.policy)),
    live("balancer", "metricsRange", Lookback(|d| &mut d.config.balancer.metrics_range)),
    live("balancer", "cpuMetric", CpuMetric(|d| &mut d.config.balancer.cpu_metric)),
    live("balancer", "cpuLimit", Percent(|d| &mut d.config.balancer.cpu_limit)),
    live("balancer", "memLimit", Percent(|d| &mut d.config.balancer.mem_limit)),
    live("balancer", "risk", Number { least: 0.0, most: 4.0, at: |d| &mut d.config.balancer.risk }),
    live(
        "balancer",
        "comfort",
        Number { least: 1.0, most: 100.0, at: |d| &mut d.config.balancer.comfort },
    ),
    live("balancer", "cores", Cores(|d| &mut d.config.balancer.cores)),
    live("balancer", "knownRooms", Known(|d| &mut d.config.balancer.known_rooms)),
    live(
        "balancer",
        "aggregationInterval",
        Duration(|d| &mut d.config.balancer.aggregation_interval),
    ),
    live("balancer", "pollInterval", Duration(|d| &mut d.config.balancer.poll_interval)),
    live("balancer", "signWith", Algorithm(|d| &mut d.config.balancer.sign_with)),
    fixed("http", "address", Address(|d| &mut d.config.http.address)),
    fixed("http", "trustedProxies", Networks(|d| &mut d.config.http.trusted_proxies)),
    fixed("store", "path", Path(|d| &mut d.path)),
    fixed("redis", "address", RedisAddress(|d| &mut d.redis.address)),
    fixed("redis", "username", Text(|d| &mut d.redis.username)),
    fixed("redis", "password", Password(|d| &mut d.redis.password)),
    fixed("redis", "database", Database(|d| &mut d.redis.database)),
    fixed("redis", "tls", Flag(|d| &mut d.redis.tls)),
    fixed("redis", "ca", File(|d| &mut d.redis.ca)),
    fixed("redis", "sentinels", Servers(|d| &mut d.redis.sentinels)),
    fixed("redis", "sentinelMaster", Text(|d| &mut d.redis.sentinel_master)),
    fixed("redis", "sentinelUsername", Text(|d| &mut d.redis.sentinel_username)),
    fixed("redis", "sentinelPassword", Password(|d| &mut d.redis.sentinel_password)),
    fixed("redis", "cluster", Servers(|d| &mut d.redis.cluster)),
    fixed("redis", "keepPredecessorKeys", Flag(|d| &mut d.redis.keep_predecessor_keys)),
    fixed("influxdb", "address", Url(|d| &mut d.influx.address)),
    fixed("influxdb", "token", Token(|d| &mut d.influx.token)),
    fixed("influxdb", "organization", Text(|d| &mut d.influx.organization)),
    fixed("influxdb", "bucket", Text(|d| &mut d.influx.bucket)),
    live("health", "probeInterval", Duration(|d| &mut d.config.health.probe_interval)),
    live("health", "probeTimeout", Duration(|d| &mut d.config.health.probe_timeout)),
    live("health", "failures", Times(|d| &mut d.config.health.failures)),
    live("health", "successes", Times(|d| &mut d.config.health.successes)),
    live("health", "sweepInterval", Duration(|d| &mut d.config.health.sweep_interval)),
    live("health", "sweepTimeout", Duration(|d| &mut d.config.health.sweep_timeout)),
    live("health", "unknownFor", Duration(|d| &mut d.config.health.unknown_for)),
    fixed("deadlines", "create", Duration(|d| &mut d.config.deadlines.create)),
    fixed("deadlines", "attempt", Duration(|d| &mut d.config.deadlines.attempt)),
    fixed("deadlines", "connect", Duration(|d| &mut d.config.deadlines.connect)),
    fixed("deadlines", "firstByte", Duration(|d| &mut d.config.deadlines.first_byte)),
    fixed("deadlines", "insertDocument", Duration(|d| &mut d.config.deadlines.insert_document)),
    fixed("deadlines", "body", Duration(|d| &mut d.config.deadlines.body)),
    fixed("deadlines", "store", Duration(|d| &mut d.config.deadlines.store)),
    fixed("deadlines", "list", Duration(|d| &mut d.config.deadlines.list)),
    fixed("deadlines", "drain", Duration(|d| &mut d.config.deadlines.drain)),
    fixed("limits", "connections", Count(|d| &mut d.config.limits.connections)),
    fixed("limits", "requests", Count(|d| &mut d.config.limits.requests)),
    fixed(
        "limits",
        "headerBytes",
        Size { least: 8 * KIB, most: GIB, at: |d| &mut d.config.limits.header_bytes },
    ),
    fixed("limits", "headerTimeout", Duration(|d| &mut d.config.limits.header_timeout)),
    fixed(
        "limits",
        "bodyBytes",
        Size { least: KIB, most: GIB, at: |d| &mut d.config.limits.body_bytes },
    ),
    fixed(
        "limits",
        "replayBody",
        Size { least: 0, most: GIB, at: |d| &mut d.config.limits.replay_body },
    ),
    fixed(
        "limits",
        "answerBytes",
        Size { least: KIB, most: GIB, at: |d| &mut d.config.limits.answer_bytes },
    ),
    fixed(
        "limits",
        "ingestBytes",
        Size { least: KIB, most: GIB, at: |d| &mut d.config.limits.ingest_bytes },
    ),
    fixed(
        "limits",
        "knownListsBytes",
        Size { least: 0, most: 64 * GIB, at: |d| &mut d.config.limits.known_lists_bytes },
    ),
    fixed("recordings", "untaggedTenant", Text(|d| &mut d.config.recordings.untagged_tenant)),
    fixed("callbacks", "baseUrl", Url(|d| &mut d.config.callbacks.base_url)),
    fixed("callbacks", "allow", Inside(|d| &mut d.config.callbacks.allow)),
    fixed("callbacks", "retryFor", Duration(|d| &mut d.config.callbacks.retry_for)),
    fixed("callbacks", "timeout", Duration(|d| &mut d.config.callbacks.timeout)),
    fixed("callbacks", "most", Count(|d| &mut d.config.callbacks.most)),
    fixed(
        "callbacks",
        "mostBytes",
        Size { least: KIB, most: 64 * GIB, at: |d| &mut d.config.callbacks.most_bytes },
    ),
    fixed("callbacks", "tenantMost", Count(|d| &mut d.config.callbacks.tenant_most)),
    fixed(
        "callbacks",
        "tenantBytes",
        Size { least: KIB, most: 64 * GIB, at: |d| &mut d.config.callbacks.tenant_bytes },
    ),
    fixed(
        "callbacks",
        "bodyBytes",
        Size { least: KIB, most: GIB, at: |d| &mut d.config.callbacks.body_bytes },
    ),
    fixed("compat", "unsignedForms", Flag(|d| &mut d.config.compat.unsigned_forms)),
    fixed("compat", "v3Statuses", Flag(|d| &mut d.config.compat.v3_statuses)),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;
    use crate::config::draft::Draft;
    use crate::config::yaml::{self, Value};
    use crate::config::{Environment, parse};

    const DEFAULTS: &str = include_str!("../../config/default.yml");

    #[test]
    fn the_default_file_has_every_key_and_no_other_in_this_order() {
        let Some(yaml::Node { value: Value::Map(top), .. }) = yaml::read(DEFAULTS).root else {
            panic!("no map")
        };
        let name = |node: &yaml::Node| match &node.value {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        let mut paths = Vec::new();
        for (section, node) in &top {
            match &node.value {
                Value::Map(keys) => paths
                    .extend(keys.iter().map(|(key, _)| format!("{}.{}", name(section), name(key)))),
                _ => paths.push(name(section)),
            }
        }
        assert_eq!(paths, KEYS.iter().map(Key::path).collect::<Vec<_>>());
    }

    #[test]
    fn every_key_of_the_default_file_has_one_comment() {
        for line in DEFAULTS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let is_section = line.ends_with(':');
            assert_eq!(line.matches(" # ").count(), usize::from(!is_section), "{line}");
        }
    }

    #[test]
    fn no_two_keys_share_a_path_or_a_variable() {
        let paths: HashSet<_> = KEYS.iter().map(Key::path).collect();
        let variables: HashSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!((paths.len(), variables.len()), (KEYS.len(), KEYS.len()));
        assert!(variables.contains("BBS_BIGBLUESWARM_RECORDINGS_POLL_INTERVAL"));
    }

    /// Something else than the default for every key, read through its variable.
    fn otherwise(key: &Key) -> &'static str {
        match key.field {
            Secret(_) | Token(_) | Password(_) | Text(_) | Path(_) | File(_) => {
                "something-else-than-before"
            }
            RedisAddress(_) | Servers(_) => "elsewhere:1",
            Url(_) => "http://elsewhere",
            Duration(_) if key.name == "connect" => "1s",
            Duration(_) if key.name == "attempt" => "5s",
            Duration(_) if key.name == "firstByte" => "7s",
            Duration(_) if key.name == "insertDocument" => "41s",
            Duration(_) | Lookback(_) => "31s",
            Percent(_) => "12",
            Number { .. } => "3",
            Cores(_) => "http://elsewhere=8",
            Size { .. } => "9KiB",
            Count(_) | Known(_) | Times(_) | Database(_) | Port(_) => "7",
            Address(_) => "127.0.0.1",
            Networks(_) | Inside(_) => "192.0.2.0/24",
            Flag(_) if key.name == "keepPredecessorKeys" => "false",
            Flag(_) => "true",
            Policy(_) => "seed",
            CpuMetric(_) => "system",
            Algorithm(_) => "sha1",
        }
    }

    /// The keys that can stand together, by the way in which Redis is reached.
    fn sets() -> [Vec<&'static Key>; 3] {
        let of = |ways: &[&str]| {
            let fits = |key: &&Key| {
                let way = ["address", "cluster", "database"].contains(&key.name)
                    || key.name.starts_with("sentinel");
                key.section != "redis" || !way || ways.contains(&key.name)
            };
            KEYS.iter().filter(fits).collect()
        };
        let sentinels =
            ["sentinels", "sentinelMaster", "sentinelUsername", "sentinelPassword", "database"];
        [of(&["address", "database"]), of(&sentinels), of(&["cluster"])]
    }

    fn with(keys: &[&Key]) -> crate::config::Config {
        let mut environment: Environment =
            keys.iter().map(|key| (key.variable(), otherwise(key).to_string())).collect();
        for name in ["BBS_BIGBLUESWARM_SECRET", "BBS_ADMIN_API_KEY"] {
            environment.entry(name.into()).or_insert_with(|| "a-secret-before-all".into());
        }
        parse("c.yml", "", &environment).expect("sound").config
    }

    #[test]
    fn a_reload_applies_every_live_key_and_no_other() {
        let old = with(&[]);
        for set in sets() {
            let now = old.reloaded(with(&set));
            let applied: BTreeSet<_> = old.changes(&now).into_iter().collect();
            for key in set {
                let prefix = key.path();
                let changed = applied.iter().any(|line| line.starts_with(&prefix));
                assert_eq!(changed, key.live, "{prefix}");
            }
            assert!(applied.iter().all(|line| !line.contains("something-else")));
        }
    }

    #[test]
    fn every_key_reaches_a_place_of_its_own() {
        let mut reached = HashSet::new();
        for set in sets() {
            let (mut old, mut new) = (Draft::of(&with(&[])), Draft::of(&with(&set)));
            for key in set.into_iter().filter(|key| key.section != "store") {
                let shown = [key.field.show(&mut old), key.field.show(&mut new)];
                assert_ne!(shown[0], shown[1], "{}", key.path());
                let text = shown[1].as_str().map_or_else(|| shown[1].to_string(), String::from);
                let written = otherwise(key).replace('=', "\":"); // as JSON has it
                assert!(text.contains(&written), "{}", key.path());
                reached.insert(key.path());
            }
        }
        assert_eq!(reached.len(), KEYS.len() - 1);
    }
}
