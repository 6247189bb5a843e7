//! Starts the actors in order, seats them, and restarts one that fails.

use super::meetings::MeetingsHandle;
use super::metrics::MetricsHandle;
use super::registry::RegistryHandle;
use super::settings::SettingsHandle;
use super::tenants::TenantsHandle;

/// Every actor as its callers see it. Made before any actor runs, valid for ever.
#[derive(Clone)]
pub struct Directory {
    pub settings: SettingsHandle,
    pub tenants: TenantsHandle,
    pub registry: RegistryHandle,
    pub metrics: MetricsHandle,
    pub meetings: MeetingsHandle,
}
