//! The predecessor's answers, as they were recorded from it.

use bigblueswarm::determinism::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::actors::metrics::Reading;
use bigblueswarm::domain::load::{Load, LoadSnapshot};
use bigblueswarm::domain::moment::Moment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::scene::{Answer, Held, KEY, Scene, member};

const RECORDED: &str = include_str!("../recorded/predecessor-admin-rest.json");

#[derive(Deserialize)]
struct Exchange {
    request: Asked,
    answer: Answered,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    path: String,
    body: Option<Value>,
    key: String,
}

#[derive(Deserialize)]
struct Answered {
    status: u16,
    content_type: Option<String>,
    body: String,
}

/// What the predecessor held when it was recorded.
fn as_recorded() -> Held {
    let url = |n| format!("http://bbb{n}.example.org/bigbluebutton");
    let mut held = Held::nothing();
    held.members = Some((1..=3).map(|n| member(&url(n), &format!("secret-of-bbb{n}"))).collect());
    let figures = [(1, 6.0), (2, 12.0), (3, 18.0)];
    let figures = figures.map(|(n, cpu)| (member(&url(n), "").instance.id.clone(), cpu));
    let load =
        |cpu| Load { cpu: Some(cpu), mem: Some(20.0), online: Some(true), ..Load::default() };
    let loads: HashMap<_, _> = figures.into_iter().map(|(id, cpu)| (id, load(cpu))).collect();
    let read_at = Some(Moment(Duration::ZERO));
    held.reading.loads = Arc::new(LoadSnapshot { read_at, loads, ..LoadSnapshot::default() });
    let documents = [
        json!({"kind": "Tenant", "spec": {"host": "b.example.org", "secret": "second-tenant-secret-0123456789abcdef"}, "instances": []}),
        json!({"kind": "Tenant", "spec": {"host": "full.example.org", "secret": "tenant-secret-0123456789", "meeting_pool": 10, "user_pool": 200},
            "metadata": {"customer": "42", "note": "a: b"}, "instances": [url(1), url(3)]}),
        json!({"kind": "Tenant", "spec": {"host": "lb.example.org:8090"}, "instances": []}),
    ];
    let documents = documents.map(|d| serde_json::from_value(d).unwrap());
    let by_host = |d: bigblueswarm::domain::tenant::TenantDocument| (d.spec.host.clone(), d);
    held.tenants = Some(documents.into_iter().map(by_host).collect());
    held
}

async fn ask(scene: &Scene, asked: &Asked) -> Answer {
    let key = if asked.key == "right" { KEY } else { "wrong" };
    let body = asked.body.as_ref().map(Value::to_string).unwrap_or_default();
    let headers = [("authorization", key)];
    scene.from("127.0.0.1:4711", &asked.method, &asked.path, &headers, body).await
}

/// The elements of a list, each as text, in an order of their own: theirs was their map's.
fn elements(body: &str) -> Vec<String> {
    let all: Vec<Value> = serde_json::from_str(body).unwrap();
    let mut all: Vec<_> = all.iter().map(Value::to_string).collect();
    all.sort();
    all
}

#[tokio::test]
async fn every_recorded_answer_is_given_again() {
    let exchanges: Vec<Exchange> = serde_json::from_str(RECORDED).unwrap();
    let faulty = exchanges
        .iter()
        .position(|e| e.request.body.as_ref().is_some_and(|body| body["kind"] == "Nonsense"));
    let scene = Scene::open(as_recorded()).await;
    let mut compared = 0;
    for Exchange { request, answer } in &exchanges[..faulty.unwrap()] {
        let what = format!("{} {}", request.method, request.path);
        if request.path.ends_with("/configurations") {
            continue; // written by the configuration, and compared there
        }
        let ours = ask(&scene, request).await;
        assert_eq!(ours.status, answer.status, "{what}: {ours:?}");
        assert_eq!(ours.content_type, answer.content_type, "{what}");
        if request.path.ends_with("/cluster") {
            assert_eq!(elements(&ours.body), elements(&answer.body), "{what}");
        } else {
            assert_eq!(ours.body, answer.body, "{what}");
        }
        compared += 1;
    }
    assert_eq!(compared, 11);
}

#[tokio::test]
async fn a_list_of_a_wrong_kind_changes_nothing() {
    let scene = Scene::open(as_recorded()).await;
    let before = scene.get("/admin/api/instances").await;
    for (body, fault) in [
        (json!({"kind": "Nonsense"}), "kind: unknown variant `Nonsense`, expected `InstanceList`"),
        (json!({"kind": "InstanceList"}), "missing field `instances`"),
        (json!({"kind": "InstanceList", "instances": null}), "instances: invalid type: null"),
        (json!({"kind": "InstanceList", "instances": {}, "more": 1}), "more: unknown field `more`"),
        (json!({"kind": "InstanceList", "instances": {"http://x": 1}}), "instances"),
        (json!({"kind": "InstanceList", "instances": {"x": "s"}}), "instance URL \"x\""),
    ] {
        let answer = scene.call("POST", "/admin/api/instances", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.starts_with(fault), "{}", answer.body);
    }
    let twice = r#"{"kind":"InstanceList","instances":{"http://x":"s","http://x":"t"}}"#;
    let answer = scene.call("POST", "/admin/api/instances", twice).await;
    assert_eq!((answer.status, &*answer.body), (400, "instance URL \"http://x\": is listed twice"));
    assert_eq!(scene.get("/admin/api/instances").await, before);
}

