//! What is not known just now is said so, never as gone: silent servers, and refusals that clients understand.

mod joins;
mod moves;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bigblueswarm::domain::instance::Health;
use bigblueswarm::outside::servers::{Incoming, Outgoing, SendError, Servers};
use bigblueswarm::sim::{Fault, Recording, SimServers};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use tokio::time::{Instant, sleep};

use crate::world::{Client, Reply, T, U, World, id, plan};

/// What clients wait for at least.
const SOON: Duration = Duration::from_secs(4);

fn health(world: &World, n: usize) -> impl Fn(&bigblueswarm::domain::instance::Roster) -> bool {
    let instance = id(&world.sims[n]);
    move |roster| roster.get(&instance).is_some_and(|m| m.health == Health::Dead)
}

/// The meetings of T in its list.
async fn listed(world: &World) -> Vec<String> {
    let list = T.call(world, "getMeetings", "").await;
    let parts = list.assert_success().body.split("<meetingID>").skip(1);
    let mut ids: Vec<_> =
        parts.filter_map(|part| part.split('<').next()).map(str::to_owned).collect();
    ids.sort();
    ids
}

/// Two servers with T's meeting on the first and another on the second; both were swept.
async fn two() -> World {
    let world = plan(2).start().await;
    T.create(&world, "seminar").await.assert_success();
    assert_eq!(world.homes("seminar").await, [1]);
    let load = |cpu| crate::world::load(cpu, cpu);
    world.loads.say(
        [(id(&world.sims[0]), load(50.0)), (id(&world.sims[1]), load(1.0))].into_iter().collect(),
    );
    world.refreshed().await;
    T.create(&world, "tutorial").await.assert_success();
    assert_eq!(world.homes("tutorial").await, [2]);
    sleep(Duration::from_secs(12)).await;
    world
}

