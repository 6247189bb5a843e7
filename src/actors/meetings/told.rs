//! What other replicas tell of routes: taken over as if it were our own doing.

use super::MeetingsState;
use super::table::Slot;
use crate::domain::meeting::{Route, RouteKey, RouteState};
use crate::outside::store::Became;

impl MeetingsState {
    /// Whether memory says of this slot what the store has, or had, if it lost its state.
    pub(super) fn trusts(&self, slot: &Slot) -> bool {
        let lost = self.doubt.stands() && !slot.stale;
        lost || self.table.trusts(slot, self.store.hears(), || self.clock.now())
    }

    /// Another replica changed a route. Its placements count as ours do.
    pub(super) fn became(&mut self, key: RouteKey, became: Became) {
        let before = self.table.get(&key, &became.tenant).map(|slot| slot.route.clone());
        let now = became.route.clone();
        self.sighted.settled(&key, &became.tenant);
        if !self.table.became(key, became, self.clock.now()) {
            return;
        }
        let (left, placed) = (claimed_on(&before), claimed_on(&now));
        if left.is_some() && now.as_ref().map(|route| &route.instance) != left {
            left.into_iter().for_each(|instance| self.table.unplaced(instance));
        }
        if placed != left {
            placed.into_iter().for_each(|instance| self.place(instance));
        }
    }
}

/// The instance of a route that is claimed.
fn claimed_on(route: &Option<Route>) -> Option<&crate::domain::instance::InstanceId> {
    let claimed = route.as_ref().filter(|route| route.state == RouteState::Claimed)?;
    Some(&claimed.instance)
}
