//! What a server sends when a meeting is over.

use std::time::Duration;

use bigblueswarm::bbb::jwt::{self, Hash};
use bigblueswarm::bbb::query;
use bigblueswarm::sim::client::query_of;
use bigblueswarm::sim::{Errand, Reason};
use http::{Method, StatusCode};
use tokio::time::sleep;

use super::{NEW_YEAR_MS, SECRET, call, enter, listen_to, server};

const SECOND: Duration = Duration::from_secs(1);

fn creation() -> String {
    query_of(&[
        ("name", "Algebra"),
        ("meetingID", "x1"),
        ("record", "true"),
        ("meetingEndedURL", "http://lb.example.org/ended?a=%20b&'c"),
        ("meta_endCallbackUrl", "http://lms.example.org/end?id=a%20b"),
        ("meta_bbb-recording-ready-url", "http://lms.example.org/ready"),
        ("meta_analytics-callback-url", "http://lms.example.org/figures"),
        ("meta_bigblueswarm-tenant", "t"),
    ])
}

fn urls(sent: &[Errand]) -> Vec<&str> {
    sent.iter().map(|errand| errand.url.as_str()).collect()
}

const ENDS: [&str; 2] = [
    "http://lms.example.org/end?id=a+b&recordingmarks=true&meetingID=x1",
    "http://lb.example.org/ended?a=%20b&'c",
];

#[tokio::test(start_paused = true)]
async fn whoever_asked_is_told_that_a_meeting_is_over() {
    let server = server();
    let sent = listen_to(&server, 200);
    call(&server, "create", &creation()).await;
    enter(&server, "fullName=Ada&meetingID=x1&role=MODERATOR").await;
    call(&server, "end", "meetingID=x1").await;
    call(&server, "end", "meetingID=x1").await;
    sleep(SECOND).await;
    let ends: Vec<Errand> = sent.try_iter().collect();
    assert_eq!(urls(&ends), ENDS);
    assert!(ends.iter().all(|errand| errand.method == Method::GET && errand.body.is_empty()));
    assert!(server.recordings().await.is_empty());
    sleep(5 * SECOND).await;
    let later: Vec<Errand> = sent.try_iter().collect();
    assert_eq!(urls(&later), ["http://lms.example.org/figures", "http://lms.example.org/ready"]);
    let recording = server.recordings().await.remove(0);
    assert_eq!((recording.meeting_id.as_str(), recording.state.as_str()), ("x1", "published"));
    assert_eq!(recording.participants, 1);
    assert!(recording.metadata.contains(&("bigblueswarm-tenant".into(), "t".into())));
    assert!(recording.metadata.iter().any(|(name, _)| name == "bbb-recording-ready-url"));

    let now = NEW_YEAR_MS / 1000 + 6;
    let form = String::from_utf8_lossy(&later[1].body);
    let token = query::value(&form, "signed_parameters").expect("a token");
    let claims = jwt::verify(Hash::Hs256, &token, SECRET, now).expect("it is signed");
    assert_eq!(
        (&claims["meeting_id"], &claims["record_id"]),
        (&"x1".into(), &recording.record_id.into())
    );

    let bearer = later[0].headers["authorization"].to_str().expect("text");
    let token = bearer.strip_prefix("Bearer ").expect("a token");
    let claims = jwt::verify(Hash::Hs512, token, SECRET, now).expect("it is signed");
    assert_eq!(claims["exp"], now + 24 * 3600 - 1);
    assert_eq!(later[0].headers["user-agent"], "BigBlueButton Analytics Callback");
    let figures: serde_json::Value = serde_json::from_slice(&later[0].body).expect("JSON");
    assert_eq!(figures["meeting_id"], "x1");
    assert_eq!(figures["data"]["attendees"][0]["name"], "Ada");
}

#[tokio::test(start_paused = true)]
async fn a_meeting_that_ends_by_itself_is_told_of_when_it_does() {
    let server = server();
    let sent = listen_to(&server, 200);
    call(&server, "create", &creation()).await;
    sleep(300 * SECOND - Duration::from_millis(10)).await;
    assert_eq!(sent.try_iter().count(), 0);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(urls(&sent.try_iter().collect::<Vec<_>>()), ENDS);
    sleep(5 * SECOND).await;
    assert_eq!(server.recordings().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_takes_is_told_again() {
    let server = server();
    let sent = listen_to(&server, 503);
    call(&server, "create", &creation()).await;
    call(&server, "end", "meetingID=x1").await;
    sleep(29 * SECOND).await;
    assert_eq!(sent.try_iter().filter(|errand| errand.reason == Reason::Ended).count(), 1);
    sleep(200 * SECOND).await;
    assert_eq!(sent.try_iter().filter(|errand| errand.reason == Reason::Ended).count(), 3);
    let outcomes = server.outcomes().await;
    assert_eq!(outcomes.len(), 4);
    assert!(
        outcomes.iter().all(|o| !o.arrived && o.status == Some(StatusCode::SERVICE_UNAVAILABLE))
    );
}

#[tokio::test(start_paused = true)]
async fn a_meeting_without_a_recording_leaves_none() {
    let server = server();
    let sent = listen_to(&server, 200);
    let kept = "name=Algebra&meetingID=x1&meetingKeepEvents=true&meta_analytics-callback-url=http%3A%2F%2Fa%2F";
    call(&server, "create", kept).await;
    call(
        &server,
        "create",
        "name=Algebra&meetingID=x2&meta_analytics-callback-url=http%3A%2F%2Fb%2F",
    )
    .await;
    call(&server, "end", "meetingID=x1").await;
    call(&server, "end", "meetingID=x2").await;
    sleep(10 * SECOND).await;
    assert_eq!(urls(&sent.try_iter().collect::<Vec<_>>()), ["http://a/"]);
    assert!(server.recordings().await.is_empty());
}

#[tokio::test]
async fn a_server_on_a_socket_calls_out_over_sockets() {
    let (tell, mut told) = tokio::sync::mpsc::channel(8);
    let take = async move |uri: http::Uri| {
        tell.send(uri.to_string()).await.expect("the story listens");
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/ended?x=1", listener.local_addr().expect("an address"));
    let router = axum::Router::new().fallback(take);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let server = server();
    let _handle = server.listen().await.expect("it listens");
    let query = query_of(&[("name", "Algebra"), ("meetingID", "x1"), ("meetingEndedURL", &url)]);
    call(&server, "create", &query).await;
    call(&server, "end", "meetingID=x1").await;
    assert_eq!(told.recv().await.as_deref(), Some("/ended?x=1"));
}
