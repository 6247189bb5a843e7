//! What is not known just now, told the same by every replica and by one that starts later.

use bigblueswarm::domain::instance::Health;

use super::*;
use crate::world::id;

const PROBES: Duration = Duration::from_millis(400);

fn quick(config: &mut bigblueswarm::config::Config) {
    config.health.probe_interval = PROBES;
    config.health.probe_timeout = PROBES;
    config.health.sweep_interval = PROBES;
}

async fn assert_not_known(world: &World) {
    for call in ["getMeetingInfo", "isMeetingRunning", "end"] {
        T.call(world, call, "meetingID=m1").await.assert_failed(500, "internalError");
    }
}

async fn is_dead(world: &World) -> bool {
    let roster = world.swarm.world.actors.registry.roster().await.expect("the pool");
    roster.get(&id(&world.sims[0])).is_some_and(|member| member.health == Health::Dead)
}

#[tokio::test(flavor = "multi_thread")]
async fn x9_no_replica_says_that_a_meeting_is_gone_and_both_follow_where_it_is_created_again() {
    let redis = RedisServer::start();
    let a = plan(2).config(quick).store(shared(&redis)).start().await;
    let later = || plan(2).config(quick).on(&a).store(shared(&redis)).with_what_is_stored();
    let b = later().start().await;
    T.create(&a, "m1").await.assert_success();
    assert_eq!(a.homes("m1").await, [1]);
    let has_it = async |world: &World| {
        T.call(world, "getMeetings", "").await.body.contains("<meetingID>m1</meetingID>")
    };
    soon("listed by both", async || has_it(&a).await && has_it(&b).await).await;
    a.sims[0].faults().set(Fault::Hang).await;
    let c = later().start_unready().await;
    for world in [&a, &b, &c] {
        within(Duration::from_secs(20), "dead", async || is_dead(world).await).await;
        assert_not_known(world).await;
    }
    // Whoever started later has no last list, and gives none that is shorter.
    T.call(&c, "getMeetings", "").await.assert_failed(500, "internalError");
    for (world, name) in [(&a, "a"), (&b, "b")] {
        let listed = T.call(world, "getMeetings", "").await;
        assert!(listed.body.contains("<meetingID>m1</meetingID>"), "{name}: {listed:?}");
    }
    T.join(&b, "m1").await.assert_failed(200, "meetingUnavailable");
    T.create(&b, "m1").await.assert_success();
    for world in [&a, &b, &c] {
        soon("followed", async || joins_on(T, world, "m1", 2).await).await;
        T.info(world, "m1").await.assert_success();
        assert!(has_it(world).await);
    }
}
