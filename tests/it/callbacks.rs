//! Stories R10 and R11: what instances call for reaches the tenant's own server.

mod admin;
mod fair;
mod queue;
mod ready;
mod refused;
mod replicas;
mod targets;

use std::time::Duration;

use axum::body::Body;
use bigblueswarm::bbb::jwt::{self, Claims, Hash};
use bigblueswarm::bbb::query;
use bigblueswarm::domain::delivery::Slip;
use bigblueswarm::outside::store::queue::{Page, Pile};
use bigblueswarm::outside::targets::Call;
use bigblueswarm::sim::client::query_of;
use http::{Method, Request, StatusCode};
use tokio::time::{Instant, sleep};

use crate::inward::{BASE, Inward};
use crate::targets::ScriptedTargets;
use crate::world::{Client, Plan, Reply, T, U, World, plan};

const SECOND: Duration = Duration::from_secs(1);

/// A world whose instances call us back.
fn with_callbacks(instances: usize) -> Plan {
    plan(instances).config(|c| c.callbacks.base_url = Some(format!("{BASE}/")))
}

async fn started(plan: Plan) -> World {
    let world = plan.start().await;
    Inward::of(&[&world]).from(&world.sims);
    world
}

/// A create with every callback, to the client's own server.
fn creation(client: Client, meeting: &str) -> String {
    let at = |path: &str| format!("https://{}/{path}", client.host);
    query_of(&[
        ("name", "Algebra"),
        ("meetingID", meeting),
        ("record", "true"),
        ("meta_endCallbackUrl", &at("end?key=a&b='c'")),
        ("meetingEndedURL", &at("ended?key=a%20b")),
        ("meta_bbb-recording-ready-url", &at("ready?x=1")),
        ("meta_analytics-callback-url", &at("figures")),
    ])
}

async fn create(client: Client, world: &World, meeting: &str) {
    client.call(world, "create", &creation(client, meeting)).await.assert_success();
}

/// What the client's own server got at this path.
fn got(targets: &ScriptedTargets, client: Client, path: &str) -> Vec<Call> {
    targets.calls_of(&format!("https://{}/{path}", client.host))
}

/// The URL of ours that an instance has for a meeting, by the name that metadata gives it.
async fn ours(world: &World, server: usize, meeting: &str, name: &str) -> String {
    let meeting = world.sims[server - 1].meeting(meeting).await.expect("a meeting");
    let url = match name {
        "ended" => Some(meeting.ended_url.clone()),
        _ => meeting.metadata.iter().find(|(known, _)| known == name).map(|(_, url)| url.clone()),
    };
    url.and_then(|url| url.strip_prefix(BASE).map(Into::into)).expect("a URL of ours")
}

/// An instance's call, posted by hand.
async fn called(
    world: &World,
    method: Method,
    path: &str,
    bearer: &str,
    body: String,
) -> StatusCode {
    let request = Request::builder().method(method).uri(path).header("host", "lb.example.org");
    let request = request.header("authorization", format!("Bearer {bearer}"));
    world.send(request.body(Body::from(body)).expect("a request")).await.status
}

async fn visited(world: &World, path: &str) -> StatusCode {
    called(world, Method::GET, path, "", String::new()).await
}

fn claims(pairs: &[(&str, &str)]) -> Claims {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

/// The form of a recording-ready callback.
fn ready(claims: &Claims, secret: &str) -> String {
    let token = jwt::sign(Hash::Hs256, claims, secret).expect("a token");
    format!("signed_parameters={token}")
}

async fn pile(world: &World, pile: Pile) -> Page {
    world.swarm.world.actors.callbacks.list(pile, 0, 100).await.expect("a page")
}

async fn errors(world: &World) -> Vec<String> {
    let page = pile(world, Pile::Dead).await;
    let read = |slip: &[u8]| serde_json::from_slice::<Slip>(slip).expect("a slip").error;
    page.parcels.iter().filter_map(|parcel| read(&parcel.slip)).collect()
}

async fn listed(world: &World, call: &str) -> Reply {
    T.call(world, call, "").await
}

#[tokio::test(start_paused = true)]
async fn r10_every_callback_is_verified_signed_anew_and_delivered_once() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    create(T, &world, "room").await;
    T.join(&world, "room").await;
    let joined = world.sims[0].meeting("room").await.expect("a meeting");
    T.end(&world, "room").await.assert_success();
    sleep(20 * SECOND).await;
    for (path, times) in [("end?", 1), ("ended", 1), ("ready", 1), ("figures", 1), ("", 4)] {
        assert_eq!(got(&world.targets, T, path).len(), times, "{path}");
    }
    let end = &got(&world.targets, T, "end?")[0];
    assert_eq!(end.method, Method::GET);
    let appended = "recordingmarks=true&meetingID=room";
    assert_eq!(end.url, format!("https://t.example.org/end?key=a&b='c'&{appended}"));
    let ended = &got(&world.targets, T, "ended")[0];
    assert_eq!(
        (ended.method.as_str(), &*ended.url),
        ("GET", "https://t.example.org/ended?key=a%20b")
    );

    let ready = &got(&world.targets, T, "ready")[0];
    let form = String::from_utf8_lossy(&ready.body).into_owned();
    let token = query::value(&form, "signed_parameters").expect("a form");
    let said = jwt::verify(Hash::Hs256, &token, T.secret, 0).expect("signed with T's secret");
    let expected = [("meeting_id", "room"), ("record_id", joined.internal_id.as_str())];
    assert_eq!(said, claims(&expected));

    let figures = &got(&world.targets, T, "figures")[0];
    assert_eq!(figures.headers["user-agent"], "BigBlueButton Analytics Callback");
    let bearer = figures.headers["authorization"].to_str().expect("text").replace("Bearer ", "");
    let said = jwt::verify(Hash::Hs512, &bearer, T.secret, 0).expect("signed with T's secret");
    assert!(said["exp"].is_u64(), "{said:?}");
    let body = String::from_utf8_lossy(&figures.body);
    assert!(body.contains("https://t.example.org/figures") && !body.contains(BASE), "{body}");
    for sim in &world.sims {
        assert!(sim.outcomes().await.iter().all(|outcome| outcome.arrived));
    }
}

