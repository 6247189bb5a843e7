//! Story X18: a form stays a form, what is too long for a URL becomes one, and what no server takes is said.

use std::sync::Arc;

use axum::body::Body;
use bigblueswarm::bbb::checksum::sign;
use bigblueswarm::bbb::lrs;
use bigblueswarm::bbb::query::{self, append};
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::Version;
use bigblueswarm::sim::{Recording, Seen, SimServer, SimSettings};
use http::{Method, header};

use crate::world::{Plan, Reply, T, World, plan};

/// The longest first line that servers take, in bytes.
const LINE: usize = 8 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";
const BASE: &str = "https://balancer.example.org";

/// One server of this version, and callbacks that come to us.
fn one(version: Version) -> Plan {
    let settings = SimSettings::new("http://s1.example.org", "secret-of-s1-0123456789");
    let settings = SimSettings { version, ..settings };
    let sim = SimServer::start(settings, Arc::new(RuntimeClock::start()));
    plan(1).servers(vec![sim]).config(|c| c.callbacks.base_url = Some(BASE.to_owned()))
}

/// The query of a create of so many bytes with two callbacks.
fn creation(meeting: &str, length: usize) -> String {
    let mut query = String::new();
    append(&mut query, "name", "Room 1");
    append(&mut query, "meetingID", meeting);
    append(&mut query, "meta_endCallbackUrl", "https://t.example.org/end?a=b");
    append(&mut query, "meta_bbb-recording-ready-url", "https://t.example.org/ready");
    append(&mut query, "meta_note", "");
    let rest = "w".repeat(length - query.len());
    query + &rest
}

async fn posted(world: &World, call: &str, parameters: &str) -> Reply {
    let checksum = sign(T.algorithm, call, parameters, T.secret);
    let form = format!("{parameters}&checksum={checksum}");
    let request = T.request(Method::POST, &format!("/bigbluebutton/api/{call}"));
    let request = request.header(header::CONTENT_TYPE, FORM);
    let request = request.header(header::CONTENT_LENGTH, form.len());
    world.send(request.body(Body::from(form)).expect("a request")).await
}

#[track_caller]
fn assert_form(seen: &Seen) {
    assert_eq!((&seen.method, seen.content_type.as_deref()), (&Method::POST, Some(FORM)));
    assert!(seen.path.len() + seen.query.len() < LINE / 4, "{}", seen.query.len());
}

#[tokio::test(start_paused = true)]
async fn x18_a_form_stays_a_form_and_reaches_servers_that_take_8_kb_in_a_line() {
    for version in Version::ALL {
        let world = one(version).start().await;
        for (meeting, length) in [("short", 300), ("long", 12 * 1024)] {
            let query = creation(meeting, length);
            let made = posted(&world, "create", &query).await;
            made.assert_success();
            assert_form(world.sims[0].requests_of("create").await.last().expect("a create"));
            let info = T.info(&world, meeting).await;
            assert_eq!(info.value("moderatorPW"), made.value("moderatorPW"));
            let note = query::value(&query, "meta_note").expect("a note");
            for sent in ["https://t.example.org/end?a=b", &note] {
                assert!(info.body.contains(&format!(">{sent}<")), "{}", info.body);
            }
            let again = posted(&world, "create", &query).await;
            assert_eq!(again.value("internalMeetingID"), made.value("internalMeetingID"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn x18_what_grows_beyond_7_kb_on_its_way_goes_as_a_form() {
    for version in Version::ALL {
        let world = one(version).start().await;
        let mut query = creation("m1", LINE - 250);
        append(&mut query, "meta_secret-lrs-payload", &lrs::seal("{}", T.secret, [7; 8]));
        T.call(&world, "create", &query).await.assert_success();
        T.call(&world, "create", &query).await.assert_success();
        let creates = world.sims[0].requests_of("create").await;
        assert_eq!(creates.len(), 2);
        creates.iter().for_each(assert_form);
        T.call(&world, "create", &creation("m2", 2_000)).await.assert_success();
        assert_eq!(world.sims[0].requests_of("create").await[2].method, Method::GET);

        let recording = Recording::new("m1", 10).of(T.host);
        let id = recording.record_id.clone();
        world.sims[0].add_recording(recording).await;
        let change = format!("recordID={id}&meta_note={}", "n".repeat(LINE));
        posted(&world, "updateRecordings", &change).await.assert_success();
        assert_form(world.sims[0].requests_of("updateRecordings").await.last().expect("a change"));
        let listed = T.call(&world, "getRecordings", &format!("recordID={id}")).await;
        assert!(listed.body.contains(&"n".repeat(LINE)), "{}", listed.body);
    }
}

#[tokio::test(start_paused = true)]
async fn x18_413_and_414_of_all_servers_are_the_requests_fault_and_said() {
    let settings = |n: usize| {
        let settings = SimSettings::new(&format!("http://s{n}.example.org"), "secret-of-sims-0123");
        SimSettings { most_body: 10_000, ..settings }
    };
    let sim = |n| SimServer::start(settings(n), Arc::new(RuntimeClock::start()));
    let world = plan(3).servers((1..=3).map(sim).collect()).start().await;
    let check = |heard: &Reply, status: &str| {
        heard.assert_failed(200, "requestTooLong");
        assert!(heard.value("message").contains(status), "{heard:?}");
    };
    check(&posted(&world, "create", &creation("m1", 12_000)).await, "413");
    assert!(world.store.all_routes().await.expect("routes").is_empty());
    // Documents are the body here, so the query can't be.
    let query = creation("m2", LINE);
    let checksum = sign(T.algorithm, "create", &query, T.secret);
    let path = format!("/bigbluebutton/api/create?{query}&checksum={checksum}");
    let request = T.request(Method::POST, &path).header(header::CONTENT_TYPE, "application/xml");
    let modules = "<modules/>";
    let request = request.header(header::CONTENT_LENGTH, modules.len());
    check(&world.send(request.body(Body::from(modules)).expect("a request")).await, "414");
    T.create(&world, "m3").await.assert_success();
}
