//! Stories about sessions: who is in which meeting, and the calls that belong to the instance of a session.

use axum::body::Body;
use bigblueswarm::sim::{Crowd, Fault};
use http::{Method, StatusCode, header};
use serde_json::json;
use std::time::Duration;

use crate::world::{Client, Reply, T, U, World, plan};

async fn enter(world: &World, client: Client, meeting: &str, name: &str) {
    let query = format!("fullName={name}&meetingID={meeting}&role=VIEWER&redirect=false");
    client.call(world, "join", &query).await.assert_success();
    world.browsers_arrive().await;
}

fn names(reply: &Reply) -> Vec<&str> {
    let parts = reply.assert_success().body.split("<userName>").skip(1);
    let mut names: Vec<_> = parts.filter_map(|part| Some(part.split_once('<')?.0)).collect();
    names.sort_unstable();
    names
}

#[tokio::test(start_paused = true)]
async fn get_sessions_lists_who_is_in_the_tenants_own_meetings_on_all_instances() {
    let world = plan(2).start().await;
    let none = T.call(&world, "getSessions", "").await;
    assert_eq!(none.assert_success().key(), "noSessions");
    assert_eq!(none.value("message"), "no sessions were found on this serverr");
    assert!(none.body.contains("<sessions/>"), "{none:?}");
    // One id of two tenants, on two instances; and one more.
    for client in [T, U] {
        client.create(&world, "same").await.assert_success();
        client.create(&world, "own").await.assert_success();
    }
    enter(&world, T, "same", "Ada").await;
    enter(&world, T, "own", "Bo").await;
    enter(&world, U, "same", "Cy").await;
    enter(&world, U, "own", "Dee").await;
    let (ours, theirs) =
        (T.call(&world, "getSessions", "").await, U.call(&world, "getSessions", "").await);
    assert_eq!(names(&ours), ["Ada", "Bo"]);
    assert_eq!(names(&theirs), ["Cy", "Dee"]);
    let home = world.homes("own").await[0];
    let meeting = world.sims[home - 1].meeting("own").await.expect("a meeting");
    let expected = format!(
        "<meeting>\n<meetingID>{}</meetingID>\n<meetingName>Room</meetingName>\n",
        meeting.internal_id
    );
    assert!([&ours, &theirs].iter().any(|list| list.body.contains(&expected)), "{ours:?}");
    let wrong = Client { secret: U.secret, ..T };
    wrong.call(&world, "getSessions", "").await.assert_failed(200, "checksumError");
}

#[tokio::test(start_paused = true)]
async fn sessions_of_an_instance_that_fails_are_not_known_in_time() {
    let world = plan(2).start().await;
    T.create(&world, "a1").await.assert_success();
    world.loads.say(
        std::iter::once((crate::world::id(&world.sims[1]), crate::world::load(1.0, 1.0))).collect(),
    );
    world.refreshed().await;
    T.create(&world, "b1").await.assert_success();
    assert_eq!((world.homes("a1").await, world.homes("b1").await), (vec![1], vec![2]));
    enter(&world, T, "a1", "Ada").await;
    enter(&world, T, "b1", "Bo").await;
    for fault in [Fault::Hang, Fault::Internal, Fault::Garbage, Fault::ChecksumError] {
        world.sims[1].faults().on("getSessions").set(fault).await;
        let began = tokio::time::Instant::now();
        T.call(&world, "getSessions", "").await.assert_failed(500, "internalError");
        // Who has no meeting there misses nothing.
        U.call(&world, "getSessions", "").await.assert_success();
        assert!(began.elapsed() < Duration::from_secs(9));
        world.sims[1].faults().clear().await;
    }
    let crowd = Crowd { users: 3, over: Duration::ZERO, stay: Duration::from_secs(60) };
    assert!(world.sims[1].send_crowd("b1", crowd).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(names(&T.call(&world, "getSessions", "").await).len(), 5);
}

async fn with_session(world: &World, method: Method, path: &str, body: &str) -> Reply {
    let request = T.request(method, &format!("/bigbluebutton/api/{path}"));
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    world.send(request.body(Body::from(body.to_owned())).expect("a request")).await
}

#[tokio::test(start_paused = true)]
async fn a_session_call_is_answered_as_bbb_answers_a_session_it_does_not_know() {
    let world = plan(1).start().await;
    let failed = |message: &str| json!({"response": {"returncode": "FAILED", "message": message}});
    let (unknown, missing) =
        (failed("Invalid session token"), failed("You must provide a session token"));
    for call in ["getJoinUrl", "learningDashboard"] {
        let get = async |path: &str| with_session(&world, Method::GET, path, "").await.json();
        assert_eq!(get(&format!("{call}?sessionToken=abc&replaceSession=true")).await, unknown);
        assert_eq!(get(&format!("{call}?sessionToken=")).await, missing);
        assert_eq!(get(call).await, missing);
        let head = with_session(&world, Method::HEAD, call, "").await;
        let kind = head.kind.as_deref();
        assert_eq!((head.status.as_u16(), kind), (200, Some("application/json;charset=utf-8")));
        let posted = with_session(&world, Method::POST, call, "sessionToken=abc").await;
        assert_eq!((posted.status, posted.json()), (StatusCode::OK, unknown.clone()));
    }
    let stuns = with_session(&world, Method::GET, "stuns?sessionToken=abc", "").await;
    let expected = json!({"returncode": "FAILED", "message": "Could not find conference.",
        "logoutURL": "https://t.example.org"});
    assert_eq!((stuns.status, stuns.json()), (StatusCode::OK, expected));
    for method in [Method::GET, Method::POST] {
        let out = with_session(&world, method, "signOut?sessionToken=abc", "").await;
        assert_eq!(out.body, "<response><returncode>SUCCESS</returncode></response>");
        assert_eq!(out.kind.as_deref(), Some("text/xml;charset=utf-8"));
    }
    for call in ["getJoinUrl", "signOut"] {
        let put = with_session(&world, Method::PUT, call, "").await;
        put.assert_failed(200, "unsupportedRequest");
    }
    for call in ["getJoinUrl", "stuns", "signOut", "enter"] {
        let path = format!("/bigbluebutton/api/{call}?sessionToken=abc");
        let nobody = Client::of("nobody.example.org", "").request(Method::GET, &path);
        let reply = world.send(nobody.body(Body::empty()).expect("a request")).await;
        reply.assert_failed(200, "tenantNotFound");
    }
    assert_eq!(world.asked("getJoinUrl").await + world.asked("signOut").await, 0);
}

#[tokio::test(start_paused = true)]
async fn calls_that_bbb_3_has_no_more_are_answered_as_unknown() {
    let world = plan(1).start().await;
    for call in ["enter", "guestWait", "feedback"] {
        for method in [Method::GET, Method::POST] {
            let reply = with_session(&world, method, &format!("{call}?sessionToken=abc"), "").await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND);
            assert_eq!(reply.json()["response"]["messageKey"], "unsupportedRequest");
        }
    }
    for call in ["getDefaultConfigXML", "setConfigXML", "configXML"] {
        let reply = T.call(&world, call, "meetingID=m1&configXML=%3Cconfig%2F%3E").await;
        reply.assert_failed(200, "unsupportedRequest");
        let posted = with_session(&world, Method::POST, call, "configXML=x").await;
        posted.assert_failed(200, "unsupportedRequest");
    }
}
