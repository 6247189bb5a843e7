//! Stories about what Telegraf pushes to us, compared with what InfluxDB answered to the same.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bigblueswarm::config::{Config, CpuMetric, Limits};
use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::load::{Load, LoadSnapshot, TenantUsage};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::domain::tenant::TenantId;
use bigblueswarm::http::ingest::{Token, routes};
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::outside::loads::embedded::EmbeddedLoads;
use bigblueswarm::outside::loads::{LoadSource, View};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use serde_json::{Value, json};
use tower::ServiceExt;

const TOKEN: &str = "the-right-token";
const WRITE: &str = "/api/v2/write?org=bigblueswarm&bucket=bucket&precision=s";
const VIEW: View =
    View { range: Duration::from_secs(300), cpu: CpuMetric::Total, within: Duration::from_secs(8) };
const HOST: &str = "bigblueswarm_host=https://bbb1.example.org/bigbluebutton";

fn limits(ingest_bytes: usize) -> Limits {
    Limits { ingest_bytes, ..Config::with_secrets(Secret::new("s"), Secret::new("k")).limits }
}

fn always(token: Option<Secret>) -> Token {
    Arc::new(move || Box::pin(std::future::ready(token.clone())))
}

struct World {
    routes: Router,
    loads: EmbeddedLoads,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

fn world_of(ingest_bytes: usize) -> World {
    let clock = Arc::new(RuntimeClock::start());
    let loads = EmbeddedLoads::start(VIEW, clock);
    let token = always(Some(Secret::new(TOKEN)));
    World { routes: routes(Some(loads.clone()), token, &limits(ingest_bytes)), loads }
}

fn world() -> World {
    world_of(16 << 20)
}

async fn ask(routes: &Router, request: Request<Body>) -> Answer {
    let response = routes.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn request(path: &str, authorization: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header("authorization", authorization);
    request.body(body.into()).unwrap()
}

fn gzipped(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    request
}

fn pack(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

impl World {
    async fn write_at(&self, path: &str, body: impl Into<Body>) -> Answer {
        ask(&self.routes, request(path, &format!("Token {TOKEN}"), body)).await
    }

    async fn write(&self, body: impl Into<Body>) -> Answer {
        self.write_at(WRITE, body).await
    }

    async fn snapshot(&self) -> LoadSnapshot {
        self.loads.read(VIEW).await.unwrap()
    }

    async fn load(&self) -> Option<Load> {
        let id = InstanceId::new("https://bbb1.example.org/bigbluebutton");
        self.snapshot().await.loads.remove(&id)
    }
}

fn recorded(file: &str) -> Value {
    let path = format!("{}/tests/it/recorded/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Sends a recorded write again, with the token that its name tells of.
async fn replay(case: &Value) -> Answer {
    let what = case["what"].as_str().unwrap();
    let authorization = match what {
        w if w.contains("wrong token") => "Token wrong".to_owned(),
        w if w.contains("bearer") => format!("Bearer {TOKEN}"),
        w if w.contains("lower case") => format!("token {TOKEN}"),
        w if w.contains("no token") => String::new(),
        w if w.contains("basic") => "Basic eDp5".to_owned(),
        _ => format!("Token {TOKEN}"),
    };
    let body: Vec<u8> =
        case["write"].as_str().unwrap().chars().map(|c| u8::try_from(c).unwrap()).collect();
    let request = request(case["path"].as_str().unwrap(), &authorization, body);
    let request = if what.contains("gzip") { gzipped(request) } else { request };
    ask(&world().routes, request).await
}

fn check_as_recorded(case: &Value, answer: &Answer) {
    let what = &case["what"];
    assert_eq!(u64::from(answer.status.as_u16()), case["status"], "{what}");
    for (name, value) in case["headers"].as_object().unwrap() {
        if name != "content-length" {
            assert_eq!(
                answer.headers.get(name).map(|v| v.to_str().unwrap()),
                value.as_str(),
                "{what}"
            );
        }
    }
    assert_eq!(answer.body, case["body"].as_str().unwrap(), "{what}");
}

#[tokio::test]
async fn writes_are_answered_as_influxdb_answers_them() {
    let mut compared = 0;
    for case in recorded("influxdb-2.7.json").as_array().unwrap() {
        // Which buckets there are is not asked here.
        if case.get("write").is_some() && case["what"] != "write, unknown bucket" {
            check_as_recorded(case, &replay(case).await);
            compared += 1;
        }
    }
    for case in recorded("influxdb-2.7-balancer.json")["writes"].as_array().unwrap() {
        if case["what"] != "write, several bad lines" {
            check_as_recorded(case, &replay(case).await);
            compared += 1;
        }
    }
    assert_eq!(compared, 18);
}

#[tokio::test]
async fn every_bad_line_is_named_as_influxdb_names_it() {
    let all = recorded("influxdb-2.7-balancer.json");
    let mut cases = all["writes"].as_array().unwrap().iter();
    let case = cases.find(|case| case["what"] == "write, several bad lines").unwrap();
    let answer = replay(case).await;
    let lines = |body: &str| -> Vec<String> {
        let body: Value = serde_json::from_str(body).unwrap();
        let lines = body["message"].as_str().unwrap().lines();
        lines.map(|line| line.rsplit_once(": ").unwrap().0.to_owned()).collect()
    };
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(lines(&answer.body), lines(case["body"].as_str().unwrap()));
}

#[tokio::test]
async fn the_probes_are_answered_as_influxdb_answers_them() {
    let world = world();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    for case in recorded("influxdb-2.7.json").as_array().unwrap() {
        let what = case["what"].as_str().unwrap();
        if what == "/ping" || what == "/health" {
            check_as_recorded(case, &ask(&world.routes, get(what)).await);
        }
    }
    for (method, path) in
        [(Method::HEAD, "/ping"), (Method::GET, "/api/v2/ping"), (Method::HEAD, "/api/v2/ping")]
    {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = ask(&world.routes, request).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(answer.headers["x-influxdb-build"], "OSS");
    }
    let answer = ask(&world.routes, get("/ready")).await;
    let ready: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &ready["status"]), (StatusCode::OK, &json!("ready")));
    assert!(ready["started"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert!(ready["up"].as_str().unwrap().ends_with('s'));
}

#[tokio::test]
async fn what_telegraf_writes_is_read_as_loads() {
    let world = world();
    let text = format!(
        "cpu,{HOST},cpu=cpu-total,host=bbb1 usage_idle=91.5,usage_system=2 1795347039\n\
         cpu,{HOST},cpu=cpu0,host=bbb1 usage_idle=3 1795347039\n\
         mem,{HOST},host=bbb1 used_percent=20.5,total=8i 1795347039\n\
         system,{HOST},host=bbb1 n_cpus=8i 1795347039\n\
         bigbluebutton,{HOST},host=bbb1 meetings=3i,participants=40i,online=1i 1795347039\n\
         bigbluebutton:t.example.org,{HOST},host=bbb1 meetings=2i,participants=30i 1795347039\n"
    );
    let packed = gzipped(request(WRITE, &format!("Token {TOKEN}"), pack(text.as_bytes())));
    assert_eq!(ask(&world.routes, packed).await.status, StatusCode::NO_CONTENT);
    let load = world.load().await.unwrap();
    assert_eq!((load.cpu, load.mem, load.cores), (Some(8.5), Some(20.5), Some(8.0)));
    assert_eq!((load.meetings, load.participants, load.online), (Some(3), Some(40), Some(true)));
    let usage = TenantUsage { meetings: 2, participants: 30 };
    assert_eq!(
        world.snapshot().await.tenants,
        [(TenantId::new("t.example.org"), usage)].into_iter().collect()
    );
}

#[tokio::test]
async fn good_lines_beside_a_bad_one_are_kept() {
    let world = world();
    let answer = world
        .write(format!("mem,{HOST} used_percent=7\nbroken line here=\nsystem,{HOST} n_cpus=4i"))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let fault = json!({"code": "invalid", "message": "unable to parse 'broken line here=': invalid field format"});
    assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), fault);
    let load = world.load().await.unwrap();
    assert_eq!((load.mem, load.cores), (Some(7.0), Some(4.0)));
}

#[tokio::test]
async fn times_count_in_the_unit_of_their_write() {
    for (precision, second) in
        [("s", 1_i64), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000), ("", 1_000_000_000)]
    {
        let world = world();
        let at = |secs: i64| (1_795_347_039 - secs) * second;
        let text = format!(
            "mem,{HOST} used_percent=10 {}\nmem,{HOST} used_percent=30 {}\nmem,{HOST} used_percent=90 {}",
            at(0),
            at(299),
            at(301)
        );
        let path = format!("/api/v2/write?org=o&bucket=b&precision={precision}");
        assert_eq!(world.write_at(&path, text).await.status, StatusCode::NO_CONTENT);
        assert_eq!(world.load().await.unwrap().mem, Some(20.0), "{precision}");
    }
}

#[tokio::test]
async fn a_write_is_bounded_by_its_unpacked_size() {
    let world = world_of(1_000);
    let too_large = json!({"code": "request too large", "message": "unable to read data: points batch is too large"});
    for (size, status) in [(1_000, StatusCode::NO_CONTENT), (1_001, StatusCode::PAYLOAD_TOO_LARGE)]
    {
        let text = format!("#{}", "x".repeat(size - 1));
        let packed = gzipped(request(WRITE, &format!("Token {TOKEN}"), pack(text.as_bytes())));
        for answer in [world.write(text).await, ask(&world.routes, packed).await] {
            assert_eq!(answer.status, status);
            if status != StatusCode::NO_CONTENT {
                assert_eq!(answer.headers["x-platform-error-code"], "request too large");
                assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), too_large);
            }
        }
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_after_the_bound_and_not_unpacked() {
    let bomb = pack(&vec![b' '; 128 << 20]);
    assert!(bomb.len() < 1 << 20);
    let world = world();
    let began = std::time::Instant::now();
    let answer = ask(&world.routes, gzipped(request(WRITE, &format!("Token {TOKEN}"), bomb))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_body_that_is_not_what_its_head_says_is_refused() {
    let world = world();
    let token = format!("Token {TOKEN}");
    let not_packed = gzipped(request(WRITE, &token, "mem f=1"));
    assert_eq!(ask(&world.routes, not_packed).await.status, StatusCode::BAD_REQUEST);
    let mut cut = pack(format!("mem,{HOST} used_percent=1").as_bytes());
    cut.truncate(cut.len() - 12);
    assert_eq!(
        ask(&world.routes, gzipped(request(WRITE, &token, cut))).await.status,
        StatusCode::BAD_REQUEST
    );
    let mut other = request(WRITE, &token, "x");
    other.headers_mut().insert("content-encoding", "br".parse().unwrap());
    let answer = ask(&world.routes, other).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
    assert!(world.load().await.is_none());
}

#[tokio::test]
async fn ten_thousand_lines_are_one_write() {
    let world = world();
    let line = |n: usize| {
        format!("mem,bigblueswarm_host=https://bbb{}/b used_percent={} {n}", n % 500, n % 100)
    };
    let text: Vec<_> = (0..10_000).map(line).collect();
    assert_eq!(
        world.write_at(&WRITE.replace("=s", "=ns"), text.join("\n")).await.status,
        StatusCode::NO_CONTENT
    );
    let snapshot = world.snapshot().await;
    assert_eq!(snapshot.loads.len(), 500);
    assert_eq!(snapshot.loads[&InstanceId::new("https://bbb123/b")].mem, Some(23.0));
}

#[tokio::test]
async fn without_a_token_nobody_writes() {
    let loads = world().loads;
    for token in [None, Some(Secret::new(""))] {
        let routes = routes(Some(loads.clone()), always(token), &limits(1_000));
        for authorization in ["Token ", "Token", "", "Bearer ", "Token x"] {
            let answer = ask(&routes, request(WRITE, authorization, "m f=1")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            assert_eq!(answer.body, r#"{"code":"unauthorized","message":"unauthorized access"}"#);
        }
    }
}

#[tokio::test]
async fn with_a_database_configured_writes_are_sent_there() {
    let routes = routes(None, always(Some(Secret::new(TOKEN))), &limits(1_000));
    let answer = ask(&routes, request(WRITE, &format!("Token {TOKEN}"), "m f=1")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.headers["x-platform-error-code"], "not found");
    assert!(
        answer.body.contains("metrics are read from the configured InfluxDB"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn any_bucket_and_organisation_will_do() {
    let world = world();
    for path in
        ["/api/v2/write?bucket=x&org=y", "/api/v2/write?orgID=0123&bucket=%C3%A4%20b&precision=ms"]
    {
        assert_eq!(world.write_at(path, "m f=1").await.status, StatusCode::NO_CONTENT, "{path}");
    }
}

fn hanging() -> Body {
    let parts = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    Body::from_stream(parts)
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_given_up() {
    let world = world();
    let began = tokio::time::Instant::now();
    assert_eq!(world.write(hanging()).await.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn too_many_writes_at_once_are_told_to_come_again() {
    let world = Arc::new(world());
    for _ in 0..16 {
        let world = world.clone();
        tokio::spawn(async move { world.write(hanging()).await.status });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = world.write("m f=1").await;
    assert_eq!(
        (answer.status, &answer.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    assert_eq!(answer.headers["x-platform-error-code"], "unavailable");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.write("m f=1").await.status, StatusCode::NO_CONTENT);
}

/// Line protocol with something wrong in it, and plain garbage.
fn malformed() -> impl Strategy<Value = Vec<u8>> {
    let line = r#"(cpu|mem|bigbluebutton|bigbluebutton:t| )?,?(bigblueswarm_host=x|[a-z\\"= ,]{0,9})?[ ,]{0,2}[a-z_="\\,.0-9ieuE+-]{0,20} ?[0-9-]{0,20}"#;
    let lines = prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n").into_bytes());
    let flipped = (lines.clone(), any::<(usize, u8)>()).prop_map(|(mut text, (at, byte))| {
        if !text.is_empty() {
            let at = at % text.len();
            text[at] = byte;
        }
        text
    });
    prop_oneof![2 => lines, 2 => flipped, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

#[test]
fn malformed_bodies_are_refused_and_harm_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(async { world() });
    let runs = Runs { failure_persistence: None, ..Runs::with_cases(1_000) };
    let story = |(body, packed): (Vec<u8>, u8)| {
        let request = request(
            WRITE,
            &format!("Token {TOKEN}"),
            match packed {
                0 => pack(&body),
                _ => body,
            },
        );
        let request = if packed < 2 { gzipped(request) } else { request };
        let status = runtime.block_on(ask(&world.routes, request)).status;
        prop_assert!(
            status == StatusCode::NO_CONTENT || status == StatusCode::BAD_REQUEST,
            "{}",
            status
        );
        Ok(())
    };
    TestRunner::new(runs).run(&(malformed(), 0u8..8), story).unwrap();
    let text = format!("mem,{HOST} used_percent=50");
    assert_eq!(runtime.block_on(world.write(text)).status, StatusCode::NO_CONTENT);
    assert_eq!(runtime.block_on(world.load()).unwrap().mem, Some(50.0));
}
