//! Where load figures come from.

use async_trait::async_trait;

use crate::domain::load::LoadSnapshot;

/// Why a reading failed; names no token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("load source: {0}")]
pub struct LoadError(pub String);

/// A source of load figures: InfluxDB, or what agents pushed to us.
#[async_trait]
pub trait LoadSource: Send + Sync + 'static {
    /// Reads all figures anew. Takes no input and changes nothing, so it can be repeated at any time.
    async fn read(&self) -> Result<LoadSnapshot, LoadError>;
}
