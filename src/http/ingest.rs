//! InfluxDB's write endpoint, as far as Telegraf's `outputs.influxdb_v2` uses it.
//!
//! The answers are those of InfluxDB 2.7, but for two things: any bucket and organisation will do, and
//! of a write with a bad line the good ones are kept. Telegraf throws such a write away as a whole.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{BoxError, Router};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use metrics::counter;
use serde::Serialize;
use tokio::time::timeout;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::decompression::RequestDecompressionLayer;

use crate::config::Limits;
use crate::determinism::aside;
use crate::domain::secret::Secret;
use crate::outside::clock::{Clock, RuntimeClock};
use crate::outside::loads::embedded::{Busy, EmbeddedLoads, Parsed, Precision, parse};

/// Writes at once; each may hold `limits.ingestBytes`. Agents try a refused one again.
const WRITES: usize = 16;
/// From the head of a write to the end of its body.
const BODY_WITHIN: Duration = Duration::from_secs(10);

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const BUILD: HeaderName = HeaderName::from_static("x-influxdb-build");
const VERSION: HeaderName = HeaderName::from_static("x-influxdb-version");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-platform-error-code");
const HEALTH: &str = concat!(
    r#"{"name":"influxdb", "message":"ready for queries and writes", "status":"pass", "#,
    r#""checks":[], "version": "dev", "commit": "none"}"#,
    "\n"
);

/// Gives the token that agents must send, as it is configured at that moment; without one all are refused.
pub type Token = Arc<dyn Fn() -> BoxFuture<'static, Option<Secret>> + Send + Sync>;

struct Ingest {
    loads: Option<EmbeddedLoads>,
    token: Token,
    most: usize,
    started: jiff::Timestamp,
    clock: RuntimeClock,
}

/// The routes that agents use. Without `loads` the figures come from a database, and writes belong there.
pub fn routes(loads: Option<EmbeddedLoads>, token: Token, limits: &Limits) -> Router {
    let clock = RuntimeClock::start();
    let started = jiff::Timestamp::try_from(clock.wall()).unwrap_or_default();
    let ingest = Arc::new(Ingest { loads, token, most: limits.ingest_bytes, started, clock });
    let admission = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_: BoxError| async { refuse(Refusal::Busy) }))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(WRITES))
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true));
    Router::new()
        .route("/api/v2/write", post(write).layer::<_, Infallible>(admission))
        .route("/ping", get(ping))
        .route("/api/v2/ping", get(ping))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .layer(axum::middleware::map_response(signed))
        .with_state(ingest)
}

async fn signed(mut response: Response) -> Response {
    response.headers_mut().insert(BUILD, HeaderValue::from_static("OSS"));
    response.headers_mut().insert(VERSION, HeaderValue::from_static("dev"));
    response
}

async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn health() -> impl IntoResponse {
    ([(CONTENT_TYPE, JSON)], HEALTH)
}

async fn ready(State(ingest): State<Arc<Ingest>>) -> impl IntoResponse {
    let (started, up) = (ingest.started, ingest.clock.now().0.as_secs_f64());
    let body = format!(
        "{{\n    \"status\": \"ready\",\n    \"started\": \"{started}\",\n    \"up\": \"{up}s\"\n}}\n"
    );
    ([(CONTENT_TYPE, JSON)], body)
}

async fn write(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    match take(&ingest, request).await {
        Ok(()) => {
            count("kept");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => refuse(refusal),
    }
}

fn refuse(refusal: Refusal) -> Response {
    count(refusal.name());
    refusal.into_response()
}

fn count(outcome: &'static str) {
    counter!("bigblueswarm_ingest_writes_total", "outcome" => outcome).increment(1);
}

/// Checks in InfluxDB's order, so that the first fault is the one that it would name.
async fn take(ingest: &Ingest, request: Request) -> Result<(), Refusal> {
    let loads = ingest.loads.as_ref().ok_or(Refusal::Elsewhere)?;
    let token = (ingest.token)().await.filter(|token| !token.is_empty());
    if !may_write(request.headers(), token.as_ref()) {
        return Err(Refusal::Unauthorized);
    }
    let precision = address(request.uri())?;
    let encoding = request.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.is_empty() && encoding != "identity") {
        return Err(Refusal::Encoding);
    }
    let text = timeout(BODY_WITHIN, collect(request.into_body(), ingest.most));
    let text = text.await.map_err(|_| Refusal::Late)??;
    // Megabytes of lines take a while, and a panic of the parser ends here.
    let parsed = aside(move || parse(&String::from_utf8_lossy(&text), precision)).await;
    let Parsed { points, faults } = parsed.map_err(|_| Refusal::Broken)?;
    loads.write(points).await.map_err(|Busy| Refusal::Busy)?;
    if faults.is_empty() { Ok(()) } else { Err(Refusal::BadLines(faults.to_string())) }
}

