//! Instances over HTTP/1.1, on connections that are kept and used again.
//!
//! hyper's own client is used because it sends a target's bytes as they are; URL types of other clients
//! rewrite some of them (`'`), and what was signed no longer fits.

use std::error::Error as _;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use ::http::{Method, Request, Response, Uri};
use async_trait::async_trait;
use axum::body::Body;
use http_body::Body as _;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use metrics::counter;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until};

use super::awaited::Awaited;
use super::connector::{Answered, Connector, connector, public_trust};
use super::upload::{Slow, Turn, Upload, patience};
use super::{Incoming, Outgoing, SendError, Servers};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("bigblueswarm/", env!("CARGO_PKG_VERSION")));
/// Shorter than the 60 s and more after which web servers close idle connections.
const IDLE: Duration = Duration::from_secs(45);
const IDLE_PER_INSTANCE: usize = 128;
/// A kept connection keeps its buffer too, as large as the largest answer wanted it up to here.
const READ_BUFFER: usize = 64 * 1024;

/// Instances as they are reached over the network.
pub struct HttpServers {
    /// Keeps its connections for the next request.
    pooled: Client<Connector, Body>,
    /// Makes a connection for each request: for what can't be sent twice, and for second attempts.
    single: Client<Connector, Body>,
    connect: Duration,
    body_gap: Duration,
}

/// Why instances can't be reached at all.
#[derive(Debug, thiserror::Error)]
#[error("TLS can't be set up: {0}")]
pub struct TlsError(#[from] rustls::Error);

impl HttpServers {
    /// Connections are made within `connect`; between two parts of a body at most `body_gap` passes.
    /// Certificates are trusted as this system does.
    pub fn new(connect: Duration, body_gap: Duration) -> Result<Self, TlsError> {
        Ok(Self::with_tls(public_trust()?, connect, body_gap))
    }

    /// The same with other rules for TLS, which must not name protocols (ALPN).
    pub fn with_tls(tls: ClientConfig, connect: Duration, body_gap: Duration) -> Self {
        let connector = connector(tls, connect);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        builder.http1_max_buf_size(READ_BUFFER);
        let pooled = builder.pool_max_idle_per_host(IDLE_PER_INSTANCE).build(connector.clone());
        let single = builder.pool_max_idle_per_host(0).build(connector);
        Self { pooled, single, connect, body_gap }
    }

    /// Sends what has no body. A GET that an idle connection lost is sent once more on a new one, unless it must go
    /// out once.
    async fn ask(
        &self,
        head: &Head,
        within: Duration,
        once: bool,
    ) -> Result<Response<hyper::body::Incoming>, Lost> {
        let by = Instant::now() + within;
        let request = || {
            let request = head.request(Body::empty());
            // Connecting has a deadline of its own: only a shorter patience may end before it.
            if within > self.connect { (request, None) } else { captured(request) }
        };
        let patience = || async move {
            sleep_until(by).await;
            Slow::Instance
        };
        match exchange(&self.pooled, request(), patience()).await {
            Err(Lost { error: SendError::Unanswered(why), idle: true }) if once => {
                Err(Lost { error: SendError::Closed(why), idle: true })
            }
            Err(lost) if lost.idle && head.method == Method::GET => {
                counter!("bigblueswarm_servers_stale_connections_total").increment(1);
                let again = exchange(&self.single, request(), patience()).await;
                // The first attempt may have been seen, whatever became of the second.
                again.map_err(|lost| Lost { error: seen(lost.error), ..lost })
            }
            ended => ended,
        }
    }

    /// Sends what has a body, on a connection of its own.
    async fn upload(
        &self,
        head: &Head,
        body: Body,
        within: Duration,
    ) -> Result<Response<hyper::body::Incoming>, Lost> {
        let (upload, turns) = Upload::new(body);
        let patience = patience(turns.clone(), within, self.body_gap);
        let request = captured(head.request(Body::new(upload)));
        let ended = exchange(&self.single, request, patience).await;
        let broken = matches!(*turns.borrow(), Turn::Broken);
        ended.map_err(|lost| match broken {
            true => Lost { error: SendError::Request("its body failed".into()), ..lost },
            false => lost,
        })
    }
}

#[async_trait]
impl Servers for HttpServers {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError> {
        let Outgoing { instance, method, target, content_type, body, first_byte_within, once } =
            request;
        let head = Head { method, uri: uri(&instance.origin, &target)?, content_type };
        let ended = if body.is_end_stream() {
            self.ask(&head, first_byte_within, once).await
        } else {
            self.upload(&head, body, first_byte_within).await
        };
        let (parts, body) = ended.map_err(|lost| lost.error)?.into_parts();
        let body = match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(Awaited::new(body, self.body_gap)),
        };
        Ok(Incoming { status: parts.status, headers: parts.headers, body })
    }
}

