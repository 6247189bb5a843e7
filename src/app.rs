//! The program on one page: build, start, serve, drain.

use crate::config::{Config, ConfigSource, Environment};

/// Why serving ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What is configured can't be done here.
    #[error("{0}")]
    Configuration(String),
    /// Something needed is away, or held by another process.
    #[error("{0}")]
    Away(String),
    /// The fault is ours.
    #[error("{0}")]
    Fault(String),
}

/// Serves until a signal says otherwise.
pub async fn serve(_: Config, _: ConfigSource, _: Environment) -> Result<(), ServeError> {
    Err(ServeError::Fault("serving is not part of this build".into()))
}
