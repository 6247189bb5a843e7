//! One replica sweeps an instance for all: it is asked once an interval however many there are.

use bigblueswarm::config::Config;
use bigblueswarm::sim::Crowd;

use super::*;
use crate::program::{Home, servers};

const INTERVAL: Duration = Duration::from_millis(1_000);
/// Long enough for a busy machine, and shorter than what the product must never take.
const PATIENTLY: Duration = Duration::from_secs(60);

fn quick(config: &mut Config) {
    config.health.sweep_interval = INTERVAL;
    config.health.probe_interval = INTERVAL / 2;
}

/// Replicas on the same instances.
async fn replicas(count: usize, instances: usize, redis: &RedisServer) -> Vec<World> {
    let mut replicas = vec![plan(instances).config(quick).store(shared(redis)).start().await];
    while replicas.len() < count {
        let next = plan(instances).config(quick).on(&replicas[0]).store(shared(redis));
        replicas.push(next.with_what_is_stored().start().await);
    }
    replicas
}

async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    within(PATIENTLY, what, is_so).await;
}

/// How often each server is asked for its meetings in a while.
async fn sweeps_in(world: &World, intervals: u32) -> Vec<usize> {
    for sim in &world.sims {
        sim.clear_requests().await;
    }
    sleep(INTERVAL * intervals).await;
    join_all(world.sims.iter().map(async |sim| sim.requests_of("getMeetings").await.len())).await
}

async fn participants(world: &World) -> u64 {
    let counts = world.swarm.world.actors.meetings.count().await.expect("counts");
    counts.by_instance.values().map(|usage| usage.participants).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_ask_each_instance_about_once_an_interval() {
    let redis = RedisServer::start();
    let replicas = replicas(3, 4, &redis).await;
    for asked in sweeps_in(&replicas[0], 10).await {
        assert!((9..=13).contains(&asked), "{asked} sweeps in ten intervals");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_swept_counts_on_all() {
    let redis = RedisServer::start();
    let replicas = replicas(3, 2, &redis).await;
    T.create(&replicas[0], "m1").await.assert_success();
    T.create(&replicas[1], "m2").await.assert_success();
    for sim in &replicas[0].sims {
        for meeting in ["m1", "m2"] {
            let crowd = Crowd { users: 7, over: Duration::ZERO, stay: Duration::from_secs(3_600) };
            sim.send_crowd(meeting, crowd).await;
        }
    }
    for replica in &replicas {
        until("all users are counted", async || participants(replica).await == 14).await;
    }
    // A meeting that was made behind our back is adopted, and one that is gone is forgotten.
    for sim in &replicas[0].sims {
        sim.forget_meetings().await;
    }
    for replica in &replicas {
        until("nobody is there", async || participants(replica).await == 0).await;
        until("it is forgotten", async || T.info(replica, "m1").await.key() == "notFound").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_sweeping_replica_ends_another_goes_on_at_once_and_when_redis_hangs_each_does() {
    let redis = RedisServer::start();
    let mut replicas = replicas(3, 2, &redis).await;
    replicas.remove(0).swarm.stop().await;
    for asked in sweeps_in(&replicas[0], 6).await {
        assert!((5..=9).contains(&asked), "{asked} sweeps in six intervals");
    }
    redis.pause();
    sleep(INTERVAL * 3).await;
    for asked in sweeps_in(&replicas[0], 6).await {
        assert!((4..=15).contains(&asked), "{asked} sweeps in six intervals without Redis");
    }
    redis.resume();
    sleep(INTERVAL * 4).await;
    for asked in sweeps_in(&replicas[0], 6).await {
        assert!((5..=9).contains(&asked), "{asked} sweeps in six intervals after that");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_takes_what_was_shared_just_now_and_asks_nobody() {
    let redis = RedisServer::start();
    let replicas = replicas(1, 3, &redis).await;
    for n in 0..6 {
        T.create(&replicas[0], &format!("m{n}")).await.assert_success();
    }
    sleep(INTERVAL * 2).await;
    for sim in &replicas[0].sims {
        sim.faults().on("getMeetings").set(Fault::Hang).await;
    }
    let late = plan(3).config(quick).on(&replicas[0]).store(shared(&redis));
    let late = late.with_what_is_stored().start_unready().await;
    let began = Instant::now();
    late.until(|roster| roster.all_accounted()).await;
    assert!(began.elapsed() < INTERVAL, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_large_or_unreadable_is_asked_for_by_everyone() {
    let redis = RedisServer::start();
    let replicas = replicas(2, 1, &redis).await;
    let mut connection = redis.connection();
    let spoil = async {
        let mark = crate::world::id(&replicas[0].sims[0]).mark();
        let done = format!("bigblueswarm:chore:{{{mark}}}:meetings:done");
        loop {
            // As a replica of another kind might leave it.
            let list: &[u8] = b"\xff\xff\xff\xffnothing that can be unpacked";
            redis::cmd("HSET").arg(&done).arg("list").arg(list).exec(&mut connection).expect("set");
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        asked = sweeps_in(&replicas[0], 10) => assert!(asked[0] >= 9, "{asked:?}"),
        () = spoil => unreachable!("it spoils for ever"),
    }
    T.create(&replicas[0], "m1").await.assert_success();
    assert!(joins_on(T, &replicas[1], "m1", 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_swept_by_one_replica_for_all() {
    const EVERY: Duration = Duration::from_secs(2);
    let redis = RedisServer::start();
    let slow = |config: &mut Config| config.swarm.recordings_poll_interval = EVERY;
    let a = plan(2).config(slow).store(shared(&redis)).start().await;
    let other = || plan(2).config(slow).on(&a).store(shared(&redis)).with_what_is_stored();
    let (b, c) = tokio::join!(other().start(), other().start());
    let replicas = [&a, &b, &c];
    let knows = async |world: &World, id: &str| {
        let found = world.swarm.world.actors.recordings.find(vec![id.to_owned()]).await;
        found.is_ok_and(|found| found.len() == 1)
    };
    for n in 0..2 {
        let recording = Recording::new("room", n).of(T.host);
        let id = recording.record_id.clone();
        a.sims[n as usize].add_recording(recording).await;
        for world in replicas {
            until("it is known", async || knows(world, &id).await).await;
        }
    }
    for sim in &a.sims {
        sim.clear_requests().await;
    }
    sleep(EVERY * 6).await;
    for sim in &a.sims {
        let asked = sim.requests_of("getRecordings").await.len();
        assert!((4..=9).contains(&asked), "{asked} sweeps in six intervals");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_what_was_killed_while_it_read_recordings_does_not_hold_up_what_is_known_of_them() {
    let redis = RedisServer::start();
    let sims = servers(2).await;
    let home = Home::on_redis(&redis);
    let [stays, goes] = [&sims[0], &sims[1]];
    goes.server.faults().on("getRecordings").set(Fault::Hang).await;
    let killed = home.start().await;
    killed.register(&sims).await;
    let asked = async || !goes.server.requests_of("getRecordings").await.is_empty();
    until("its recordings are being read", asked).await;
    killed.kill();
    goes.server.faults().clear().await;

    let program = home.start().await;
    program.ready().await;
    let list = json!({"kind": "InstanceList", "instances": {(stays.url.clone()): stays.secret()}});
    let reply = program.admin(Method::POST, "instances", &list.to_string()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    // The killed one's turn would have been good for two minutes.
    until("it is known that nothing is left there", async || {
        let state = program.admin(Method::GET, "instances/state", "").await;
        assert_eq!(state.status, 200, "{}", state.text());
        !state.text().contains(&goes.url)
    })
    .await;
}
