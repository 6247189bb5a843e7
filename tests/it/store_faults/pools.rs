//! F10: a meeting pool is kept however late replicas hear of each other.

use super::deployment::{ClusterRedis, LEASE_EXPIRED, SentinelRedis, SingleRedis};
use super::faulty_store::{FaultyStore, Link};
use super::*;

const POOL: u32 = 5;

/// Creates twenty meetings at the same instant on the replicas in turn; those that were made.
async fn twenty_creates(replicas: &[&World], round: usize) -> Vec<String> {
    let creates = (0..20).map(async |n: usize| {
        let meeting = format!("m{round}-{n}");
        let reply = T.create(replicas[n % replicas.len()], &meeting).await;
        if !reply.succeeded() {
            reply.assert_failed(200, "meetingPoolReached");
        }
        reply.succeeded().then_some(meeting)
    });
    join_all(creates).await.into_iter().flatten().collect()
}

/// The step that claims counts, whatever replicas have heard.
async fn f10_no_pool_is_exceeded_though_replicas_hear_nothing_of_each_other<D: Deployment>() {
    let deployment = D::start();
    let a = first_replica(3, deployment.store()).await;
    let stores = [(); 2].map(|()| FaultyStore::new(deployment.store()));
    let [b, c] = [further_replica(&a, stores[0].clone()), further_replica(&a, stores[1].clone())];
    let (b, c) = (b.start().await, c.start().await);
    set_pool(&b, POOL).await;
    for world in [&a, &c] {
        within(PATIENTLY, "the pool is known", async || pool_of(world).await == Some(POOL)).await;
    }
    stores.iter().for_each(|store| store.set(Link::Silent));
    sleep(LEASE_EXPIRED).await;
    let made = twenty_creates(&[&b, &c], 0).await;
    assert_eq!(made.len(), POOL as usize, "{made:?}");
    T.create(&a, "more").await.assert_failed(200, "meetingPoolReached");
    T.end(&a, &made[0]).await.assert_success();
    within(PATIENTLY, "room", async || T.create(&a, "more").await.succeeded()).await;
}

async fn pool_of(world: &World) -> Option<u32> {
    let path = format!("/admin/api/tenants/{}", T.host);
    let reply = world.admin(Method::GET, &path, "").await;
    let document: Value = serde_json::from_str(&reply.body).expect("JSON");
    document["spec"]["meeting_pool"].as_u64().map(|most| most as u32)
}

/// In a Cluster no step counts: claims are told to all in one order, and those beyond the pool are given up.
#[tokio::test(flavor = "multi_thread")]
async fn f10_in_a_cluster_claims_are_told_in_one_order_and_those_beyond_the_pool_are_given_up() {
    let deployment = ClusterRedis::start();
    let [a, b] = two_replicas(&deployment, 3).await;
    set_pool(&a, POOL).await;
    within(PATIENTLY, "the pool is known", async || pool_of(&b).await == Some(POOL)).await;
    // News may be later than a claim waits on a busy machine, and then a round proves nothing.
    for round in 0..8 {
        let made = twenty_creates(&[&a, &b], round).await;
        assert!(made.len() >= POOL as usize, "{made:?}");
        if made.len() == POOL as usize {
            for world in [&a, &b] {
                T.create(world, "more").await.assert_failed(200, "meetingPoolReached");
            }
            return;
        }
        for meeting in &made {
            T.end(&a, meeting).await.assert_success();
        }
        within(PATIENTLY, "all are over", async || meetings_counted(&b).await == 0).await;
    }
    panic!("the pool was exceeded in every round");
}

mod in_redis {
    #[tokio::test(flavor = "multi_thread")]
    async fn f10_no_pool_is_exceeded_though_replicas_hear_nothing_of_each_other() {
        super::f10_no_pool_is_exceeded_though_replicas_hear_nothing_of_each_other::<
            super::SingleRedis,
        >()
        .await;
    }
}

mod behind_sentinels {
    #[tokio::test(flavor = "multi_thread")]
    async fn f10_no_pool_is_exceeded_though_replicas_hear_nothing_of_each_other() {
        super::f10_no_pool_is_exceeded_though_replicas_hear_nothing_of_each_other::<
            super::SentinelRedis,
        >()
        .await;
    }
}
