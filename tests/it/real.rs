//! Stories with services that are built first (`make test-services`).

mod consul;
mod influx;

use tokio::time::{Duration, Instant, sleep};

use crate::program::PATIENTLY;

/// Waits until something is so.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENTLY, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}
