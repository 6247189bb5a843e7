//! F5, F6, F8: instances that left the list, are silent, or are not known everywhere yet.

use bigblueswarm::sim::Fault;

use super::faulty_store::{FaultyStore, Link};
use super::*;

/// A retired instance whose API does not answer is kept with its secret and its meetings.
async fn f5_a_silent_instance_that_was_taken_out_is_kept_with_its_meetings<D: Deployment>() {
    let deployment = D::start();
    let [a, b] = two_replicas(&deployment, 2).await;
    let made = internal_id(&T.create(&a, "room").await);
    assert_eq!(only_home(&a, "room").await, 1);
    a.sims[0].faults().set(Fault::Hang).await;
    post_list(&a, &[2]).await;
    for world in [&a, &b] {
        until_dead(world, 1).await;
    }
    until_swept(&a, 2, 6).await;
    // Who starts now knows it by what is stored.
    let c = further_replica(&a, deployment.store()).start_unready().await;
    for world in [&a, &b, &c] {
        within(PATIENTLY, "kept", async || {
            state_of(world, 1).await.is_some_and(|row| row["retired"] == json!(true))
        })
        .await;
    }
    a.sims[0].faults().clear().await;
    for world in [&a, &b, &c] {
        within(PATIENTLY, "it is back", async || T.info(world, "room").await.succeeded()).await;
        let again = T.create(world, "room").await;
        assert_eq!((internal_id(&again), again.key()), (made.clone(), "duplicateWarning"));
    }
}

/// Routes go with their instance, so that they fill no pool and no store.
async fn f6_routes_go_with_their_instance_and_the_pool_is_free_again<D: Deployment>() {
    let deployment = D::start();
    let [a, b] = two_replicas(&deployment, 2).await;
    set_pool(&a, 2).await;
    set(&a, "drain", 2).await;
    for meeting in ["one", "two"] {
        T.create(&a, meeting).await.assert_success();
        assert_eq!(only_home(&a, meeting).await, 1);
    }
    set(&a, "enable", 2).await;
    T.create(&a, "three").await.assert_failed(200, "meetingPoolReached");
    post_list(&a, &[2]).await;
    let path = format!("/admin/api/instances/forget?url={}", a.sims[0].url());
    assert_eq!(a.admin(Method::POST, &path, "").await.status, 200);
    let store = deployment.store();
    let routes = async || store.all_routes().await.map(|routes| routes.len());
    within(PATIENTLY, "gone", async || matches!(routes().await, Ok(0))).await;
    for (world, meeting) in [(&b, "three"), (&a, "four")] {
        within(PATIENTLY, "room", async || T.create(world, meeting).await.succeeded()).await;
    }
    let again = further_replica(&a, deployment.store());
    a.swarm.stop().await;
    let c = again.start().await;
    T.create(&c, "five").await.assert_failed(200, "meetingPoolReached");
}

/// A route on an instance that is not known here is no reason to create the meeting elsewhere.
async fn f8_a_meeting_on_an_instance_that_is_not_known_here_yet_is_one_meeting<D: Deployment>() {
    let deployment = D::start();
    let a = first_replica(2, deployment.store()).await;
    post_list(&a, &[2]).await;
    until_known(&a, 1, false).await;
    let store = FaultyStore::new(deployment.store());
    let b = further_replica(&a, store.clone()).start().await;
    until_known(&b, 1, false).await;
    store.set(Link::Silent);
    post_list(&a, &[1, 2]).await;
    set(&a, "drain", 2).await;
    let up = async || state_of(&a, 1).await.is_some_and(|row| row["health"] == json!("up"));
    within(PATIENTLY, "up", up).await;
    let made = join_all((0..8).map(async |n| {
        let room = format!("room{n}");
        let id = internal_id(&T.create(&a, &room).await);
        assert_eq!(only_home(&a, &room).await, 1);
        (room, id)
    }))
    .await;
    assert!(state_of(&b, 1).await.is_none(), "it has not heard of it");
    for (room, id) in &made {
        let again = T.create(&b, room).await;
        assert_eq!((&internal_id(&again), again.key()), (id, "duplicateWarning"), "{room}");
        assert!(joins_on(T, &b, room, 1).await, "{room}");
        only_home(&a, room).await;
    }
}

on_shared_stores! {
    f5_a_silent_instance_that_was_taken_out_is_kept_with_its_meetings
    f6_routes_go_with_their_instance_and_the_pool_is_free_again
    f8_a_meeting_on_an_instance_that_is_not_known_here_yet_is_one_meeting
}
