//! The configuration: shown, and read again.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::Admin;
use super::body::json;
use super::refusal::Refusal;

/// `GET configurations`
pub(super) async fn show(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let config = admin.world.actors.settings.current().await?;
    Ok(json(&(admin.show)(&config)))
}

#[derive(Serialize)]
struct Reloaded {
    /// A line for each key that changed.
    changed: Vec<String>,
}

/// `POST reload`
pub(super) async fn reload(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let changed = admin.world.actors.settings.reload().await?;
    let changed = changed.map_err(|why| Refusal(StatusCode::UNPROCESSABLE_ENTITY, why))?;
    Ok(json(&Reloaded { changed }))
}
