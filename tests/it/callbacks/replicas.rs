//! Two replicas and a Redis: either takes a callback, either delivers it, and it comes once.

use std::sync::Arc;

use bigblueswarm::config::{RedisConfig, StoreConfig};
use bigblueswarm::outside::store::{self, Store};

use super::*;
use crate::program::within;
use crate::services::redis::RedisServer;
use crate::world::{GLOBAL, KEY};

fn shared(redis: &RedisServer) -> Arc<dyn Store> {
    let secret = bigblueswarm::domain::secret::Secret::new;
    let config = bigblueswarm::config::Config::with_secrets(secret(GLOBAL), secret(KEY));
    let redis = StoreConfig::Redis(RedisConfig::at(redis.address()));
    store::open(&redis, &config.deadlines).expect("a store")
}

async fn soon(what: &str, is_so: impl AsyncFnMut() -> bool) {
    within(40 * SECOND, what, is_so).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_what_one_replica_accepted_another_delivers_once() {
    let redis = RedisServer::start();
    let a = with_callbacks(1).store(shared(&redis)).start().await;
    let b = with_callbacks(1).on(&a).store(shared(&redis)).with_what_is_stored();
    let b = b.start().await;
    let ready = |world: &World| world.swarm.world.actors.callbacks.sealer().is_some();
    soon("the key", async || ready(&a) && ready(&b)).await;
    create(T, &a, "room").await;
    let [path, end] =
        [ours(&a, 1, "room", "ended").await, ours(&a, 1, "room", "endcallbackurl").await];
    let targets = a.targets.clone();
    targets.answer("https://t.example.org/", 503);
    assert_eq!(visited(&a, &path).await, 200);
    assert_eq!(visited(&b, &path).await, 200, "the same once more, elsewhere");
    soon("a first attempt", async || !targets.calls().is_empty()).await;
    a.swarm.stop().await;
    let tried = targets.calls().len();
    targets.answer("https://t.example.org/", 200);
    soon("the other delivers", async || pile(&b, Pile::Waiting).await.total == 0).await;
    assert_eq!(targets.calls().len(), tried + 1);
    // Everything in Redis is lost: what was sealed before is opened all the same.
    let mut connection = redis.connection();
    redis::cmd("FLUSHALL").query::<()>(&mut connection).expect("flushed");
    b.swarm.world.actors.tenants.put(T.document()).await.expect("stored again");
    soon("the key is kept again", async || {
        let name = "bigblueswarm:{callbacks}:key";
        redis::cmd("EXISTS").arg(name).query::<u8>(&mut connection).expect("an answer") == 1
    })
    .await;
    soon("it is taken", async || visited(&b, &end).await == 200).await;
    soon("it is delivered", async || !got(&targets, T, "end?").is_empty()).await;
}