fn may_write(headers: &HeaderMap, token: Option<&Secret>) -> bool {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.split_once(' '));
    let sent = sent.filter(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer")
    });
    matches!((sent, token), (Some((_, sent)), Some(token)) if Secret::new(sent) == *token)
}

/// The precision of a write whose query names a bucket and an organisation.
fn address(uri: &Uri) -> Result<Precision, Refusal> {
    let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let query = query.map(|Query(pairs)| pairs).unwrap_or_default();
    let named = |name: &str| {
        let found = query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    };
    let precision = named("precision").map_or(Some(Precision::default()), Precision::named);
    let precision = precision.ok_or(Refusal::BadPrecision)?;
    named("bucket").ok_or(Refusal::NoBucket)?;
    named("org").or_else(|| named("orgID")).ok_or(Refusal::NoOrganisation)?;
    Ok(precision)
}

/// The body, unpacked already; its bound counts unpacked bytes.
async fn collect(body: Body, most: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::Unreadable),
    }
}

/// Why a write was not taken, or not as a whole.
#[derive(Debug)]
enum Refusal {
    Elsewhere,
    Unauthorized,
    BadPrecision,
    NoBucket,
    NoOrganisation,
    Encoding,
    TooLarge,
    Unreadable,
    Late,
    Busy,
    Broken,
    /// What is wrong with which lines; the others were kept.
    BadLines(String),
}

#[derive(Serialize)]
struct Told<'a> {
    code: &'a str,
    message: &'a str,
}

impl Refusal {
    fn name(&self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Unauthorized => "unauthorized",
            Self::BadPrecision | Self::NoBucket | Self::NoOrganisation | Self::Encoding => {
                "invalid"
            }
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Late => "late",
            Self::Busy => "busy",
            Self::Broken => "broken",
            Self::BadLines(_) => "bad_lines",
        }
    }

    fn words(&self) -> (StatusCode, &'static str, &str) {
        const INVALID: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "invalid");
        const ABSENT: (StatusCode, &str) = (StatusCode::NOT_FOUND, "not found");
        const TRY_AGAIN: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        let ((status, code), message) = match self {
            Self::Elsewhere => {
                (ABSENT, "metrics are read from the configured InfluxDB; write them there")
            }
            Self::Unauthorized => {
                ((StatusCode::UNAUTHORIZED, "unauthorized"), "unauthorized access")
            }
            Self::BadPrecision => {
                (INVALID, "invalid precision; valid precision units are ns, us, ms, and s")
            }
            Self::NoBucket => (ABSENT, "bucket not found"),
            Self::NoOrganisation => (INVALID, "Please provide either orgID or org"),
            Self::Encoding => (
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid"),
                "the only content encoding is gzip",
            ),
            Self::TooLarge => (
                (StatusCode::PAYLOAD_TOO_LARGE, "request too large"),
                "unable to read data: points batch is too large",
            ),
            Self::Unreadable => (INVALID, "unable to read data"),
            Self::Late => ((StatusCode::REQUEST_TIMEOUT, "invalid"), "unable to read data in time"),
            Self::Busy => (TRY_AGAIN, "too many writes at once"),
            Self::Broken => (
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
                "An internal error has occurred",
            ),
            Self::BadLines(lines) => (INVALID, lines.as_str()),
        };
        (status, code, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = self.words();
        let body = serde_json::to_string(&Told { code, message }).unwrap_or_default();
        let headers = [(CONTENT_TYPE, JSON), (ERROR_CODE, HeaderValue::from_static(code))];
        let mut response = (status, headers, body).into_response();
        if matches!(self, Self::Busy) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
