//! Stories about how a configuration is shown and compared.

use super::config_file::{SOUND, V3, defaults, sound};

#[test]
fn configurations_are_shown_as_the_predecessor_shows_them() {
    let recorded: serde_json::Value =
        serde_json::from_str(include_str!("recorded/predecessor-admin-rest.json")).expect("json");
    let recorded = find_configuration(&recorded).expect("recorded");
    let mut ours = sound(V3, &[]).config.to_json();
    for (section, keys) in recorded.as_object().expect("object") {
        match keys.as_object() {
            None => assert_eq!(&ours[section], keys),
            Some(keys) => keys
                .iter()
                .for_each(|(key, value)| assert_eq!(&ours[section][key], value, "{section}.{key}")),
        }
    }
    assert_eq!(ours["balancer"]["policy"].take(), "predictive");
    let embedded = defaults().to_json();
    assert_eq!(embedded["redis"]["address"], "");
    assert_eq!(embedded["redis"]["database"], 0);
    assert_eq!(embedded["influxdb"]["bucket"], "");
    assert_eq!(embedded["balancer"]["metricsRange"], "5m");
}

fn find_configuration(value: &serde_json::Value) -> Option<serde_json::Value> {
    let exchanges =
        value.as_array().or_else(|| value.as_object()?.values().find_map(|v| v.as_array()))?;
    let exchange =
        exchanges.iter().find(|e| e["request"]["path"] == "/admin/api/configurations")?;
    serde_json::from_str(exchange["answer"]["body"].as_str()?).ok()
}

#[test]
fn the_masked_form_can_be_read_again_and_holds_no_secret() {
    let config = sound(V3, &[]).config;
    let yaml = config.to_masked_yaml();
    for secret in ["0ol5t44", "kgpqrTip", "tok-tok"] {
        assert!(!yaml.contains(secret), "{yaml}");
    }
    let again = sound(&yaml, &[]).config;
    assert_eq!(again.balancer, config.balancer);
    assert_eq!(again.http, config.http);
    assert!(yaml.contains("metricsRange: \"-1m\""), "{yaml}");
}

#[test]
fn a_reload_says_what_changed_and_what_needs_a_restart() {
    let old = sound(SOUND, &[]).config;
    let text = format!(
        "{}port: 9000\nbalancer:\n  memLimit: 80\n  metricsRange: -5m\nredis:\n  address: r:1\n",
        SOUND.replace("a-key", "another-key")
    );
    let new = sound(&text, &[]).config;
    let expected = [
        "port: 8080 → 9000 (needs a restart)",
        "admin.apiKey changed",
        "balancer.memLimit: 90 → 80",
        "redis.address: none → r:1 (needs a restart)",
    ];
    assert_eq!(old.changes(&new), expected);
    let now = old.reloaded(new.clone());
    assert_eq!(now.http, old.http);
    assert_eq!(now.store, old.store);
    assert_eq!(now.admin, new.admin);
    assert_eq!(now.balancer, new.balancer);
    assert_eq!(now.changes(&new).len(), 2);
}
