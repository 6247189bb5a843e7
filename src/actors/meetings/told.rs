//! What other replicas tell of routes: taken over as if it were our own doing.

use super::MeetingsState;
use super::table::Slot;
use crate::domain::meeting::RouteKey;
use crate::outside::store::Became;

impl MeetingsState {
    /// Whether memory says of this slot what the store has, or had, if it lost its state.
    pub(super) fn trusts(&self, slot: &Slot) -> bool {
        let lost = self.doubt.stands() && !slot.stale;
        lost || self.table.trusts(slot, self.store.hears(), || self.clock.now())
    }

    /// Another replica changed a route. Its placements count as ours do.
    pub(super) fn became(&mut self, key: RouteKey, became: Became) {
        self.sighted.settled(&key, &became.tenant);
        if let Some(route) = &became.route {
            self.names.put(key, &became.tenant, route);
        }
        self.table.became(key, became, self.clock.now());
    }
}
