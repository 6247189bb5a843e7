//! What it left is found: every meeting and every recording, by its own tenant and by no other.

use bigblueswarm::sim::Fault;
use bigblueswarm::sim::client::query_of;

use super::left::{
    B, FULL, HAND, LB, Left, MEETINGS, OLD, RECORDINGS, SCHOOL, about, ask, success,
};
use crate::program::{Home, Program, until};
use crate::world::Client;

const TENANTS: [Client; 6] = [LB, B, FULL, SCHOOL, OLD, HAND];

/// The meeting is answered by its server, and a user is sent there.
async fn check_meeting(
    left: &Left,
    program: &Program,
    (meeting, tenant, n): (&str, Client, usize),
) {
    let lives = left.sim(n).server.meeting(meeting).await.expect("it runs");
    let info = success(about(program, tenant, "getMeetingInfo", meeting).await);
    assert_eq!(info.value("internalMeetingID"), Some(lives.internal_id), "{meeting}");
    let running = success(about(program, tenant, "isMeetingRunning", meeting).await);
    assert_eq!(running.value("running").as_deref(), Some("false"), "nobody has come yet");
    let join = about(program, tenant, "join", meeting).await;
    assert_eq!(join.status, 302, "{meeting}: {}", join.text());
    let to = join.location().expect("a location");
    assert!(to.starts_with(&left.sim(n).server.origin()), "{meeting} is not at {to}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_meeting_is_found_by_its_tenant_and_ended_where_it_is() {
    let left = Left::behind().await;
    let program = left.start().await;
    for (meeting, tenant, n) in MEETINGS {
        check_meeting(&left, &program, (meeting, tenant, n)).await;
        let others = TENANTS.iter().filter(|other| other.host != tenant.host);
        for other in others.filter(|_| meeting != "shared") {
            let info = about(&program, *other, "getMeetingInfo", meeting).await;
            assert_eq!(info.key().as_deref(), Some("notFound"), "{} sees {meeting}", other.host);
        }
        let again = success(about(&program, tenant, "create", meeting).await);
        assert_eq!(again.key().as_deref(), Some("duplicateWarning"), "{meeting}");
        assert_eq!(left.homes(meeting, tenant).await, [n], "{meeting} has a copy");
    }
    for tenant in TENANTS {
        let list = ask(&program, tenant, "getMeetings", "").await;
        let mut listed: Vec<_> =
            list.records("meeting").iter().map(|m| m["meetingID"].clone()).collect();
        listed.sort();
        let own = MEETINGS.iter().filter(|(_, of, _)| of.host == tenant.host);
        let mut own: Vec<_> = own.map(|(meeting, ..)| meeting.to_string()).collect();
        own.sort();
        assert_eq!(listed, own, "{}", tenant.host);
    }
    for (meeting, tenant, _) in MEETINGS {
        success(about(&program, tenant, "end", meeting).await);
        assert_eq!(left.homes(meeting, tenant).await, [0; 0], "{meeting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_on_what_it_left_all_find_it() {
    let left = Left::behind().await;
    let homes = [(); 2].map(|()| Home::new(""));
    let (first, second, third) =
        tokio::join!(left.start(), left.start_replica(&homes[0]), left.start_replica(&homes[1]),);
    for (n, meeting) in MEETINGS.into_iter().enumerate() {
        for program in [&first, &second, &third] {
            check_meeting(&left, program, meeting).await;
        }
        let (id, tenant, _) = meeting;
        let [here, there] = [[&first, &second], [&second, &third], [&third, &first]][n % 3];
        let again = success(about(here, tenant, "create", id).await);
        assert_eq!(again.key().as_deref(), Some("duplicateWarning"), "{id}");
        success(about(there, tenant, "end", id).await);
    }
    for (id, ..) in MEETINGS {
        assert_eq!(left.read().meeting(id), None, "{id} was ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_any_server_has_listed_its_meetings_they_are_found_by_its_keys() {
    let left = Left::behind().await;
    for sim in &left.sims {
        sim.server.faults().on("getMeetings").set(Fault::Hang).await;
    }
    let program = left.start_on(super::left::V3, "-config config.yml").await;
    assert_eq!(program.readiness().await.0, 503, "nobody was heard");
    for meeting in MEETINGS {
        check_meeting(&left, &program, meeting).await;
    }
    let again = success(about(&program, LB, "create", "room-1").await);
    assert_eq!(again.key().as_deref(), Some("duplicateWarning"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recording_is_found_by_its_tenant_and_by_no_other() {
    let left = Left::behind().await;
    let program = left.start().await;
    for (meeting, start, tenant, n) in RECORDINGS {
        let id = bigblueswarm::sim::Recording::new(meeting, start).record_id;
        let by_id = query_of(&[("recordID", &id)]);
        let list = success(ask(&program, tenant, "getRecordings", &by_id).await);
        assert_eq!(list.value("recordID"), Some(id.clone()));
        let by_meeting = query_of(&[("meetingID", meeting)]);
        let list = success(ask(&program, tenant, "getRecordings", &by_meeting).await);
        assert_eq!(list.records("recording").len(), 1, "{meeting}");
        let hide = query_of(&[("recordID", &id), ("publish", "false")]);
        for other in TENANTS.iter().filter(|other| other.host != tenant.host) {
            let list = ask(&program, *other, "getRecordings", &by_id).await;
            assert_eq!(list.key().as_deref(), Some("noRecordings"), "{} sees it", other.host);
            let hidden = ask(&program, *other, "publishRecordings", &hide).await;
            assert_eq!(hidden.key().as_deref(), Some("notFound"));
        }
        success(ask(&program, tenant, "publishRecordings", &hide).await);
        let kept = left.sim(n).server.recordings().await;
        let state = kept.iter().find(|recording| recording.record_id == id).map(|r| &*r.state);
        assert_eq!(state, Some("unpublished"));
        success(ask(&program, tenant, "deleteRecordings", &by_id).await);
        until("it is gone", async || {
            let list = ask(&program, tenant, "getRecordings", &by_id).await;
            list.key().as_deref() == Some("noRecordings")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_and_lists_of_instances_count_as_they_did() {
    let left = Left::behind().await;
    let program = left.start().await;
    // The tenant may have three meetings, on the second server alone; one runs since the predecessor's days.
    for meeting in ["exam-2", "exam-3"] {
        success(about(&program, SCHOOL, "create", meeting).await);
        assert_eq!(left.homes(meeting, SCHOOL).await, [2]);
    }
    let over = about(&program, SCHOOL, "create", "exam-4").await;
    assert_eq!((over.status.as_u16(), over.key().as_deref()), (200, Some("meetingPoolReached")));
    success(about(&program, FULL, "create", "lesson-8").await);
    assert!(!left.homes("lesson-8", FULL).await.contains(&2));
}
