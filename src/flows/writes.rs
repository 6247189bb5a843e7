//! Looking whether the store takes writes. `/readyz` says what it answers to questions; a full disk answers those as ever.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::World;

/// Between two checks, each of which writes one tiny record.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// Checks again and again, and says in the log when the answer has changed. Has no end.
pub async fn watch(world: World) {
    let mut failed = false;
    loop {
        let checked = world.store.check().await;
        metrics::gauge!("bigblueswarm_store_writable").set(f64::from(u8::from(checked.is_ok())));
        let before = std::mem::replace(&mut failed, checked.is_err());
        match checked {
            Err(error) if !before => warn!(%error, "the store takes no writes"),
            Ok(()) if before => info!("the store takes writes again"),
            _ => {}
        }
        sleep(CHECK_EVERY).await;
    }
}
