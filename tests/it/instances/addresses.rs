//! One server under two addresses: an IP address for a name, and both in one list.

use std::time::Duration;

use bigblueswarm::sim::SimServer;
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::spelling::{begin, post, state};
use crate::isolation::behind_our_back;
use crate::placement_rows::Log;
use crate::recordings::{A_POLL, add, listed, of_t};
use crate::replicas::shared;
use crate::services::redis::RedisServer;
use crate::world::{Client, Plan, T, U, World, plan};

/// Three sweeps, and some more.
const THREE_SWEEPS: Duration = Duration::from_secs(35);

const ALL: [(Client, &str); 4] = [(T, "full"), (T, "empty"), (U, "full"), (T, "third")];

/// The `n`th server's IP address, by which it is reached from now on, too.
fn address(world: &World, n: usize) -> String {
    let origin = format!("http://10.0.0.{n}");
    world.servers.alias(&origin, world.sims[n - 1].clone());
    format!("{origin}/bigbluebutton")
}

/// Posts a list of these URLs of these servers.
async fn post_urls(world: &World, list: &[(String, &SimServer)]) {
    let list: Vec<_> = list.iter().map(|(url, sim)| (url.clone(), sim.secret().reveal())).collect();
    assert_eq!(post(world, &list).await.status, 201);
}

/// Every meeting is found, joined and created again where it was, listed once; nothing was ended.
async fn is_well(world: &World) {
    for (client, meeting) in ALL {
        client.info(world, meeting).await.assert_success();
        let again = client.create(world, meeting).await;
        assert_eq!(again.assert_success().key(), "duplicateWarning");
        let to = client.join(world, meeting).await.location.expect("a redirect");
        assert!(!to.contains("errors="), "{to}");
    }
    for (client, of) in [(T, 3), (U, 1)] {
        let list = client.call(world, "getMeetings", "").await;
        assert_eq!(list.assert_success().body.matches("<meetingID>").count(), of);
    }
    let known = world.admin(Method::GET, "/admin/api/meetings", "").await;
    let known: Value = serde_json::from_str(&known.body).expect("JSON");
    assert!(known["total"].as_u64().is_some_and(|total| total <= 4), "{known}");
    assert_eq!(world.asked("end").await, 0, "nothing is ended");
}

/// The state of each instance of the pool; their meetings are the four, and none is a copy.
async fn rows(world: &World) -> Vec<Value> {
    let rows = state(world).await;
    let meetings: u64 = rows.iter().map(|row| row["meetings"].as_u64().expect("counted")).sum();
    assert_eq!(meetings, 4, "{rows:?}");
    assert!(rows.iter().all(|row| row["strays"] == json!([])), "{rows:?}");
    rows
}

fn urls(rows: &[Value]) -> Vec<&str> {
    let mut urls: Vec<_> = rows.iter().map(|row| row["url"].as_str().expect("a URL")).collect();
    urls.sort_unstable();
    urls
}

fn row<'a>(rows: &'a [Value], url: &str) -> &'a Value {
    rows.iter().find(|row| row["url"] == json!(url)).expect("a row")
}

#[tokio::test(start_paused = true)]
async fn x6_an_ip_address_for_a_name_takes_its_place_with_its_meetings() {
    let world = plan(2).start().await;
    begin(&world).await;
    let tags = format!("/admin/api/instances/tags?url={}&tags=blue", world.sims[0].url());
    assert_eq!(world.admin(Method::POST, &tags, "").await.status, 204);
    let (log, [first, second]) = (Log::start(), [&world.sims[0], &world.sims[1]]);
    let ip = address(&world, 1);
    post_urls(&world, &[(ip.clone(), first), (second.url(), second)]).await;
    is_well(&world).await;
    for _ in 0..3 {
        sleep(THREE_SWEEPS).await;
        is_well(&world).await;
    }
    let rows = rows(&world).await;
    assert_eq!(urls(&rows), [ip.as_str(), &second.url()]);
    assert_eq!(row(&rows, &ip)["tags"], json!(["blue"]));
    assert_eq!(log.lines("WARN", "are the same server"), 1, "{}", log.text());
    // The name means another server now, which is one of its own.
    world.servers.alias(&first.origin(), second.clone());
    assert_eq!(T.info(&world, "full").await.assert_success().value("participantCount"), "25");
}

