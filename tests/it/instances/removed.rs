//! Instances that other hands take out of Redis: they retire as those do that a posted list leaves out.

use std::time::Duration;

use bigblueswarm::config::Config;
use bigblueswarm::sim::SimServer;
use serde_json::{Value, json};

use super::left::{forget, row};
use crate::program::within;
use crate::replicas::shared;
use crate::services::redis::RedisServer;
use crate::world::{T, World, plan};

const LIST: &str = "instances:list";
/// Until what was written is seen, and a server and its recordings are swept, on a busy machine.
const SWEPT: Duration = Duration::from_secs(15);

fn quick(config: &mut Config) {
    config.health.sweep_interval = Duration::from_millis(200);
    config.swarm.recordings_poll_interval = Duration::from_millis(500);
}

fn redis(server: &RedisServer, words: &[&str]) {
    server.ask::<redis::Value>(words).expect("redis");
}

/// Takes the first server out in one of the ways in which other hands do.
fn take_out(server: &RedisServer, way: &str, first: &SimServer, second: &SimServer) {
    let (url, secret) = (second.url(), second.secret().reveal());
    match way {
        "by a tool" => return redis(server, &["HDEL", LIST, &first.url()]),
        "by the predecessor's own list" => redis(server, &["DEL", LIST]),
        _ => redis(server, &["FLUSHALL"]),
    }
    redis(server, &["HSET", LIST, &url, secret]);
}

async fn is_kept(world: &World, sim: &SimServer, meetings: usize) -> bool {
    let found: Value = row(world, sim).await.unwrap_or_default();
    (&found["retired"], &found["meetings"]) == (&json!(true), &json!(meetings))
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_what_other_hands_take_out_of_redis_is_kept_on_every_replica_until_seen_empty() {
    for way in ["by a tool", "by the predecessor's own list", "by filling an emptied store"] {
        let server = RedisServer::start();
        let a = plan(2).config(quick).store(shared(&server)).start().await;
        let later = || plan(2).config(quick).on(&a).store(shared(&server)).with_what_is_stored();
        let b = later().start().await;
        T.create(&a, "here").await.assert_success();
        assert_eq!(a.homes("here").await, [1]);
        let [first, second] = [&a.sims[0], &a.sims[1]];
        take_out(&server, way, first, second);
        for world in [&a, &b] {
            within(SWEPT, way, async || is_kept(world, first, 1).await).await;
        }
        // It goes on with what it has, and takes nothing new.
        let c = later().start().await;
        for (n, world) in [&a, &b, &c].into_iter().enumerate() {
            within(SWEPT, way, async || is_kept(world, first, 1).await).await;
            T.info(world, "here").await.assert_success();
            let again = T.create(world, "here").await;
            assert_eq!(again.assert_success().key(), "duplicateWarning", "{way}");
            let new = format!("new-{n}");
            T.create(world, &new).await.assert_success();
            assert_eq!(world.homes(&new).await, [2], "{way}");
        }
        let listed: Vec<String> = server.ask(&["HKEYS", LIST]).expect("redis");
        assert_eq!(listed, [second.url()], "{way}: the list stays as it was written");
        first.forget_meetings().await;
        for world in [&a, &b, &c] {
            within(SWEPT, way, async || row(world, first).await.is_none()).await;
        }
        assert_eq!(row(&a, second).await.unwrap_or_default()["retired"], json!(false), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_what_other_hands_listed_and_took_out_while_nobody_looked_is_kept_after_a_start() {
    let server = RedisServer::start();
    let a = plan(2).config(quick).store(shared(&server)).start().await;
    let first = a.sims[0].clone();
    T.create(&a, "here").await.assert_success();
    let (url, secret) = (first.url(), first.secret().clone());
    // Nobody of us ever wrote it down: it was forgotten, and another tool lists it.
    redis(&server, &["HDEL", LIST, &url]);
    within(SWEPT, "retired", async || is_kept(&a, &first, 1).await).await;
    assert_eq!(forget(&a, &url).await.status, 200);
    redis(&server, &["HSET", LIST, &url, secret.reveal()]);
    let listed =
        async || row(&a, &first).await.is_some_and(|row: Value| row["retired"] == json!(false));
    within(SWEPT, "listed", listed).await;
    let again = plan(2).config(quick).on(&a).store(shared(&server)).with_what_is_stored();
    a.swarm.stop().await;
    redis(&server, &["HDEL", LIST, &url]);
    let b = again.start().await;
    within(SWEPT, "kept", async || is_kept(&b, &first, 1).await).await;
    T.info(&b, "here").await.assert_success();
}