#[tokio::test]
async fn a_new_list_replaces_the_old_one_and_retired_instances_are_not_listed() {
    let scene = Scene::open(as_recorded()).await;
    scene.held.send_modify(|held| held.members.as_mut().unwrap()[0].retired = true);
    let listed = scene.get("/admin/api/instances").await;
    assert!(!listed.body.contains("bbb1") && listed.body.contains("bbb2"), "{}", listed.body);
    assert!(!scene.get("/admin/api/cluster").await.body.contains("bbb1"));
    let body = json!({"kind": "InstanceList", "instances": {"http://x/bbb": "s", "http://a": "t"}});
    let answer = scene.call("POST", "/admin/api/instances", &body).await;
    assert_eq!((answer.status, answer.content_type, &*answer.body), (201, None, ""));
    let listed = scene.get("/admin/api/instances").await;
    let expected = r#"[{"url":"http://x/bbb","secret":"s"},{"url":"http://a","secret":"t"}]"#;
    assert_eq!(listed.body, expected);
}

#[tokio::test]
async fn a_tenants_host_may_hold_a_port_and_be_escaped() {
    let scene = Scene::open(as_recorded()).await;
    for path in ["lb.example.org:8090", "lb.example.org%3A8090"] {
        let answer = scene.get(&format!("/admin/api/tenants/{path}")).await;
        let expected = r#"{"kind":"Tenant","spec":{"host":"lb.example.org:8090"},"instances":[]}"#;
        assert_eq!((answer.status, &*answer.body), (200, expected));
    }
    let path = "/admin/api/tenants/lb.example.org%3A8090";
    assert_eq!(scene.call("DELETE", path, "").await.status, 204);
    assert_eq!(scene.get(path).await.status, 404);
}

#[tokio::test]
async fn an_instance_is_up_when_it_is_well_and_says_so() {
    let scene = Scene::open(as_recorded()).await;
    scene.held.send_modify(|held| {
        held.members.as_mut().unwrap()[0].health = bigblueswarm::domain::instance::Health::Suspect;
        let mut loads = (*held.reading.loads).clone();
        for (id, load) in &mut loads.loads {
            load.online = Some(!id.as_str().contains("bbb2"));
            load.cpu = Some(33.339);
            (load.meetings, load.participants) = (Some(4), Some(57));
        }
        held.reading = Reading { loads: Arc::new(loads), failed: None };
    });
    let answer = scene.get("/admin/api/cluster").await;
    let row = |n, status| {
        format!(
            r#"{{"host":"http://bbb{n}.example.org/bigbluebutton","cpu":33.34,"mem":20,"meetings":4,"participants":57,"api_status":"{status}"}}"#
        )
    };
    let expected = format!("[{},{},{}]", row(1, "Down"), row(2, "Down"), row(3, "Up"));
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn what_the_store_did_not_take_is_said() {
    let scene = Scene::open(as_recorded()).await;
    scene.held.send_modify(|held| held.stores = false);
    let list = json!({"kind": "InstanceList", "instances": {}});
    let tenant = json!({"kind": "Tenant", "spec": {"host": "n.example.org"}});
    let drain = "/admin/api/instances/drain?url=http://bbb1.example.org/bigbluebutton";
    for answer in [
        scene.call("POST", "/admin/api/instances", list).await,
        scene.call("POST", "/admin/api/tenants", tenant).await,
        scene.call("DELETE", "/admin/api/tenants/b.example.org", "").await,
        scene.call("POST", drain, "").await,
    ] {
        assert_eq!((answer.status, &*answer.body), (503, "store is away: refused"));
    }
    assert_eq!(scene.get("/admin/api/tenants/b.example.org").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_not_shown_as_an_empty_list_before_it_was_read() {
    let scene = Scene::open(Held { members: None, tenants: None, ..Held::nothing() }).await;
    for path in
        ["instances", "instances/state", "cluster", "tenants", "tenants/a", "placement?tenant=a"]
    {
        let answer = scene.get(&format!("/admin/api/{path}")).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        assert!(answer.body.contains("not loaded yet"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_document_that_is_too_large_is_refused() {
    let scene = Scene::open(as_recorded()).await;
    let tenant = json!({"kind": "Tenant", "spec": {"host": "x".repeat(5 << 20)}});
    assert_eq!(scene.call("POST", "/admin/api/tenants", tenant).await.status, 413);
}
