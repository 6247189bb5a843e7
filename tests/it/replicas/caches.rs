//! What is known is answered from memory, without Redis; and what others change is known within a second,
//! be it told or not.

use super::*;

/// Longer than an answer from memory takes on a busy machine, and shorter than waiting for Redis (900 ms).
const AT_ONCE: Duration = Duration::from_millis(600);

async fn at_once<T>(what: &str, answer: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = answer.await;
    assert!(began.elapsed() < AT_ONCE, "{what}: {:?}", began.elapsed());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn known_meetings_are_answered_without_redis_on_each_replica_whoever_made_them() {
    let Pair { a, b, redis } = Pair::start(3).await;
    let meetings: Vec<_> = (0..10).map(|n| format!("m{n}")).collect();
    let mut homes = Vec::new();
    for (n, meeting) in meetings.iter().enumerate() {
        T.create(if n % 2 == 0 { &a } else { &b }, meeting).await.assert_success();
        homes.push(a.homes(meeting).await[0]);
    }
    sleep(Duration::from_millis(300)).await; // what was told last arrives
    redis.pause();
    for (meeting, home) in meetings.iter().zip(homes) {
        for world in [&a, &b] {
            assert!(at_once("join", joins_on(T, world, meeting, home)).await, "{meeting}");
            at_once("info", T.info(world, meeting)).await.assert_success();
            let again = at_once("create", T.create(world, meeting)).await;
            assert_eq!(again.assert_success().key(), "duplicateWarning", "{meeting}");
        }
    }
    redis.resume();
}

/// Moves a meeting away from S1 through one replica; the other has to follow.
async fn is_followed(here: &World, there: &World, meeting: &str, miss: impl FnOnce()) {
    T.create(here, meeting).await.assert_success();
    let home = here.homes(meeting).await[0];
    soon("known", async || joins_on(T, there, meeting, home).await).await;
    set(here, "disable", home).await;
    sleep(SOON).await;
    miss();
    T.create(here, meeting).await.assert_success();
    let new = here.homes(meeting).await.into_iter().find(|&new| new != home).expect("a home");
    soon("moved", async || joins_on(T, there, meeting, new).await).await;
    T.end(here, meeting).await.assert_success();
    here.sims[new - 1].forget_meetings().await;
    soon("ended", async || T.info(there, meeting).await.key() == "notFound").await;
    set(here, "enable", home).await;
    sleep(SOON).await; // until the other knows that, too
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_may_not_subscribe_follows_within_a_second() {
    let redis = RedisServer::start();
    let deny = ["SETUSER", "default", "-subscribe"];
    redis::cmd("ACL").arg(&deny).exec(&mut redis.connection()).expect("denied");
    let a = plan(2).store(shared(&redis)).start().await;
    let b = plan(2).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    is_followed(&a, &b, "m1", || {}).await;
    is_followed(&b, &a, "m2", || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_while_the_subscription_breaks_is_followed_within_a_second() {
    let Pair { a, b, redis } = Pair::start(2).await;
    let cut = || {
        let kill = ["KILL", "TYPE", "pubsub"];
        redis::cmd("CLIENT").arg(&kill).exec(&mut redis.connection()).expect("killed");
    };
    is_followed(&a, &b, "m1", cut).await;
    is_followed(&b, &a, "m2", cut).await;
}