#[tokio::test(start_paused = true)]
async fn r10_the_client_sees_its_own_urls_and_the_instance_ours() {
    let world = started(with_callbacks(2)).await;
    let longer = format!("{}&meta_endCallbackUrl2=x", creation(T, "room"));
    T.call(&world, "create", &longer).await.assert_success();
    create(U, &world, "other").await;
    for name in ["endcallbackurl", "bbb-recording-ready-url", "analytics-callback-url", "ended"] {
        ours(&world, 1, "room", name).await;
    }
    for reply in [T.info(&world, "room").await, listed(&world, "getMeetings").await] {
        reply.assert_success();
        let own =
            "<endcallbackurl>https://t.example.org/end?key=a&amp;b=&apos;c&apos;</endcallbackurl>";
        assert!(reply.body.contains(own), "{}", reply.body);
        assert!(reply.body.contains("https://t.example.org/figures<"), "{}", reply.body);
        assert!(!reply.body.contains(BASE), "{}", reply.body);
        assert!(!reply.body.contains("u.example.org"), "{}", reply.body);
    }
    // A token of another tenant's tells nobody what is in it.
    let theirs = format!("{BASE}{}", ours(&world, 1, "room", "endcallbackurl").await);
    let stolen = query_of(&[("name", "Thief"), ("meetingID", "thief"), ("meta_copy", &theirs)]);
    U.call(&world, "create", &stolen).await.assert_success();
    let info = U.info(&world, "thief").await;
    assert!(
        info.body.contains(&theirs) && !info.body.contains("t.example.org/end"),
        "{}",
        info.body
    );
}

#[tokio::test(start_paused = true)]
async fn r10_recordings_show_the_clients_urls_and_are_known_at_once() {
    let world = started(with_callbacks(2)).await;
    create(T, &world, "room").await;
    T.join(&world, "room").await;
    let id = world.sims[0].meeting("room").await.expect("a meeting").internal_id;
    T.end(&world, "room").await.assert_success();
    sleep(10 * SECOND).await;
    let known = world.swarm.world.actors.recordings.find(vec![id.clone()]).await.expect("places");
    assert!(known.contains_key(&id), "long before the next poll");
    let reply = listed(&world, "getRecordings").await;
    let own = "<bbb-recording-ready-url>https://t.example.org/ready?x=1</bbb-recording-ready-url>";
    assert!(reply.body.contains(own) && !reply.body.contains(BASE), "{}", reply.body);
}

#[tokio::test(start_paused = true)]
async fn r10_the_meetings_usage_is_down_at_once() {
    let mut document = T.document();
    document.spec.meeting_pool = Some(1);
    // Without a URL of the client's own too.
    let world = started(with_callbacks(1).tenant(document)).await;
    T.create(&world, "one").await.assert_success();
    T.create(&world, "two").await.assert_failed(200, "meetingPoolReached");
    // It ends by itself, as nobody ever joined.
    let began = Instant::now();
    while world.sims[0].meeting("one").await.is_some() {
        assert!(began.elapsed() < 400 * SECOND);
        sleep(SECOND / 50).await;
    }
    sleep(SECOND / 10).await;
    T.create(&world, "two").await.assert_success();
    sleep(30 * SECOND).await;
    assert_eq!(world.targets.calls().len(), 0, "nobody wanted to be told");
}

#[tokio::test(start_paused = true)]
async fn r10_nothing_is_rewritten_without_a_base_url() {
    let world = plan(1).start().await;
    create(T, &world, "room").await;
    let meeting = world.sims[0].meeting("room").await.expect("a meeting");
    assert_eq!(meeting.ended_url, "https://t.example.org/ended?key=a%20b");
    assert!(T.info(&world, "room").await.body.contains("https://t.example.org/figures"));
}

#[tokio::test(start_paused = true)]
async fn r10_callbacks_of_two_tenants_go_to_their_own_servers() {
    let world = started(with_callbacks(2)).await;
    create(T, &world, "room").await;
    create(U, &world, "room").await;
    for client in [T, U] {
        client.join(&world, "room").await;
    }
    U.end(&world, "room").await.assert_success();
    sleep(20 * SECOND).await;
    assert_eq!((got(&world.targets, T, "").len(), got(&world.targets, U, "").len()), (0, 4));
    T.info(&world, "room").await.assert_success();
    let ready = String::from_utf8_lossy(&got(&world.targets, U, "ready")[0].body).into_owned();
    let token = query::value(&ready, "signed_parameters").expect("a form");
    assert!(jwt::verify(Hash::Hs256, &token, U.secret, 0).is_ok());
    assert!(jwt::verify(Hash::Hs256, &token, T.secret, 0).is_err());
}
