//! Placements and pools count over all replicas: several place as one would.

use bigblueswarm::determinism::HashMap;

use bigblueswarm::domain::tenant::TenantDocument;

use super::*;
use crate::world::{id, load};

async fn three(
    redis: &RedisServer,
    instances: usize,
    tenant: Option<TenantDocument>,
) -> Vec<World> {
    let made = plan(instances);
    let made = tenant.into_iter().fold(made, |plan, tenant| plan.tenant(tenant));
    let quick = Duration::from_millis(300);
    let a = made.config(|config| config.balancer.poll_interval = quick);
    let a = a.store(shared(redis)).start().await;
    let other = async || {
        let other = plan(instances).config(|config| config.balancer.poll_interval = quick);
        other.on(&a).store(shared(redis)).with_what_is_stored().start().await
    };
    let (b, c) = (other().await, other().await);
    vec![a, b, c]
}

/// How many meetings each server has.
async fn spread(world: &World) -> Vec<usize> {
    join_all(world.sims.iter().map(async |sim| sim.meetings().await.len())).await
}

async fn creates_spread_evenly(measured: bool) {
    let redis = RedisServer::start();
    let replicas = three(&redis, 3, None).await;
    for replica in &replicas {
        let equal: HashMap<_, _> =
            replica.sims.iter().map(|sim| (id(sim), load(10.0, 10.0))).collect();
        replica.loads.say(if measured { equal } else { HashMap::default() });
    }
    replicas[0].refreshed().await;
    for n in 0..30 {
        T.create(&replicas[n % 3], &format!("m{n}")).await.assert_success();
    }
    let spread = spread(&replicas[0]).await;
    assert!(spread.iter().all(|count| (9..=11).contains(count)), "{spread:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_thirty_creates_over_three_replicas_are_spread_as_one_would() {
    creates_spread_evenly(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_without_measurements_they_are_too() {
    creates_spread_evenly(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m15_of_creates_at_the_same_instant_over_three_replicas_as_many_stay_as_the_pool_holds() {
    let redis = RedisServer::start();
    let mut document = T.document();
    document.spec.meeting_pool = Some(10);
    let replicas = three(&redis, 3, Some(document)).await;
    for round in 0..3 {
        let meetings: Vec<_> = (0..40).map(|n| format!("m{round}-{n}")).collect();
        let creates =
            meetings.iter().enumerate().map(|(n, meeting)| T.create(&replicas[n % 3], meeting));
        let replies = join_all(creates).await;
        let made: Vec<_> = meetings.iter().zip(&replies).filter(|(_, r)| r.succeeded()).collect();
        for reply in replies.iter().filter(|reply| !reply.succeeded()) {
            reply.assert_failed(200, "meetingPoolReached");
        }
        assert_eq!(made.len(), 10, "round {round}");
        assert_eq!(spread(&replicas[0]).await.iter().sum::<usize>(), 10, "round {round}");
        T.create(&replicas[round], made[0].0).await.assert_success(); // it is there already
        U.create(&replicas[round], &format!("u{round}")).await.assert_success();
        U.end(&replicas[round], &format!("u{round}")).await.assert_success();
        for (n, (meeting, _)) in made.into_iter().enumerate() {
            T.end(&replicas[n % 3], meeting).await.assert_success();
        }
        for sim in &replicas[0].sims {
            sim.forget_meetings().await;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m16_joins_count_on_every_replica_at_once() {
    let redis = RedisServer::start();
    let mut document = T.document();
    document.spec.user_pool = Some(9);
    let replicas = three(&redis, 2, Some(document)).await;
    T.create(&replicas[0], "m1").await.assert_success();
    let home = replicas[0].homes("m1").await[0];
    for n in 0..9 {
        assert!(joins_on(T, &replicas[n % 3], "m1", home).await, "{n}");
        sleep(Duration::from_millis(50)).await; // until the others heard of it
    }
    for replica in &replicas {
        T.join(replica, "m1").await.assert_failed(200, "userPoolReached");
    }
}
