//! How meetings grow, end and vanish.

use std::time::Duration;

use bigblueswarm::sim::Crowd;
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn an_ended_meeting_is_gone_at_once() {
    let server = server();
    let first = call(&server, "create", "name=Algebra&meetingID=x1").await;
    enter(&server, "fullName=Ada&meetingID=x1&role=VIEWER").await;
    assert_eq!(words(&call(&server, "end", "meetingID=x1").await).0, "sentEndMeetingRequest");
    assert_eq!(words(&call(&server, "getMeetingInfo", "meetingID=x1").await).0, "notFound");
    has(&call(&server, "isMeetingRunning", "meetingID=x1").await, "running", "false");
    assert!(call(&server, "getMeetings", "").await.records("meeting").is_empty());
    for password in ["", "&password=mp"] {
        let again = call(&server, "end", &format!("meetingID=x1{password}")).await;
        assert_eq!(words(&again).0, "invalidPassword", "as BBB says of what it does not know");
    }
    sleep(Duration::from_millis(50)).await;
    let again = call(&server, "create", "name=Algebra&meetingID=x1").await;
    has(&again, "messageKey", "");
    assert_ne!(first.value("internalMeetingID"), again.value("internalMeetingID"));
}

#[tokio::test(start_paused = true)]
async fn an_ended_meeting_can_be_made_to_linger() {
    let lingering = SimSettings { ended_lingers: 3 * SECOND, ..settings() };
    let server = SimServer::start(lingering, new_year());
    call(&server, "create", "name=Algebra&meetingID=x1").await;
    call(&server, "end", "meetingID=x1").await;
    let info = call(&server, "getMeetingInfo", "meetingID=x1").await;
    has(&info, "hasBeenForciblyEnded", "true");
    has(&info, "running", "false");
    sleep(3 * SECOND).await;
    assert_eq!(words(&call(&server, "getMeetingInfo", "meetingID=x1").await).0, "notFound");
}

#[tokio::test(start_paused = true)]
async fn a_browser_can_be_made_to_connect_by_itself() {
    let server = SimServer::start(settings().browsers_connect(2 * SECOND), new_year());
    let sent = listen_to(&server, 200);
    call(&server, "hooks/create", "callbackURL=http%3A%2F%2Fa%2F&eventID=user-joined").await;
    call(&server, "create", "name=Algebra&meetingID=x1").await;
    call(&server, "join", "fullName=Ada&meetingID=x1&role=VIEWER").await;
    sleep(SECOND).await;
    has(&call(&server, "isMeetingRunning", "meetingID=x1").await, "running", "false");
    assert_eq!(sent.try_iter().count(), 0);
    sleep(2 * SECOND).await;
    assert_eq!(sent.try_iter().count(), 1, "without any call");
    has(&call(&server, "isMeetingRunning", "meetingID=x1").await, "running", "true");
}

#[tokio::test(start_paused = true)]
async fn only_the_moderators_password_ends_a_meeting() {
    let server = server();
    call(&server, "create", "name=Algebra&meetingID=x1&attendeePW=ap&moderatorPW=mp").await;
    let expected =
        ("invalidPassword".to_owned(), "The supplied moderator password is incorrect".to_owned());
    for password in ["ap", "wrong"] {
        assert_eq!(
            words(&call(&server, "end", &format!("meetingID=x1&password={password}")).await),
            expected
        );
    }
    assert!(server.meeting("x1").await.is_some());
    assert!(call(&server, "end", "meetingID=x1&password=mp").await.succeeded());
    assert!(server.meeting("x1").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn meetings_end_by_themselves() {
    let server = server();
    call(&server, "create", "name=Unused&meetingID=unused").await;
    call(&server, "create", "name=Short&meetingID=short&duration=2").await;
    call(&server, "create", "name=Left&meetingID=left").await;
    call(&server, "create", "name=Stays&meetingID=stays&meetingExpireIfNoUserJoinedInMinutes=0")
        .await;
    let joined = enter(&server, "fullName=Ada&meetingID=left&role=VIEWER&redirect=false").await;
    enter(&server, "fullName=Ada&meetingID=short&role=VIEWER").await;
    let ids = async || {
        let list = call(&server, "getMeetings", "").await.records("meeting");
        list.into_iter().map(|mut m| m.remove("meetingID").unwrap()).collect::<Vec<_>>()
    };
    sleep(119 * SECOND).await;
    assert_eq!(ids().await, ["unused", "short", "left", "stays"]);
    sleep(SECOND).await;
    assert_eq!(ids().await, ["unused", "left", "stays"]);
    sleep(180 * SECOND).await;
    assert_eq!(ids().await, ["left", "stays"]);
    let token = joined.value("session_token").unwrap();
    send(&server, Ask::get(format!("/bigbluebutton/api/signOut?sessionToken={token}"))).await;
    sleep(59 * SECOND).await;
    assert_eq!(ids().await, ["left", "stays"]);
    sleep(SECOND).await;
    assert_eq!(ids().await, ["stays"]);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_fills_a_meeting_and_leaves_it() {
    let server = server();
    call(&server, "create", "name=Class&meetingID=class").await;
    let class = Crowd { users: 30, over: 10 * SECOND, stay: 60 * SECOND };
    assert!(server.send_crowd("class", class).await);
    assert!(!server.send_crowd("nope", class).await);
    let there = async || server.meeting("class").await.map(|m| m.count(|_| true));
    assert_eq!(there().await, Some(0));
    sleep(5 * SECOND).await;
    assert_eq!(there().await, Some(15));
    sleep(5 * SECOND).await;
    assert_eq!(there().await, Some(30));
    let moderators =
        call(&server, "getMeetingInfo", "meetingID=class").await.value("moderatorCount");
    assert_eq!(moderators.as_deref(), Some("1"));
    sleep(70 * SECOND).await;
    assert_eq!(there().await, Some(0));
    sleep(61 * SECOND).await;
    assert_eq!(there().await, None);
}

#[tokio::test(start_paused = true)]
async fn calls_that_bbb_does_not_know_get_a_page() {
    let server = server();
    for target in ["Create", "getMeetingsX", "getDefaultConfigXML", "getMeetings//"] {
        let reply = send(&server, Ask::get(signed_target(target, ""))).await;
        assert_eq!(reply.status, 404, "{target}");
        assert_eq!(reply.headers["content-type"], "application/xml;charset=UTF-8");
        assert!(reply.text().contains(&format!("<path>/bigbluebutton/api/{target}</path>")));
    }
    let slash = signed_target("getMeetings", "").replace("getMeetings?", "getMeetings/?");
    assert!(send(&server, Ask::get(slash)).await.succeeded());
    let join = post(&server, "join", "fullName=Ada&meetingID=x1", "", "").await;
    assert_eq!(join.status, 405);
    assert_eq!(send(&server, Ask::get("/elsewhere")).await.status, 404);
}
