//! Calls a BBB API as a front end does: signed, with the query's bytes exactly as built.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::elements::Elements;
use crate::bbb::checksum::Algorithm;
use crate::bbb::query;
use crate::domain::secret::Secret;

/// The largest answer that is read.
const MOST_ANSWER: usize = 64 << 20;

/// Why a call had no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("the URL is none: {0}")]
    Url(String),
    #[error("no answer in time")]
    Late,
    #[error("no answer: {0}")]
    Broken(String),
}

/// Plain HTTP that sends a URL's bytes as they are and follows no redirect.
#[derive(Clone)]
pub struct Web {
    client: Client<HttpConnector, Full<Bytes>>,
    within: Duration,
}

impl Default for Web {
    fn default() -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        let client = client.pool_timer(TokioTimer::new()).build_http();
        Self { client, within: Duration::from_secs(15) }
    }
}

impl Web {
    /// The same with another deadline, from the start of a call to the end of its answer.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, CallError> {
        let request = Request::builder().method(method).uri(url).body(Full::new(body));
        let mut request = request.map_err(|e| CallError::Url(e.to_string()))?;
        *request.headers_mut() = headers;
        let answer = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|e| CallError::Broken(chain(&e)))?;
            let (parts, body) = answer.into_parts();
            let body = to_bytes(Body::new(body), MOST_ANSWER).await;
            let body = body.map_err(|e| CallError::Broken(chain(&e)))?;
            Ok(Reply { status: parts.status, headers: parts.headers, body })
        };
        timeout(self.within, answer).await.unwrap_or(Err(CallError::Late))
    }
}

/// An error with all its causes; the first alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// Whether BBB said SUCCESS.
    pub fn succeeded(&self) -> bool {
        self.value("returncode").is_some_and(|code| code == "SUCCESS")
    }

    /// The message key, in either of its two places.
    pub fn key(&self) -> Option<String> {
        self.value("messageKey").or_else(|| self.value("key"))
    }

    /// The text of the first element of this name.
    pub fn value(&self, name: &str) -> Option<String> {
        Elements::parse(&self.text()).first(name)
    }

    /// Every element of this name, as the names and texts of what is inside.
    pub fn records(&self, name: &str) -> Vec<HashMap<String, String>> {
        Elements::parse(&self.text()).records(name)
    }
}

/// A tenant's (or a balancer's) view of one API.
#[derive(Clone)]
pub struct BbbClient {
    web: Web,
    /// Up to and with `/api`.
    base: String,
    host: Option<HeaderValue>,
    secret: Secret,
    algorithm: Algorithm,
}

impl BbbClient {
    /// Calls the API below `url`, such as `http://127.0.0.1:8080/bigbluebutton`.
    pub fn new(url: &str, secret: &str) -> Self {
        let base = format!("{}/api", url.trim_end_matches('/'));
        let (web, secret) = (Web::default(), Secret::new(secret));
        Self { web, base, host: None, secret, algorithm: Algorithm::Sha256 }
    }

    /// The same in the name of a tenant, by path: `ORIGIN/t/TENANT/bigbluebutton/api`.
    pub fn at_tenant(origin: &str, tenant: &str, secret: &str) -> Self {
        Self::new(&format!("{}/t/{tenant}/bigbluebutton", origin.trim_end_matches('/')), secret)
    }

    /// The same with this `Host` header; a host that no header can carry is left out.
    pub fn host(self, host: &str) -> Self {
        Self { host: HeaderValue::from_str(host).ok(), ..self }
    }

    /// The same with another hash.
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The same, sharing these connections and this deadline.
    pub fn through(self, web: Web) -> Self {
        Self { web, ..self }
    }

    /// The signed URL of a call; `query` goes out as it is.
    pub fn url(&self, call: &str, query: &str) -> String {
        let signed = query::signed(query, call, self.secret.reveal(), self.algorithm);
        format!("{}/{call}?{signed}", self.base)
    }

    /// Calls by GET.
    pub async fn get(&self, call: &str, query: &str) -> Result<Reply, CallError> {
        self.visit(Method::GET, &self.url(call, query), None, Bytes::new()).await
    }

    /// Calls by POST with a body of this type.
    pub async fn post(
        &self,
        call: &str,
        query: &str,
        kind: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<Reply, CallError> {
        self.visit(Method::POST, &self.url(call, query), Some(kind), body.into()).await
    }

    /// Calls any URL with this client's `Host`.
    pub async fn visit(
        &self,
        method: Method,
        url: &str,
        kind: Option<&'static str>,
        body: Bytes,
    ) -> Result<Reply, CallError> {
        let mut headers = HeaderMap::new();
        headers.extend(self.host.clone().map(|host| (HOST, host)));
        headers.extend(kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind))));
        self.web.send(method, url, headers, body).await
    }
}

/// Builds a query, values escaped, in this order.
pub fn query_of(pairs: &[(&str, &str)]) -> String {
    let mut built = String::new();
    for (name, value) in pairs {
        query::append(&mut built, name, value);
    }
    built
}
