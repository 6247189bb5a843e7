//! Stories about the configuration as it is written.

use std::time::Duration;

use bigblueswarm::config::{
    Config, CpuMetric, Environment, Faults, LoadsConfig, Parsed, RedisConfig, RedisServers,
    Sentinels, StoreConfig, parse,
};
use bigblueswarm::domain::secret::Secret;

const DEFAULTS: &str = include_str!("../../config/default.yml");
const SECRET: &str = "a-secret-of-the-swarm";
const API_KEY: &str = "a-key-of-the-admins";
pub(crate) const SOUND: &str =
    "bigblueswarm:\n  secret: a-secret-of-the-swarm\nadmin:\n  apiKey: a-key-of-the-admins\n";

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[track_caller]
pub(crate) fn sound(text: &str, variables: &[(&str, &str)]) -> Parsed {
    parse("c.yml", text, &environment(variables)).expect("sound")
}

/// What is wrong with `extra` beneath a sound configuration, one line each.
#[track_caller]
fn faults(extra: &str, variables: &[(&str, &str)]) -> String {
    let text = format!("{SOUND}{extra}");
    parse("c.yml", &text, &environment(variables)).expect_err("faulty").to_string()
}

#[track_caller]
pub(crate) fn check(extra: &str, expected: &[&str]) {
    let said = faults(extra, &[]);
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    for (line, start) in said.lines().zip(expected) {
        assert!(line.starts_with(start), "{line}\ndoes not begin with\n{start}");
    }
}

pub(crate) fn defaults() -> Config {
    Config::with_secrets(Secret::new(SECRET), Secret::new(API_KEY))
}

#[test]
fn the_default_file_says_exactly_the_defaults() {
    let text = DEFAULTS.replace("secret: #", &format!("secret: {SECRET} #"));
    let text = text.replace("apiKey: #", &format!("apiKey: {API_KEY} #"));
    let parsed = sound(&text, &[]);
    assert_eq!(parsed.config, defaults());
    assert_eq!(parsed.warnings, Vec::<String>::new());
    let shortest = sound(SOUND, &[]);
    assert_eq!(shortest.config, defaults());
    assert_eq!(shortest.warnings, Vec::<String>::new());
}

#[test]
fn the_default_file_alone_starts_nothing() {
    let said = parse("d.yml", DEFAULTS, &Environment::new()).expect_err("no secrets").to_string();
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(
        said.contains("bigblueswarm.secret: is missing")
            && said.contains("admin.apiKey: is missing")
    );
}

#[test]
fn every_example_is_sound_without_a_warning() {
    for entry in std::fs::read_dir("config").expect("folder") {
        let path = entry.expect("entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("example")) {
            let text = std::fs::read_to_string(&path).expect("text");
            let parsed = sound(&text, &[]);
            assert_eq!(parsed.warnings, Vec::<String>::new(), "{}", path.display());
        }
    }
}

pub(crate) const V3: &str = r#"bigblueswarm:
  secret: 0ol5t44UR21rrP0xL5ou7IBFumWF3GENebgW1RyTfbU
  recordingsPollInterval: 2s
admin:
  apiKey: kgpqrTipM2yjcXwz5pOxBKViE9oNX76R
balancer:
  metricsRange: -1m
  cpuLimit: 95
  memLimit: 95
  aggregationInterval: 1s
port: 8090
redis:
  address: 127.0.0.1:6379
  password: ""
  database: 0
influxdb:
  address: http://127.0.0.1:8086
  token: tok-tok-tok
  organization: bigblueswarm
  bucket: bucket
"#;

#[test]
fn a_configuration_of_the_predecessor_means_what_it_meant() {
    let config = sound(V3, &[]).config;
    assert_eq!(config.balancer.metrics_range, Duration::from_secs(60));
    assert_eq!(config.balancer.cpu_limit, 95.0);
    assert_eq!(config.http.port, 8090);
    assert_eq!(config.store, StoreConfig::Redis(RedisConfig::at("127.0.0.1:6379")));
    let LoadsConfig::Influx { bucket, .. } = &config.loads else { panic!("no influxdb") };
    assert_eq!(bucket, "bucket");
}

#[test]
fn both_spellings_and_the_old_name_are_read() {
    let old = V3
        .replace("bigblueswarm:\n", "bigbluebutton:\n")
        .replace("recordingsPollInterval", "recordings_poll_interval")
        .replace("apiKey", "api_key")
        .replace("metricsRange", "metrics_range")
        .replace("cpuLimit", "cpu_limit")
        .replace("memLimit", "mem_limit")
        .replace("aggregationInterval", "aggregation_interval");
    assert_ne!(old, V3);
    assert_eq!(sound(&old, &[]).config, sound(V3, &[]).config);
}

