//! What operators should see to.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Admin;
use super::body::json;
use crate::flows::notices::notices;

#[derive(Serialize)]
struct NoticeList {
    kind: &'static str,
    notices: Vec<crate::domain::notice::Notice>,
}

/// `GET notices`
pub(super) async fn list(State(admin): State<Admin>) -> Response {
    json(&NoticeList { kind: "NoticeList", notices: notices(&admin.world).await })
}

/// The body of an answer to a post that was done, and leaves something to see to.
#[derive(Serialize)]
pub(super) struct Warnings {
    pub(super) warnings: Vec<String>,
}
