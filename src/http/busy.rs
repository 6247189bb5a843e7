//! BBB's error form for what the door itself refuses, before any call is known.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, header};

use super::refusal::failure;
use super::wanted::Wanted;

/// Who asks, for when the door has to answer: kept while the request itself is on its way.
pub struct Asker {
    target: Option<PathAndQuery>,
    accept: Option<HeaderValue>,
}

impl Asker {
    pub fn of(parts: &Parts) -> Self {
        Self {
            target: parts.uri.path_and_query().cloned(),
            accept: parts.headers.get(header::ACCEPT).cloned(),
        }
    }

    /// A refusal in BBB's words, in the form that this asker wants.
    pub fn refuse(&self, status: StatusCode, key: &'static str, message: &'static str) -> Response {
        let query = self.target.as_ref().and_then(PathAndQuery::query);
        let wanted = Wanted::of(&self.accept, query);
        (status, failure(key, message, wanted)).into_response()
    }
}
