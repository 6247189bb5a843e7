//! The calls of a browser in a meeting, and the list of sessions.

use bigblueswarm::bbb::query::{SignedQuery, value};
use bigblueswarm::sim::client::Reply;
use bigblueswarm::sim::{Ask, SimServer};
use serde_json::Value;

use super::{SECRET, call, enter, has, send, server, words};

async fn in_session(server: &SimServer, call: &str, token: &str) -> Reply {
    send(server, Ask::get(format!("/bigbluebutton/api/{call}?sessionToken={token}"))).await
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

async fn join(server: &SimServer, query: &str) -> String {
    let query = format!("{query}&meetingID=x1&redirect=false");
    enter(server, &query).await.value("session_token").expect("a token")
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_by_their_internal_meeting() {
    let server = server();
    let none = "<response>\n<returncode>SUCCESS</returncode>\n<sessions/>\n<messageKey>noSessions</messageKey>\n\
        <message>no sessions were found on this serverr</message>\n</response>";
    assert_eq!(call(&server, "getSessions", "").await.text(), none);
    let made = call(&server, "create", "name=Algebra&meetingID=x1").await;
    join(&server, "fullName=Ada&role=VIEWER").await;
    let listed = call(&server, "getSessions", "").await;
    has(&listed, "meetingID", &made.value("internalMeetingID").expect("an id"));
    has(&listed, "userName", "Ada");
    let unsigned = send(&server, Ask::get("/bigbluebutton/api/getSessions?checksum=ab")).await;
    assert_eq!(words(&unsigned), ("checksumError".into(), "Checksums do not match".into()));
}

#[tokio::test(start_paused = true)]
async fn a_session_gets_a_url_to_come_once_more() {
    let server = server();
    call(&server, "create", "name=Algebra&meetingID=x1").await;
    let token = join(&server, "fullName=Ada+L&role=VIEWER").await;
    let told = json(&in_session(&server, "getJoinUrl", &token).await);
    assert_eq!(told["response"]["message"], "Join URL provided successfully.");
    let url = told["response"]["url"].as_str().expect("a URL");
    let (path, query) = url.split_once('?').expect("a query");
    assert_eq!(path, "https://node1.example.org/bigbluebutton/api/join");
    assert!(
        query.starts_with(
            "&fullName=Ada%2BL&meetingID=x1&role=VIEWER&redirect=true&existingUserID=w_"
        ),
        "{query}"
    );
    let signed = SignedQuery::parse(query).expect("a query");
    let sha1 = bigblueswarm::bbb::checksum::sign(
        bigblueswarm::bbb::checksum::Algorithm::Sha1,
        "join",
        &signed.rest,
        SECRET,
    );
    assert_eq!(value(query, "checksum").as_deref(), Some(sha1.as_str()));
    let target = url.replacen("https://node1.example.org", "", 1);
    assert_eq!(send(&server, Ask::get(target)).await.status, 302);
    let nobody = json(&in_session(&server, "getJoinUrl", "nope").await);
    assert_eq!(nobody["response"]["message"], "Invalid session token");
    assert_eq!(nobody["response"]["returncode"], "FAILED");
}

#[tokio::test(start_paused = true)]
async fn only_a_moderator_sees_the_dashboard() {
    let server = server();
    call(&server, "create", "name=Algebra&meetingID=x1").await;
    let teacher = join(&server, "fullName=Ada&role=MODERATOR").await;
    let pupil = join(&server, "fullName=Bob&role=VIEWER").await;
    let told = json(&in_session(&server, "learningDashboard", &teacher).await);
    let data = told["response"]["data"].as_str().expect("text");
    assert_eq!(
        serde_json::from_str::<Value>(data).expect("JSON")["users"].as_object().map(|u| u.len()),
        Some(2)
    );
    let denied = json(&in_session(&server, "learningDashboard", &pupil).await);
    assert_eq!(denied["response"]["message"], "Access denied");
    let stuns = json(&in_session(&server, "stuns", &pupil).await);
    assert_eq!(stuns["turnServers"][0]["ttl"], 86400);
    let lost = json(&in_session(&server, "stuns", "").await);
    assert_eq!(lost["message"], "Could not find conference.");
    let left = in_session(&server, "signOut", &pupil).await;
    assert_eq!(left.text(), "<response><returncode>SUCCESS</returncode></response>");
    assert_eq!(server.meeting("x1").await.map(|m| m.users.len()), Some(1));
    assert_eq!(send(&server, Ask::get("/bigbluebutton/api/feedback")).await.status, 404);
}
