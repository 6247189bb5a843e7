//! What becomes of backends and frontends.

use serde_json::{Value, json};

use super::*;

fn output() -> Output {
    use clap::Parser;
    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        output: Output,
    }
    Only::parse_from(["import"]).output
}

fn planned(backends: Value, frontends: Value) -> Plan {
    let backends: Vec<Backend> = serde_json::from_value(backends).expect("backends");
    let frontends: Vec<Frontend> = serde_json::from_value(frontends).expect("frontends");
    plan(&backends, &frontends, &output())
}

#[track_caller]
fn check(said: &[String], starts: &[&str]) {
    assert_eq!(said.len(), starts.len(), "{said:?}");
    let fits = |(said, start): (&String, &&str)| said.starts_with(*start);
    assert!(said.iter().zip(starts).all(fits), "{said:?}");
}

#[test]
fn backends_come_with_state_and_tags() {
    let backend = |host: &str, state: &str, factor: f64, tags: Value| {
        json!({"id": "x", "bbb": {"host": format!("https://{host}/bigbluebutton/api/"), "secret": "s"},
               "admin_state": state, "load_factor": factor, "settings": {"tags": tags}})
    };
    let plan = planned(
        json!([
            backend("a", "ready", 1.0, json!(null)),
            backend("b", "stopped", 2.0, json!(["x", "y"])),
            backend("c", "decommissioned", 1.0, json!([])),
            {"bbb": {"host": "d"}, "settings": null},
        ]),
        json!([]),
    );
    let urls: Vec<&String> = plan.instances.keys().collect();
    assert_eq!(urls, ["https://a/bigbluebutton", "https://b/bigbluebutton"]);
    check(
        &plan.remarks,
        &["backend https://b/bigbluebutton: load_factor 2", "backend https://c/", "server d: "],
    );
    check(
        &plan.steps,
        &[
            "bigblueswarm drain https://b/bigbluebutton # it is stopped",
            "bigblueswarm tag https://b/bigbluebutton x,y",
        ],
    );
}

#[test]
fn frontends_become_tenants() {
    let backends = json!([{"bbb": {"host": "https://a/x/api", "secret": "s"}, "settings": {"tags": ["n", "m"]}}]);
    let plan = planned(
        backends,
        json!([
            {"bbb": {"key": "moodle", "secret": "t"}, "active": true, "account_ref": null, "settings": {
                "required_tags": ["m"], "default_presentation": {"url": "https://p/a.pdf", "force": true},
                "create_default_params": {"welcome": "w", "checksum": "x"}, "create_override_params": {"record": false},
                "join_default_params": {"userdata-bbb_skip": true}, "join_override_params": {"guest": "true"},
                "limit_attendees": {"limit": 250}, "new": 1}},
            {"bbb": {"key": "open", "secret": "u"}, "settings": {}},
            {"bbb": {"key": "off", "secret": "u"}, "active": false, "settings": {}},
            {"bbb": {"key": "none", "secret": ""}, "settings": {}},
            {"bbb": {"key": "lost", "secret": "u"}, "settings": {"required_tags": ["z"]}},
            {"bbb": {"key": "a b", "secret": "u"}},
        ]),
    );
    let [moodle, open] = &plan.tenants[..] else { panic!("{:?}", plan.tenants) };
    assert_eq!(
        (&*moodle.spec.host, moodle.instances.as_slice()),
        ("moodle", &["https://a/x".to_owned()][..])
    );
    assert_eq!(moodle.spec.default_presentation.as_deref(), Some("https://p/a.pdf"));
    assert_eq!(moodle.spec.create_overrides["record"], "false");
    assert_eq!(moodle.spec.create_defaults.len(), 1, "{:?}", moodle.spec.create_defaults);
    assert_eq!(moodle.spec.join_defaults["userdata-bbb_skip"], "true");
    assert_eq!((&*moodle.spec.join_overrides["guest"], moodle.spec.user_pool), ("true", Some(250)));
    assert_eq!((&*open.spec.host, open.instances.len()), ("open", 0));
    check(
        &plan.remarks,
        &[
            "frontend moodle: required_tags m; it is bound to the 1",
            "frontend moodle: force of",
            "frontend moodle: setting new",
            "frontend moodle: parameter checksum: ",
            "frontend off: ",
            "frontend none: it has no secret",
            "frontend lost: no backend has",
            "tenant a b: spec.host",
        ],
    );
}

#[test]
fn the_service_may_be_named_by_its_api() {
    for text in ["https://b", "https://b/", "https://b/api", "https://b/api/v1/"] {
        assert_eq!(base(text).map(|url| url.to_string()), Ok("https://b/".into()), "{text}");
    }
}
