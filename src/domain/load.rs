//! What was measured of the instances, and how old it is.

use std::collections::HashMap;

use super::instance::InstanceId;
use super::moment::Moment;
use super::tenant::TenantId;

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