#[test]
fn who_set_only_the_limit_keeps_the_figure_it_was_set_for() {
    let parsed = sound(V3, &[]);
    assert_eq!(parsed.config.balancer.cpu_metric, CpuMetric::System);
    assert_eq!(parsed.warnings.len(), 1, "{:?}", parsed.warnings);
    assert!(
        parsed.warnings.iter().any(|w| w.starts_with("c.yml:8: balancer.cpuLimit: ")),
        "{:?}",
        parsed.warnings
    );
    for text in ["balancer:\n  cpuLimit: 0\n", "balancer:\n  cpuLimit: 95\n  cpu_metric: total\n"] {
        let parsed = sound(&format!("{SOUND}{text}"), &[]);
        assert_eq!(parsed.config.balancer.cpu_metric, CpuMetric::Total);
    }
    let system = sound(&format!("{SOUND}balancer:\n  cpuLimit: 95\n  cpuMetric: system\n"), &[]);
    assert_eq!(system.config.balancer.cpu_metric, CpuMetric::System);
    assert!(system.warnings.is_empty());
}

#[test]
fn zero_stands_for_the_default_where_it_did() {
    let text = format!("{SOUND}port: 0\nbalancer:\n  cpuLimit: 0\n  memLimit: 0\n");
    assert_eq!(sound(&text, &[]).config, defaults());
}

#[test]
fn postgres_is_ignored_with_a_warning() {
    let parsed = sound(&format!("{SOUND}postgres:\n  host: db\n"), &[]);
    assert_eq!(parsed.warnings, ["c.yml:5: postgres: is not used and ignored"]);
}

#[test]
fn short_secrets_are_warned_of_and_empty_ones_refused() {
    let parsed =
        sound("bigblueswarm: {secret: short}\nadmin: {apiKey: brief, ingestToken: tiny}\n", &[]);
    assert_eq!(parsed.warnings.len(), 3);
    assert!(
        parsed
            .warnings
            .iter()
            .all(|w| !w.contains("short") && !w.contains("brief") && !w.contains("tiny"))
    );
    let text = "bigblueswarm:\n  secret: ''\nadmin:\n  apiKey: ' '\n  ingestToken: \"\"\n";
    let said = parse("c.yml", text, &Environment::new()).expect_err("empty").to_string();
    let expected = "c.yml:2: bigblueswarm.secret: must not be empty\nc.yml:4: admin.apiKey: must not be empty\n\
                    c.yml:5: admin.ingestToken: must not be empty";
    assert_eq!(said, expected);
}

#[test]
fn every_fault_is_named_at_once_with_its_line_and_key() {
    check(
        "port: 99999\nbalancer:\n  cpulimit: 80\n  memLimit: much\n  pollInterval: 0s\n  metricsRange: five\nredis:\n  address: redis\n\
         influxdb:\n  address: ftp://influx\n",
        &[
            "c.yml:5: port: expected a port",
            "c.yml:7: balancer.cpulimit: unknown key; did you mean cpuLimit?",
            "c.yml:8: balancer.memLimit: expected a number",
            "c.yml:9: balancer.pollInterval: must be at least 1ms",
            "c.yml:10: balancer.metricsRange: expected a duration",
            "c.yml:12: redis.address: expected host:port",
            "c.yml:13: influxdb.token: is missing",
            "c.yml:13: influxdb.organization: is missing",
            "c.yml:13: influxdb.bucket: is missing",
            "c.yml:14: influxdb.address: expected a URL",
        ],
    );
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    check("port: [1]\n", &["c.yml:5: port: expected a single value"]);
    check("balancer: 12\n", &["c.yml:5: balancer: expected keys"]);
    check(
        "http:\n  trustedProxies: everyone\n",
        &["c.yml:6: http.trustedProxies: expected a list"],
    );
    check(
        "http:\n  trustedProxies: [10.0.0.0/8, x]\n",
        &["c.yml:6: http.trustedProxies: expected networks"],
    );
    check("http:\n  address:\n    host: x\n", &["c.yml:7: http.address: expected a value"]);
    check(
        "limits:\n  headerBytes: 1KiB\n",
        &["c.yml:6: limits.headerBytes: expected a size from 8KiB to 1GiB"],
    );
    check(
        "compat:\n  unsignedForms: yes\n",
        &["c.yml:6: compat.unsignedForms: expected true or false"],
    );
    check(
        "balancer:\n  policy: random\n",
        &["c.yml:6: balancer.policy: expected predictive or seed"],
    );
    check(
        "balancer:\n  cpuLimit: 101\n",
        &["c.yml:6: balancer.cpuLimit: expected a number from 0 to 100"],
    );
}

