//! Row X24: the very first calls, and the first measurements.

use bigblueswarm::determinism::HashMap;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::sleep;

use super::{TOKEN, admin, push};
use crate::replicas::shared;
use crate::services::redis::RedisServer;
use crate::world::{T, World, plan, rising};

#[tokio::test(flavor = "multi_thread")]
async fn x24_the_first_admin_calls_wait_for_the_store() {
    let redis = RedisServer::start();
    let known = plan(1).store(shared(&redis)).start().await;
    let store = shared(&redis);
    redis.pause();
    let unready = plan(1).on(&known).store(store).with_what_is_stored();
    let starting = unready.start_unlisted().await;
    let tenant = json!({"kind": "Tenant", "spec": {"host": "v.example.org"}}).to_string();
    let sim = &known.sims[0];
    let list = json!({"kind": "InstanceList", "instances": {sim.url(): sim.secret().reveal()}});
    let list = list.to_string();
    let (listed, stated, read, posted, replaced, ()) = tokio::join!(
        starting.admin(Method::GET, "/admin/api/instances", ""),
        starting.admin(Method::GET, "/admin/api/instances/state", ""),
        starting.admin(Method::GET, "/admin/api/tenants", ""),
        starting.admin(Method::POST, "/admin/api/tenants", &tenant),
        starting.admin(Method::POST, "/admin/api/instances", &list),
        async {
            // Longer than the store is waited for once.
            sleep(Duration::from_millis(1_500)).await;
            redis.resume();
        },
    );
    assert_eq!([listed.status, stated.status, read.status].map(|s| s.as_u16()), [200; 3]);
    assert!(read.body.contains(T.host), "{read:?}");
    assert_eq!(
        [posted.status, replaced.status].map(|s| s.as_u16()),
        [201; 2],
        "{posted:?} {replaced:?}"
    );
}

/// How many seconds ago each instance was measured.
async fn measured(world: &World) -> Vec<Option<u64>> {
    let states = admin(world, "instances/state").await;
    let states = states.as_array().expect("a list");
    states.iter().map(|state| state["measured_ago"].as_u64()).collect()
}

#[tokio::test(start_paused = true)]
async fn x24_the_first_measurements_of_agents_count_within_two_seconds() {
    let world = plan(2).ingesting(TOKEN).start().await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!(measured(&world).await, [None, None]);
    for (n, expected) in [(0, [true, false]), (1, [true, true])] {
        // Anywhere between two readings.
        sleep(Duration::from_millis(3_700)).await;
        let host = format!("bigblueswarm_host={}", world.sims[n].url());
        assert_eq!(push(&world, &format!("mem,{host} used_percent=20")).await, 204);
        sleep(Duration::from_secs(2)).await;
        let seen: Vec<_> = measured(&world).await.iter().map(Option::is_some).collect();
        assert_eq!(seen, expected);
        // The figures that come later are awaited neither.
        assert_eq!(push(&world, &format!("cpu,cpu=cpu-total,{host} usage_idle=70")).await, 204);
        sleep(Duration::from_secs(2)).await;
        let rows = admin(&world, "cluster").await;
        assert_eq!((&rows[n]["cpu"], &rows[n]["mem"]), (&json!(30), &json!(20)), "{rows}");
    }
}

#[tokio::test(start_paused = true)]
async fn x24_the_first_measurements_in_a_database_count_within_two_seconds() {
    let world = plan(2).start().await;
    let all = rising(&world.sims);
    world.loads.say(HashMap::default());
    sleep(Duration::from_secs(100)).await;
    assert_eq!(measured(&world).await, [None, None]);
    world.loads.say(all.clone());
    sleep(Duration::from_secs(2)).await;
    assert!(measured(&world).await.iter().all(Option::is_some));
    // An instance that joins a pool that is measured already.
    world.swarm.world.actors.registry.replace(Vec::new()).await.expect("taken");
    world.loads.say(HashMap::default());
    sleep(Duration::from_secs(60)).await;
    world.register().await;
    sleep(Duration::from_millis(4_100)).await;
    world.loads.say(all);
    sleep(Duration::from_secs(2)).await;
    assert!(measured(&world).await.iter().all(Option::is_some));
}
