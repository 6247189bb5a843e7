//! The keys that weigh what meetings will come to.

use bigblueswarm::domain::instance::InstanceId;

use crate::config_file::{SOUND, check, defaults, sound};

#[test]
fn what_weighs_the_future_is_read_in_both_spellings_and_from_variables() {
    let told = "risk: 0.5\n  comfort: 60\n  knownRooms: 0\n  cores: {http://a/bigbluebutton: 8, \"https://b\": 16}\n";
    let told = sound(&format!("{SOUND}balancer:\n  {told}"), &[]).config;
    let balancer = &told.balancer;
    assert_eq!((balancer.risk, balancer.comfort, balancer.known_rooms), (0.5, 60.0, 0));
    let cores = [("http://a/bigbluebutton", 8.0), ("https://b", 16.0)];
    assert_eq!(balancer.cores, cores.map(|(url, cores)| (InstanceId::new(url), cores)).into());
    let old = "known_rooms: 0\n  risk: 0.5\n  comfort: 60\n  cores:\n    http://a/bigbluebutton: 8\n    https://b: 16\n";
    assert_eq!(sound(&format!("{SOUND}balancer:\n  {old}"), &[]).config, told);
    let variables = [
        ("BBS_BALANCER_RISK", "0.5"),
        ("BBS_BALANCER_COMFORT", "60"),
        ("BBS_BALANCER_KNOWN_ROOMS", "0"),
        ("BBS_BALANCER_CORES", "http://a/bigbluebutton=8, https://b=16"),
    ];
    assert_eq!(sound(SOUND, &variables).config, told);
    let shown = told.to_masked_yaml();
    assert!(
        shown.contains("  cores: {\"http://a/bigbluebutton\":8,\"https://b\":16}\n"),
        "{shown}"
    );
    let (secret, key) = ("********", defaults());
    let written = shown.replacen(secret, key.swarm.secret.reveal(), 1);
    let written = written.replacen(secret, key.admin.api_key.reveal(), 1);
    assert_eq!(sound(&written, &[]).config, told, "what is shown can be written");
    assert_eq!(sound(&format!("{SOUND}balancer:\n  cores: {{}}\n"), &[]).config, defaults());
}

#[test]
fn what_can_be_no_weight_is_named_with_its_line() {
    check("balancer:\n  risk: -1\n", &["c.yml:6: balancer.risk: expected a number from 0 to 4"]);
    check("balancer:\n  risk: NaN\n", &["c.yml:6: balancer.risk: expected a number from 0 to 4"]);
    check(
        "balancer:\n  comfort: 0\n  knownRooms: -1\n",
        &[
            "c.yml:6: balancer.comfort: expected a number from 1 to 100",
            "c.yml:7: balancer.knownRooms: expected a number from 0 to 1000000",
        ],
    );
    check(
        "balancer:\n  cores: 8\n",
        &["c.yml:6: balancer.cores: expected URLs with a number each"],
    );
    check("balancer:\n  cores: [8]\n", &["c.yml:6: balancer.cores: expected URLs with a number"]);
    check(
        "balancer:\n  cores:\n    http://a: 0\n",
        &["c.yml:6: balancer.cores: instance 1: expected a number from 1 to 4096"],
    );
    check(
        "balancer:\n  cores: {http://a: 8, b: 8}\n",
        &["c.yml:6: balancer.cores: instance 2: expected a URL"],
    );
    check(
        "balancer:\n  cores: {http://a: 8, \"http://a\": 9}\n",
        &["c.yml:6: balancer.cores: instance 2: stands twice"],
    );
    check(
        "balancer:\n  cores:\n    http://a:\n      many: 8\n",
        &["c.yml:7: balancer.cores: expected a single value for each name"],
    );
}