/// All of a request but its body.
struct Head {
    method: Method,
    uri: Uri,
    content_type: Option<HeaderValue>,
}

impl Head {
    fn request(&self, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(USER_AGENT, AGENT);
        if let Some(content_type) = &self.content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type.clone());
        }
        request
    }
}

/// The URI of a target, if it holds nothing that would go out as other bytes.
fn uri(origin: &str, target: &str) -> Result<Uri, SendError> {
    let uri = Uri::try_from([origin, target].concat()).ok();
    uri.filter(|uri| uri.path_and_query().is_some_and(|sent| sent.as_str() == target))
        .ok_or_else(|| SendError::Request("its target is no URI".into()))
}

/// Why a request got no answer.
struct Lost {
    error: SendError,
    /// The connection had been used before and was closed without a word: an idle one, most likely.
    idle: bool,
}

/// A request, and whether it was given a connection where that is to be known.
type Captured = (Request<Body>, Option<CaptureConnection>);

fn captured(mut request: Request<Body>) -> Captured {
    let connection = capture_connection(&mut request);
    (request, Some(connection))
}

/// Sends a request and waits for the head of its answer, or until `patience` ends.
async fn exchange(
    client: &Client<Connector, Body>,
    (request, connection): Captured,
    patience: impl Future<Output = Slow>,
) -> Result<Response<hyper::body::Incoming>, Lost> {
    let ended = tokio::select! {
        biased;
        ended = client.request(request) => ended,
        slow = patience => return Err(Lost { error: late(slow, connection.as_ref()), idle: false }),
    };
    match ended {
        Ok(answer) => {
            answer.extensions().get().inspect(|answered: &&Answered| answered.set());
            Ok(answer)
        }
        Err(error) => {
            let before = error.connect_info().and_then(Answered::of).is_some_and(|a| a.is_set());
            Err(Lost { idle: before && is_close(&error), error: failed(&error) })
        }
    }
}

/// What it means that patience ended.
fn late(slow: Slow, connection: Option<&CaptureConnection>) -> SendError {
    match slow {
        Slow::Asker => SendError::Request("its body stopped arriving".into()),
        Slow::Instance if connection.is_some_and(|c| c.connection_metadata().is_none()) => {
            SendError::NotSent("not connected in time".into())
        }
        Slow::Instance => SendError::Unanswered("nothing came in time".into()),
    }
}

/// What it means that hyper's client failed.
fn failed(error: &Error) -> SendError {
    let unsent = error.is_connect() || cause(error).is_some_and(hyper::Error::is_canceled);
    if unsent { SendError::NotSent(words(error)) } else { SendError::Unanswered(words(error)) }
}

/// Whether a connection ended, rather than that something wrong came over it.
fn is_close(error: &Error) -> bool {
    !error.is_connect() && cause(error).is_some_and(|e| !e.is_parse() && !e.is_user())
}

fn cause(error: &Error) -> Option<&hyper::Error> {
    error.source()?.downcast_ref()
}

/// The same failure of a request that the instance may have seen before.
fn seen(error: SendError) -> SendError {
    match error {
        SendError::NotSent(why) => SendError::Unanswered(why),
        other => other,
    }
}

/// What the causes of an error say. None of them knows the request's target.
fn words(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    // Some causes repeat those behind them.
    words.dedup_by(|behind, cause| cause.contains(behind.as_str()));
    if words.is_empty() { error.to_string() } else { words.join(": ") }
}
