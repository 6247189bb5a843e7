//! What nobody knows is asked for only where it may live, and an instance whose lists are never read is not waited for for
//! ever.

use super::*;
use crate::program::until;

const WAITED: Duration = Duration::from_secs(6);

fn quick(config: &mut Config) {
    config.health.sweep_interval = Duration::from_millis(400);
    config.health.probe_interval = Duration::from_millis(400);
    config.health.unknown_for = WAITED;
}

/// Which servers are asked for a meeting that is nowhere, as their numbers.
async fn asked(world: &World) -> Vec<usize> {
    for sim in &world.sims {
        sim.clear_requests().await;
    }
    T.info(world, "nowhere").await.assert_failed(200, "notFound");
    let mut asked = Vec::new();
    for (n, sim) in world.sims.iter().enumerate() {
        if !sim.requests_of("getMeetingInfo").await.is_empty() {
            asked.push(n + 1);
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_lost_its_state_only_who_was_not_swept_since_is_asked_and_not_for_ever() {
    let redis = RedisServer::start();
    for fault in [Fault::ChecksumError, Fault::Hang] {
        let world = plan(3).config(quick).store(shared(&redis)).start().await;
        until("all is known", async || asked(&world).await.is_empty()).await;
        world.sims[2].faults().on("getMeetings").set(fault).await;
        redis::cmd("FLUSHALL").exec(&mut redis.connection()).expect("emptied");
        until("in doubt", async || !asked(&world).await.is_empty()).await;
        until("of the others it is known", async || asked(&world).await == [3]).await;
        until("it was waited for long enough", async || asked(&world).await.is_empty()).await;
        world.sims[2].faults().clear().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_start_only_who_was_not_swept_yet_is_asked_and_not_for_ever() {
    let world = plan(3).start().await;
    world.sims[2].faults().on("getMeetings").set(Fault::Hang).await;
    let again = plan(3).on(&world).with_what_is_stored().store(world.store.clone());
    let again = again.start_unready().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(asked(&again).await, [3]);
    sleep(Duration::from_secs(70)).await;
    assert_eq!(asked(&again).await, [0; 0]);
}
