//! Routes go with their instance: nothing else would look at them again once it has left the pool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::queue::Then;
use super::{MeetingsMessage, MeetingsState};
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::moment::Moment;
use crate::outside::store::Becomes;

/// How often routes are compared with the pool.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long an instance must be missing from the pool before its routes go. A route to an instance that was added just
/// now may be heard of earlier than the instance, and a tool may write the list in several steps.
const GONE_AFTER: Duration = Duration::from_secs(5);
/// The most routes that go at a time.
const MOST: usize = 1_000;

/// Instances that routes name and the pool does not, and since when that is seen.
pub(super) type Missing = BTreeMap<InstanceId, Moment>;

impl MeetingsState {
    /// Removes the routes to instances that have left the pool.
    pub(super) fn clear(&mut self) {
        self.myself.send_after(LOOK_EVERY, || MeetingsMessage::Clear);
        if !self.loaded || !self.roster.loaded {
            return;
        }
        let now = self.clock.now();
        let named = self.table.slots().map(|(_, slot)| &slot.route.instance);
        let missing: BTreeSet<_> =
            named.filter(|id| self.roster.get(id).is_none()).cloned().collect();
        self.missing.retain(|id, _| missing.contains(id));
        for id in missing {
            self.missing.entry(id).or_insert(now);
        }
        let has_left = |id| self.missing.get(id).is_some_and(|at| now.since(*at) >= GONE_AFTER);
        let left = self.table.slots().filter(|(_, slot)| has_left(&slot.route.instance));
        let left = left.map(|(key, slot)| (*key, slot.tenant.clone(), slot.route.version));
        let left: Vec<_> = left.take(MOST).collect();
        if !left.is_empty() {
            info!(routes = left.len(), "routes go with the instances that have left the pool");
        }
        for (key, tenant, version) in left {
            self.change(self.of(key, tenant), Some(version), Becomes::Removed, Then::Quiet);
        }
    }

    /// Copies on instances that have left the pool are not known of any longer.
    pub(super) fn forget_strays(&mut self, roster: &Roster) {
        let known = self.strays.len();
        self.strays.retain(|id, _| !roster.loaded || roster.get(id).is_some());
        if self.strays.len() < known {
            self.all_strays = Arc::new(self.strays.values().flatten().cloned().collect());
        }
    }
}
