//! What the predecessor did not have.

use bigblueswarm::determinism::HashMap;
use std::sync::Arc;

use bigblueswarm::actors::meetings::{Counts, Stray, Usage};
use bigblueswarm::domain::instance::{AdminState, Health, InstanceId};
use bigblueswarm::domain::meeting::MeetingId;
use bigblueswarm::domain::placement::Verdict;
use bigblueswarm::domain::tenant::TenantId;
use serde_json::{Value, json};

use super::scene::{Held, Scene, member};

const B: &str = "http://bbb2.example.org/bigbluebutton";

fn two() -> Held {
    let mut held = Held::nothing();
    held.members = Some(vec![member("http://bbb1.example.org/bigbluebutton", "s"), member(B, "t")]);
    held
}

#[tokio::test]
async fn an_instance_is_enabled_drained_and_disabled() {
    let scene = Scene::open(two()).await;
    for (verb, admin) in [
        ("drain", AdminState::Draining),
        ("disable", AdminState::Disabled),
        ("enable", AdminState::Enabled),
    ] {
        let answer = scene.call("POST", &format!("/admin/api/instances/{verb}?url={B}"), "").await;
        assert_eq!((answer.status, &*answer.body), (204, ""));
        assert_eq!(scene.held.borrow().members.as_ref().unwrap()[1].admin, admin);
        assert_eq!(scene.held.borrow().members.as_ref().unwrap()[0].admin, AdminState::Enabled);
    }
    let unknown = scene.call("POST", "/admin/api/instances/drain?url=http%3A%2F%2Fx", "").await;
    assert_eq!((unknown.status, &*unknown.body), (404, "instance http://x is not in the pool"));
    for query in ["", "?url=", "?instance=x"] {
        let answer = scene.call("POST", &format!("/admin/api/instances/drain{query}"), "").await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.starts_with("url: "), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_state_of_each_instance_is_shown() {
    let mut held = two();
    let members = held.members.as_mut().unwrap();
    members[0].tags = vec!["blue".into()];
    members[1].retired = true;
    members[1].health = Health::Dead;
    members[1].why = Some("connection refused".into());
    let b = InstanceId::new(B);
    held.counts = Counts {
        by_instance: HashMap::from_iter([(b.clone(), Usage { meetings: 2, participants: 31 })]),
        strays: Arc::new(
            [Stray {
                meeting: MeetingId::new("m"),
                tenant: TenantId::new("t.example.org"),
                instance: b,
            }]
            .into_iter()
            .collect(),
        ),
        loaded: true,
        ..Counts::default()
    };
    let scene = Scene::open(held).await;
    let answer = scene.get("/admin/api/instances/state").await;
    let shown: Value = serde_json::from_str(&answer.body).unwrap();
    let expected = json!([
        {"url": "http://bbb1.example.org/bigbluebutton", "admin": "enabled", "health": "up", "why": null,
         "tags": ["blue"], "sign_with": "sha256", "retired": false, "kept": null, "retired_for": null, "silent_for": null, "swept": true,
         "meetings": 0, "participants": 0, "recordings": null, "measured_ago": null, "strays": []},
        {"url": B, "admin": "enabled", "health": "dead", "why": "connection refused",
         "tags": [], "sign_with": "sha256", "retired": true,
         "kept": "kept: it does not answer, it has meetings: 2, its recordings are not known yet",
         "retired_for": null, "silent_for": null, "swept": true, "meetings": 2, "participants": 31, "recordings": null, "measured_ago": null,
         "strays": [{"meeting": "m", "tenant": "t.example.org"}]},
    ]);
    assert_eq!(shown, expected);
    assert!(!answer.body.contains("secret"));
}

#[tokio::test]
async fn a_placement_is_explained() {
    let mut held = two();
    let tenant = json!({"kind": "Tenant", "spec": {"host": "t.example.org"}});
    let tenant = serde_json::from_value(tenant).unwrap();
    held.tenants = Some([("t.example.org".to_owned(), tenant)].into());
    let verdict = |rank, score, guard| Verdict {
        instance: B.into(),
        rank,
        score,
        guard,
        why: "why".into(),
        terms: None,
    };
    held.verdicts = vec![verdict(Some(1), Some(32.5), None), verdict(None, None, Some("cpu"))];
    let scene = Scene::open(held).await;
    let answer = scene.get("/admin/api/placement?tenant=t.example.org").await;
    let mut expected = json!({"tenant": "t.example.org", "policy": "predictive", "guard": {"cpu": 90.0, "mem": 90.0}, "blind": false, "instances": [
        {"instance": B, "rank": 1, "score": 32.5, "guard": null, "why": "why"},
        {"instance": B, "rank": null, "score": null, "guard": "cpu", "why": "why"},
    ]});
    assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);

    scene.held.send_modify(|held| held.verdicts[0].score = None);
    let answer = scene.get("/admin/api/placement?tenant=t.example.org").await;
    expected["blind"] = json!(true);
    expected["instances"][0]["score"] = json!(null);
    assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);

    assert_eq!(scene.get("/admin/api/placement").await.status, 400);
    assert_eq!(scene.get("/admin/api/placement?tenant=").await.status, 400);
    assert_eq!(scene.get("/admin/api/placement?tenant=u.example.org").await.status, 404);
}

#[tokio::test]
async fn the_configuration_in_force_is_shown_and_read_again() {
    let scene = Scene::open(Held::nothing()).await;
    let shown = scene.get("/admin/api/configurations").await;
    assert_eq!((shown.status, &*shown.body), (200, r#"{"port":8080}"#));
    scene.held.send_modify(|held| held.reload = Ok(vec!["balancer.cpuLimit: 80".into()]));
    let answer = scene.call("POST", "/admin/api/reload", "").await;
    assert_eq!((answer.status, &*answer.body), (200, r#"{"changed":["balancer.cpuLimit: 80"]}"#));
    scene.held.send_modify(|held| held.reload = Err("c.yml:3: port: not a number".into()));
    let answer = scene.call("POST", "/admin/api/reload", "").await;
    assert_eq!((answer.status, &*answer.body), (422, "c.yml:3: port: not a number"));
}
