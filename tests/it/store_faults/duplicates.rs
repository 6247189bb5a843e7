//! F3: a duplicate is ended only if the meeting's home and the store say just before that it is one.

use bigblueswarm::sim::Fault;

use super::deployment::LEASE_EXPIRED;
use super::faulty_store::{FaultyStore, Link};
use super::*;

/// What a replica knows that has heard nothing for a while is no reason to end what was opened since.
async fn f3_a_replica_that_is_cut_off_ends_nothing<D: Deployment>() {
    let deployment = D::start();
    let a = first_replica(2, deployment.store()).await;
    let store = FaultyStore::new(deployment.store());
    let b = further_replica(&a, store.clone()).start().await;
    let rooms = rooms_known_to_both([&a, &b], 3).await;
    until_swept(&a, 1, 2).await;
    store.set(Link::Cut);
    sleep(LEASE_EXPIRED).await;
    let mut living = Vec::new();
    for room in &rooms {
        let (home, id) = reopen_elsewhere(&a, room).await;
        set(&a, "enable", 3 - home).await;
        living.push((room, id, home));
    }
    // One of them has people in it.
    fill(&a, living[0].2, &rooms[0]).await;
    let ends = a.asked("end").await;
    for server in [1, 2] {
        until_swept(&a, server, 12).await;
    }
    assert_eq!(a.asked("end").await, ends, "nothing is ended");
    for (room, id, home) in &living {
        assert_eq!(only_home(&a, room).await, *home, "{room}");
        assert_eq!(&internal_id(&T.info(&a, room).await), id);
    }
    store.set(Link::Up);
    for (room, _, home) in &living {
        within(PATIENTLY, "followed", async || joins_on(T, &b, room, *home).await).await;
    }
    for server in [1, 2] {
        until_swept(&a, server, 6).await;
    }
    assert_eq!(a.asked("end").await, ends, "nothing is ended afterwards either");
}

/// A home that lost the meeting says so before the only copy is ended.
async fn f3_a_duplicate_is_not_ended_once_the_home_lost_the_meeting<D: Deployment>() {
    let deployment = D::start();
    let [a, b] = two_replicas(&deployment, 2).await;
    T.create(&a, "room").await.assert_success();
    let home = only_home(&a, "room").await;
    until_swept(&a, home, 3).await;
    let [here, other] = [&a.sims[home - 1], &a.sims[2 - home]];
    // The last list of the home still has the meeting.
    here.faults().on("getMeetings").set(Fault::Internal).await;
    here.forget_meetings().await;
    behind_our_back(other, "room").await;
    let ends = a.asked("end").await;
    until_swept(&a, 3 - home, 8).await;
    here.faults().clear().await;
    for server in [1, 2] {
        until_swept(&a, server, 4).await;
    }
    assert_eq!((only_home(&a, "room").await, a.asked("end").await), (3 - home, ends));
    for world in [&a, &b] {
        within(PATIENTLY, "found", async || T.info(world, "room").await.succeeded()).await;
    }
}

on_shared_stores! {
    f3_a_replica_that_is_cut_off_ends_nothing
    f3_a_duplicate_is_not_ended_once_the_home_lost_the_meeting
}
