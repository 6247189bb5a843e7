//! Joins of meetings whose server does not answer: away, and said so before clients give up.

use std::time::Duration;

use axum::body::Body;
use bigblueswarm::domain::instance::Health;
use bigblueswarm::sim::Fault;
use http::{Method, StatusCode, header};
use tokio::time::{Instant, sleep};

use super::{BROWSER, behind, health, two};
use crate::world::{Reply, T, World, id, plan};

/// Some clients give up then.
const CLIENTS_WAIT: Duration = Duration::from_secs(5);

async fn session(world: &World, meeting: &str) -> Reply {
    let query = format!("fullName=Ada&meetingID={meeting}&role=VIEWER&redirect=false");
    T.call(world, "join", &query).await
}

/// What a browser reads that follows a join.
async fn browsed(world: &World, meeting: &str) -> Reply {
    let path = T.path("join", &format!("fullName=Ada&meetingID={meeting}&role=VIEWER"));
    let request = T.request(Method::GET, &path).header(header::ACCEPT, BROWSER);
    world.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test(start_paused = true)]
async fn x9_who_asks_for_a_session_on_a_silent_instance_reads_soon_that_it_is_away() {
    let slow = Fault::Slow(Duration::from_secs(30));
    for fault in [Fault::Hang, Fault::HangAfterWork, slow, Fault::Refuse] {
        let world = two().await;
        world.sims[0].faults().set(fault.clone()).await;
        // From the first moment on, suspect or dead, for as long as it lasts.
        for _ in 0..12 {
            let suspect = world.health(0).await == Health::Suspect;
            let began = Instant::now();
            session(&world, "seminar").await.assert_failed(200, "meetingUnavailable");
            assert!(began.elapsed() < CLIENTS_WAIT, "{fault:?}: {:?}", began.elapsed());
            let known = Duration::from_millis(2_500);
            assert!(!suspect || began.elapsed() < known, "{fault:?}: {:?}", began.elapsed());
            session(&world, "tutorial").await.assert_success();
            sleep(Duration::from_secs(2)).await;
        }
        world.until(health(&world, 0)).await;
        world.sims[0].faults().clear().await;
        world.until(|roster| roster.members().iter().all(|m| m.health == Health::Up)).await;
        session(&world, "seminar").await.assert_success();
    }
}

#[tokio::test(start_paused = true)]
async fn x9_nobody_is_sent_to_an_instance_in_doubt_that_says_nothing() {
    let world = two().await;
    world.sims[0].faults().set(Fault::Hang).await;
    let suspect = |roster: &bigblueswarm::domain::instance::Roster| {
        roster.get(&id(&world.sims[0])).is_some_and(|m| m.health == Health::Suspect)
    };
    world.until(suspect).await;
    T.join(&world, "seminar").await.assert_failed(200, "meetingUnavailable");
    let page = browsed(&world, "seminar").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("http-equiv=\"refresh\""), "{page:?}");
    // One that is in doubt and answers is where its users go.
    world.sims[0].faults().clear().await;
    assert_eq!(world.health(0).await, Health::Suspect);
    assert!(T.join(&world, "seminar").await.location.is_some_and(|to| to.contains("s1.")));
    assert_eq!(browsed(&world, "seminar").await.status, StatusCode::FOUND);
}

#[tokio::test(start_paused = true)]
async fn x9_a_join_alone_that_is_not_answered_is_away_too_and_leaves_its_instance_in_use() {
    let world = two().await;
    for fault in [Fault::Hang, Fault::HangAfterWork, Fault::Slow(Duration::from_secs(7))] {
        world.sims[0].faults().on("join").set(fault).await;
        let began = Instant::now();
        session(&world, "seminar").await.assert_failed(200, "meetingUnavailable");
        assert!(began.elapsed() < CLIENTS_WAIT, "{:?}", began.elapsed());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(world.health(0).await, Health::Up);
        world.sims[0].faults().clear().await;
        session(&world, "seminar").await.assert_success();
    }
    // What answers wrongly is no server that is away.
    for fault in [Fault::Internal, Fault::Garbage, Fault::ChecksumError] {
        world.sims[0].faults().on("join").set(fault).await;
        session(&world, "seminar").await.assert_failed(500, "internalError");
        world.sims[0].faults().clear().await;
    }
}

#[tokio::test(start_paused = true)]
async fn x9_a_join_whose_meeting_must_be_told_from_others_is_away_in_time_as_well() {
    let world = plan(1).start().await;
    // Such an id may be the start of another meeting's internal one: the instance is asked first.
    for meeting in ["ab", "12", "0f0f0f0f-17"] {
        T.create(&world, meeting).await.assert_success();
        world.sims[0].faults().set(Fault::Hang).await;
        let began = Instant::now();
        session(&world, meeting).await.assert_failed(200, "meetingUnavailable");
        assert!(began.elapsed() < CLIENTS_WAIT, "{meeting}: {:?}", began.elapsed());
        world.sims[0].faults().clear().await;
        world.until(|roster| roster.members().iter().all(|m| m.health == Health::Up)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn x9_what_may_live_on_a_silent_instance_is_away_for_whoever_joins() {
    let world = two().await;
    world.sims[0].faults().set(Fault::Hang).await;
    let again = plan(2).on(&world).with_what_is_stored().store(world.store.clone());
    let again = again.start_unready().await;
    for meeting in ["seminar", "nowhere"] {
        let began = Instant::now();
        session(&again, meeting).await.assert_failed(200, "meetingUnavailable");
        assert!(began.elapsed() < CLIENTS_WAIT, "{meeting}: {:?}", began.elapsed());
    }
    sleep(Duration::from_secs(180)).await;
    T.join(&again, "nowhere").await.assert_failed(200, "invalidMeetingIdentifier");
}

#[tokio::test(start_paused = true)]
async fn x9_an_instance_of_which_its_own_proxy_says_that_it_is_away_is_away() {
    for status in
        [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT]
    {
        let calm = plan(1).start().await;
        let world = behind(&calm, "join", status, "<html><h1>Bad Gateway</h1></html>").await;
        T.create(&world, "seminar").await.assert_success();
        session(&world, "seminar").await.assert_failed(200, "meetingUnavailable");
    }
}
