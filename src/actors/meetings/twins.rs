//! Instances that list the same meetings are one server.

use std::collections::BTreeMap;

use super::queue::Then;
use super::reconcile::Elsewhere;
use super::table::Table;
use super::{MeetingsState, Sweep};
use crate::determinism::HashSet;
use crate::domain::instance::{InstanceId, Roster, Twin};
use crate::domain::meeting::RouteKey;
use crate::domain::tenant::TenantId;
use crate::outside::store::Becomes;

impl MeetingsState {
    /// What a sweep shows of another instance, if it shows anything. `seen` are the meetings that it lists by the internal
    /// ids that they have elsewhere.
    pub(super) fn twin(&self, sweep: &Sweep, seen: &[Elsewhere]) -> Option<Twin> {
        twin(&self.table, &self.roster, sweep, seen)
    }

    /// The meetings of a server have their routes to the instance that counts for it.
    pub(super) fn take_from_aliases(&mut self, sweep: &Sweep, seen: Vec<Elsewhere>) {
        let alias_of = |id: &InstanceId| self.roster.get(id)?.same_server.alias_of.as_ref();
        let mine = |one: &Elsewhere| alias_of(&one.home) == Some(&sweep.instance);
        let mine: Vec<_> = seen.into_iter().filter(|one| !sweep.shared && mine(one)).collect();
        for Elsewhere { key, tenant, version, .. } in mine {
            let becomes = Becomes::Adopted { instance: sweep.instance.clone() };
            self.change(self.of(key, tenant), Some(version), becomes, Then::Quiet);
        }
    }
}

/// What a list shows of the instance with which it has most in common, or which is known to be the same server: that may have
/// become another one.
///
/// The same server lists all the meetings of both. One that merely has copies does not.
fn twin(table: &Table, roster: &Roster, sweep: &Sweep, seen: &[Elsewhere]) -> Option<Twin> {
    let mut shared: BTreeMap<&InstanceId, HashSet<(RouteKey, &TenantId)>> = BTreeMap::new();
    for Elsewhere { key, tenant, home, .. } in seen {
        shared.entry(home).or_default().insert((*key, tenant));
    }
    let known = roster.get(&sweep.instance).map(|member| &member.same_server);
    for known in known.iter().flat_map(|known| known.alias_of.iter().chain(&known.aliases)) {
        shared.entry(known).or_default();
    }
    let missing = |instance: &InstanceId, shared: &HashSet<(RouteKey, &TenantId)>| {
        let there = table.slots().filter(|(_, slot)| {
            slot.route.instance == *instance
                && slot.route.internal.is_some()
                && slot.settled_at < sweep.asked_at
                && slot.is_listed()
        });
        there.filter(|(key, slot)| !shared.contains(&(**key, &slot.tenant))).count()
    };
    let counted = shared.iter().map(|(id, shared)| (*id, shared.len(), missing(id, shared)));
    let (instance, shared, missing) = counted
        .filter(|(_, shared, missing)| shared + missing > 0)
        .max_by_key(|(_, shared, _)| *shared)?;
    Some(Twin { instance: instance.clone(), is_same: shared > missing })
}
