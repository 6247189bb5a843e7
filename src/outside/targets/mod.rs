//! Calling tenants' servers: anywhere on the public internet, nowhere else unless it is allowed.

pub mod http; // with reqwest
mod names; // DNS, without the addresses that may not be reached

use ::http::{HeaderMap, Method, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;

pub use self::names::{Lookup, SystemLookup};

/// A call of a tenant's server.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// As it is sent; never shown, as there may be secrets in it.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a tenant's server gave no answer. The words hold no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Such a target is not called, now or later.
    #[error("{0}")]
    Refused(&'static str),
    /// It may go better later.
    #[error("{0}")]
    Failed(String),
}

/// Calls tenants' servers. No redirect is followed, and of the answer only its status counts.
#[async_trait]
pub trait Targets: Send + Sync + 'static {
    /// The status of the answer, within the time for one attempt.
    async fn send(&self, call: Call) -> Result<StatusCode, TargetError>;
}
