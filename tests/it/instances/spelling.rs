//! The same list posted in other words.

use std::time::Duration;

use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::sim::{Crowd, SimServer};
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::replicas::shared;
use crate::services::redis::RedisServer;
use crate::world::{Client, Plan, Reply, T, U, World, load, plan};

/// Three sweeps, and some more.
const THREE_SWEEPS: Duration = Duration::from_secs(35);

/// Other spellings of a server's URL.
fn spellings(sim: &SimServer) -> Vec<String> {
    let url = sim.url();
    let host = url.trim_start_matches("http://").trim_end_matches("/bigbluebutton").to_owned();
    vec![
        format!("{url}/"),
        format!("http://{host}:80/bigbluebutton"),
        format!("http://{host}./bigbluebutton"),
        format!("HTTP://{}/bigbluebutton", host.to_uppercase()),
        format!("http://{host}.:80/bigbluebutton/api/"),
        url,
    ]
}

pub(super) async fn post(world: &World, list: &[(String, &str)]) -> Reply {
    let list: serde_json::Map<String, Value> =
        list.iter().map(|(url, secret)| (url.clone(), json!(secret))).collect();
    let body = json!({"kind": "InstanceList", "instances": list}).to_string();
    world.admin(Method::POST, "/admin/api/instances", &body).await
}

/// Posts the `n`th spelling of every server.
async fn respell(world: &World, n: usize) {
    let list: Vec<_> =
        world.sims.iter().map(|sim| (spellings(sim)[n].clone(), sim.secret().reveal())).collect();
    assert_eq!(post(world, &list).await.status, 201);
}

pub(super) async fn state(world: &World) -> Vec<Value> {
    let reply = world.admin(Method::GET, "/admin/api/instances/state", "").await;
    serde_json::from_str(&reply.body).expect("JSON")
}

/// T's meetings, one with users, and one of U's of the same name as T's first.
pub(super) async fn begin(world: &World) {
    for (client, meeting) in [(T, "full"), (T, "empty"), (U, "full"), (T, "third")] {
        client.create(world, meeting).await.assert_success();
    }
    for sim in &world.sims {
        let crowd = Crowd { users: 25, over: Duration::ZERO, stay: Duration::from_secs(100_000) };
        sim.send_crowd("full", crowd).await;
    }
}

/// Everything is where it was, listed once and found; nothing was ended.
async fn as_before(world: &World, homes: &[(Client, &str)]) {
    for (client, meeting) in homes {
        client.info(world, meeting).await.assert_success();
        let again = client.create(world, meeting).await;
        assert_eq!(again.assert_success().key(), "duplicateWarning");
        client.join(world, meeting).await;
    }
    for (client, of) in [(T, 3), (U, 1)] {
        let list = client.call(world, "getMeetings", "").await;
        assert_eq!(list.assert_success().body.matches("<meetingID>").count(), of);
    }
    assert_eq!(world.asked("end").await, 0, "nothing is ended");
    let state = state(world).await;
    assert_eq!(state.len(), world.sims.len(), "{state:?}");
    let meetings: u64 = state.iter().map(|row| row["meetings"].as_u64().expect("counted")).sum();
    assert_eq!(meetings, 4);
    let calm = |row: &Value| row["retired"] == json!(false) && row["strays"] == json!([]);
    assert!(state.iter().all(calm), "{state:?}");
}

const ALL: [(Client, &str); 4] = [(T, "full"), (T, "empty"), (U, "full"), (T, "third")];

#[tokio::test(start_paused = true)]
async fn x6_the_list_posted_again_in_another_spelling_changes_nothing_for_running_meetings() {
    let world = plan(2).start().await;
    begin(&world).await;
    for n in 0..spellings(&world.sims[0]).len() {
        respell(&world, n).await;
        as_before(&world, &ALL).await;
        let shown = world.admin(Method::GET, "/admin/api/instances", "").await;
        for sim in &world.sims {
            let spelt = json!(spellings(sim)[n]).to_string();
            assert!(shown.body.contains(&spelt), "{spelt}: {}", shown.body);
        }
        sleep(THREE_SWEEPS).await;
        as_before(&world, &ALL).await;
    }
}

