//! Stories about input that no client should send: refused in words, never by a panic.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::world::{T, World, plan};

const CALLS: [&str; 16] = [
    "create",
    "join",
    "isMeetingRunning",
    "getMeetingInfo",
    "getMeetings",
    "getSessions",
    "end",
    "insertDocument",
    "sendChatMessage",
    "getRecordings",
    "publishRecordings",
    "deleteRecordings",
    "updateRecordings",
    "getJoinUrl",
    "stuns",
    "signOut",
];

/// Whether a reply is one of ours: XML or JSON with a returncode, or a redirect.
async fn is_answered(world: &World, request: Request<Body>) {
    let shown = format!("{request:?}");
    let reply = world.send(request).await;
    let said = reply.body.contains("returncode") || reply.status == StatusCode::FOUND;
    assert!(said, "{shown}: {reply:?}");
    let panicked = reply.value("message").contains("failed to create the meeting");
    assert!(!panicked, "{shown}: {reply:?}");
}

/// Parts of queries that have gone wrong somewhere before.
fn queries() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[ -~&&[^ \"<>#`{}]]{0,20}",
        "(meetingID|name|fullName|checksum|meta_x|redirect|logoutURL|parentMeetingID|recordID|format|sessionToken)=[a-zA-Z0-9%+&=]{0,24}",
        "(%[0-9A-Fa-f]{0,2}|&|=|\\+|%00|%FF|%0D%0A){0,8}",
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.join("&"))
}

#[tokio::test(start_paused = true)]
async fn a_thousand_malformed_queries_end_in_refusals() {
    let world = plan(1).start().await;
    let mut runner = TestRunner::deterministic();
    for n in 0..1_000 {
        let query = queries().new_tree(&mut runner).expect("a query").current();
        let call = CALLS[n % CALLS.len()];
        // Every other one is signed, so that it comes further than the checksum.
        let path = match n % 2 {
            0 => format!("/bigbluebutton/api/{call}?{query}"),
            _ => T.path(call, &query),
        };
        let Ok(request) = T.request(Method::GET, &path).body(Body::empty()) else { continue };
        is_answered(&world, request).await;
    }
    T.create(&world, "after-all").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn malformed_bodies_and_headers_end_in_refusals() {
    let world = plan(1).start().await;
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let kinds = [
        "application/xml",
        "text/xml; charset=\"",
        ";;;",
        "multipart/form-data",
        "multipart/form-data; boundary=-",
        "application/x-www-form-urlencoded",
        "a/b/c",
        "",
    ];
    for n in 0..500 {
        let body = bytes.new_tree(&mut runner).expect("a body").current();
        let path = T.path(CALLS[n % CALLS.len()], &format!("name=Room&meetingID=m{n}"));
        let request = T
            .request(Method::POST, &path)
            .header(header::CONTENT_TYPE, kinds[n % kinds.len()])
            .header(header::CONTENT_LENGTH, body.len());
        is_answered(&world, request.body(Body::from(body)).expect("a request")).await;
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let request = T.request(method, &T.path("create", "name=Room&meetingID=m"));
        let reply = world.send(request.body(Body::empty()).expect("a request")).await;
        reply.assert_failed(200, "unsupportedRequest");
    }
}
