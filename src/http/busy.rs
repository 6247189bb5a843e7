//! BBB's error form for what the door itself refuses, before any call is known.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");

/// A refusal in BBB's words. `key` and `message` hold nothing that XML would need escaped.
pub fn failed(status: StatusCode, key: &'static str, message: &'static str) -> Response {
    let body = format!(
        "<response><returncode>FAILED</returncode><messageKey>{key}</messageKey><message>{message}</message></response>"
    );
    (status, [(header::CONTENT_TYPE, XML)], body).into_response()
}
