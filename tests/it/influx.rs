//! Stories about reading from InfluxDB: a small server gives the answers that a real one gave.
//!
//! `influxdb-2.7-balancer.json` holds the balancer's own questions, word for word, with the answers of
//! InfluxDB 2.7.12; a question that changes finds no answer here until it was asked there again.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bigblueswarm::config::{Config, CpuMetric, LoadsConfig};
use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::load::{Load, LoadSnapshot, TenantUsage};
use bigblueswarm::domain::moment::Moment;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::domain::tenant::TenantId;
use bigblueswarm::outside::clock::Clock;
use bigblueswarm::outside::loads::influx::{Database, Influx};
use bigblueswarm::outside::loads::{LoadError, LoadSource, View, open};
use futures_util::stream;
use serde_json::Value;

const TOKEN: &str = "the-right-token";

/// What the server does with a question.
#[derive(Clone)]
enum Answer {
    /// What was recorded for exactly this Flux, with this done to the text.
    Recorded(fn(&str) -> String),
    /// What was recorded for the same measurement and function, of another program's questions.
    Alike,
    Says(u16, String),
    Bytes(&'static [u8]),
    EchoesToken,
    Hangs,
    NeverEnds,
    HangsUp,
}

fn recorded(file: &str) -> Value {
    let path = format!("{}/tests/it/recorded/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn field<'a>(entries: &'a Value, key: &str, equals: &str, wanted: &str) -> Option<&'a str> {
    entries.as_array().unwrap().iter().find(|e| e[key] == equals)?[wanted].as_str()
}

async fn answer(
    State(how): State<Answer>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let flux = asked["query"].as_str().unwrap();
    assert_eq!(
        asked["dialect"]["annotations"],
        serde_json::json!(["datatype", "group", "default"])
    );
    let token = headers["authorization"].to_str().unwrap().to_owned();
    assert_eq!(token, format!("Token {TOKEN}"));
    match how {
        Answer::Recorded(change) => {
            let all = recorded("influxdb-2.7-balancer.json");
            change(field(&all["queries"], "flux", flux, "body").expect(flux)).into_response()
        }
        Answer::Alike => alike(flux).into_response(),
        Answer::Says(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Answer::Bytes(bytes) => Body::from(Bytes::from_static(bytes)).into_response(),
        Answer::EchoesToken => {
            (StatusCode::BAD_GATEWAY, format!("proxy refused {token}\n\n")).into_response()
        }
        Answer::Hangs => std::future::pending().await,
        Answer::NeverEnds => {
            let slow = |row: Bytes| async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Some((Ok::<_, std::io::Error>(row.clone()), row))
            };
            Body::from_stream(stream::unfold(Bytes::from(",,0,x,y\r\n".repeat(100)), slow))
                .into_response()
        }
        Answer::HangsUp => {
            let broken = std::io::Error::other("cable pulled");
            Body::from_stream(stream::iter([Ok("#datatype,string,long\r\n"), Err(broken)]))
                .into_response()
        }
    }
}

/// What was recorded for the same measurement and function.
pub(crate) fn alike(flux: &str) -> String {
    let what = match flux {
        f if f.contains("usage_system") && f.contains("mean()") => "mean of system cpu by instance",
        f if f.contains("used_percent") && f.contains("mean()") => {
            "mean of used memory by instance"
        }
        f if f.contains("=~") || f.contains("used_percent") => "no rows",
        f if f.contains("n_cpus") => "cores by instance",
        _ => "newest BBB figures by instance",
    };
    field(&recorded("influxdb-2.7.json"), "what", what, "body").unwrap().to_owned()
}

async fn serve(how: Answer) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes =
        axum::Router::new().route("/api/v2/query", axum::routing::post(answer)).with_state(how);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

struct At(Moment);
const NOW: Moment = Moment(Duration::from_secs(50_000));

impl Clock for At {
    fn now(&self) -> Moment {
        self.0
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn database(address: String) -> Database {
    Database {
        address,
        token: Secret::new(TOKEN),
        organization: "bigblueswarm".into(),
        bucket: "bucket".into(),
    }
}

fn influx(database: Database) -> Result<Influx, LoadError> {
    Influx::new(database, Arc::new(At(NOW)))
}

fn view(cpu: CpuMetric) -> View {
    View { range: Duration::from_secs(300), cpu, within: Duration::from_secs(2) }
}

async fn read(how: Answer, cpu: CpuMetric) -> Result<LoadSnapshot, LoadError> {
    influx(database(serve(how).await)).unwrap().read(view(cpu)).await
}

fn load(snapshot: &LoadSnapshot, n: u32) -> Load {
    snapshot.loads[&InstanceId::new(format!("http://bbb{n}.example.org/bigbluebutton"))].clone()
}

fn age(load: &Load) -> f64 {
    NOW.since(load.newest).as_secs_f64().round()
}

fn same(text: &str) -> String {
    text.to_owned()
}

#[tokio::test]
async fn a_reading_gives_means_newest_values_ages_and_tenants() {
    let snapshot = read(Answer::Recorded(same), CpuMetric::Total).await.unwrap();
    assert_eq!((snapshot.read_at, snapshot.loads.len()), (Some(NOW), 3));
    let third = load(&snapshot, 3);
    let expected = Load {
        cpu: Some(30.0),
        mem: Some(23.0),
        cores: Some(24.0),
        meetings: Some(3),
        participants: Some(30),
        online: Some(false),
        newest: third.newest,
    };
    assert_eq!((third.clone(), age(&third)), (expected, 20.0));
    let first = load(&snapshot, 1);
    assert_eq!((first.cpu, first.mem, first.cores), (Some(10.0), Some(21.0), Some(8.0)));
    assert_eq!((first.meetings, first.online, age(&first)), (Some(1), Some(true), 10.0));
    let usage = TenantUsage { meetings: 6, participants: 30 };
    let tenants = ["t.example.org", "u.example.org:8443"].map(|host| (TenantId::new(host), usage));
    assert_eq!(snapshot.tenants, tenants.into_iter().collect());
}

#[tokio::test]
async fn the_predecessors_processor_figure_can_be_chosen() {
    let snapshot = read(Answer::Recorded(same), CpuMetric::System).await.unwrap();
    assert_eq!([1, 2, 3].map(|n| load(&snapshot, n).cpu), [Some(6.0), Some(12.0), Some(18.0)]);
}

#[tokio::test]
async fn answers_in_other_shapes_are_read_too() {
    let snapshot = read(Answer::Alike, CpuMetric::System).await.unwrap();
    let second = load(&snapshot, 2);
    assert_eq!((second.cpu, second.mem, second.cores), (Some(12.0), Some(20.0), Some(8.0)));
    assert_eq!(
        (second.meetings, second.participants, second.online),
        (Some(0), Some(0), Some(true))
    );
    assert_eq!((age(&second), snapshot.tenants.len()), (1.0, 0));
}

#[tokio::test]
async fn a_database_whose_clock_is_a_year_ahead_gives_the_same_ages() {
    let ahead = |text: &str| text.replace("2026-11-", "2027-11-");
    let snapshot = read(Answer::Recorded(ahead), CpuMetric::Total).await.unwrap();
    assert_eq!([1, 2, 3].map(|n| age(&load(&snapshot, n))), [10.0, 10.0, 20.0]);
}

#[tokio::test]
async fn a_point_from_the_databases_future_counts_as_of_now() {
    let later = |text: &str| text.replace("Z,2026-11-23T16:53:31Z", "Z,2026-11-23T17:53:31Z");
    let snapshot = read(Answer::Recorded(later), CpuMetric::Total).await.unwrap();
    assert_eq!([1, 2, 3].map(|n| age(&load(&snapshot, n))), [0.0, 0.0, 20.0]);
}

#[tokio::test]
async fn values_that_can_not_be_count_as_not_measured() {
    let absurd = |text: &str| {
        let text = text.replace("bigbluebutton,90\r\n", "bigbluebutton,NaN\r\n");
        let text = text.replace("bigbluebutton,80\r\n", "bigbluebutton,-4000\r\n");
        let text = text.replace("bigbluebutton,22\r\n", "bigbluebutton,+Inf\r\n");
        let text = text.replace("Z,16,n_cpus", "Z,0,n_cpus").replace("Z,24,n_cpus", "Z,1e9,n_cpus");
        text.replace("Z,2,meetings", "Z,-2,meetings")
            .replace("bbb1.example.org/bigbluebutton,21", ",21")
    };
    let snapshot = read(Answer::Recorded(absurd), CpuMetric::Total).await.unwrap();
    let [first, second, third] = [1, 2, 3].map(|n| load(&snapshot, n));
    assert_eq!((first.cpu, first.mem, first.cores), (None, None, Some(8.0)));
    assert_eq!((second.cpu, second.mem, second.cores, second.meetings), (None, None, None, None));
    assert_eq!((third.cpu, third.mem, third.cores), (Some(30.0), Some(23.0), None));
}

#[tokio::test]
async fn no_rows_are_an_empty_reading_and_no_error() {
    let snapshot = read(Answer::Bytes(b"\r\n"), CpuMetric::Total).await.unwrap();
    assert_eq!((snapshot.read_at, snapshot.loads.len(), snapshot.tenants.len()), (Some(NOW), 0, 0));
}

#[track_caller]
fn check_error(result: Result<LoadSnapshot, LoadError>, part: &str) {
    let error = result.expect_err("an error").to_string();
    assert!(error.contains(part), "{error}");
    assert!(!error.contains(TOKEN) && !error.contains('\n') && error.len() < 400, "{error}");
}

#[tokio::test]
async fn what_the_database_says_is_in_the_error() {
    let all = recorded("influxdb-2.7.json");
    let errors = [
        ("wrong token", "influxdb answered 401: unauthorized access"),
        (
            "unknown bucket",
            "influxdb answered 404: failed to initialize execute state: could not find bucket \"nope\"",
        ),
        (
            "unknown organisation",
            "influxdb answered 400: failed to decode request body: organization name \"nope\" not found",
        ),
        (
            "syntax error",
            "influxdb answered 400: compilation failed: error @1:1-1:32: expected RPAREN, got EOF",
        ),
        (
            "a runtime error inside a stream",
            "influxdb answered 400: runtime error: cannot convert string \"x\" to float",
        ),
    ];
    for (what, part) in errors {
        let entry = all.as_array().unwrap().iter().find(|entry| entry["what"] == what).unwrap();
        let status = u16::try_from(entry["status"].as_u64().unwrap()).unwrap();
        let says = Answer::Says(status, entry["body"].as_str().unwrap().to_owned());
        check_error(read(says, CpuMetric::Total).await, part);
    }
}

#[tokio::test]
async fn whatever_else_an_answer_holds_is_an_error_too() {
    let cases: [(Answer, &str); 9] = [
        (Answer::Says(502, "<html>\nBad Gateway".repeat(100_000)), "influxdb answered 502: <html> Bad Gateway"),
        (Answer::EchoesToken, "influxdb answered 502: proxy refused Token ***"),
        (Answer::Says(200, "<html>hello, world</html>".into()), "influxdb's answer can't be read: annotations not found"),
        (Answer::Bytes(b"#datatype,string,double\r\n,a,_value\r\n,x,soon\r\n"), "influxdb gave an answer that can't be read"),
        (Answer::Bytes(b"\x80\x81\x00,\xff\r\n,\r\n"), "can't be read"),
        (Answer::Bytes(b"#datatype,string,time\r\n"), "unknown datatype: time"),
        (Answer::Bytes(b"#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,query terminated,897\r\n"), "query terminated,897"),
        (Answer::HangsUp, "influxdb"),
        (Answer::Bytes(b"#datatype,string\r\n,a,b,c,d\r\n"), "different number of columns"),
    ];
    for (answer, part) in cases {
        check_error(read(answer, CpuMetric::Total).await, part);
    }
}

#[tokio::test]
async fn a_database_that_hangs_or_never_ends_is_given_up() {
    for answer in [Answer::Hangs, Answer::NeverEnds] {
        let began = Instant::now();
        check_error(read(answer, CpuMetric::Total).await, "influxdb did not answer within 1.8s");
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gone = influx(database(address)).unwrap();
    check_error(gone.read(view(CpuMetric::Total)).await, "influxdb can't be reached");
}

#[tokio::test]
async fn names_that_can_not_be_used_are_refused_before_anything_is_asked() {
    let good = || database("http://127.0.0.1:8086/".into());
    assert!(influx(good()).is_ok());
    let address = |address: &str| Database { address: address.into(), ..good() };
    let token = |token: &str| Database { token: Secret::new(token), ..good() };
    let bad = [
        (address("influx:8086"), "influxdb.address must start with http:// or https://"),
        (address("/3242/23"), "influxdb.address is not a URL"),
        (address("http://user:pw@127.0.0.1"), "influxdb.address must not hold a user or password"),
        (address("http://127.0.0.1/influx"), "influxdb.address must end with its host and port"),
        (token(""), "influxdb.token must be"),
        (token("a\r\nX-Admin: 1"), "influxdb.token must be"),
        (Database { bucket: "a\n|> b".into(), ..good() }, "influxdb.bucket must be a name"),
        (
            Database { organization: String::new(), ..good() },
            "influxdb.organization must be a name",
        ),
    ];
    for (database, part) in bad {
        let error = influx(database).err().expect(part).to_string();
        assert!(
            error.contains(part) && !error.contains("pw") && !error.contains("X-Admin"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_configuration_opens_its_source() {
    let mut config = Config::with_secrets(Secret::new("s"), Secret::new("k"));
    let (source, ingest) = open(&config, Arc::new(At(NOW))).unwrap();
    assert!(
        ingest.is_some() && source.read(view(CpuMetric::Total)).await.unwrap().loads.is_empty()
    );
    let Database { address, token, organization, bucket } =
        database(serve(Answer::Recorded(same)).await);
    config.loads = LoadsConfig::Influx { address, token, organization, bucket };
    let (source, ingest) = open(&config, Arc::new(At(NOW))).unwrap();
    assert!(ingest.is_none());
    assert_eq!(source.read(view(CpuMetric::Total)).await.unwrap().loads.len(), 3);
    config.loads = LoadsConfig::Influx {
        address: "nowhere".into(),
        token: Secret::new(TOKEN),
        organization: "o".into(),
        bucket: "b".into(),
    };
    assert!(open(&config, Arc::new(At(NOW))).is_err());
}
