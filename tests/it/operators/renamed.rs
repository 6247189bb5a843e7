//! Row X23: a tenant's host changes, and all that is the tenant's goes along.

use std::time::Duration;

use bigblueswarm::sim::client::query_of;
use http::Method;
use serde_json::json;
use tokio::time::sleep;

use super::{admin, post};
use crate::inward::{BASE, Inward};
use crate::recordings::{add, listed, of_t};
use crate::replicas::{shared, soon};
use crate::services::redis::RedisServer;
use crate::world::{Client, Reply, T, U, World, plan};

/// The tenant T under its new host.
const NEW: Client = Client::of("new.example.org:8443", T.secret);

async fn rename(world: &World, from: &str, to: &str) -> Reply {
    let path = format!("/admin/api/tenants/{from}/rename");
    world.admin(Method::POST, &path, &json!({"host": to}).to_string()).await
}

fn creation(meeting: &str) -> String {
    query_of(&[
        ("name", "Algebra"),
        ("meetingID", meeting),
        ("meta_endCallbackUrl", "https://t.example.org/end"),
    ])
}

#[tokio::test(start_paused = true)]
async fn x23_a_tenant_gets_another_host_and_its_meetings_recordings_hooks_and_callbacks_go_along() {
    let world = plan(2).config(|c| c.callbacks.base_url = Some(BASE.into())).start().await;
    Inward::of(&[&world]).from(&world.sims);
    T.call(&world, "create", &creation("room")).await.assert_success();
    U.create(&world, "other").await.assert_success();
    let recording = add(&world, 1, of_t("lesson", 10)).await;
    let hook =
        T.call(&world, "hooks/create", "callbackURL=https%3A%2F%2Ft.example.org%2Fhook").await;
    hook.assert_success();

    assert_eq!(rename(&world, T.host, NEW.host).await.status, 204);
    assert_eq!(T.info(&world, "room").await.key(), "tenantNotFound");
    NEW.info(&world, "room").await.assert_success();
    assert_eq!(NEW.join(&world, "room").await.status, 302);
    assert_eq!(NEW.call(&world, "create", &creation("room")).await.key(), "duplicateWarning");
    let all = NEW.call(&world, "getMeetings", "").await;
    assert!(all.assert_success().body.contains("<meetingID>room<"), "{all:?}");
    assert!(!all.body.contains("other"), "{all:?}");
    assert_eq!(listed(&world, NEW, "").await, ["lesson"]);
    assert_eq!(listed(&world, NEW, "limit=5").await, ["lesson"]);
    let publish = format!("recordID={recording}&publish=false");
    NEW.call(&world, "publishRecordings", &publish).await.assert_success();
    let hooks = NEW.call(&world, "hooks/list", "").await;
    assert_eq!(hooks.assert_success().value("hookID"), hook.value("hookID"));

    // Operators see the new host everywhere.
    sleep(Duration::from_secs(30)).await;
    let meetings = admin(&world, &format!("meetings?tenant={}", NEW.host)).await;
    assert_eq!(meetings["meetings"][0]["id"], "room", "{meetings}");
    assert_eq!(meetings["meetings"][0]["tenant"], NEW.host, "{meetings}");
    let usage = admin(&world, "usage").await;
    let row = usage.as_array().expect("rows").iter().find(|row| row["tenant"] == NEW.host);
    assert_eq!(row.expect("a row")["meetings"], 1, "{usage}");
    assert_eq!(admin(&world, &format!("placement?tenant={}", NEW.host)).await["tenant"], NEW.host);

    // What instances were given before the change is still the tenant's.
    NEW.end(&world, "room").await.assert_success();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.targets.calls_of("https://t.example.org/end").len(), 1);
    assert!(!world.targets.calls_of("https://t.example.org/hook").is_empty());
}

#[tokio::test(start_paused = true)]
async fn x23_nobody_else_gets_the_old_name_or_a_host_that_is_taken() {
    let world = plan(1).start().await;
    T.create(&world, "room").await.assert_success();
    assert_eq!(rename(&world, "nobody.example.org", NEW.host).await.status, 404);
    assert_eq!(rename(&world, T.host, U.host).await.status, 409);
    assert_eq!(rename(&world, T.host, "https://x").await.status, 400);
    assert_eq!(rename(&world, T.host, NEW.host).await.status, 204);

    let old = json!({"kind": "Tenant", "spec": {"host": T.host, "secret": "another-secret"}});
    let refused = post(&world, "tenants", &old).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains(T.host) && refused.body.contains(NEW.host), "{refused:?}");
    assert_eq!(rename(&world, U.host, T.host).await.status, 409);
    // Posted again as it was, it stays who it is.
    let again = json!({"kind": "Tenant", "spec": {"host": NEW.host, "secret": T.secret}});
    assert_eq!(post(&world, "tenants", &again).await.status, 201);
    NEW.info(&world, "room").await.assert_success();
    let shown = admin(&world, &format!("tenants/{}", NEW.host)).await;
    assert_eq!(shown["spec"]["tag"], T.host, "{shown}");
    // Back again, and then it is as before.
    assert_eq!(rename(&world, NEW.host, T.host).await.status, 204);
    T.info(&world, "room").await.assert_success();
    let shown = admin(&world, &format!("tenants/{}", T.host)).await;
    assert!(shown["spec"].get("tag").is_none(), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn x23_a_renamed_tenant_is_known_on_every_replica_within_a_second_and_after_a_restart() {
    let redis = RedisServer::start();
    let a = plan(2).store(shared(&redis)).start().await;
    let b = plan(2).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    T.create(&a, "room").await.assert_success();
    assert_eq!(rename(&a, T.host, NEW.host).await.status, 204);
    soon("renamed there", async || NEW.info(&b, "room").await.succeeded()).await;
    assert_eq!(T.info(&b, "room").await.key(), "tenantNotFound");
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("tenant:*").query(&mut redis.connection()).expect("keys");
    assert!(keys.contains(&format!("tenant:{}", NEW.host)), "{keys:?}");
    assert!(!keys.contains(&format!("tenant:{}", T.host)), "{keys:?}");
    let c = plan(2).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    NEW.info(&c, "room").await.assert_success();
    assert_eq!(NEW.create(&c, "room").await.key(), "duplicateWarning");
}
