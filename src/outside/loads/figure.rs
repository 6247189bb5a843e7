//! The figures that count, by the names under which Telegraf writes them.

use crate::config::CpuMetric;
use crate::domain::load::{self, Load};
use crate::domain::tenant::TenantId;

/// The tag that names the instance.
pub(super) const INSTANCE_TAG: &str = "bigblueswarm_host";
/// Before a tenant's host in the name of its measurement.
const TENANT_PREFIX: &str = "bigbluebutton:";

/// What one value says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Percent of all cores in the system's own work, as the predecessor read it.
    CpuSystem,
    /// Percent of all cores without work.
    CpuIdle,
    /// Percent of memory in use.
    Mem,
    Cores,
    Meetings,
    Participants,
    /// Whether the API answers the agent: 1 or 0.
    Online,
    TenantMeetings(TenantId),
    TenantParticipants(TenantId),
}

impl Figure {
    /// The figure of a field; nothing for all the others that agents send.
    pub(super) fn named(measurement: &str, field: &str) -> Option<Self> {
        match (measurement, field) {
            ("cpu", "usage_system") => Some(Self::CpuSystem),
            ("cpu", "usage_idle") => Some(Self::CpuIdle),
            ("mem", "used_percent") => Some(Self::Mem),
            ("system", "n_cpus") => Some(Self::Cores),
            ("bigbluebutton", "meetings") => Some(Self::Meetings),
            ("bigbluebutton", "participants") => Some(Self::Participants),
            ("bigbluebutton", "online") => Some(Self::Online),
            (other, "meetings") => tenant(other).map(Self::TenantMeetings),
            (other, "participants") => tenant(other).map(Self::TenantParticipants),
            _ => None,
        }
    }

    /// Puts a newest value into a load; means, tenants' figures and absurd values are left out.
    pub(super) fn put(&self, value: f64, load: &mut Load) {
        match self {
            Self::Cores => load.cores = load::cores(value),
            Self::Meetings => load.meetings = load::count(value),
            Self::Participants => load.participants = load::count(value),
            Self::Online => load.online = load::count(value).map(|online| online > 0),
            _ => {}
        }
    }
}

/// The tenant whose measurement this is.
pub(super) fn tenant(measurement: &str) -> Option<TenantId> {
    measurement.strip_prefix(TENANT_PREFIX).filter(|host| !host.is_empty()).map(TenantId::new)
}

/// The field that tells how busy the processor is.
pub(super) fn cpu_field(metric: CpuMetric) -> &'static str {
    match metric {
        CpuMetric::System => "usage_system",
        CpuMetric::Total => "usage_idle",
    }
}

/// How busy the processor is, by a value of [`cpu_field`]; nothing when it is absurd.
pub(super) fn busy(metric: CpuMetric, value: f64) -> Option<f64> {
    match metric {
        CpuMetric::System => load::percent(value),
        CpuMetric::Total => load::percent(100.0 - value),
    }
}
