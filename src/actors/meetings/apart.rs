//! Where a meeting may be placed so that calls about it reach it and no other, now and later.
//!
//! It matters only on instances that do not take whole internal ids, or not known to: elsewhere calls are exact.

use super::{MeetingsState, Wish};
use crate::domain::instance::InstanceId;
use crate::domain::meeting::RouteKey;
use crate::domain::naming::{Lookup, looks_internal, may_begin, starts_of};
use crate::domain::tenant::TenantId;

impl MeetingsState {
    /// The candidates on which this meeting can be told from others, in their order; those on which it would take another
    /// meeting's id from it come last.
    ///
    /// They do not go altogether, or a tenant could keep all others away by meetings named `00` to `ff`. It is that meeting
    /// which suffers, and whoever named it so.
    pub(super) fn reachable(&self, wish: &Wish, ranked: Vec<InstanceId>) -> Vec<InstanceId> {
        if !ranked.iter().any(|id| self.names.lookup(id).may_clash()) {
            return ranked;
        }
        let (key, text) = (wish.meeting.key(), wish.meeting.as_str());
        let hidden = self.hiding(text, key, &wish.tenant.id);
        let hides = self.hidden_by(key);
        let (mut good, mut poor) = (Vec::with_capacity(ranked.len()), Vec::new());
        for id in ranked {
            let lookup = self.names.lookup(&id);
            let clashes = || {
                let odd = self.names.would_shadow(&id, text, (key, &wish.tenant.id));
                odd || hidden.contains(&&id) || hides.contains(&&id)
            };
            match lookup {
                Lookup::Fails if hidden.contains(&&id) => {}
                _ if lookup.may_clash() && clashes() => poor.push(id),
                _ => good.push(id),
            }
        }
        good.append(&mut poor);
        good
    }

    /// The instances on which another meeting has an internal id that begins with this text.
    fn hiding(&self, text: &str, key: RouteKey, tenant: &TenantId) -> Vec<&InstanceId> {
        if !looks_internal(text) {
            return Vec::new();
        }
        let others = self.table.slots().filter(|(of, slot)| (**of, &slot.tenant) != (key, tenant));
        let hide = others.filter(|(of, _)| may_begin(text, of));
        hide.map(|(_, slot)| &slot.route.instance).collect()
    }

    /// The instances on which a meeting lives whose id would begin this one's internal id.
    fn hidden_by(&self, key: RouteKey) -> Vec<&InstanceId> {
        let hidden = starts_of(&key).filter(|start| *start != key);
        hidden.flat_map(|start| self.table.instances_of(start)).collect()
    }
}
