//! JSON in and out, as the predecessor's framework did it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([(header::CONTENT_TYPE, JSON)], text).into_response(),
        Err(e) => Refusal(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

/// A request's JSON body, whatever its Content-Type says. A fault names the field.
pub(super) struct Posted<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Posted<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|e| Refusal(e.status(), e.body_text()))?;
        parse(&bytes).map(Self).map_err(Refusal::bad)
    }
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|fault| {
        let path = fault.path().to_string();
        let inner = fault.into_inner();
        if path == "." { inner.to_string() } else { format!("{path}: {inner}") }
    })?;
    json.end().map_err(|e| e.to_string())?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant::TenantDocument;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let fault = parse::<TenantDocument>(text.as_bytes()).unwrap_err();
        assert!(fault.starts_with(expected), "{fault}");
    }

    #[test]
    fn a_fault_names_its_field() {
        check("", "EOF while parsing");
        check("nonsense", "expected ident at line 1");
        check("{}", "missing field `kind`");
        check(r#"{"kind":"Tenant","spec":{"host":7}}"#, "spec.host: invalid type: integer");
        check(
            r#"{"kind":"Tenant","spec":{"meeting_pool":-1}}"#,
            "spec.meeting_pool: invalid value",
        );
        check(r#"{"kind":"Tenant","spec":{"hots":"a"}}"#, "spec.hots: unknown field `hots`");
        check(r#"{"kind":"Tenant","spec":{},"instances":["a",1]}"#, "instances[1]: invalid type");
        check(r#"{"kind":"Tenant","spec":{}} {}"#, "trailing characters");
    }
}
