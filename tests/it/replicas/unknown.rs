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

/// Whether the last list that it has of the first instance holds the meeting.
async fn swept(world: &World) -> bool {
    let id = id(&world.sims[0]);
    let last = world.swarm.world.actors.lists.last(vec![id]).await.expect("the last lists");
    let lists = last.values().filter_map(|list| list.unpack());
    lists.map(|list| String::from_utf8_lossy(&list).into_owned()).any(|list| list.contains("m1"))
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
    soon("swept by both", async || swept(&a).await && swept(&b).await).await;
    a.sims[0].faults().set(Fault::Hang).await;
    let c = later().start_unready().await;
    for world in [&a, &b, &c] {
        within(Duration::from_secs(20), "dead", async || is_dead(world).await).await;
        assert_not_known(world).await;
    }
    // Whoever started later may have heard of the last list; it gives none that is shorter.
    let listed = T.call(&c, "getMeetings", "").await;
    if listed.status == 200 {
        assert!(listed.body.contains("<meetingID>m1</meetingID>"), "{listed:?}");
    } else {
        listed.assert_failed(500, "internalError");
    }
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
