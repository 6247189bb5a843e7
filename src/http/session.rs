//! Calls that carry a session: they belong to an instance, and are answered as BBB answers a session it does not know.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, header};

use super::form::Form;
use super::refusal::{JSON, XML};
use crate::bbb::query;
use crate::bbb::session::{SessionAnswer, SessionCall};
use crate::domain::tenant::Tenant;
use crate::flows::refusal::Refusal;

const TOKEN: &str = "sessionToken";

/// Answers a session call to this tenant.
pub(super) async fn answer(
    call: SessionCall,
    tenant: &Tenant,
    parts: &Parts,
    kind: &str,
    body: Body,
) -> Result<Response, Refusal> {
    if !matches!(parts.method, Method::GET | Method::HEAD | Method::POST) {
        return Err(Refusal::Unsupported);
    }
    let form = match Form::of(kind).filter(|_| parts.method == Method::POST) {
        Some(form) => form.text(parts, body).await?,
        None => String::new(),
    };
    let sent = [parts.uri.query().unwrap_or_default(), &form];
    let token = sent.into_iter().find_map(|text| query::value(text, TOKEN));
    let home = format!("https://{}", tenant.host);
    Ok(render(call.answer(token.as_ref().map(Cow::as_ref), &home)))
}

fn render(answer: SessionAnswer) -> Response {
    let fields = |kind| [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    match answer {
        SessionAnswer::Json(body) => (fields(JSON), body).into_response(),
        SessionAnswer::Xml(body) => (fields(XML), body).into_response(),
        SessionAnswer::Gone(body) => (StatusCode::NOT_FOUND, fields(JSON), body).into_response(),
    }
}
