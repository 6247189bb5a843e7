//! Stories about what is still to come: what a room did the last time, webcams, and how many cores there are.

use bigblueswarm::determinism::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::outside::store::Shelf;
use bigblueswarm::sim::{Crowd, SimServer, SimSettings};
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::program::within;
use crate::replicas::shared;
use crate::services::redis::RedisServer;
use crate::world::{Plan, T, World, id, load, plan};

/// Has all instances measured alike, and lets the program read it.
async fn measure_alike(world: &World) {
    let loads = world.sims.iter().map(|sim| (id(sim), load(10.0, 20.0)));
    world.loads.say(loads.collect());
    world.refreshed().await;
}

/// Creates a meeting and says on which server it is.
async fn placed(world: &World, meeting: &str) -> usize {
    T.create(world, meeting).await.assert_success();
    let homes = world.homes(meeting).await;
    assert_eq!(homes.len(), 1, "{meeting} is on {homes:?}");
    homes[0]
}

/// Where the next meetings go, of rooms that nobody knows.
async fn next(world: &World, name: &str, count: usize) -> Vec<usize> {
    let mut homes = Vec::new();
    for n in 0..count {
        homes.push(placed(world, &format!("{name}-{n}")).await);
    }
    homes
}

/// So many people come to a meeting, all at once.
async fn fill(world: &World, meeting: &str, users: u32) {
    let home = world.homes(meeting).await[0];
    let crowd = Crowd { users, over: Duration::ZERO, stay: Duration::from_secs(24 * 3600) };
    assert!(world.sims[home - 1].send_crowd(meeting, crowd).await);
}

/// A class of sixty meets for half an hour; then it is long over.
async fn class_meets(world: &World) {
    placed(world, "class").await;
    fill(world, "class", 60).await;
    sleep(Duration::from_secs(1800)).await;
    T.end(world, "class").await.assert_success();
    sleep(Duration::from_secs(600)).await;
}

async fn explained(world: &World) -> Value {
    let path = format!("/admin/api/placement?tenant={}", T.host);
    serde_json::from_str(&world.admin(Method::GET, &path, "").await.body).expect("JSON")
}

/// The terms of an instance.
async fn terms(world: &World, server: usize) -> Value {
    let explained = explained(world).await;
    let verdicts = explained["instances"].as_array().expect("verdicts");
    let url = world.sims[server - 1].url();
    let verdict = verdicts.iter().find(|one| one["instance"] == url).expect("a verdict for each");
    verdict["terms"].clone()
}

fn number(terms: &Value, name: &str) -> f64 {
    terms[name].as_f64().unwrap_or_else(|| panic!("{name} in {terms}"))
}