#[tokio::test(start_paused = true)]
async fn x6_two_spellings_in_one_list_are_one_instance_or_a_clear_refusal() {
    let world = plan(1).start().await;
    let (sim, secret) = (&world.sims[0], world.sims[0].secret().reveal());
    T.create(&world, "room").await.assert_success();
    let both: Vec<_> = spellings(sim).into_iter().map(|url| (url, secret)).collect();
    assert_eq!(post(&world, &both).await.status, 201);
    assert_eq!(state(&world).await.len(), 1);
    T.info(&world, "room").await.assert_success();
    let mut two = both[..2].to_vec();
    two[1].1 = "another-secret";
    let refused = post(&world, &two).await;
    assert_eq!(refused.status, 400);
    assert!(two.iter().all(|(url, _)| refused.body.contains(url)), "{refused:?}");
    assert!(!refused.body.contains("another-secret"));
}

#[tokio::test(start_paused = true)]
async fn whoever_names_an_instance_may_spell_it_in_any_way() {
    let world = plan(2).start().await;
    let spelt = spellings(&world.sims[0])[4].clone();
    // A tenant's pool.
    let mut document = T.document();
    document.instances = vec![spelt.clone()];
    let body = serde_json::to_string(&document).expect("JSON");
    assert_eq!(world.admin(Method::POST, "/admin/api/tenants", &body).await.status, 201);
    // Measurements, by which S1 would not be taken.
    let named = [(InstanceId::new(spelt.as_str()), load(90.0, 20.0))];
    let other = (InstanceId::new(spellings(&world.sims[1])[1].as_str()), load(5.0, 20.0));
    world.loads.say(named.into_iter().chain([other]).collect());
    world.refreshed().await;
    T.create(&world, "of-the-pool").await.assert_success();
    assert_eq!(world.homes("of-the-pool").await, [1]);
    U.create(&world, "by-load").await.assert_success();
    assert_eq!(world.homes("by-load").await, [2]);
    let cluster = world.admin(Method::GET, "/admin/api/cluster", "").await;
    assert!(cluster.body.contains(r#""cpu":90"#), "{cluster:?}");
    // Admin calls.
    let path = |what: &str| format!("/admin/api/instances/{what}?url={spelt}");
    for (what, admin) in [("drain", "draining"), ("disable", "disabled"), ("enable", "enabled")] {
        assert_eq!(world.admin(Method::POST, &path(what), "").await.status, 204);
        assert_eq!(state(&world).await[0]["admin"], admin);
    }
    let tags = format!("{}&tags=blue", path("tags"));
    assert_eq!(world.admin(Method::POST, &tags, "").await.status, 204);
    assert_eq!(state(&world).await[0]["tags"], json!(["blue"]));
    sleep(THREE_SWEEPS).await;
    let meetings = format!("/admin/api/meetings?instance={spelt}");
    assert!(world.admin(Method::GET, &meetings, "").await.body.contains("of-the-pool"));
}

/// Makes two worlds on Redis whose list is spelt in one way, and routes of meetings in another.
async fn spelt_anew(redis: &RedisServer) -> World {
    let a = plan(2).store(shared(redis)).start().await;
    begin(&a).await;
    respell(&a, 4).await;
    a
}

#[tokio::test(flavor = "multi_thread")]
async fn x6_routes_of_an_older_spelling_are_found_after_a_restart_and_on_replicas() {
    let redis = RedisServer::start();
    let quick = |plan: Plan| {
        plan.config(|config| config.health.sweep_interval = Duration::from_millis(200))
    };
    let a = spelt_anew(&redis).await;
    let b = quick(plan(2)).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    as_before(&b, &ALL).await;
    as_before(&a, &ALL).await;
    // A tool of the predecessor writes the list in its own way.
    redis.ask::<()>(&["DEL", "instances:list"]).expect("redis");
    for sim in &a.sims {
        let (url, secret) = (spellings(sim)[2].clone(), sim.secret().reveal());
        redis.ask::<()>(&["HSET", "instances:list", &url, secret]).expect("redis");
    }
    sleep(Duration::from_secs(3)).await;
    for world in [&a, &b] {
        as_before(world, &ALL).await;
    }
    // Another tenant's meeting of the same name does not get onto an instance that holds one already.
    U.create(&b, "third").await.assert_success();
    let mut homes = b.homes("third").await;
    homes.sort_unstable();
    assert_eq!(homes, [1, 2]);
    assert_eq!(b.asked("end").await, 0);
}
