//! What becomes of the routes to an instance that leaves the pool with meetings on it.

use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::outside::store::Store;
use http::Method;
use tokio::time::sleep;

use super::spelling::post;
use crate::program::within;
use crate::replicas::shared;
use crate::services::redis::RedisServer;
use crate::world::{T, World, id, load, plan};

/// S1 leaves the pool for good, with what is on it.
async fn forget_first(world: &World) {
    let (url, rest) = (world.sims[0].url(), &world.sims[1]);
    let list = [(rest.url(), rest.secret().reveal())];
    assert_eq!(post(world, &list).await.status, 201);
    let path = format!("/admin/api/instances/forget?url={url}");
    assert_eq!(world.admin(Method::POST, &path, "").await.status, 200);
}

/// How many records of routes the store has.
async fn records(store: &Arc<dyn Store>) -> usize {
    store.all_routes().await.expect("the store answers").len()
}

/// T may have two meetings, and has them on S1.
async fn filled(world: &World) {
    let mut document = T.document();
    document.spec.meeting_pool = Some(2);
    let body = serde_json::to_string(&document).expect("JSON");
    assert_eq!(world.admin(Method::POST, "/admin/api/tenants", &body).await.status, 201);
    for meeting in ["one", "two"] {
        T.create(world, meeting).await.assert_success();
        assert_eq!(world.homes(meeting).await, [1]);
    }
    T.create(world, "three").await.assert_failed(200, "meetingPoolReached");
}

#[tokio::test(start_paused = true)]
async fn routes_go_with_their_instance_so_that_a_meeting_pool_is_free_again() {
    let world = plan(2).start().await;
    world.loads.say([(id(&world.sims[0]), load(1.0, 1.0))].into_iter().collect());
    world.refreshed().await;
    filled(&world).await;
    forget_first(&world).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(records(&world.store).await, 0);
    T.create(&world, "three").await.assert_success();
    T.create(&world, "one").await.assert_success();
    T.create(&world, "four").await.assert_failed(200, "meetingPoolReached");
}

#[tokio::test(start_paused = true)]
async fn routes_of_an_instance_that_left_while_the_program_was_down_go_at_the_start() {
    let world = plan(2).start().await;
    world.loads.say([(id(&world.sims[0]), load(1.0, 1.0))].into_iter().collect());
    world.refreshed().await;
    filled(&world).await;
    let mut pool = world.store.instances().await.expect("the store answers");
    let again = plan(2).on(&world).store(world.store.clone()).with_what_is_stored();
    let (store, first) = (world.store.clone(), id(&world.sims[0]));
    world.swarm.stop().await;
    pool.retain(|record| record.id != first);
    store.set_instances(pool).await.expect("the store answers");
    let world = again.start().await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(records(&world.store).await, 0);
    T.create(&world, "three").await.assert_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_go_with_their_instance_on_every_replica_and_the_predecessors_keys_too() {
    let redis = RedisServer::start();
    let a = plan(2).store(shared(&redis)).start().await;
    filled(&a).await;
    let b = plan(2).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    let keys = |pattern: &str| redis.ask::<Vec<String>>(&["KEYS", pattern]).expect("keys").len();
    assert_eq!(keys("meeting:*"), 2);
    forget_first(&a).await;
    within(Duration::from_secs(20), "gone", async || keys("*route*") + keys("meeting:*") == 0)
        .await;
    for (world, meeting) in [(&a, "three"), (&b, "four")] {
        T.create(world, meeting).await.assert_success();
    }
    T.create(&b, "five").await.assert_failed(200, "meetingPoolReached");
}
