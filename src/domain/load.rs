//! What was measured of the instances, and how old it is.

use super::instance::InstanceId;
use super::moment::Moment;
use super::tenant::TenantId;
use crate::determinism::HashMap;

/// One instance's figures. What was not measured is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Mean processor use over `metricsRange`, percent of all cores.
    pub cpu: Option<f64>,
    /// Mean memory use over `metricsRange`, percent.
    pub mem: Option<f64>,
    pub cores: Option<f64>,
    /// Newest figures of the BBB plugin.
    pub meetings: Option<u64>,
    pub participants: Option<u64>,
    /// What the agent beside the instance says of its API.
    pub online: Option<bool>,
    /// When the newest of these arrived: for the ingest its arrival here, for a database
    /// the read less the measurement's age by the database's own clock.
    pub newest: Moment,
}

impl Load {
    /// Takes `at` as the arrival of its newest figure, unless a newer one is known.
    pub fn heard(&mut self, at: Moment) {
        self.newest = self.newest.max(at);
    }
}

/// Reads a percentage; nothing when the value can be none. Agents round and subtract, so a little
/// outside of 0 to 100 counts as the bound.
pub fn percent(value: f64) -> Option<f64> {
    (-1.0..=101.0).contains(&value).then(|| value.clamp(0.0, 100.0))
}

/// Reads a number of cores; nothing when no machine has so many.
pub fn cores(value: f64) -> Option<f64> {
    (1.0..=4096.0).contains(&value).then_some(value)
}

/// Reads a number of meetings or participants; nothing when it can be none.
pub fn count(value: f64) -> Option<u64> {
    (0.0..=1_000_000.0).contains(&value).then_some(value as u64)
}

/// One tenant's figures, summed over all instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantUsage {
    pub meetings: u64,
    pub participants: u64,
}

/// All figures of one reading: a finished value, shared by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct LoadSnapshot {
    /// When this was read; `None` before the first reading.
    pub read_at: Option<Moment>,
    pub loads: HashMap<InstanceId, Load>,
    pub tenants: HashMap<TenantId, TenantUsage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, as_percent: Option<f64>, as_cores: Option<f64>, as_count: Option<u64>) {
        assert_eq!(
            (percent(value), cores(value), count(value)),
            (as_percent, as_cores, as_count),
            "{value}"
        );
    }

    #[test]
    fn absurd_figures_count_as_not_measured() {
        check(8.0, Some(8.0), Some(8.0), Some(8));
        check(0.0, Some(0.0), None, Some(0));
        check(-0.2, Some(0.0), None, None);
        check(100.4, Some(100.0), Some(100.4), Some(100));
        check(250.0, None, Some(250.0), Some(250));
        check(1e18, None, None, None);
        check(-5.0, None, None, None);
        check(f64::NAN, None, None, None);
        check(f64::INFINITY, None, None, None);
        check(f64::NEG_INFINITY, None, None, None);
    }
}
