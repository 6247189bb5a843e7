//! Stories that the simulated BBB server is faithful.

mod callbacks;
mod checksum;
mod create;
mod failing;
mod faults;
mod figures;
mod golden;
mod hooks;
mod join;
mod life;
mod lookup;
mod recordings;
mod replay;
mod sessions;
mod versions;
mod ways;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::domain::moment::Moment;
use bigblueswarm::outside::clock::Clock;
use bigblueswarm::sim::client::Reply;
use bigblueswarm::sim::{Ask, SimServer, SimSettings};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::Instant;

const SECRET: &str = "639259d4-9dd8-4b25-bf01-95f9567eaf4b";
/// 1 January 2026, 00:00:00.123 UTC.
const NEW_YEAR_MS: u64 = 1_767_225_600_123;

/// The runtime's time, and a known time of day.
struct NewYear(Instant);

impl Clock for NewYear {
    fn now(&self) -> Moment {
        Moment(self.0.elapsed())
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(NEW_YEAR_MS) + self.0.elapsed()
    }
}

fn new_year() -> Arc<dyn Clock> {
    Arc::new(NewYear(Instant::now()))
}

fn settings() -> SimSettings {
    SimSettings::new("https://node1.example.org", SECRET)
}

fn server() -> SimServer {
    SimServer::start(settings(), new_year())
}

fn signed_target(call: &str, query: &str) -> String {
    format!("/bigbluebutton/api/{call}?{}", query::signed(query, call, SECRET, Algorithm::Sha256))
}

async fn send(server: &SimServer, ask: Ask) -> Reply {
    let reply = server.handle(ask).await.expect("connections are taken");
    let (parts, body) = reply.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("the whole body comes");
    Reply { status: parts.status, headers: parts.headers, body }
}

/// A signed GET.
async fn call(server: &SimServer, call: &str, query: &str) -> Reply {
    send(server, Ask::get(signed_target(call, query))).await
}

/// Joins, and the browser connects.
async fn enter(server: &SimServer, query: &str) -> Reply {
    let reply = call(server, "join", query).await;
    server.browsers_arrive().await;
    reply
}

/// A signed POST with a body.
async fn post(
    server: &SimServer,
    call: &str,
    query: &str,
    kind: &'static str,
    body: &'static str,
) -> Reply {
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert("content-type", HeaderValue::from_static(kind));
    }
    let (method, target) = (Method::POST, signed_target(call, query));
    send(server, Ask { method, target, headers, body: Bytes::from_static(body.as_bytes()) }).await
}

/// The key and message of an XML answer, in either shape.
fn words(reply: &Reply) -> (String, String) {
    (reply.key().unwrap_or_default(), reply.value("message").unwrap_or_default())
}

/// What a server sent by itself.
type Sent = std::sync::mpsc::Receiver<bigblueswarm::sim::Errand>;

/// Takes all that a server sends by itself, and answers with this status.
fn listen_to(server: &SimServer, status: u16) -> Sent {
    let (tell, told) = std::sync::mpsc::channel();
    server.calls_out(move |errand: &bigblueswarm::sim::Errand| {
        tell.send(errand.clone()).expect("the story listens");
        http::StatusCode::from_u16(status).ok()
    });
    told
}

fn has(reply: &Reply, name: &str, value: &str) {
    assert_eq!(reply.value(name).as_deref(), Some(value), "{name} in {}", reply.text());
}
