//! Alive, ready and metrics (row O7).

use std::time::Duration;

use bigblueswarm::domain::instance::Health;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::scene::{Answer, Held, Scene, member};

/// Asks as an orchestrator does: without a key, and not faster than answers are made anew.
async fn ready(scene: &Scene) -> (u16, Value) {
    sleep(Duration::from_millis(300)).await;
    let Answer { status, body, .. } = ask(scene, "/readyz").await;
    (status, serde_json::from_str(&body).unwrap())
}

async fn ask(scene: &Scene, path: &str) -> Answer {
    scene.from("192.0.2.1:1", "GET", path, &[], String::new()).await
}

#[tokio::test]
async fn it_is_alive_before_it_is_ready() {
    let scene = Scene::open(Held { members: None, tenants: None, ..Held::nothing() }).await;
    assert_eq!(ask(&scene, "/healthz").await.status, 200);
    let (status, body) = ready(&scene).await;
    assert_eq!(status, 503);
    let reasons =
        json!(["tenants: not read from the store yet", "registry: not read from the store yet"]);
    assert_eq!((&body["ready"], &body["reasons"]), (&json!(false), &reasons));
}

#[tokio::test]
async fn once_ready_only_draining_ends_it() {
    let scene = Scene::open(Held::nothing()).await;
    let mut unheard = member("http://bbb1", "s");
    (unheard.swept, unheard.health) = (false, Health::Unheard);
    scene.held.send_modify(|held| held.members = Some(vec![unheard]));
    let (status, body) = ready(&scene).await;
    assert_eq!((status, &body["reasons"]), (503, &json!(["instance http://bbb1: not heard yet"])));

    scene.held.send_modify(|held| held.members.as_mut().unwrap()[0].swept = true);
    let (status, body) = ready(&scene).await;
    assert_eq!((status, &body["ready"], &body["reasons"]), (200, &json!(true), &json!([])));

    scene.held.send_modify(|held| {
        (held.tenants, held.stores) = (None, false);
        let member = &mut held.members.as_mut().unwrap()[0];
        (member.health, member.why, member.swept) = (Health::Dead, Some("refused".into()), false);
    });
    let (status, body) = ready(&scene).await;
    assert_eq!((status, &body["ready"], &body["reasons"]), (200, &json!(true), &json!([])));
    let degraded = json!([
        {"part": "store", "why": "store is away: refused"},
        {"part": "metrics", "why": "nothing was read yet"},
        {"part": "instances", "why": "http://bbb1 is dead (refused)"},
    ]);
    assert_eq!(body["degraded"], degraded);

    scene.phase.drain();
    let (status, body) = ready(&scene).await;
    assert_eq!((status, &body["ready"], &body["draining"]), (503, &json!(false), &json!(true)));
    assert_eq!(ask(&scene, "/healthz").await.status, 200);
}

#[tokio::test]
async fn metrics_are_shown_as_prometheus_reads_them() {
    let scene = Scene::open(Held::nothing()).await;
    scene.get("/admin/api/tenants").await;
    let answer = ask(&scene, "/metrics").await;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some(content_type)));
    let counted =
        r#"bigblueswarm_http_requests_total{surface="admin",call="any",outcome="success"}"#;
    assert!(answer.body.contains(counted), "{}", answer.body);
}