async fn assert_not_known(world: &World, meeting: &str) {
    let query = format!("meetingID={meeting}");
    for call in ["getMeetingInfo", "isMeetingRunning", "end"] {
        let began = Instant::now();
        T.call(world, call, &query).await.assert_failed(500, "internalError");
        assert!(began.elapsed() <= SOON, "{call}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn x9_meetings_of_an_instance_that_hangs_are_not_known_just_now_and_not_gone() {
    let world = two().await;
    world.sims[0].faults().set(Fault::Hang).await;
    // From the first moment on, suspect or dead, for as long as it hangs.
    for _ in 0..8 {
        assert_not_known(&world, "seminar").await;
        let began = Instant::now();
        assert_eq!(listed(&world).await, ["seminar", "tutorial"]);
        assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
        sleep(Duration::from_secs(1)).await;
    }
    world.until(health(&world, 0)).await;
    T.join(&world, "seminar").await.assert_failed(200, "meetingUnavailable");
    // A create goes elsewhere at once, and then that one counts.
    let began = Instant::now();
    assert_eq!(T.create(&world, "seminar").await.assert_success().key(), "");
    assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
    T.info(&world, "seminar").await.assert_success();
    assert_eq!(listed(&world).await, ["seminar", "tutorial"]);
    assert!(T.join(&world, "seminar").await.location.is_some_and(|to| to.contains("s2.")));
}

#[tokio::test(start_paused = true)]
async fn x9_an_instance_that_comes_back_has_lost_nothing() {
    let world = two().await;
    world.sims[0].faults().set(Fault::Hang).await;
    sleep(Duration::from_secs(25)).await;
    assert_not_known(&world, "seminar").await;
    world.sims[0].faults().clear().await;
    world.until(|roster| roster.members().iter().all(|m| m.health == Health::Up)).await;
    T.info(&world, "seminar").await.assert_success();
    assert!(T.join(&world, "seminar").await.location.is_some_and(|to| to.contains("s1.")));
    assert_eq!(world.homes("seminar").await, [1]);
}

#[tokio::test(start_paused = true)]
async fn x9_what_is_silent_for_longer_than_unknown_for_is_gone() {
    let world = two().await;
    world.sims[0].faults().set(Fault::Refuse).await;
    world.until(health(&world, 0)).await;
    sleep(Duration::from_secs(90)).await;
    assert_not_known(&world, "seminar").await;
    assert_eq!(listed(&world).await, ["seminar", "tutorial"]);
    sleep(Duration::from_secs(40)).await;
    T.info(&world, "seminar").await.assert_failed(200, "notFound");
    let running = T.call(&world, "isMeetingRunning", "meetingID=seminar").await;
    assert_eq!(running.assert_success().value("running"), "false");
    T.end(&world, "seminar").await.assert_failed(200, "notFound");
    T.join(&world, "seminar").await.assert_failed(200, "meetingUnavailable");
    assert_eq!(listed(&world).await, ["tutorial"]);
}

#[tokio::test(start_paused = true)]
async fn x9_after_a_restart_with_an_instance_that_hangs_nothing_is_gone_and_no_list_is_shorter() {
    let world = two().await;
    world.sims[0].faults().set(Fault::Hang).await;
    let again = plan(2).on(&world).with_what_is_stored().store(world.store.clone());
    let again = again.start_unready().await;
    sleep(Duration::from_secs(5)).await;
    for _ in 0..6 {
        assert_not_known(&again, "seminar").await;
        // A meeting without a route may live on the instance that says nothing.
        T.info(&again, "nowhere").await.assert_failed(500, "internalError");
        T.call(&again, "getMeetings", "").await.assert_failed(500, "internalError");
        sleep(Duration::from_secs(5)).await;
    }
    T.info(&again, "tutorial").await.assert_success();
    // A new meeting need not wait for it, and who has none there reads a whole list.
    T.create(&again, "lecture").await.assert_success();
    U.call(&again, "getMeetings", "").await.assert_success();
    sleep(Duration::from_secs(150)).await;
    T.info(&again, "nowhere").await.assert_failed(200, "notFound");
    assert_eq!(listed(&again).await, ["lecture", "tutorial"]);
}

#[tokio::test(start_paused = true)]
async fn x10_a_list_comes_within_four_seconds_with_what_a_hanging_instance_listed_last() {
    let world = plan(3).start().await;
    for n in 0..6 {
        T.create(&world, &format!("room-{n}")).await.assert_success();
    }
    sleep(Duration::from_secs(12)).await;
    let before = listed(&world).await;
    assert_eq!(before.len(), 6);
    for n in 0..3 {
        world.sims[n].faults().set(Fault::Hang).await;
        for _ in 0..10 {
            let began = Instant::now();
            assert_eq!(listed(&world).await, before);
            assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
            sleep(Duration::from_secs(2)).await;
        }
        world.sims[n].faults().clear().await;
        sleep(Duration::from_secs(25)).await;
    }
    // What was made after the instance was last heard is in no last list: then the list is not known.
    let home = {
        T.create(&world, "late").await.assert_success();
        world.homes("late").await[0]
    };
    world.sims[home - 1].faults().set(Fault::Hang).await;
    T.call(&world, "getMeetings", "").await.assert_failed(500, "internalError");
}

#[tokio::test(start_paused = true)]
async fn x14_what_is_certain_is_refused_with_http_200_and_with_v3_statuses_as_v3_did() {
    for (v3, forbidden, failed) in [(false, 200, 200), (true, 403, 500)] {
        let mut full = T.document();
        full.spec.meeting_pool = Some(1);
        let mut crowded = U.document();
        crowded.spec.user_pool = Some(1);
        let world = plan(1).config(|c| c.compat.v3_statuses = v3).tenant(full).tenant(crowded);
        let world = world.start().await;
        T.create(&world, "first").await.assert_success();
        T.create(&world, "room").await.assert_failed(forbidden, "meetingPoolReached");
        U.create(&world, "room").await.assert_success();
        assert_eq!(U.join(&world, "room").await.status, StatusCode::FOUND);
        U.join(&world, "room").await.assert_failed(forbidden, "userPoolReached");
        let nobody = Client::of("nobody.example.org", "secret-of-nobody-0123");
        for call in ["create", "join", "getMeetingInfo"] {
            let refused = nobody.call(&world, call, "name=Room&meetingID=room&fullName=A").await;
            refused.assert_failed(forbidden, "tenantNotFound");
        }
        world.sims[0].faults().set(Fault::Refuse).await;
        world.until(health(&world, 0)).await;
        U.create(&world, "other").await.assert_failed(failed, "noInstanceFound");
    }
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A join of U by a browser or a client of the API.
async fn join(world: &World, query: &str, accept: &str) -> Reply {
    let path = U.path("join", &format!("fullName=Ada&role=VIEWER{query}"));
    let request = U.request(Method::GET, &path).header(header::ACCEPT, accept);
    let request = request.header(header::ACCEPT_LANGUAGE, "fr");
    world.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test(start_paused = true)]
async fn x15_a_refused_join_goes_where_errors_go_else_browsers_read_a_page_and_clients_xml() {
    let mut crowded = U.document();
    crowded.spec.user_pool = Some(1);
    let world = plan(1).tenant(crowded).start().await;
    U.create(&world, "room").await.assert_success();
    assert_eq!(U.join(&world, "room").await.status, StatusCode::FOUND);
    for (meeting, key, says) in [
        ("room", "userPoolReached", "Toutes les places"),
        ("nowhere", "invalidMeetingIdentifier", "n’existe pas"),
    ] {
        let to_errors = "errorRedirectUrl=https%3A%2F%2Flms.example.org%2Foops%3Fcourse%3D7";
        let to_logout = "logoutURL=HTTP%3A%2F%2Flms.example.org%2Fbye%23top";
        for (targets, expected) in [
            (format!("&{to_errors}"), "https://lms.example.org/oops?course=7&errors=["),
            (format!("&{to_logout}"), "HTTP://lms.example.org/bye?errors=["),
            (format!("&{to_logout}&{to_errors}"), "https://lms.example.org/oops?course=7&errors=["),
            (
                format!("&errorRedirectUrl=ftp%3A%2F%2Fx&{to_logout}"),
                "HTTP://lms.example.org/bye?errors=[",
            ),
        ] {
            for accept in [BROWSER, "*/*"] {
                for redirect in ["", "&redirect=false", "&redirect=true"] {
                    let query = format!("&meetingID={meeting}{targets}{redirect}");
                    let refused = join(&world, &query, accept).await;
                    assert_eq!(refused.status, StatusCode::FOUND, "{refused:?}");
                    let to = refused.location.expect("a location");
                    assert!(to.starts_with(expected) && to.contains(key), "{to}");
                }
            }
        }
        for odd in
            ["", "&logoutURL=javascript%3Aalert(1)", "&errorRedirectUrl=%2Fhere", "&logoutURL="]
        {
            let query = format!("&meetingID={meeting}{odd}");
            join(&world, &query, "*/*").await.assert_failed(200, key);
            let page = join(&world, &query, BROWSER).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.body.contains("lang=\"fr\"") && page.body.contains(says), "{page:?}");
            assert!(!page.body.contains("refresh"), "nothing will change by itself");
        }
    }
    // Whoever has no right to call sends nobody anywhere.
    let stranger = Client { secret: "another-secret-0123456789", ..U };
    let query = "fullName=A&meetingID=nowhere&logoutURL=https%3A%2F%2Fevil.example.org";
    stranger.call(&world, "join", query).await.assert_failed(200, "checksumError");
}

/// A network on which what stands before the instances answers one call itself.
struct Before {
    servers: SimServers,
    call: &'static str,
    status: StatusCode,
    body: &'static str,
}

#[async_trait]
impl Servers for Before {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError> {
        if !request.target.contains(&format!("/{}?", self.call)) {
            return self.servers.send(request).await;
        }
        let mut headers = HeaderMap::new();
        let kind = if self.body.starts_with('{') { "application/json" } else { "application/xml" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Ok(Incoming { status: self.status, headers, body: Body::from(self.body) })
    }
}

/// The same server, behind something that answers one call itself.
async fn behind(calm: &World, call: &'static str, status: StatusCode, body: &'static str) -> World {
    let network = Before { servers: calm.servers.clone(), call, status, body };
    plan(1).on(calm).network(Arc::new(network)).start().await
}

#[tokio::test(start_paused = true)]
async fn an_error_page_that_comes_with_http_200_is_what_it_says() {
    let recording = Recording::new("room", 10).of(T.host);
    let tracks = format!("recordID={}", recording.record_id);
    let pages = [
        "<Map><timestamp>1796008510073</timestamp><status>404</status><error>Not Found</error><path>/bigbluebutton/api/x</path></Map>",
        r#"{"timestamp":1796008510073,"status":404,"error":"Not Found","path":"/bigbluebutton/api/x"}"#,
        r#"{"timestamp":1796008510073,"status":405,"error":"Method Not Allowed","path":"/bigbluebutton/api/x"}"#,
    ];
    for body in pages {
        for (call, query, status, key) in [
            ("sendChatMessage", "meetingID=room&message=hello", 200, "unsupportedRequest"),
            ("getRecordingTextTracks", &tracks, 200, "unsupportedRequest"),
            // All servers know these.
            ("getMeetingInfo", "meetingID=room", 500, "internalError"),
            ("end", "meetingID=room", 500, "internalError"),
        ] {
            let calm = plan(1).start().await;
            calm.sims[0].add_recording(recording.clone()).await;
            let world = behind(&calm, call, StatusCode::OK, body).await;
            T.create(&world, "room").await.assert_success();
            sleep(Duration::from_secs(2)).await;
            T.call(&world, call, query).await.assert_failed(status, key);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_instance_does_not_know_is_not_supported() {
    let world = plan(1).start().await;
    T.create(&world, "room").await.assert_success();
    let chat = "meetingID=room&message=hello";
    world.sims[0].faults().on("sendChatMessage").set(Fault::NotFoundPage).await;
    T.call(&world, "sendChatMessage", chat).await.assert_failed(200, "unsupportedRequest");
    // One that every server knows says that the server is not well.
    world.sims[0].faults().on("getMeetingInfo").set(Fault::NotFoundPage).await;
    T.info(&world, "room").await.assert_failed(500, "internalError");
}

#[tokio::test(start_paused = true)]
async fn x15_a_browser_waits_for_a_server_that_is_away_wherever_errors_go() {
    let world = plan(1).start().await;
    U.create(&world, "room").await.assert_success();
    world.sims[0].faults().set(Fault::Refuse).await;
    world.until(health(&world, 0)).await;
    let query = "&meetingID=room&errorRedirectUrl=https%3A%2F%2Flms.example.org%2Foops";
    let page = join(&world, query, BROWSER).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("http-equiv=\"refresh\""), "{page:?}");
    let refused = join(&world, query, "*/*").await;
    assert_eq!(refused.status, StatusCode::FOUND, "{refused:?}");
    assert!(refused.location.is_some_and(|to| to.contains("meetingUnavailable")));
}

#[tokio::test(start_paused = true)]
async fn x15_what_a_link_lacks_is_said_on_a_page_and_a_wrong_checksum_in_xml() {
    let world = plan(1).start().await;
    for (query, key, message) in [
        ("", "missingParamMeetingID", "You must provide a meeting ID"),
        ("&meetingID=", "validationError", "Meeting ID must be between 2 and 256 characters"),
    ] {
        join(&world, query, "*/*").await.assert_failed(200, key);
        let page = join(&world, query, BROWSER).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("lang=\"fr\"") && page.body.contains(message), "{page:?}");
        let query = format!("{query}&logoutURL=https%3A%2F%2Flms.example.org");
        for accept in [BROWSER, "*/*"] {
            let refused = join(&world, &query, accept).await;
            assert!(refused.location.is_some_and(|to| to.contains(key)));
        }
    }
    let unsigned = "/bigbluebutton/api/join?meetingID=a&logoutURL=https%3A%2F%2Flms.example.org";
    let unsigned = U.request(Method::GET, unsigned).header(header::ACCEPT, BROWSER);
    let refused = world.send(unsigned.body(Body::empty()).expect("a request")).await;
    refused.assert_failed(200, "checksumError");
}

#[tokio::test(start_paused = true)]
async fn a_slash_behind_the_call_and_a_dot_behind_the_host_change_nothing() {
    let world = plan(1).start().await;
    T.create(&world, "room").await.assert_success();
    let proxy = ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
    for (call, query) in [("getMeetings", ""), ("getMeetingInfo", "meetingID=room")] {
        for host in
            ["t.example.org", "t.example.org.", "T.example.org.", "t.example.org.:8443", "[::1]"]
        {
            let path = T.path(call, query).replacen(call, &format!("{call}/"), 1);
            let mut request = Request::builder().uri(path).header(header::HOST, host);
            if host == "[::1]" {
                request = request.header("x-forwarded-host", "T.Example.org.").extension(proxy);
            }
            world.send(request.body(Body::empty()).expect("a request")).await.assert_success();
        }
    }
}
