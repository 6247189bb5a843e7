//! How many meetings and users there are, by instance and by tenant.

use super::{Slot, Table};
use crate::actors::meetings::message::Usage;
use crate::determinism::HashMap;
use crate::domain::instance::InstanceId;
use crate::domain::meeting::RouteKey;
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;

impl Table {
    /// How many meetings a tenant has.
    pub(in crate::actors::meetings) fn meetings_of(&self, tenant: &TenantId) -> u64 {
        self.slots().filter(|(_, slot)| slot.tenant == *tenant && slot.lives()).count() as u64
    }

    /// Counts one more user who joins the tenant's meeting, unless it has as many as it may; `at_least`
    /// so many are there, whatever is known here.
    pub(in crate::actors::meetings) fn admit(
        &mut self,
        key: &RouteKey,
        tenant: &TenantId,
        most: u32,
        at_least: u64,
        now: Moment,
    ) -> bool {
        let users = self.users_of(tenant); // from here on it is counted up
        if users.max(at_least) >= u64::from(most) {
            return false;
        }
        self.joined(key, tenant, now);
        true
    }

    /// Counts a user who joins, here or through another replica.
    pub(in crate::actors::meetings) fn joined(
        &mut self,
        key: &RouteKey,
        tenant: &TenantId,
        now: Moment,
    ) {
        if let Some(slot) = self.get_mut(key, tenant).filter(|slot| slot.lives()) {
            slot.joined.push(now);
            self.users.entry(tenant.clone()).and_modify(|users| *users += 1);
        }
    }

    /// How many users the tenant has: those of the last sweeps, and those who joined since.
    fn users_of(&mut self, tenant: &TenantId) -> u64 {
        if let Some(&counted) = self.users.get(tenant) {
            return counted;
        }
        let slots = self.slots().filter(|(_, slot)| slot.tenant == *tenant && slot.lives());
        let users = slots.map(|(_, slot)| slot.participants + slot.joined.len() as u64).sum();
        self.users.insert(tenant.clone(), users);
        users
    }

    /// Meetings and participants by instance and by tenant.
    pub(in crate::actors::meetings) fn usage(
        &self,
    ) -> (HashMap<InstanceId, Usage>, HashMap<TenantId, Usage>) {
        let (mut by_instance, mut by_tenant) = (HashMap::default(), HashMap::default());
        for (_, slot) in self.slots().filter(|(_, slot)| slot.lives()) {
            slot.count_in(by_instance.entry(slot.route.instance.clone()).or_default());
            slot.count_in(by_tenant.entry(slot.tenant.clone()).or_default());
        }
        (by_instance, by_tenant)
    }
}

impl Slot {
    fn count_in(&self, usage: &mut Usage) {
        usage.meetings += 1;
        usage.participants += self.participants;
    }
}
