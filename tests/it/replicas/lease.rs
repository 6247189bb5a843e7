//! Memory answers only for a second after the last good look at Redis: not after a process slept, and not while a
//! subscription is silent.

use bigblueswarm::domain::tenant::TenantDocument;
use bigblueswarm::sim::SimHandle;

use super::*;
use crate::program::{Home, Program, servers};
use crate::services::redis::Way;

/// So long a replica is stopped.
const ASLEEP: Duration = Duration::from_secs(6);
/// Longer than memory is believed after the last good look.
const EXPIRED: Duration = Duration::from_millis(1_200);

/// The number, from 1, of the server on which the meeting was made.
async fn made_on(sims: &[SimHandle], meeting: &str) -> usize {
    for (n, sim) in sims.iter().enumerate() {
        if sim.server.meeting(meeting).await.is_some() {
            return n + 1;
        }
    }
    panic!("{meeting} is nowhere");
}

async fn drain(program: &Program, sim: &SimHandle) {
    let path = format!("instances/drain?url={}", sim.url);
    assert_eq!(program.admin(Method::POST, &path, "").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_slept_answers_nothing_from_before_without_reading_redis() {
    let redis = RedisServer::start();
    let sims = servers(2).await;
    let homes = [Home::on_redis(&redis), Home::on_redis(&redis)];
    let [sleeper, other] = [homes[0].start().await, homes[1].start().await];
    sleeper.register(&sims).await;
    sleeper.ready().await;
    other.ready().await;
    let web = bigblueswarm::sim::client::Web::default().within(Duration::from_secs(60));
    let client = |program: &Program| program.client(T).through(web.clone());
    let (slow, quick) = (client(&sleeper), client(&other));
    let rooms: Vec<_> = (0..4).map(|n| format!("room{n}")).collect();
    let create = |room: &str| format!("name=Room&meetingID={room}");
    let join = |room: &str| format!("fullName=Ada&meetingID={room}&role=VIEWER");
    let mut before = Vec::new();
    for room in &rooms {
        let made = slow.get("create", &create(room)).await.expect("an answer");
        assert!(made.succeeded(), "{}", made.text());
        assert!(slow.get("join", &join(room)).await.expect("an answer").location().is_some());
        before.push(made_on(&sims, room).await);
    }
    sleeper.signal("-STOP");
    let mut now = Vec::new();
    for (room, old) in rooms.iter().zip(&before) {
        let end = quick.get("end", &format!("meetingID={room}")).await.expect("an answer");
        assert!(end.succeeded(), "{}", end.text());
        drain(&other, &sims[old - 1]).await;
        let made = quick.get("create", &create(room)).await.expect("an answer");
        assert!(made.succeeded(), "{}", made.text());
        let enable = format!("instances/enable?url={}", sims[old - 1].url);
        assert_eq!(other.admin(Method::POST, &enable, "").await.status, 204);
        now.push((3 - old, made.value("internalMeetingID").expect("an id")));
    }
    // They wait in the queue of the socket.
    let calls = (0..25 * rooms.len()).map(|n| (n / rooms.len(), n % rooms.len()));
    let calls = calls.map(|(n, room)| (n, &rooms[room], &now[room].1, &sims[now[room].0 - 1]));
    let asking = join_all(calls.map(async |(n, room, id, home)| match n % 5 {
        0 => {
            let info = slow.get("getMeetingInfo", &format!("meetingID={room}")).await;
            let info = info.expect("an answer");
            assert_eq!(info.value("internalMeetingID").as_ref(), Some(id), "{}", info.text());
        }
        1 => {
            let again = slow.get("create", &create(room)).await.expect("an answer");
            assert_eq!(again.value("internalMeetingID").as_ref(), Some(id), "{}", again.text());
        }
        _ => {
            let joined = slow.get("join", &join(room)).await.expect("an answer");
            let to = joined.location().unwrap_or_default();
            let origin = home.url.trim_end_matches("/bigbluebutton");
            assert!(to.starts_with(origin), "{room}: {to} {}", joined.text());
        }
    }));
    let waking = async {
        sleep(ASLEEP).await;
        sleeper.signal("-CONT");
    };
    tokio::join!(asking, waking);
}

/// A replica that reaches Redis by this way.
async fn through(way: &Way, on: &World, document: Option<&TenantDocument>) -> World {
    let config = Config::with_secrets(Secret::new("s"), Secret::new("k"));
    let through = StoreConfig::Redis(RedisConfig::at(way.address()));
    let through = store::open(&through, &config.deadlines).expect("a store");
    let world = plan(3).on(on).store(through).with_what_is_stored().start().await;
    if let Some(document) = document {
        through_admin(&world, document).await;
    }
    world
}

async fn through_admin(world: &World, document: &TenantDocument) {
    let document = serde_json::to_string(document).expect("JSON");
    let reply = world.admin(Method::POST, "/admin/api/tenants", &document).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn m15_no_pool_is_exceeded_though_replicas_hear_nothing_of_each_other() {
    const POOL: usize = 5;
    let redis = RedisServer::start();
    let way = Way::to(&redis).await;
    let start = plan(3).store(shared(&redis)).start().await;
    let mut document = T.document();
    document.spec.meeting_pool = Some(POOL as u32);
    let a = through(&way, &start, Some(&document)).await;
    let b = through(&way, &start, None).await;
    way.silence(true);
    sleep(EXPIRED).await;
    let creates = (0..20).map(async |n: usize| {
        let (world, meeting) = (if n.is_multiple_of(2) { &a } else { &b }, format!("m{n}"));
        let reply = T.create(world, &meeting).await;
        if !reply.succeeded() {
            reply.assert_failed(200, "meetingPoolReached");
        }
        reply.succeeded().then_some(meeting)
    });
    let made: Vec<_> = join_all(creates).await.into_iter().flatten().collect();
    assert_eq!(made.len(), POOL, "{made:?}");
    // Whoever ends one, there is room again for all.
    T.create(&start, "more").await.assert_failed(200, "meetingPoolReached");
    T.end(&start, &made[0]).await.assert_success();
    soon("room", async || T.create(&start, "more").await.succeeded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_subscription_is_silent_a_replica_reads_redis() {
    let redis = RedisServer::start();
    let way = Way::to(&redis).await;
    let a = plan(3).store(shared(&redis)).start().await;
    let b = through(&way, &a, None).await;
    let mut homes = Vec::new();
    for n in 0..12 {
        let room = format!("room{n}");
        T.create(&a, &room).await.assert_success();
        let home = a.homes(&room).await[0];
        soon("known", async || joins_on(T, &b, &room, home).await).await;
        homes.push((room, home));
    }
    way.silence(true);
    sleep(EXPIRED).await;
    for (room, old) in &homes {
        T.end(&a, room).await.assert_success();
        set(&a, "drain", *old).await;
        let id = T.create(&a, room).await.assert_success().value("internalMeetingID").to_owned();
        set(&a, "enable", *old).await;
        let new = a.homes(room).await.into_iter().find(|home| home != old).expect("a home");
        assert!(joins_on(T, &b, room, new).await, "{room}");
        assert_eq!(T.info(&b, room).await.value("internalMeetingID"), id, "{room}");
        sleep(Duration::from_millis(150)).await;
    }
    way.silence(false);
    // Once it hears again, it needs Redis no more.
    let (room, _) = &homes[0];
    let home = a.homes(room).await[0];
    crate::program::until("heard", async || {
        redis.pause();
        let began = Instant::now();
        let there = joins_on(T, &b, room, home).await;
        let took = began.elapsed();
        redis.resume();
        sleep(Duration::from_millis(600)).await;
        there && took < Duration::from_millis(100)
    })
    .await;
}
