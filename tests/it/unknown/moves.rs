//! Meetings of a silent server that are created again elsewhere: until that is confirmed they are not known, and not gone.

use std::time::Duration;

use bigblueswarm::domain::instance::Health;
use bigblueswarm::sim::Fault;
use tokio::time::sleep;

use super::{assert_not_known, health, listed};
use crate::world::{Reply, T, U, World, plan};

/// Three servers, of which the first has T's meeting and is dead since just now.
async fn with_a_dead_home() -> World {
    let world = plan(3).start().await;
    T.create(&world, "seminar").await.assert_success();
    assert_eq!(world.homes("seminar").await, [1]);
    sleep(Duration::from_secs(12)).await;
    world.sims[0].faults().set(Fault::Hang).await;
    world.until(health(&world, 0)).await;
    world
}

/// What is said of the meeting by whoever asks again and again.
async fn assert_unknown_all_the_while(world: &World) {
    for _ in 0..20 {
        assert_not_known(world, "seminar").await;
        assert_eq!(listed(world).await, ["seminar"]);
        T.join(world, "seminar").await.assert_failed(200, "meetingUnavailable");
        sleep(Duration::from_millis(400)).await;
    }
}

fn refusal() -> Fault {
    Fault::Failed { key: "validationError".into(), message: "No.".into() }
}

#[tokio::test(start_paused = true)]
async fn x9_a_meeting_that_can_be_created_nowhere_else_is_not_known_and_not_gone() {
    let ways = [
        Fault::Internal,
        Fault::Hang,
        Fault::Refuse,
        Fault::Garbage,
        Fault::ChecksumError,
        refusal(),
    ];
    for fault in ways {
        let world = with_a_dead_home().await;
        for sim in &world.sims[1..] {
            sim.faults().on("create").set(fault.clone()).await;
        }
        let create = async {
            let told = T.create(&world, "seminar").await;
            assert!(told.body.contains("FAILED"), "{fault:?}: {told:?}");
        };
        tokio::join!(create, assert_unknown_all_the_while(&world));
        // It is where it was, and nobody else's meeting of its name gets there.
        world.sims[0].faults().clear().await;
        for sim in &world.sims[1..] {
            sim.faults().clear().await;
        }
        world.until(|roster| roster.members().iter().all(|m| m.health == Health::Up)).await;
        T.info(&world, "seminar").await.assert_success();
        let joined = T.join(&world, "seminar").await;
        assert!(joined.location.is_some_and(|to| to.contains("s1.")), "{fault:?}");
        U.create(&world, "seminar").await.assert_success();
        assert_eq!(world.homes("seminar").await, [1, 2], "{fault:?}");
        sleep(Duration::from_secs(40)).await;
        assert_eq!((listed(&world).await, world.asked("end").await), (vec!["seminar".into()], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn x9_a_create_elsewhere_that_takes_long_changes_nothing_before_it_is_done() {
    for (fault, made) in
        [(Fault::Slow(Duration::from_secs(7)), true), (Fault::HangAfterWork, false)]
    {
        let world = with_a_dead_home().await;
        for sim in &world.sims[1..] {
            sim.faults().on("create").set(fault.clone()).await;
        }
        let create = async { T.create(&world, "seminar").await };
        let lists = async {
            for _ in 0..30 {
                assert_eq!(listed(&world).await, ["seminar"], "once, wherever it is");
                let told: Reply = T.info(&world, "seminar").await;
                assert!(told.succeeded() || told.status == 500, "{told:?}");
                sleep(Duration::from_millis(300)).await;
            }
        };
        let (told, ()) = tokio::join!(create, lists);
        assert_eq!(told.succeeded(), made, "{fault:?}: {told:?}");
        T.info(&world, "seminar").await.assert_success();
        assert!(T.join(&world, "seminar").await.location.is_some_and(|to| to.contains("s2.")));
    }
}

#[tokio::test(start_paused = true)]
async fn x9_a_home_that_comes_back_before_the_other_create_is_done_is_listed_all_the_while() {
    let world = with_a_dead_home().await;
    for sim in &world.sims[1..] {
        sim.faults().on("create").set(Fault::Hang).await;
    }
    let back = async {
        sleep(Duration::from_millis(500)).await;
        world.sims[0].faults().clear().await;
        for _ in 0..40 {
            assert_eq!(listed(&world).await, ["seminar"]);
            sleep(Duration::from_millis(500)).await;
        }
    };
    let (told, ()) = tokio::join!(T.create(&world, "seminar"), back);
    told.assert_failed(500, "internalError");
    T.info(&world, "seminar").await.assert_success();
    assert_eq!((world.homes("seminar").await, world.asked("end").await), (vec![1], 0));
}
