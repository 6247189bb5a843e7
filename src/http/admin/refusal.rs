//! What an admin reads when something is refused: plain text, as the predecessor's.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::actors::registry::RegistryError;
use crate::actors::seat::AskError;
use crate::actors::tenants::{FindError, TenantError};

/// So long a call waits for what is read from the store at the start, and between two looks.
const READ_WITHIN: Duration = Duration::from_secs(4);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What `ask` gives once the store was read; while it was not, `ask` refuses.
pub(super) async fn once_read<T, F>(ask: impl Fn() -> F) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Refusal>>,
{
    let by = Instant::now() + READ_WITHIN;
    loop {
        match ask().await {
            Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, _)) if Instant::now() < by => {
                sleep(LOOK_AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

/// A status with a text, or with an empty body when there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) String);

impl Refusal {
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, text.into())
    }

    pub(super) fn away(text: impl Into<String>) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, text.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, text) = self;
        if status.is_server_error() {
            warn!(http.status = status.as_u16(), error = text, "admin call was not done");
        }
        if text.is_empty() { status.into_response() } else { (status, text).into_response() }
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        Self::away(error.to_string())
    }
}

impl From<FindError> for Refusal {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Unknown => Self::not_found(error.to_string()),
            FindError::NotLoaded => Self::away(error.to_string()),
        }
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        let text = error.to_string();
        match error {
            RegistryError::NotFound(_) => Self::not_found(text),
            RegistryError::StillListed(_) => Self(StatusCode::CONFLICT, text),
            RegistryError::BadUrl(_)
            | RegistryError::EmptySecret(_)
            | RegistryError::TwoSecrets(..) => Self::bad(text),
            RegistryError::Store(_) | RegistryError::Ask(_) => Self::away(text),
        }
    }
}

impl From<TenantError> for Refusal {
    fn from(error: TenantError) -> Self {
        let text = error.to_string();
        match error {
            TenantError::NotFound | TenantError::Unknown(_) => Self::not_found(text),
            TenantError::Exists(_) | TenantError::Taken { .. } | TenantError::OtherTag { .. } => {
                Self(StatusCode::CONFLICT, text)
            }
            TenantError::Store(_) | TenantError::Ask(_) => Self::away(text),
        }
    }
}

/// Answers a path that is no call.
pub(super) async fn unknown() -> Refusal {
    Refusal::not_found("no such call")
}
