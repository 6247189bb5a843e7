//! Hooks on two programs that share their state in a real Redis.

use super::*;
use crate::replicas::{shared, soon};
use crate::services::redis::RedisServer;

async fn pair(redis: &RedisServer) -> (World, World) {
    let a = webhooks(2).store(shared(redis)).start().await;
    let b = webhooks(2).on(&a).store(shared(redis)).with_what_is_stored().start().await;
    Inward::of(&[&a, &b]).from(&a.sims);
    (a, b)
}

async fn listed(client: Client, world: &World) -> usize {
    client.call(world, "hooks/list", "").await.assert_success().body.matches("<hook>").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_replicas_share_hooks_and_either_takes_events() {
    let redis = RedisServer::start();
    let (a, b) = pair(&redis).await;
    let id = made(T, &a, &[(URL, AT_T)]).await;
    made(U, &b, &[(URL, AT_U)]).await;
    soon("both know both", async || {
        listed(T, &b).await == 1 && listed(U, &a).await == 1 && standing(&a.sims).await == [2, 2]
    })
    .await;
    let again = hook(T, &b, &[(URL, AT_T)]).await;
    assert_eq!((again.value("hookID"), again.key()), (id.as_str(), "duplicateWarning"));
    for n in 0..6 {
        T.create(if n % 2 == 0 { &a } else { &b }, &format!("m{n}")).await.assert_success();
    }
    soon("all six are told", async || a.targets.calls().len() == 6).await;
    let mut meetings: Vec<_> =
        received(T, &a, AT_T).into_iter().map(|(_, meeting)| meeting).collect();
    meetings.sort();
    assert_eq!(meetings, ["m0", "m1", "m2", "m3", "m4", "m5"]);
    T.call(&b, "hooks/destroy", &format!("hookID={id}")).await.assert_success();
    soon("gone everywhere", async || listed(T, &a).await == 0 && standing(&a.sims).await == [1, 1])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_hooks_come_back_when_redis_lost_them() {
    let redis = RedisServer::start();
    let (a, b) = pair(&redis).await;
    made(T, &a, &[(URL, AT_T)]).await;
    soon("both know it", async || listed(T, &b).await == 1 && standing(&a.sims).await == [1, 1])
        .await;
    redis::cmd("FLUSHALL").exec(&mut redis.connection()).expect("emptied");
    sleep(Duration::from_secs(3)).await;
    // The pool and the tenants are the operator's to bring back.
    a.register().await;
    put(&a, T.document()).await;
    let again = async {
        while standing(&a.sims).await != [1, 1] {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), again).await.expect("they stand again");
    assert_eq!((listed(T, &a).await, listed(T, &b).await), (1, 1));
    assert_eq!(standing(&a.sims).await, [1, 1]);
    let stored =
        a.store.shelf(bigblueswarm::outside::store::Shelf::Hooks).await.expect("the store answers");
    assert_eq!(stored.len(), 1);
}
