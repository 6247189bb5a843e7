//! What other replicas tell of routes: taken over as if it were our own doing.

use super::MeetingsState;
use crate::domain::meeting::RouteKey;
use crate::outside::store::Became;

impl MeetingsState {
    /// Another replica changed a route. Its placements count as ours do.
    pub(super) fn became(&mut self, key: RouteKey, became: Became) {
        self.sighted.settled(&key, &became.tenant);
        if let Some(route) = &became.route {
            self.names.put(key, &became.tenant, route);
        }
        self.table.became(key, became, self.clock.now());
        self.write_again();
    }
}
