//! Where instances call us back. No tenant's host is asked for: the URL itself says whose call it is.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::timeout;

use crate::bbb::callback::{Kind, PATH};
use crate::flows::World;
use crate::flows::callbacks::{Called, Taken, take};

/// From the head of a call to the end of its body.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The route of callbacks. Events of webhooks have one of their own.
pub(super) fn routes(world: World) -> Router {
    let path = [PATH, "{kind}/{token}"].concat();
    Router::new().route(&path, any(receive)).with_state(world)
}

async fn receive(
    State(world): State<World>,
    Path((kind, token)): Path<(String, String)>,
    request: Request<Body>,
) -> StatusCode {
    let Some(kind) = Kind::named(&kind).filter(|kind| *kind != Kind::Hook) else {
        return StatusCode::NOT_FOUND;
    };
    let (parts, body) = request.into_parts();
    let wanted = match kind {
        Kind::End | Kind::Ended => Method::GET,
        _ => Method::POST,
    };
    if parts.method != wanted {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    let body = match wanted {
        Method::GET => Bytes::new(),
        _ => match timeout(BODY_WITHIN, to_bytes(body, world.config.callbacks.body_bytes)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
            Err(_) => return StatusCode::REQUEST_TIMEOUT,
        },
    };
    let (query, bearer) = (parts.uri.query(), bearer(&parts.headers));
    match take(&world, Called { kind, token: &token, query, bearer, body }).await {
        Taken::Accepted => StatusCode::OK,
        Taken::Unsigned => StatusCode::UNAUTHORIZED,
        Taken::Gone => StatusCode::GONE,
        Taken::Unreadable => StatusCode::BAD_REQUEST,
        Taken::Later => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = sent.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
