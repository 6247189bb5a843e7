//! Where instances post their events.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};

use crate::bbb::callback::{Kind, PATH};
use crate::flows::World;
use crate::flows::hooks::{Heard, Post, hear};

/// The route of events.
pub(super) fn routes(world: World) -> Router {
    let path = [PATH, Kind::Hook.name(), "/{token}"].concat();
    Router::new().route(&path, post(take)).with_state(world)
}

/// What is taken and what is refused needs not come again: 2xx and 401 count as delivered there.
async fn take(
    State(world): State<World>,
    Path(token): Path<String>,
    request: Request<Body>,
) -> StatusCode {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, world.config.callbacks.body_bytes).await else {
        return StatusCode::PAYLOAD_TOO_LARGE;
    };
    let query = parts.uri.query().unwrap_or_default();
    let bearer = bearer(&parts.headers);
    match hear(&world, Post { token: &token, query, bearer, body: &body }).await {
        Heard::Taken => StatusCode::OK,
        Heard::Unsigned => StatusCode::UNAUTHORIZED,
        Heard::Unknown => StatusCode::NOT_FOUND,
        Heard::Unreadable => StatusCode::BAD_REQUEST,
        Heard::Later => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = sent.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
