//! Row X24: the very first calls, and the first measurements.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::replicas::shared;
use crate::services::redis::RedisServer;
use crate::world::{T, plan};

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
