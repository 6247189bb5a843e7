//! Stories M26: getMeetings asks every instance at once, and those who ask together share the asking.

use std::time::Duration;

use bigblueswarm::sim::Fault;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{Client, Reply, T, U, World, plan};

const SECOND: Duration = Duration::from_secs(1);

/// A world whose instances take a second to list their meetings, just after they were swept.
async fn slow(instances: usize) -> World {
    let world = plan(instances).start().await;
    T.create(&world, "of-t").await.assert_success();
    U.create(&world, "of-u").await.assert_success();
    for sim in &world.sims {
        sim.faults().on("getMeetings").set(Fault::Slow(SECOND)).await;
    }
    world
}

async fn listed(world: &World, client: Client) -> Reply {
    client.call(world, "getMeetings", "").await
}

#[track_caller]
fn assert_lists(reply: &Reply, meetings: &[&str]) {
    let body = &reply.assert_success().body;
    assert_eq!(body.matches("<meeting>").count(), meetings.len(), "{reply:?}");
    for meeting in meetings {
        assert!(body.contains(&format!("<meetingID>{meeting}</meetingID>")), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn m26_every_instance_is_asked_at_once() {
    let world = slow(20).await;
    let began = Instant::now();
    assert_lists(&listed(&world, T).await, &["of-t"]);
    assert!(began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn m26_identical_concurrent_calls_share_one_round() {
    let world = slow(3).await;
    let before = world.asked("getMeetings").await;
    let calls = (0..100).map(|n| listed(&world, if n % 2 == 0 { T } else { U }));
    for (n, reply) in join_all(calls).await.iter().enumerate() {
        assert_lists(reply, if n % 2 == 0 { &["of-t"] } else { &["of-u"] });
    }
    assert_eq!(world.asked("getMeetings").await - before, 3, "one call of each instance");
}

#[tokio::test(start_paused = true)]
async fn m26_nobody_gets_a_list_from_before_the_own_question() {
    let world = slow(2).await;
    let (early, late) = tokio::join!(listed(&world, T), async {
        sleep(SECOND / 10).await;
        T.create(&world, "new").await.assert_success();
        let began = Instant::now();
        (join_all((0..10).map(|_| listed(&world, T))).await, began.elapsed())
    });
    assert_lists(&early, &["of-t"]);
    let (late, took) = late;
    late.iter().for_each(|reply| assert_lists(reply, &["of-t", "new"]));
    assert!(took < 2 * SECOND, "a round waits a short time only for the one before it: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn m26_a_client_that_hangs_up_cuts_nobody_off() {
    let world = slow(2).await;
    let (gone, stays) = tokio::join!(timeout(SECOND / 2, listed(&world, T)), listed(&world, T));
    assert!(gone.is_err());
    assert_lists(&stays, &["of-t"]);
    assert_lists(&listed(&world, T).await, &["of-t"]);
}

#[tokio::test(start_paused = true)]
async fn m26_an_instance_that_hangs_holds_up_nobody_beyond_the_deadline() {
    let world = plan(2).start().await;
    T.create(&world, "of-t").await.assert_success();
    sleep(11 * SECOND).await;
    world.sims[1].faults().on("getMeetings").set(Fault::Hang).await;
    let calls = (0..40_u32).map(|n| {
        let world = &world;
        async move {
            sleep(n * SECOND / 5).await;
            let began = Instant::now();
            assert_lists(&listed(world, T).await, &["of-t"]);
            began.elapsed()
        }
    });
    let slowest = join_all(calls).await.into_iter().max().unwrap_or_default();
    let most = world.swarm.world.config.deadlines.list + SECOND / 2;
    assert!(slowest <= most, "{slowest:?}");
}
