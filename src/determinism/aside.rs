//! Work that blocks.

use tokio::task::{JoinError, spawn_blocking};

use super::is_simulated;

/// Does the work beside the runtime's own threads, for it may take long. A simulation does it at once, as it would end
/// at another time in each run.
///
/// # Errors
/// The work panicked, or the runtime is going down.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if is_simulated() { Ok(work()) } else { spawn_blocking(work).await }
}
