//! Stories of creates that were acknowledged: whatever crosses them, the meeting is the one that is found.

use std::time::Duration;

use bigblueswarm::config::Config;
use bigblueswarm::sim::Fault;
use tokio::time::{Instant, sleep};

use crate::replicas::{joins_on, set, shared, soon};
use crate::services::redis::RedisServer;
use crate::world::{Reply, T, World, id, load, plan, rising};

const PAUSE: Duration = Duration::from_millis(20);

fn quick(config: &mut Config) {
    config.health.probe_interval = Duration::from_millis(500);
    config.health.sweep_interval = Duration::from_millis(500);
}

fn internal(reply: &Reply) -> String {
    reply.assert_success().value("internalMeetingID").to_owned()
}

/// How many meetings count for all tenants.
async fn counted(world: &World) -> u64 {
    let counts = world.swarm.world.actors.meetings.count().await.expect("counts");
    counts.by_tenant.values().map(|usage| usage.meetings).sum()
}

/// Whether this meeting is the one that every call finds, and the only one.
async fn assert_found(world: &World, meeting: &str, acknowledged: &str, what: &str) {
    let info = T.info(world, meeting).await;
    assert_eq!(internal(&info), acknowledged, "{what}");
    let again = T.create(world, meeting).await;
    assert_eq!(internal(&again), acknowledged, "{what}");
    assert_eq!(again.key(), "duplicateWarning", "{what}");
    let listed = T.call(world, "getMeetings", "").await;
    assert_eq!(listed.body.matches(&format!(">{acknowledged}<")).count(), 1, "{what}: {listed:?}");
}

#[tokio::test(start_paused = true)]
async fn f1_a_create_that_crosses_an_end_is_found_and_counts() {
    for (before, slow_end, slow_create) in [(true, 50, 1_000), (true, 1_000, 50), (false, 50, 200)]
    {
        let what = format!("{before} {slow_end} {slow_create}");
        let world = plan(3).start().await;
        T.create(&world, "m1").await.assert_success();
        for sim in &world.sims {
            let late = |ms| Fault::Slow(Duration::from_millis(ms));
            sim.faults().on("end").set(late(slow_end)).await;
            sim.faults().on("create").set(late(slow_create)).await;
        }
        let end = async {
            sleep(if before { Duration::ZERO } else { PAUSE }).await;
            T.end(&world, "m1").await.assert_success();
        };
        let create = async {
            sleep(if before { PAUSE } else { Duration::ZERO }).await;
            T.create(&world, "m1").await
        };
        let ((), made) = tokio::join!(end, create);
        for sim in &world.sims {
            sim.faults().clear().await;
        }
        let acknowledged = internal(&made);
        if before {
            assert_eq!(counted(&world).await, 1, "{what}");
            // A new meeting would go to another instance now.
            let home = id(&world.sims[world.homes("m1").await[0] - 1]);
            let loads = rising(&world.sims).into_iter();
            let loads =
                loads.map(|(id, cpu)| if id == home { (id, load(95.0, 20.0)) } else { (id, cpu) });
            world.loads.say(loads.collect());
            world.refreshed().await;
            assert_found(&world, "m1", &acknowledged, &what).await;
            sleep(Duration::from_secs(120)).await;
            assert_found(&world, "m1", &acknowledged, &what).await;
            assert_eq!(counted(&world).await, 1, "{what}");
        }
        assert!(world.homes("m1").await.len() <= 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_without_the_store_only_the_known_meeting_is_acknowledged() {
    let redis = RedisServer::start();
    let world = plan(2).store(shared(&redis)).start().await;
    let known = internal(&T.create(&world, "lives").await);
    T.create(&world, "over").await.assert_success();
    redis.pause();
    assert_eq!(internal(&T.create(&world, "lives").await), known);
    // From here on it is known that the store does not answer, and the server is asked what it has before that ends.
    sleep(Duration::from_secs(2)).await;
    // That can't be stored, and the same create begins another meeting there.
    T.end(&world, "over").await.assert_success();
    T.create(&world, "over").await.assert_failed(500, "internalError");
    redis.resume();
    soon("made once the store is back", async || T.create(&world, "over").await.succeeded()).await;
    assert_eq!(world.homes("over").await.len(), 1);
    assert_eq!(internal(&T.create(&world, "lives").await), known);
}

/// What a store that came back with an older state says of a room: where it was before.
#[tokio::test(flavor = "multi_thread")]
async fn f2_a_room_that_was_opened_again_elsewhere_stays_there_when_redis_comes_back_older() {
    let mut redis = RedisServer::start();
    let a = plan(2).config(quick).store(shared(&redis)).start().await;
    let b = plan(2).config(quick).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    T.create(&a, "again").await.assert_success();
    T.create(&a, "moved").await.assert_success();
    let before = a.homes("again").await[0];
    redis::cmd("SAVE").exec(&mut redis.connection()).expect("saved");
    T.end(&a, "again").await.assert_success();
    set(&a, "drain", before).await;
    let living = internal(&T.create(&a, "again").await);
    let home = 3 - before;
    T.join(&a, "again").await;
    a.browsers_arrive().await;
    for world in [&a, &b] {
        soon("followed", async || joins_on(T, world, "again", home).await).await;
    }
    redis.stop();
    redis.start_again();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        for world in [&a, &b] {
            assert!(joins_on(T, world, "again", home).await, "after {:?}", began.elapsed());
            assert_eq!(internal(&T.info(world, "again").await), living);
            assert_eq!(internal(&T.create(world, "again").await), living);
        }
        sleep(PAUSE).await;
    }
    assert_eq!(a.homes("again").await, [home]);
    // Whoever starts now knows only what is stored.
    let c = plan(2).config(quick).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    assert!(joins_on(T, &c, "again", home).await);
}