#[test]
fn what_is_wrong_is_not_called_missing_or_contradictory_as_well() {
    let said = parse(
        "c.yml",
        "bigblueswarm:\n  secret: [x]\nadmin:\n  apiKey: {a: b}\n",
        &Environment::new(),
    );
    assert_eq!(said.expect_err("faulty").0.len(), 2);
    let said = faults("deadlines:\n  attempt: 20s\n", &[("BBS_DEADLINES_CREATE", "soon")]);
    assert!(said.starts_with("environment: BBS_DEADLINES_CREATE: expected a duration"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn contradictions_are_named() {
    check(
        "deadlines:\n  attempt: 20s\n",
        &["c.yml:6: deadlines.attempt: deadlines.attempt (20s) must not be longer"],
    );
    check(
        "deadlines:\n  create: 3s\n",
        &["c.yml:6: deadlines.create: deadlines.attempt (4s) must not be longer"],
    );
    check("redis:\n  password: x\n", &["c.yml:5: redis.address: is missing"]);
}

#[test]
fn redis_is_reached_in_one_way() {
    check(
        "redis:\n  address: r:1\n  cluster: [r:1]\n",
        &["c.yml:7: redis.cluster: can't stand beside redis.address"],
    );
    check(
        "redis:\n  sentinels: [s:1]\n  cluster: [r:1]\n  sentinelMaster: m\n",
        &["c.yml:7: redis.cluster: can't stand beside redis.sentinels"],
    );
    check("redis:\n  cluster: []\n", &["c.yml:6: redis.cluster: names no server"]);
    check("redis:\n  cluster: r:1\n", &["c.yml:6: redis.cluster: expected a list"]);
    check("redis:\n  cluster: [r]\n", &["c.yml:6: redis.cluster: expected host:port"]);
    check("redis:\n  cluster: [r:1]\n  database: 1\n", &["c.yml:7: redis.database: must be 0"]);
    check("redis:\n  sentinels: [s:1]\n", &["c.yml:5: redis.sentinelMaster: is missing"]);
    check(
        "redis:\n  address: r:1\n  sentinelPassword: x\n",
        &["c.yml:7: redis.sentinelPassword: is for redis.sentinels"],
    );
    check("redis:\n  address: r:1\n  ca: /x\n", &["c.yml:7: redis.ca: is of no use"]);
    check("redis:\n  address: rediss://r:1/0\n", &["c.yml:6: redis.address: expected host:port"]);
}

#[test]
fn each_way_to_redis_is_read_also_from_variables() {
    let read =
        |text: &str, variables: &[(&str, &str)]| match sound(&format!("{SOUND}{text}"), variables)
            .config
            .store
        {
            StoreConfig::Redis(redis) => redis,
            other => panic!("{other:?}"),
        };
    let one = read("redis:\n  address: rediss://r:1\n  ca: /ca.pem\n  username: ada\n", &[]);
    let expected = RedisConfig {
        tls: true,
        ca: Some("/ca.pem".into()),
        username: Some("ada".into()),
        ..RedisConfig::at("rediss://r:1")
    };
    assert_eq!(one, expected);
    let variables = [
        ("BBS_REDIS_SENTINELS", "s:1, s:2"),
        ("BBS_REDIS_SENTINEL_MASTER", "swarm"),
        ("BBS_REDIS_SENTINEL_PASSWORD", "hidden-from-all"),
        ("BBS_REDIS_DATABASE", "3"),
    ];
    let sentinels = RedisServers::Sentinels(Sentinels {
        addresses: vec!["s:1".into(), "s:2".into()],
        master: "swarm".into(),
        username: None,
        password: Some(Secret::new("hidden-from-all")),
    });
    let watched = read("", &variables);
    assert_eq!(watched, RedisConfig { database: 3, ..RedisConfig::plain(sentinels) });
    assert!(!format!("{watched:?}").contains("hidden"));
    let shown = sound(SOUND, &variables).config.to_masked_yaml();
    assert!(shown.contains("sentinelMaster: \"swarm\"") && !shown.contains("hidden"), "{shown}");
    let cluster = read("redis:\n  cluster: [a:1, b:2]\n  tls: true\n", &[]);
    let servers = RedisServers::Cluster(vec!["a:1".into(), "b:2".into()]);
    assert_eq!(cluster, RedisConfig { tls: true, ..RedisConfig::plain(servers) });
}

#[test]
fn keys_that_stand_twice_are_named_whatever_their_spelling() {
    check("port: 1\nport: 2\n", &["c.yml:6: port: stands twice, first on line 5"]);
    check(
        "admin:\n  ingestToken: abcdefghijklmnopq\n",
        &["c.yml:5: admin: stands twice, first on line 3"],
    );
    check(
        "balancer:\n  cpuLimit: 80\n  cpu_limit: 70\n",
        &["c.yml:7: balancer.cpuLimit: stands in both spellings"],
    );
    check("bigbluebutton: {}\n", &["c.yml:5: bigblueswarm: stands in both spellings"]);
}

#[test]
fn what_was_meant_is_guessed() {
    let said =
        faults("balanser:\n  x: 1\ncpuLimit: 3\ndeadlines:\n  atempt: 2s\n  zebra: 1\n", &[]);
    assert!(said.contains("c.yml:5: balanser: unknown key; did you mean balancer?"), "{said}");
    assert!(
        said.contains("c.yml:7: cpuLimit: unknown key; it could be balancer.cpuLimit"),
        "{said}"
    );
    assert!(
        said.contains("c.yml:9: deadlines.atempt: unknown key; did you mean attempt?"),
        "{said}"
    );
    assert!(said.ends_with("c.yml:10: deadlines.zebra: unknown key"), "{said}");
}

#[test]
fn broken_yaml_is_named_with_what_stands_before_it() {
    let said = faults("port: x\nbalancer:\n   policy: seed\n  memLimit: 3\n", &[]);
    let lines: Vec<_> = said.lines().collect();
    assert!(
        lines[0].starts_with("c.yml:5: port: ") && lines[1].starts_with("c.yml:8: not YAML: "),
        "{said}"
    );
    assert_eq!(lines.len(), 2, "{said}");
    let missing =
        parse("c.yml", "port: 1\n\tx", &Environment::new()).expect_err("broken").to_string();
    assert!(!missing.contains("missing"), "{missing}");
}

#[test]
fn no_value_is_ever_quoted() {
    let said = faults(
        "port: hunter2\nredis:\n  address: redis://:hunter2@r:1\nhttp:\n  address: hunter2\n",
        &[("BBS_PORT", "hunter2")],
    );
    assert!(!said.contains("hunter2"), "{said}");
    let debug = format!("{:?}", sound(V3, &[]).config);
    assert!(!debug.contains("0ol5t44") && !debug.contains("tok-tok"), "{debug}");
}

#[test]
fn a_variable_says_otherwise_than_the_file() {
    let variables = [
        ("BBS_BIGBLUESWARM_SECRET", "another-secret-of-the-swarm"),
        ("BBS_PORT", "9000"),
        ("BBS_BALANCER_POLL_INTERVAL", "3s"),
        ("BBS_REDIS_ADDRESS", "redis:6379"),
        ("BBS_HTTP_TRUSTED_PROXIES", "192.0.2.1, 10.0.0.0/8"),
        ("PATH", "/bin"),
    ];
    let config = sound(&format!("{SOUND}port: nonsense\n"), &variables).config;
    assert_eq!(config.swarm.secret.reveal(), "another-secret-of-the-swarm");
    assert_eq!(config.http.port, 9000);
    assert_eq!(config.balancer.poll_interval, Duration::from_secs(3));
    assert!(matches!(config.store, StoreConfig::Redis(_)));
    assert_eq!(config.http.trusted_proxies.len(), 2);
}

#[test]
fn files_from_other_systems_are_read() {
    assert_eq!(sound(&SOUND.replace('\n', "\r\n"), &[]).config, defaults());
    assert_eq!(sound(&format!("\u{feff}{SOUND}"), &[]).config, defaults());
    assert_eq!(sound(&format!("---\n{SOUND}...\n"), &[]).config, defaults());
}

#[test]
fn variables_alone_are_enough() {
    let variables = [("BBS_BIGBLUESWARM_SECRET", SECRET), ("BBS_ADMIN_API_KEY", API_KEY)];
    assert_eq!(sound("", &variables).config, defaults());
}

#[test]
fn faults_of_variables_name_the_variable() {
    let said = faults(
        "",
        &[
            ("BBS_PORT", "x"),
            ("BBS_BALANCER_CPU_LIMIT", "x"),
            ("BBS_ADMIN_API_KEY", ""),
            ("BBS_BIGBLUESWARM_SECRET", "a-secret-that-nobody-sees "),
        ],
    );
    assert!(said.contains("environment: BBS_PORT: "), "{said}");
    assert!(said.contains("environment: BBS_BIGBLUESWARM_SECRET: has blanks before"), "{said}");
    assert!(!said.contains("nobody-sees"), "{said}");
    assert!(said.contains("environment: BBS_BALANCER_CPU_LIMIT: expected a number"), "{said}");
    assert!(said.contains("environment: BBS_ADMIN_API_KEY: must not be empty"), "{said}");
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn faults_are_values_with_their_place() {
    let Faults(faults) = parse("c.yml", "port: x\n", &Environment::new()).expect_err("faulty");
    assert_eq!(
        (faults[0].file.as_str(), faults[0].line, faults[0].key.as_str()),
        ("c.yml", Some(1), "port")
    );
    assert_eq!(faults.len(), 3);
}
