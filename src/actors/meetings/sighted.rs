//! Meetings that a sweep saw and that have no route yet: theirs is being written, which takes a while where they are many.

use super::Sweep;
use super::reconcile::Found;
use crate::determinism::HashMap;
use crate::domain::instance::InstanceId;
use crate::domain::meeting::RouteKey;
use crate::domain::tenant::TenantId;

/// What sweeps saw without a route, as each instance's last one said.
#[derive(Debug, Default)]
pub(super) struct Sighted(HashMap<RouteKey, Vec<(TenantId, InstanceId)>>);

impl Sighted {
    /// A sweep saw these without a route, and no others.
    pub(super) fn saw(&mut self, sweep: &Sweep, found: &[Found]) {
        self.0.retain(|_, seen| {
            seen.retain(|(_, instance)| *instance != sweep.instance);
            !seen.is_empty()
        });
        for Found { key, tenant, .. } in found {
            self.0.entry(*key).or_default().push((tenant.clone(), sweep.instance.clone()));
        }
    }

    /// The store has answered about it: what it says counts from now on.
    pub(super) fn settled(&mut self, key: &RouteKey, tenant: &TenantId) {
        let Some(seen) = self.0.get_mut(key) else { return };
        seen.retain(|(of, _)| of != tenant);
        if seen.is_empty() {
            self.0.remove(key);
        }
    }

    /// Where the tenant's meeting was seen.
    pub(super) fn at(&self, key: &RouteKey, tenant: &TenantId) -> Option<&InstanceId> {
        let mut seen = self.0.get(key)?.iter();
        seen.find(|(of, _)| of == tenant).map(|(_, instance)| instance)
    }
}
