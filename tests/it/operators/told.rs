//! Row X22: what was set up so that it can't do what it is for is said at once.

use bigblueswarm::determinism::HashMap;
use std::time::Duration;

use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::tenant::TenantDocument;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{TOKEN, admin, post, push};
use crate::placement_rows::{Log, readiness};
use crate::world::{T, World, load, plan, rising};

const SOON: Duration = Duration::from_secs(3);

/// What `/readyz` names of this part.
async fn degraded(world: &World, part: &str) -> Vec<String> {
    let (status, body) = readiness(world).await;
    assert_eq!(status, 200);
    let all = body["degraded"].as_array().expect("a list").iter();
    let of_part = all.filter(|one| one["part"] == part);
    of_part.map(|one| one["why"].as_str().expect("a text").to_owned()).collect()
}

/// What admins are told, as texts.
async fn notices(world: &World) -> Vec<String> {
    let all = admin(world, "notices").await;
    let all = all["notices"].as_array().expect("a list").iter();
    all.map(|one| one["why"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn x22_an_agents_tag_that_is_no_instances_is_said_once_in_the_log_on_readyz_and_to_admins() {
    let log = Log::start();
    let world = plan(1).start().await;
    sleep(SOON).await;
    assert_eq!(notices(&world).await, Vec::<String>::new());
    let stranger = "https://bbb7.example.org/bigbluebutton";
    let mut said: HashMap<_, _> = rising(&world.sims);
    said.insert(InstanceId::new(stranger), load(10.0, 10.0));
    world.loads.say(said);
    world.refreshed().await;
    sleep(SOON).await;
    for told in [degraded(&world, "metrics").await, notices(&world).await] {
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(stranger) && told[0].contains("bigblueswarm_host"), "{told:?}");
    }
    sleep(Duration::from_secs(120)).await;
    assert_eq!(log.lines("WARN", stranger), 1, "{}", log.text());
    world.loads.say(rising(&world.sims));
    world.refreshed().await;
    assert_eq!(notices(&world).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn x22_a_tag_that_our_own_ingest_hears_is_said_within_seconds() {
    let world = plan(1).ingesting(TOKEN).start().await;
    sleep(Duration::from_secs(60)).await;
    let line = "mem,bigblueswarm_host=https://typo.example.org/bigbluebutton used_percent=20";
    assert_eq!(push(&world, line).await, 204);
    sleep(SOON).await;
    let told = degraded(&world, "metrics").await;
    assert!(told.iter().any(|why| why.contains("typo.example.org")), "{told:?}");
}

fn pooled(instances: &[&str]) -> Value {
    json!({"kind": "Tenant", "spec": {"host": T.host, "secret": T.secret}, "instances": instances})
}

#[tokio::test(start_paused = true)]
async fn x22_a_pool_that_names_no_instance_is_said_in_the_answer_the_log_and_on_readyz() {
    let log = Log::start();
    let world = plan(2).start().await;
    let known = world.sims[0].url();
    let good = post(&world, "tenants", &pooled(&[&known])).await;
    assert_eq!((good.status.as_u16(), good.body.as_str()), (201, ""));
    let gone = "https://gone.example.org/bigbluebutton";
    for (instances, words) in
        [(vec![gone], "none of its instances"), (vec![&*known, gone], "not all of its")]
    {
        let reply = post(&world, "tenants", &pooled(&instances)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let body: Value = serde_json::from_str(&reply.body).expect("JSON");
        let warning = body["warnings"][0].as_str().expect("a warning");
        assert!(warning.contains(words) && warning.contains(gone), "{warning}");
        sleep(SOON).await;
        assert_eq!(degraded(&world, "tenants").await, [warning]);
        assert_eq!(notices(&world).await, [warning]);
        assert_eq!(log.lines("WARN", words), 1, "{}", log.text());
    }
    // A pool that was right until the list changed.
    post(&world, "tenants", &pooled(&[&known])).await;
    sleep(SOON).await;
    assert_eq!(notices(&world).await, Vec::<String>::new());
    let second = &world.sims[1];
    let list =
        json!({"kind": "InstanceList", "instances": {second.url(): second.secret().reveal()}});
    assert_eq!(post(&world, "instances", &list).await.status, 201);
    sleep(SOON).await;
    assert!(degraded(&world, "tenants").await[0].contains("none of its instances"));
}

#[tokio::test(start_paused = true)]
async fn x22_secrets_with_blanks_around_are_refused_and_stored_ones_are_said() {
    let stored = TenantDocument { ..T.document() };
    let mut stored = stored;
    stored.spec.secret = Some(format!("{} ", T.secret));
    let world = plan(1).tenant(stored).start().await;
    for blank in [" s3cret-one", "s3cret-one ", "s3cret-one\n", "\ts3cret-one", "s3cret-one\u{a0}"]
    {
        let list = json!({"kind": "InstanceList", "instances": {"https://a.example.org/b": blank}});
        let tenant = json!({"kind": "Tenant", "spec": {"host": "v.example.org", "secret": blank}});
        let further =
            json!({"kind": "Tenant", "spec": {"host": "v.example.org", "secrets": ["x", blank]}});
        for (path, body, place) in [
            ("instances", list, "https://a.example.org/b"),
            ("tenants", tenant, "spec.secret"),
            ("tenants", further, "spec.secrets[1]"),
        ] {
            let reply = post(&world, path, &body).await;
            assert_eq!(reply.status, 400, "{reply:?}");
            assert!(reply.body.contains(place) && reply.body.contains("blanks"), "{reply:?}");
            assert!(!reply.body.contains("s3cret"), "{reply:?}");
        }
    }
    // One that is stored already counts as it stands.
    let told = degraded(&world, "tenants").await;
    assert!(told.len() == 1 && told[0].contains(T.host) && told[0].contains("blanks"), "{told:?}");
    assert!(!told[0].contains(T.secret), "{told:?}");
    let padded = format!("{} ", T.secret);
    let client = crate::world::Client { secret: padded.leak(), ..T };
    client.create(&world, "room").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn x22_callbacks_without_a_base_url_are_said_once_and_a_webhook_is_refused_with_the_reason() {
    let log = Log::start();
    let world = plan(1).start().await;
    T.create(&world, "plain").await.assert_success();
    sleep(SOON).await;
    assert_eq!(notices(&world).await, Vec::<String>::new());
    for meeting in ["room-a", "room-b"] {
        let end = "meta_endCallbackUrl=https%3A%2F%2Ft.example.org%2Fend";
        T.call(&world, "create", &format!("meetingID={meeting}&name=Room&{end}"))
            .await
            .assert_success();
    }
    sleep(SOON).await;
    assert!(degraded(&world, "callbacks").await[0].contains("callbacks.baseUrl"));
    assert_eq!(log.lines("WARN", "callbacks.baseUrl is not set"), 1, "{}", log.text());
    let hook =
        T.call(&world, "hooks/create", "callbackURL=https%3A%2F%2Ft.example.org%2Fhook").await;
    hook.assert_failed(200, "createHookError");
    assert!(hook.value("message").contains("callbacks.baseUrl"), "{hook:?}");
}
