//! Calling the BBB servers.

mod awaited; // an answer's body, each part with a deadline
mod connector;
pub mod http;
mod upload;

pub(super) use self::connector::public_trust;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use async_trait::async_trait;
use axum::body::Body;

use crate::domain::instance::Instance;

/// One HTTP request to an instance.
pub struct Outgoing {
    pub instance: Arc<Instance>,
    pub method: Method,
    /// Path and query exactly as they go out, such as `/bigbluebutton/api/end?meetingID=x&checksum=…`.
    pub target: String,
    pub content_type: Option<HeaderValue>,
    pub body: Body,
    /// From the start of sending to the first byte of the answer, connecting included. While a body
    /// is being sent it starts again with each part of it.
    pub first_byte_within: Duration,
    /// It must not reach the instance twice: not even when a kept connection was closed without a word, as idle
    /// ones are.
    pub once: bool,
}

/// Shows the target's path only: its query holds a checksum, and may hold passwords.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        let shown = (&self.instance.id, &self.method, path);
        f.debug_tuple("Outgoing").field(&shown).finish_non_exhaustive()
    }
}

impl Outgoing {
    /// A GET of `call` with this query, which is signed already.
    pub fn get(instance: Arc<Instance>, call: &str, query: &str, within: Duration) -> Self {
        let question = if query.is_empty() { "" } else { "?" };
        let slash = if call.is_empty() { "" } else { "/" };
        let target = [&instance.api_path, slash, call, question, query].concat();
        Self {
            instance,
            method: Method::GET,
            target,
            content_type: None,
            body: Body::empty(),
            first_byte_within: within,
            once: false,
        }
    }
}

/// An instance's answer; the body is still arriving and each part of it is awaited with a deadline.
#[derive(Debug)]
pub struct Incoming {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

/// Why a call got no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// The instance can't have seen the request: no connection stood.
    #[error("no connection: {0}")]
    NotSent(String),
    /// A kept connection was closed without a word. Most likely it was idle, and the instance has seen nothing.
    #[error("no answer: {0}")]
    Closed(String),
    /// The instance may have seen the request, and may have done what it asks.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The request itself is at fault: its target is no URI, or its body failed or stopped arriving.
    /// Says nothing about the instance.
    #[error("request can't be sent: {0}")]
    Request(String),
}

/// The way to the BBB servers: HTTP in production, memory in stories.
#[async_trait]
pub trait Servers: Send + Sync + 'static {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError>;
}
