//! The store in Redis alone: a server that is away, hangs, forgets its scripts or asks for a password.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bigblueswarm::config::RedisConfig;
use bigblueswarm::domain::meeting::MeetingId;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::store::redis::Redis;
use bigblueswarm::outside::store::{Claimed, Stepped, Store, StoreError};

use super::home::{DEADLINE, claim, claimed, instance, key, record, redis_at, take};
use crate::services::redis::RedisServer;

const SHORT: Duration = Duration::from_millis(400);
/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_millis(500);

/// Every method is away, each within its deadline, and all at once within one.
async fn check_away(store: &Arc<Redis>) {
    let started = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..60 {
        let store = store.clone();
        calls.spawn(async move {
            let result = match n % 6 {
                0 => store.ping().await,
                1 => store.instances().await.map(drop),
                2 => store.set_instances(vec![record("a")]).await,
                3 => store.step(vec![claim("room", "t", &["a"])]).await.map(drop),
                4 => store.all_routes().await.map(drop),
                _ => store.hint(&MeetingId::new("room")).await.map(drop),
            };
            assert!(matches!(result, Err(StoreError::Away(_))), "{n}: {result:?}");
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("no panic");
    }
    store.forget_hint(&MeetingId::new("room"), &instance("a")).await;
    assert!(started.elapsed() < SHORT * 2 + SLACK, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_in_time_and_used_again_when_it_is_back() {
    let mut server = RedisServer::start();
    let store = Arc::new(redis_at(&server, SHORT));
    store.ping().await.expect("it answers");
    server.stop();
    check_away(&store).await;
    server.start_again();
    store.ping().await.expect("it is back");
    claimed(&*store, "room", "t", &["a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_can_be_made_before_its_server() {
    let mut server = RedisServer::start();
    server.stop();
    let store = Arc::new(redis_at(&server, SHORT));
    check_away(&store).await;
    server.start_again();
    claimed(&*store, "room", "t", &["a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_told_in_time_and_used_again_when_it_goes_on() {
    let server = RedisServer::start();
    let store = Arc::new(redis_at(&server, SHORT));
    let warm = (0..40).map(|_| store.ping());
    futures_util::future::try_join_all(warm).await.expect("it answers");
    server.pause();
    check_away(&store).await;
    server.resume();
    store.ping().await.expect("it goes on");
    // The claims that were sent while it hung may have been taken: nothing else stands.
    let answer = take(&*store, claim("room", "t", &["b"])).await;
    assert!(matches!(answer, Stepped::Claimed(Claimed::New(_) | Claimed::Existing(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_the_script_is_given_it_again_within_the_step() {
    let mut server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    for _ in 0..2 {
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.connection()).expect("flushed");
        redis::cmd("FLUSHALL").exec(&mut server.connection()).expect("flushed");
        let steps =
            vec![claim("r1", "t", &["a"]), claim("r1", "t", &["b"]), claim("r2", "t", &["b"])];
        let answers = store.step(steps).await.expect("answers");
        let home = |answer: &Stepped| match answer {
            Stepped::Claimed(Claimed::New(r) | Claimed::Existing(r)) => r.instance.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(answers.iter().map(home).collect::<Vec<_>>(), ["a", "a", "b"].map(instance));
    }
    server.stop();
    server.start_again();
    // The pool finds out that its connections are dead, and the new server knows no script.
    claimed(&store, "r3", "t", &["a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_and_database_are_those_configured_and_a_wrong_password_is_not_shown() {
    let server = RedisServer::start_with(&["--requirepass", "right secret"]);
    let with = |password: &str, database| {
        let password = Some(Secret::new(password));
        let config = RedisConfig { password, database, ..RedisConfig::at(server.address()) };
        Redis::new(&config, DEADLINE).expect("an address")
    };
    let (zero, three) = (with("right secret", 0), with("right secret", 3));
    claimed(&three, "room", "t", &["a"]).await;
    assert_eq!(zero.all_routes().await.expect("routes"), []);
    assert_eq!(three.all_routes().await.expect("routes").len(), 1);
    let error = with("wrong secret", 0).ping().await.expect_err("refused");
    assert!(matches!(&error, StoreError::Away(why) if !why.contains("secret")), "{error}");
    assert!(matches!(redis_at(&server, DEADLINE).ping().await, Err(StoreError::Away(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_left_out_of_the_rest() {
    let server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    claimed(&store, "sound", "t", &["a"]).await;
    let mut connection = server.connection();
    let broken = format!("bigblueswarm:route:{{{}}}", key("broken"));
    redis::cmd("HSET").arg(broken).arg("t").arg("{").exec(&mut connection).expect("set");
    let typed = format!("bigblueswarm:route:{{{}}}", key("typed"));
    redis::cmd("SET").arg(typed).arg("x").exec(&mut connection).expect("set");
    let foreign = "bigblueswarm:route:{not a key}";
    redis::cmd("SET").arg(foreign).arg("x").exec(&mut connection).expect("set");
    let all = store.all_routes().await.expect("the rest");
    assert_eq!(all.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key("sound")]);
    for name in ["broken", "typed"] {
        let read = store.routes(vec![key(name)]).await;
        assert!(matches!(read, Err(StoreError::Unreadable(_))), "{read:?}");
        let step = store.step(vec![claim(name, "t", &["a"])]).await;
        assert!(matches!(step, Err(StoreError::Unreadable(_))), "{step:?}");
    }
}

#[test]
fn an_address_that_names_no_server_is_refused_at_once() {
    for address in ["", "host:port", ":6379", "redis://", "http://user:hidden@host"] {
        let error = Redis::new(&RedisConfig::at(address), DEADLINE).err().expect(address);
        assert!(
            matches!(error, StoreError::BadAddress(_)) && !error.to_string().contains("hidden")
        );
    }
}
