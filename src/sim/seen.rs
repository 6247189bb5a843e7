//! What a server was asked, for assertions.

use std::collections::VecDeque;
use std::fmt;

use http::Method;
use http::header::{CONTENT_TYPE, HOST};
use sha2::{Digest, Sha256};

use super::machine::Ask;
use crate::bbb::query;

/// So many requests are remembered; older ones are forgotten first.
const MOST: usize = 50_000;

/// One request as it arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    /// The query's bytes as they came, without the `?`; empty when there was none.
    pub query: String,
    pub host: Option<String>,
    pub content_type: Option<String>,
    pub body_len: usize,
    /// SHA-256 of the body, in hexadecimal digits.
    pub body_sha256: String,
}

impl Seen {
    pub(super) fn of(ask: &Ask) -> Self {
        let header = |name| {
            ask.headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
        };
        Self {
            method: ask.method.clone(),
            path: ask.path().to_owned(),
            query: ask.query().to_owned(),
            host: header(HOST),
            content_type: header(CONTENT_TYPE),
            body_len: ask.body.len(),
            body_sha256: hex::encode(Sha256::digest(&ask.body)),
        }
    }

    /// The call's name: what stands behind `/api/`; empty for the root.
    pub fn call(&self) -> &str {
        super::machine::call_of(&self.path)
    }

    /// The first value of a parameter of the query, decoded.
    pub fn value(&self, name: &str) -> Option<String> {
        query::value(&self.query, name).map(|value| value.into_owned())
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("content_type", &self.content_type)
            .field("body_len", &self.body_len)
            .finish_non_exhaustive()
    }
}

/// The last requests, oldest first.
#[derive(Default)]
pub(super) struct Log(VecDeque<Seen>);

impl Log {
    pub(super) fn note(&mut self, seen: Seen) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(seen);
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.0.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