/// Whether a class that was large the last time weighs as such, though nobody is in it yet.
async fn assert_known(world: &World, is_known: bool) {
    let home = placed(world, "class").await;
    let other = 3 - home;
    let next = next(world, "next", 3).await;
    assert_eq!(next == [other; 3], is_known, "class on {home}, next on {next:?}");
    let history = number(&terms(world, home).await, "history");
    assert_eq!(history > 2.0, is_known, "{history}");
    assert_eq!(number(&terms(world, other).await, "history"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_was_large_the_last_time_is_expected_to_become_so_again() {
    let world = plan(2).start().await;
    measure_alike(&world).await;
    class_meets(&world).await;
    assert_known(&world, true).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_room_did_is_known_after_a_restart() {
    let world = plan(2).start().await;
    measure_alike(&world).await;
    class_meets(&world).await;
    let again = plan(2).on(&world).store(world.store.clone()).with_what_is_stored();
    world.swarm.stop().await;
    let world = again.start().await;
    measure_alike(&world).await;
    assert_known(&world, true).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_room_did_last_is_written_even_if_the_program_ends_at_once() {
    let world = plan(2).start().await;
    measure_alike(&world).await;
    placed(&world, "class").await;
    fill(&world, "class", 60).await;
    sleep(Duration::from_secs(1800)).await;
    T.end(&world, "class").await.assert_success();
    let rooms = async || world.store.shelf(Shelf::Rooms).await.expect("a shelf");
    let is_over = async || !T.info(&world, "class").await.succeeded();
    within(Duration::from_secs(60), "the class is over", is_over).await;
    let room = |(id, _): &(String, Vec<u8>)| id != "lessons";
    assert_eq!(rooms().await.iter().filter(|one| room(one)).count(), 0, "not yet");
    let store = world.store.clone();
    world.swarm.stop().await;
    let kept = store.shelf(Shelf::Rooms).await.expect("a shelf");
    assert_eq!(kept.iter().filter(|one| room(one)).count(), 1);
    assert!(kept.iter().any(|one| !room(one)), "what was learnt of meetings in general");
}

#[tokio::test(start_paused = true)]
async fn without_known_rooms_there_is_no_history() {
    let world = plan(2).config(|config| config.balancer.known_rooms = 0).start().await;
    measure_alike(&world).await;
    class_meets(&world).await;
    assert_known(&world, false).await;
    let kept = world.store.shelf(Shelf::Rooms).await.expect("a shelf");
    assert!(kept.iter().all(|(id, _)| id == "lessons"), "{} records", kept.len());
}

/// Two instances of which one has people who show a picture.
fn with_webcams_on(server: usize) -> Plan {
    let clock = Arc::new(RuntimeClock::start());
    let sim = |n: usize| {
        let origin = format!("http://s{n}.example.org");
        let settings = SimSettings::new(&origin, &format!("secret-of-s{n}-0123456789"));
        let share = if n == server { 1.0 } else { 0.0 };
        SimServer::start(settings.webcams(share), clock.clone())
    };
    plan(2).servers(vec![sim(1), sim(2)])
}

#[tokio::test(start_paused = true)]
async fn of_two_instances_with_as_many_users_the_one_without_webcams_takes_the_next_meeting() {
    for server in [1, 2] {
        let world = with_webcams_on(server).start().await;
        measure_alike(&world).await;
        let homes = next(&world, "first", 2).await;
        assert_ne!(homes[0], homes[1]);
        sleep(Duration::from_secs(240)).await;
        for n in 0..2 {
            fill(&world, &format!("first-{n}"), 20).await;
        }
        sleep(Duration::from_secs(20)).await; // measurements don't show it yet
        assert_eq!(placed(&world, "next").await, 3 - server);
        let meetings = async |server| number(&terms(&world, server).await, "meetings");
        assert!(meetings(server).await > meetings(3 - server).await);
    }
}

#[tokio::test(start_paused = true)]
async fn the_terms_of_a_placement_are_explained() {
    let world = plan(2).start().await;
    measure_alike(&world).await;
    let shown = explained(&world).await;
    assert_eq!(shown["guard"], json!({"cpu": 90.0, "mem": 90.0}));
    let before = terms(&world, 1).await;
    assert_eq!(number(&before, "cores"), 8.0);
    assert!((number(&before, "measured") - 0.8).abs() < 1e-9, "{before}");
    assert_eq!((number(&before, "pending"), number(&before, "history")), (0.0, 0.0));
    class_meets(&world).await;
    let home = placed(&world, "class").await;
    let other = placed(&world, "unknown").await;
    assert_ne!(home, other);
    let (known, unknown) = (terms(&world, home).await, terms(&world, other).await);
    assert!(number(&known, "history") > 2.0 && number(&known, "pending") == 0.0, "{known}");
    assert!(number(&unknown, "history") == 0.0 && number(&unknown, "pending") > 0.0, "{unknown}");
    for terms in [&known, &unknown] {
        assert!(number(terms, "variance") > 0.0 && number(terms, "meetings") > 0.0, "{terms}");
    }
    fill(&world, "unknown", 30).await;
    sleep(Duration::from_secs(30)).await;
    let swept = terms(&world, other).await;
    assert!(number(&swept, "meetings") > number(&unknown, "meetings") + 0.5, "{swept}");
}

#[tokio::test(start_paused = true)]
async fn cores_are_those_that_are_configured_before_those_that_agents_say() {
    let urls = [1, 2, 3].map(|n| format!("http://s{n}.example.org/bigbluebutton"));
    let cores = [(urls[1].as_str().into(), 32.0), (urls[2].as_str().into(), 2.0)];
    let cores = cores.map(|(url, cores): (Arc<str>, f64)| {
        (bigblueswarm::domain::instance::InstanceId::new(&*url), cores)
    });
    let plan = plan(3).config(|config| config.balancer.cores = cores.into());
    let world = plan.start().await;
    assert_eq!(world.sims.iter().map(SimServer::url).collect::<Vec<_>>(), urls);
    let mut loads: HashMap<_, _> =
        world.sims.iter().map(|sim| (id(sim), load(10.0, 20.0))).collect();
    loads.entry(id(&world.sims[1])).and_modify(|load| load.cores = None);
    world.loads.say(loads);
    world.refreshed().await;
    for (server, cores) in [(1, 8.0), (2, 32.0), (3, 2.0)] {
        let terms = terms(&world, server).await;
        assert_eq!((number(&terms, "cores"), &terms["cores_assumed"]), (cores, &json!(false)));
    }
    let homes = next(&world, "next", 9).await;
    let count = |server| homes.iter().filter(|&&home| home == server).count();
    assert!(count(2) >= 6 && count(3) <= 1, "{homes:?}");
}

const PATIENTLY: Duration = Duration::from_secs(30);

/// A replica that looks often.
fn replica(redis: &RedisServer, plan: Plan) -> Plan {
    let often = Duration::from_millis(200);
    plan.store(shared(redis)).config(|config| {
        (config.health.sweep_interval, config.health.probe_interval) = (often, often);
        config.balancer.poll_interval = often;
    })
}

/// How many meetings and people there are, as this replica knows.
async fn counted(world: &World) -> (u64, u64) {
    let counts = world.swarm.world.actors.meetings.count().await.expect("counts");
    let usage = || counts.by_instance.values();
    (usage().map(|usage| usage.meetings).sum(), usage().map(|usage| usage.participants).sum())
}

/// Ends the class, and waits until all know it.
async fn class_ends(replicas: [&World; 2]) {
    T.end(replicas[0], "class").await.assert_success();
    for world in replicas {
        within(PATIENTLY, "it is over", async || {
            counted(world).await.0 == 0 && world.homes("class").await.is_empty()
        })
        .await;
    }
    sleep(Duration::from_secs(2)).await; // until its route is gone
}

/// Two replicas, through the first of which a class of sixty has met.
async fn two_after_a_class(redis: &RedisServer) -> [World; 2] {
    let a = replica(redis, plan(2)).start().await;
    let b = replica(redis, plan(2).on(&a).with_what_is_stored()).start().await;
    for world in [&a, &b] {
        measure_alike(world).await;
    }
    placed(&a, "class").await;
    fill(&a, "class", 60).await;
    for world in [&a, &b] {
        within(PATIENTLY, "all are counted", async || counted(world).await.1 == 60).await;
    }
    class_ends([&a, &b]).await;
    [a, b]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_room_did_is_known_on_every_replica_and_to_those_that_come_later() {
    let redis = RedisServer::start();
    let [a, b] = two_after_a_class(&redis).await;
    // So short a class is not expected to last; that it is expected to be large is seen by its terms.
    let expected = async |world: &World| {
        let home = placed(world, "class").await;
        number(&terms(world, home).await, "history")
    };
    assert!(expected(&b).await > 2.0);
    class_ends([&b, &a]).await;
    let c = replica(&redis, plan(2).on(&a).with_what_is_stored());
    a.swarm.stop().await;
    b.swarm.stop().await;
    let c = c.start().await;
    measure_alike(&c).await;
    assert!(expected(&c).await > 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_has_lost_of_rooms_is_written_again() {
    let redis = RedisServer::start();
    let [a, b] = two_after_a_class(&redis).await;
    redis::cmd("FLUSHALL").exec(&mut redis.connection()).expect("emptied");
    let store = shared(&redis);
    within(PATIENTLY, "the room is there again", async || {
        let kept = store.shelf(Shelf::Rooms).await.expect("a shelf");
        kept.iter().any(|(id, _)| id != "lessons")
    })
    .await;
    for world in [a, b] {
        world.swarm.stop().await;
    }
}
