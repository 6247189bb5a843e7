//! Where load figures come from.

pub mod embedded;
mod figure;
pub mod influx;

pub use figure::Figure;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::embedded::EmbeddedLoads;
use self::influx::{Database, Influx};
use crate::config::{Balancer, Config, CpuMetric, LoadsConfig};
use crate::domain::load::LoadSnapshot;
use crate::outside::clock::Clock;

/// No reading takes longer, however rarely one is made.
const LONGEST_READING: Duration = Duration::from_secs(8);

/// Why a reading failed; names no token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("load source: {0}")]
pub struct LoadError(pub String);

/// What a reading looks at, and how long it may take: as it is configured at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// So far back measurements count.
    pub range: Duration,
    pub cpu: CpuMetric,
    pub within: Duration,
}

impl View {
    pub fn of(balancer: &Balancer) -> Self {
        let Balancer { metrics_range: range, cpu_metric: cpu, poll_interval, .. } = *balancer;
        Self { range, cpu, within: give_up_after(poll_interval) }
    }
}

/// A source of load figures: InfluxDB, or what agents pushed to us.
#[async_trait]
pub trait LoadSource: Send + Sync + 'static {
    /// Reads all figures anew. Changes nothing, so it can be repeated at any time.
    async fn read(&self, view: View) -> Result<LoadSnapshot, LoadError>;
    /// Completes when there are figures that the next reading shall not be waited for: the first of an instance. Never
    /// where nobody tells.
    async fn news(&self) {
        std::future::pending().await
    }
}

/// Opens the configured source; with the embedded one, also what the ingest writes to.
pub fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn LoadSource>, Option<EmbeddedLoads>), LoadError> {
    match &config.loads {
        LoadsConfig::Embedded => {
            let loads = EmbeddedLoads::start(View::of(&config.balancer), clock);
            Ok((Arc::new(loads.clone()), Some(loads)))
        }
        LoadsConfig::Influx { address, token, organization, bucket } => {
            let database = Database {
                address: address.clone(),
                token: token.clone(),
                organization: organization.clone(),
                bucket: bucket.clone(),
            };
            Ok((Arc::new(Influx::new(database, clock)?), None))
        }
    }
}

/// How long one reading may take when readings are this far apart: always less than that.
fn give_up_after(interval: Duration) -> Duration {
    interval.mul_f64(0.8).min(LONGEST_READING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(interval_ms: u64, expected_ms: u64) {
        let expected = Duration::from_millis(expected_ms);
        assert_eq!(give_up_after(Duration::from_millis(interval_ms)), expected);
    }

    #[test]
    fn a_reading_ends_before_the_next_is_due() {
        check(1_000, 800);
        check(10_000, 8_000);
        check(60_000, 8_000);
    }
}
