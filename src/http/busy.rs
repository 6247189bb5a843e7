//! BBB's error form for what the door itself refuses, before any call is known.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::refusal::XML;
use crate::bbb::reply;

/// A refusal in BBB's words.
pub fn failed(status: StatusCode, key: &'static str, message: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, XML)], reply::failed(key, message)).into_response()
}
