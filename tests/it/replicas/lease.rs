//! Memory answers only for a second after the last good look at Redis: not while a subscription is silent. Of a process
//! that slept tells `store_faults::memory`.

use bigblueswarm::domain::tenant::TenantDocument;

use super::*;
use crate::services::redis::Way;

/// Longer than memory is believed after the last good look.
const EXPIRED: Duration = Duration::from_millis(1_200);

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
