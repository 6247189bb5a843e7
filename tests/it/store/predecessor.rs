//! What the predecessor left in Redis is read, and written back as it was.

use std::collections::BTreeMap;

use bigblueswarm::domain::instance::{AdminState, InstanceId};
use bigblueswarm::domain::meeting::MeetingId;
use bigblueswarm::outside::store::Store;
use redis::Commands;
use serde_json::Value;

use super::home::{DEADLINE, redis_at};
use crate::services::redis::RedisServer;

const RECORDED: &str = include_str!("../recorded/predecessor-redis.json");

/// A server with everything that was recorded.
pub(crate) fn filled() -> (RedisServer, Value) {
    let recorded: Value = serde_json::from_str(RECORDED).expect("a recording");
    let server = RedisServer::start();
    let mut connection = server.connection();
    for (key, entry) in recorded.as_object().expect("keys") {
        match &entry["value"] {
            Value::String(text) => connection.set(key, text).expect("set"),
            Value::Object(fields) => fields.iter().for_each(|(field, value)| {
                let value = value.as_str().expect("text");
                connection.hset(key, field, value).expect("set")
            }),
            other => panic!("{key}: {other}"),
        }
    }
    (server, recorded)
}

fn texts(recorded: &Value, prefix: &str) -> BTreeMap<String, String> {
    let keys = recorded.as_object().expect("keys").iter();
    let text = |(key, entry): (&String, &Value)| {
        let name = key.strip_prefix(prefix)?;
        Some((name.to_owned(), entry["value"].as_str()?.to_owned()))
    };
    keys.filter_map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_read_and_written_back_as_they_were() {
    let (server, recorded) = filled();
    let store = redis_at(&server, DEADLINE);
    let pool = store.instances().await.expect("a list");
    let listed: BTreeMap<String, String> =
        serde_json::from_value(recorded["instances:list"]["value"].clone()).expect("a hash");
    let read: BTreeMap<String, String> =
        pool.iter().map(|r| (r.id.to_string(), r.secret.reveal().to_owned())).collect();
    assert_eq!(read, listed);
    assert!(pool.iter().all(|r| r.admin == AdminState::Enabled && !r.retired));
    store.set_instances(pool).await.expect("stored");
    let written: BTreeMap<String, String> =
        server.connection().hgetall("instances:list").expect("a hash");
    assert_eq!(written, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_read_and_written_back_byte_for_byte() {
    let (server, recorded) = filled();
    let store = redis_at(&server, DEADLINE);
    let expected = texts(&recorded, "tenant:");
    let tenants = store.tenants().await.expect("tenants");
    assert_eq!(tenants.len(), expected.len());
    let mut connection = server.connection();
    for tenant in tenants {
        let key = format!("tenant:{}", tenant.spec.host);
        connection.del::<_, ()>(&key).expect("removed");
        let host = tenant.spec.host.clone();
        store.put_tenant(tenant).await.expect("stored");
        let written: String = connection.get(&key).expect("text");
        assert_eq!(written, expected[&host]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn meetings_of_the_predecessor_are_hints() {
    let (server, recorded) = filled();
    let store = redis_at(&server, DEADLINE);
    let hints = texts(&recorded, "meeting:");
    assert_eq!(hints.len(), 4);
    for (meeting, url) in hints {
        let hint = store.hint(&MeetingId::new(meeting)).await.expect("an answer");
        assert_eq!(hint, Some(InstanceId::new(url)));
    }
    assert_eq!(store.hint(&MeetingId::new("unknown")).await.expect("an answer"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_tools_write_beside_us_is_seen_and_a_broken_document_stands_alone() {
    let (server, _) = filled();
    let store = redis_at(&server, DEADLINE);
    let mut pool = store.instances().await.expect("a list");
    pool[0].admin = AdminState::Draining;
    pool[1].retired = true;
    let retired = pool[1].id.clone();
    store.set_instances(pool).await.expect("stored");
    let mut connection = server.connection();
    let listed: BTreeMap<String, String> = connection.hgetall("instances:list").expect("a hash");
    assert!(
        !listed.contains_key(retired.as_str()),
        "the predecessor must not use a retired instance"
    );
    connection.hset::<_, _, _, ()>("instances:list", "http://new", "s").expect("set");
    connection.hset::<_, _, _, ()>("instances:list", retired.as_str(), "back").expect("set");
    let pool = store.instances().await.expect("a list");
    let states: Vec<_> = pool.iter().map(|r| (r.admin, r.retired)).collect();
    let enabled = (AdminState::Enabled, false);
    assert_eq!(states, [(AdminState::Draining, false), enabled, enabled, enabled]);
    assert_eq!(pool[1].secret.reveal(), "back");
    connection.set::<_, _, ()>("tenant:broken", "spec: [").expect("set");
    connection.set::<_, _, ()>("tenant:bytes", &b"\xff\xfe"[..]).expect("set");
    connection.hset::<_, _, _, ()>("tenant:hash", "a", "b").expect("set");
    let lenient = "kind: Tenant\nspec:\n  host: two\n  shape: round\ninstances: null\n";
    connection.set::<_, _, ()>("tenant:two", lenient).expect("set");
    let hosts: Vec<_> =
        store.tenants().await.expect("tenants").into_iter().map(|t| t.spec.host).collect();
    assert_eq!(hosts, ["b.example.org", "full.example.org", "lb.example.org:8090", "two"]);
}
