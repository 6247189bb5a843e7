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
#[derive(Debug, Default)]
pub(super) struct Missing(BTreeMap<InstanceId, Moment>);

impl Missing {
    /// Of the instances that routes name, those that have left the pool.
    fn look<'a>(
        &mut self,
        named: impl Iterator<Item = &'a InstanceId>,
        roster: &Roster,
        now: Moment,
    ) -> BTreeSet<InstanceId> {
        let missing: BTreeSet<_> = named.filter(|id| roster.get(id).is_none()).collect();
        self.0.retain(|id, _| missing.contains(id));
        for id in missing {
            self.0.entry(id.clone()).or_insert(now);
        }
        let left = self.0.iter().filter(|(_, since)| now.since(**since) >= GONE_AFTER);
        left.map(|(id, _)| id.clone()).collect()
    }
}

impl MeetingsState {
    /// Removes the routes to instances that have left the pool.
    pub(super) fn clear(&mut self) {
        self.myself.send_after(LOOK_EVERY, || MeetingsMessage::Clear);
        if !self.has_loaded() || !self.roster.loaded {
            return;
        }
        let named = self.table.slots().map(|(_, slot)| &slot.route.instance);
        let gone = self.missing.look(named, &self.roster, self.clock.now());
        if gone.is_empty() {
            return;
        }
        let routes = self.table.slots().filter(|(_, slot)| gone.contains(&slot.route.instance));
        let routes = routes.map(|(key, slot)| (*key, slot.tenant.clone(), slot.route.version));
        let routes: Vec<_> = routes.take(MOST).collect();
        info!(routes = routes.len(), "routes go with the instances that have left the pool");
        for (key, tenant, version) in routes {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_left_when_it_is_missing_for_a_while_and_not_before() {
        let (id, at) = (InstanceId::new("s1"), |secs| Moment(Duration::from_secs(secs)));
        let mut missing = Missing::default();
        let mut look = |named: &[&InstanceId], secs| {
            let gone = missing.look(named.iter().copied(), &Roster::default(), at(secs));
            gone.len()
        };
        assert_eq!([look(&[&id], 1), look(&[&id], 5), look(&[&id, &id], 6)], [0, 0, 1]);
        assert_eq!(
            [look(&[], 7), look(&[&id], 8), look(&[&id], 12), look(&[&id], 13)],
            [0, 0, 0, 1]
        );
    }
}