#[tokio::test(start_paused = true)]
async fn x6_an_ip_address_takes_the_place_of_a_name_that_is_not_known_any_more() {
    let world = plan(2).start().await;
    begin(&world).await;
    let [first, second] = [&world.sims[0], &world.sims[1]];
    let ip = address(&world, 1);
    world.servers.unplug(&first.origin());
    post_urls(&world, &[(ip.clone(), first), (second.url(), second)]).await;
    sleep(THREE_SWEEPS).await;
    is_well(&world).await;
    sleep(THREE_SWEEPS).await;
    assert_eq!(urls(&rows(&world).await), [ip.as_str(), &second.url()]);
    is_well(&world).await;
    let unknown = T.info(&world, "never-made").await;
    unknown.assert_failed(200, "notFound");
}

#[tokio::test(start_paused = true)]
async fn x6_two_addresses_of_a_server_in_one_list_are_one_instance() {
    let world = plan(2).start().await;
    begin(&world).await;
    add(&world, 1, of_t("a", 10)).await;
    let (log, [first, second]) = (Log::start(), [&world.sims[0], &world.sims[1]]);
    let (name, ip) = (first.url(), address(&world, 1));
    let both = [(name.clone(), first), (ip.clone(), first), (second.url(), second)];
    post_urls(&world, &both).await;
    is_well(&world).await;
    for _ in 0..3 {
        sleep(THREE_SWEEPS).await;
        is_well(&world).await;
    }
    let seen = rows(&world).await;
    assert_eq!(seen.len(), 3);
    let (one, other) = match row(&seen, &ip)["alias_of"].is_null() {
        true => (&ip, &name),
        false => (&name, &ip),
    };
    assert_eq!(row(&seen, other)["alias_of"], json!(one));
    assert_eq!(row(&seen, other)["meetings"], json!(0));
    assert!(row(&seen, one)["alias_of"].is_null());
    let path = format!("/admin/api/placement?tenant={}", T.host);
    let explained = world.admin(Method::GET, &path, "").await.body;
    assert!(explained.contains(&format!("another address of {one}")), "{explained}");
    // Both servers are taken, each by one address.
    let mut homes = Vec::new();
    for n in 0..10 {
        let (made, calls) = (format!("new-{n}"), world.asked("create").await);
        T.create(&world, &made).await.assert_success();
        assert_eq!(world.asked("create").await, calls + 1, "each is asked for once");
        homes.push(T.join(&world, &made).await.location.expect("a redirect"));
        T.end(&world, &made).await.assert_success();
    }
    let other = other.trim_end_matches("/bigbluebutton");
    assert!(homes.iter().all(|to| !to.starts_with(&format!("{other}/"))), "{homes:?}");
    assert_eq!(log.lines("WARN", "are the same server"), 1, "{}", log.text());
    sleep(A_POLL).await;
    assert_eq!(listed(&world, T, "").await, ["a"]);
    assert_eq!(listed(&world, T, "offset=0&limit=5").await, ["a"]);
    // One of them is taken out.
    post_urls(&world, &[(ip.clone(), first), (second.url(), second)]).await;
    sleep(THREE_SWEEPS * 3).await;
    let seen = state(&world).await;
    assert_eq!(urls(&seen), [ip.as_str(), &second.url()]);
    assert_eq!(listed(&world, T, "").await, ["a"]);
    T.info(&world, "full").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn x6_an_address_that_comes_to_mean_another_server_is_an_instance_of_its_own() {
    let world = plan(3).start().await;
    let [first, second, third] = [&world.sims[0], &world.sims[1], &world.sims[2]];
    let (ip, log) = (address(&world, 1), Log::start());
    let list = [(first.url(), first), (ip.clone(), first), (second.url(), second)];
    post_urls(&world, &list).await;
    let is_alias = async || state(&world).await.iter().any(|row| !row["alias_of"].is_null());
    // A meeting that ends between two lists is no reason to think so.
    for n in 0..20 {
        let short = format!("short-{n}");
        T.create(&world, &short).await.assert_success();
        sleep(Duration::from_secs(15 + n % 10)).await;
        for sim in [first, second] {
            sim.forget_meetings().await;
        }
        sleep(Duration::from_secs(12)).await;
    }
    assert!(is_alias().await);
    assert_eq!(log.lines("WARN", "the same server"), 1, "{}", log.text());
    begin(&world).await;
    sleep(THREE_SWEEPS).await;
    world.servers.alias("http://10.0.0.1", third.clone());
    let list = [(first.url(), first), (ip.clone(), third), (second.url(), second)];
    post_urls(&world, &list).await;
    sleep(THREE_SWEEPS * 3).await;
    assert!(!is_alias().await);
    T.create(&world, "new").await.assert_success();
    for (client, meeting) in ALL {
        client.info(&world, meeting).await.assert_success();
    }
}

#[tokio::test(start_paused = true)]
async fn x6_two_addresses_of_a_server_are_one_instance_over_a_restart() {
    let world = plan(2).start().await;
    begin(&world).await;
    let [first, second] = [world.sims[0].clone(), world.sims[1].clone()];
    let ip = address(&world, 1);
    // Nothing is swept between the new list and the restart.
    post_urls(&world, &[(ip.clone(), &first), (second.url(), &second)]).await;
    let again = plan(2).on(&world).store(world.store.clone()).with_what_is_stored();
    world.swarm.stop().await;
    let world = again.start().await;
    is_well(&world).await;
    sleep(THREE_SWEEPS).await;
    is_well(&world).await;
    sleep(THREE_SWEEPS).await;
    assert_eq!(urls(&rows(&world).await), [ip.as_str(), &second.url()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x6_an_ip_address_takes_the_place_of_a_name_on_two_replicas() {
    let redis = RedisServer::start();
    let quick = |plan: Plan| {
        plan.config(|config| {
            config.health.sweep_interval = Duration::from_millis(200);
            config.swarm.recordings_poll_interval = Duration::from_millis(300);
        })
    };
    let a = quick(plan(2)).store(shared(&redis)).start().await;
    begin(&a).await;
    let b = quick(plan(2)).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    let [first, second] = [&a.sims[0], &a.sims[1]];
    let (name, ip) = (first.url(), address(&a, 1));
    let both = [(name.clone(), first), (ip.clone(), first), (second.url(), second)];
    post_urls(&a, &both).await;
    let seen = async |world: &World, what: &dyn Fn(&[Value]) -> bool| {
        crate::program::within(Duration::from_secs(20), "seen", async || {
            is_well(world).await;
            what(&state(world).await)
        })
        .await;
    };
    for world in [&a, &b] {
        seen(world, &|rows| rows.iter().any(|row| !row["alias_of"].is_null())).await;
    }
    post_urls(&b, &[(ip.clone(), first), (second.url(), second)]).await;
    for world in [&a, &b] {
        seen(world, &|rows| urls(rows) == [ip.as_str(), &second.url()]).await;
        is_well(world).await;
        rows(world).await;
    }
    for key in redis.ask::<Vec<String>>(&["KEYS", "bigblueswarm:route:*"]).expect("keys") {
        let record: Vec<String> = redis.ask(&["HVALS", &key]).expect("a record");
        assert!(
            !record.is_empty() && record.iter().all(|route| !route.contains(&name)),
            "{record:?}"
        );
    }
}

/// Waits until a server was swept just now.
async fn is_swept(sim: &SimServer) {
    let before = sim.requests_of("getMeetings").await.len();
    while sim.requests_of("getMeetings").await.len() == before {
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_not_ended_once_the_home_does_not_have_the_meeting() {
    let world = plan(2).start().await;
    let [home, other] = [&world.sims[0], &world.sims[1]];
    for room in ["one", "two", "three", "four"] {
        T.create(&world, room).await.assert_success();
        assert_eq!(world.homes(room).await, [1]);
        sleep(THREE_SWEEPS).await;
        is_swept(home).await;
        behind_our_back(other, T, &format!("name=Room&meetingID={room}")).await;
        // The home starts again and has nothing, which nobody has heard of before the copy is seen.
        home.forget_meetings().await;
        sleep(THREE_SWEEPS * 2).await;
        assert_eq!((world.homes(room).await, world.asked("end").await), (vec![2], 0));
        T.info(&world, room).await.assert_success();
    }
}
