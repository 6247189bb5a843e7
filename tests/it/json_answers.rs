//! Stories about JSON: whoever asks for it reads failures in it, as BBB 3 does.

use axum::body::Body;
use axum::extract::ConnectInfo;
use bigblueswarm::sim::Fault;
use http::{Method, StatusCode, header};
use serde_json::json;

use crate::world::{Client, Reply, T, World, plan};

const JSON: &str = "application/json";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn ask(world: &World, client: Client, call: &str, query: &str, accept: &str) -> Reply {
    let request = client.request(Method::GET, &client.path(call, query));
    let request = request.header(header::ACCEPT, accept).body(Body::empty());
    world.send(request.expect("a request")).await
}

#[track_caller]
fn assert_json(reply: &Reply, status: u16, key: &str) {
    let response = &reply.json()["response"];
    assert_eq!(response["returncode"], "FAILED", "{reply:?}");
    assert_eq!((reply.status.as_u16(), &response["messageKey"]), (status, &json!(key)));
    assert!(response["message"].is_string(), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn every_refusal_of_ours_is_json_for_whoever_asks_for_it() {
    let world = plan(1).start().await;
    T.create(&world, "m1").await.assert_success();
    let third = Client { secret: "another-secret-0123456", ..T };
    let nobody = Client::of("nobody.example.org", T.secret);
    world.sims[0].faults().on("end").set(Fault::Internal).await;
    for (client, call, query, status, key) in [
        (third, "getMeetings", "", 200, "checksumError"),
        (third, "create", "name=Room&meetingID=m1", 200, "checksumError"),
        (third, "join", "fullName=A&meetingID=m1", 200, "checksumError"),
        (third, "getRecordings", "", 200, "checksumError"),
        (third, "getRecordingTextTracks", "recordID=x", 200, "checksumError"),
        (T, "getRecordingTextTracks", "", 200, "missingParamRecordID"),
        (T, "publishRecordings", "recordID=x&publish=true", 200, "notFound"),
        (T, "getMeetingInfo", "", 200, "missingParamMeetingID"),
        (T, "getMeetingInfo", "meetingID=nope", 200, "notFound"),
        (T, "end", "meetingID=nope", 200, "notFound"),
        (T, "end", "meetingID=m1", 500, "internalError"),
        (T, "join", "fullName=A&meetingID=nope", 200, "invalidMeetingIdentifier"),
        (T, "insertDocument", "meetingID=m1", 200, "unsupportedRequest"),
        (T, "getDefaultConfigXML", "", 200, "unsupportedRequest"),
        (T, "sendChatMessage", "meetingID=nope&message=x", 200, "meetingNotFound"),
        (nobody, "getMeetings", "", 200, "tenantNotFound"),
    ] {
        assert_json(&ask(&world, client, call, query, JSON).await, status, key);
        let axios = "application/json, text/plain, */*";
        assert_json(&ask(&world, client, call, query, axios).await, status, key);
        let accepts = ["*/*", "application/xml", "application/json;q=0.4, */*;q=0.5", BROWSER];
        // A browser that joins reads a page.
        for accept in accepts.into_iter().filter(|accept| call != "join" || *accept != BROWSER) {
            ask(&world, client, call, query, accept).await.assert_failed(status, key);
        }
    }
    let by_format = ask(&world, T, "end", "meetingID=nope&format=json", "*/*").await;
    assert_json(&by_format, 200, "notFound");
    ask(&world, T, "end", "meetingID=nope&format=xml", JSON).await.assert_failed(200, "notFound");
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_an_instance_is_shown_as_the_instance_would_show_it() {
    let world = plan(1).start().await;
    let create = "name=Room&meetingID=m1&attendeePW=ap&moderatorPW=mp";
    T.call(&world, "create", create).await.assert_success();
    let again = "name=Room&meetingID=m1&attendeePW=xx&moderatorPW=yy";
    for (call, query, key) in [
        ("create", again, "idNotUnique"),
        ("end", "meetingID=m1&password=wrong", "invalidPassword"),
        ("sendChatMessage", "meetingID=m1", "validationError"),
    ] {
        let xml = ask(&world, T, call, query, "*/*").await;
        xml.assert_failed(200, key);
        let json = ask(&world, T, call, query, JSON).await;
        assert_json(&json, 200, key);
        assert_eq!(json.json()["response"]["message"], xml.value("message"));
    }
    // Successes are XML in every case, and so are the failures of join.
    for (call, query) in [("getMeetingInfo", "meetingID=m1"), ("getMeetings", "")] {
        ask(&world, T, call, query, JSON).await.assert_success();
    }
    let join = "fullName=A&meetingID=m1&redirect=false";
    let reply = ask(&world, T, "join", join, JSON).await;
    assert!(reply.body.contains("<returncode>FAILED</returncode>"), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_balancer_itself_limits_is_json_too() {
    let mut document = T.document();
    document.spec.meeting_pool = Some(1);
    let world = plan(1).tenant(document).start().await;
    T.create(&world, "m1").await.assert_success();
    let full = ask(&world, T, "create", "name=Room&meetingID=m2", JSON).await;
    assert_json(&full, 200, "meetingPoolReached");
    world.sims[0].faults().set(Fault::Refuse).await;
    tokio::time::sleep(std::time::Duration::from_secs(25)).await;
    let none = ask(&world, T, "create", "name=Room&meetingID=m1", JSON).await;
    assert_json(&none, 200, "noInstanceFound");
    let request = T.request(Method::POST, &T.path("create", "name=Room&meetingID=m3"));
    let request = request
        .header(header::ACCEPT, JSON)
        .header(header::CONTENT_TYPE, "application/xml")
        .header(header::CONTENT_LENGTH, "99999999999")
        .extension(ConnectInfo::<std::net::SocketAddr>(([127, 0, 0, 1], 1).into()));
    let large = world.send(request.body(Body::from("x")).expect("a request")).await;
    assert_json(&large, StatusCode::PAYLOAD_TOO_LARGE.as_u16(), "tooLarge");
}
