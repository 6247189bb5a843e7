//! F2 and F13: a store that comes back with an older state.

use bigblueswarm::sim::Fault;
use tokio::time::Instant;

use super::*;

/// A meeting that ended and was opened again elsewhere since the state that comes back.
async fn f2_a_room_that_was_opened_again_elsewhere_stays_there<D: Deployment>() {
    let mut deployment = D::start();
    let [a, b] = two_replicas(&deployment, 2).await;
    let room = deployment.losable("again");
    T.create(&a, &room).await.assert_success();
    deployment.begin_to_lose();
    let (home, living) = reopen_elsewhere(&a, &room).await;
    assert_eq!(only_home(&a, &room).await, home);
    fill(&a, home, &room).await;
    for world in [&a, &b] {
        within(PATIENTLY, "followed", async || joins_on(T, world, &room, home).await).await;
    }
    let deployment = while_blocked(deployment, D::come_back_older).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        for world in [&a, &b] {
            assert!(joins_on(T, world, &room, home).await, "after {:?}", began.elapsed());
            assert_eq!(internal_id(&T.info(world, &room).await), living);
            assert_eq!(internal_id(&T.create(world, &room).await), living);
        }
        sleep(POLL).await;
    }
    assert_eq!(only_home(&a, &room).await, home);
    // Who starts now knows only what is stored.
    let (store, living_at) = (deployment.store(), id(&a.sims[home - 1]));
    within(PATIENTLY, "written again", async || {
        let records = store.all_routes().await.unwrap_or_default();
        records.iter().flat_map(|(_, record)| record.values()).any(|r| r.instance == living_at)
    })
    .await;
    let c = further_replica(&a, deployment.store()).start().await;
    until_joined(&c, &room, home).await;
}

/// The same after every balancer was started again: nobody remembers, and the servers are asked.
async fn f2_a_room_that_nobody_remembers_is_found_where_it_lives<D: Deployment>() {
    let mut deployment = D::start();
    let a = first_replica(2, deployment.store()).await;
    let room = deployment.losable("again");
    T.create(&a, &room).await.assert_success();
    deployment.begin_to_lose();
    let (home, living) = reopen_elsewhere(&a, &room).await;
    fill(&a, home, &room).await;
    let deployment = while_blocked(deployment, D::come_back_older).await;
    let again = further_replica(&a, deployment.store());
    a.swarm.stop().await;
    // A list that replicas shared before the state was saved is kept no longer than this.
    sleep(Duration::from_secs(1)).await;
    for sim in &a.sims {
        sim.faults().on("getMeetings").set(Fault::Slow(Duration::from_secs(1))).await;
    }
    let b = again.start_unready().await;
    // Asked before any list was seen.
    until_joined(&b, &room, home).await;
    assert_eq!(internal_id(&T.info(&b, &room).await), living);
    assert_eq!(internal_id(&T.create(&b, &room).await), living);
    until_swept(&b, home, 4).await;
    assert_eq!(internal_id(&T.create(&b, &room).await), living);
    assert_eq!(only_home(&b, &room).await, home);
}

/// What was given up for the meeting's home is ended, and nothing else, though the store lost its tombstone.
async fn f13_a_copy_that_was_given_up_is_ended_though_the_store_lost_its_tombstone<
    D: Deployment,
>() {
    let deployment = D::start();
    let [a, b] = two_replicas(&deployment, 2).await;
    a.sims[0].faults().on("create").set(Fault::HangAfterWork).await;
    a.sims[0].faults().on("getMeetingInfo").set(Fault::Hang).await;
    // No sweep finds the copy before the store loses everything.
    a.sims[0].faults().on("getMeetings").set(Fault::Hang).await;
    let living = internal_id(&T.create(&a, "room").await);
    assert_eq!(a.homes("room").await, [1, 2], "the first was given up and made it all the same");
    deployment.flush();
    let store = deployment.store();
    let written_again = async || store.all_routes().await.is_ok_and(|routes| routes.len() == 1);
    within(PATIENTLY, "written again", written_again).await;
    a.sims[0].faults().clear().await;
    within(PATIENTLY, "the copy is ended", async || a.homes("room").await == [2]).await;
    for server in [1, 2] {
        until_swept(&a, server, 4).await;
    }
    for world in [&a, &b] {
        assert_eq!(internal_id(&T.info(world, "room").await), living);
    }
    assert_eq!(only_home(&a, "room").await, 2);
}

on_shared_stores! {
    f2_a_room_that_was_opened_again_elsewhere_stays_there
    f2_a_room_that_nobody_remembers_is_found_where_it_lives
    f13_a_copy_that_was_given_up_is_ended_though_the_store_lost_its_tombstone
}
