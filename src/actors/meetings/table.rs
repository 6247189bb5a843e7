//! The routes in memory: a plain value, one slot per tenant's meeting.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::instance::InstanceId;
use crate::domain::meeting::{Route, RouteKey, RouteRecord, RouteState, Version};
use crate::domain::moment::Moment;
use crate::domain::placement::Own;
use crate::domain::tenant::TenantId;
use crate::outside::store::Became;

use super::message::Usage;

/// While changes are not heard, so long memory is believed.
const UNHEARD_FOR: Duration = Duration::from_millis(500);

/// One tenant's meeting: its route, and what sweeps said of it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) tenant: TenantId,
    pub(super) route: Route,
    /// When the route became what it is, as far as we know.
    pub(super) settled_at: Moment,
    /// When the store last agreed.
    pub(super) read_at: Moment,
    /// Another replica changed it since.
    pub(super) stale: bool,
    /// So many sweeps in a row did not list it.
    pub(super) missing: u8,
    /// Of the last sweep.
    pub(super) participants: u64,
    /// When users joined since, if their tenant has a user pool.
    pub(super) joined: Vec<Moment>,
}

/// Every known route, and what we ourselves placed on each instance.
#[derive(Debug, Default)]
pub(super) struct Table {
    cells: HashMap<RouteKey, Vec<Slot>>,
    own: HashMap<InstanceId, Own>,
    /// When another replica was last heard to change a record: what was sent before tells nothing of it.
    told: HashMap<RouteKey, Moment>,
    /// Versions that routes had when they went, and when: news of their coming may still be on its way.
    gone: HashMap<Version, Moment>,
    /// What was read before may have been changed unheard.
    doubted_at: Moment,
    /// How many users tenants have, as far as it was counted since any slot changed.
    users: HashMap<TenantId, u64>,
}

impl Table {
    pub(super) fn get(&self, key: &RouteKey, tenant: &TenantId) -> Option<&Slot> {
        self.cells.get(key)?.iter().find(|slot| slot.tenant == *tenant)
    }

    pub(super) fn get_mut(&mut self, key: &RouteKey, tenant: &TenantId) -> Option<&mut Slot> {
        self.cells.get_mut(key)?.iter_mut().find(|slot| slot.tenant == *tenant)
    }

    /// Takes the route as the store has it now; `None` removes it.
    pub(super) fn put(
        &mut self,
        key: RouteKey,
        tenant: &TenantId,
        route: Option<Route>,
        now: Moment,
    ) {
        let Some(route) = route else { return self.remove(&key, tenant, now) };
        self.users.clear();
        self.own.entry(route.instance.clone()).or_default().meetings += 1;
        if let Some(slot) = self.get_mut(&key, tenant) {
            let changed = slot.route.version != route.version;
            let left = std::mem::replace(&mut slot.route, route).instance;
            slot.read_at = now;
            slot.stale = false;
            if changed {
                slot.settled_at = now;
                slot.missing = 0;
            }
            return self.one_less(&left);
        }
        let slot = Slot {
            tenant: tenant.clone(),
            route,
            settled_at: now,
            read_at: now,
            stale: false,
            missing: 0,
            participants: 0,
            joined: Vec::new(),
        };
        self.cells.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(slot);
    }

    pub(super) fn remove(&mut self, key: &RouteKey, tenant: &TenantId, now: Moment) {
        self.users.clear();
        let Some(cell) = self.cells.get_mut(key) else { return };
        let Some(at) = cell.iter().position(|slot| slot.tenant == *tenant) else { return };
        let slot = cell.swap_remove(at);
        self.gone.insert(slot.route.version, now);
        if cell.is_empty() {
            self.cells.remove(key);
        }
        self.one_less(&slot.route.instance);
    }

    fn one_less(&mut self, instance: &InstanceId) {
        if let Some(own) = self.own.get_mut(instance) {
            own.meetings = own.meetings.saturating_sub(1);
        }
    }

    /// What we placed on each instance.
    pub(super) fn own(&self) -> &HashMap<InstanceId, Own> {
        &self.own
    }

    /// Notes a placement made now; those older than `range` no longer matter.
    pub(super) fn placed(&mut self, instance: &InstanceId, now: Moment, range: Duration) {
        let recent = &mut self.own.entry(instance.clone()).or_default().recent;
        recent.retain(|&at| now.since(at) < range);
        recent.push(now);
    }

    /// Takes a placement back that came to nothing.
    pub(super) fn unplaced(&mut self, instance: &InstanceId) {
        if let Some(own) = self.own.get_mut(instance) {
            own.recent.pop();
        }
    }

    /// Takes a whole record as it was read at `sent_at`, except for slots that the store answered about later.
    pub(super) fn read(&mut self, key: RouteKey, record: RouteRecord, sent_at: Moment) {
        let known: Vec<_> = self.slots_of(&key).map(|s| (s.tenant.clone(), s.read_at)).collect();
        for (tenant, read_at) in known {
            if read_at < sent_at && !record.contains_key(&tenant) {
                self.remove(&key, &tenant, sent_at);
            }
        }
        for (tenant, route) in record {
            if self.get(&key, &tenant).is_none_or(|slot| slot.read_at < sent_at) {
                self.put(key, &tenant, Some(route), sent_at);
            }
        }
        self.recheck(&key, sent_at);
    }

    /// Takes all records as they were read at `sent_at`; what was learnt since then is newer and stays.
    /// So do meetings that live as far as we know, though the store does not know them: they are the answer.
    pub(super) fn read_all(
        &mut self,
        records: Vec<(RouteKey, RouteRecord)>,
        sent_at: Moment,
    ) -> Vec<(RouteKey, TenantId, InstanceId)> {
        for (key, record) in records {
            self.read(key, record, sent_at);
        }
        let outdated = self.slots().filter(|(_, slot)| slot.read_at < sent_at);
        let outdated: Vec<_> = outdated.map(|(key, slot)| (*key, slot.clone())).collect();
        let mut lost = Vec::new();
        for (key, slot) in outdated {
            if slot.route.state == RouteState::Confirmed && slot.lives() && !slot.stale {
                lost.push((key, slot.tenant, slot.route.instance));
            } else {
                self.remove(&key, &slot.tenant, sent_at);
            }
        }
        lost
    }

    /// Another replica changed this record: it is read again when it is next needed.
    pub(super) fn changed(&mut self, key: RouteKey, now: Moment) {
        self.told.insert(key, now);
        self.mark_stale(&key);
    }

    /// Another replica changed this route, and says to what. That is taken over if it follows on what is
    /// known here, and whether it was is the answer; else the record is read again when it is next needed.
    ///
    /// A version has one successor and never comes again, so that what follows on a known one is newer. What
    /// follows on none is newer than nothing unless it is known to have gone already.
    pub(super) fn became(&mut self, key: RouteKey, became: Became, now: Moment) -> bool {
        self.told.insert(key, now);
        let Became { tenant, was, route } = became;
        let known = self.get(&key, &tenant).map(|slot| slot.route.version);
        let told = route.as_ref().map(|route| route.version);
        if known == told && known.is_some() {
            return false;
        }
        let gone = told.is_some_and(|told| self.gone.contains_key(&told));
        if known == was && !gone {
            self.put(key, &tenant, route, now);
            return true;
        }
        self.mark_stale(&key);
        false
    }

    /// Whether a slot is what the store has, as far as can be known; `hears`: changes are told at once.
    pub(super) fn trusts(&self, slot: &Slot, hears: bool, now: impl FnOnce() -> Moment) -> bool {
        let doubted = slot.stale || slot.read_at < self.doubted_at;
        !doubted && (hears || now().since(slot.read_at) < UNHEARD_FOR)
    }

    /// Changes may have been missed: what was read before is read again when it is next needed.
    pub(super) fn doubt(&mut self, now: Moment) {
        self.doubted_at = now;
    }

    /// The store does not answer: memory is all there is, until the next doubt.
    pub(super) fn make_do(&mut self) {
        self.doubted_at = Moment::default();
    }

    /// What the store said to a question of `sent_at` was taken over. If the record was changed since,
    /// or may have been, it may be what stood before, and is read again when it is next needed.
    pub(super) fn recheck(&mut self, key: &RouteKey, sent_at: Moment) {
        let told = self.told.get(key).is_some_and(|&told| told >= sent_at);
        if told || sent_at < self.doubted_at {
            self.mark_stale(key);
        }
    }

    /// No answer to a question from before this moment will come any more, and no news.
    pub(super) fn forget_told(&mut self, before: Moment) {
        self.told.retain(|_, told| *told >= before);
        self.gone.retain(|_, gone| *gone >= before);
    }

    fn mark_stale(&mut self, key: &RouteKey) {
        for slot in self.cells.get_mut(key).into_iter().flatten() {
            slot.stale = true;
        }
    }

    fn slots_of(&self, key: &RouteKey) -> impl Iterator<Item = &Slot> {
        self.cells.get(key).into_iter().flatten()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (&RouteKey, &Slot)> {
        self.cells.iter().flat_map(|(key, cell)| cell.iter().map(move |slot| (key, slot)))
    }

    pub(super) fn slots_mut(&mut self) -> impl Iterator<Item = (&RouteKey, &mut Slot)> {
        self.users.clear();
        self.cells.iter_mut().flat_map(|(key, cell)| cell.iter_mut().map(move |slot| (key, slot)))
    }

    /// How many meetings each tenant has.
    pub(super) fn meetings_of(&self, tenant: &TenantId) -> u64 {
        self.slots().filter(|(_, slot)| slot.tenant == *tenant && slot.lives()).count() as u64
    }

    /// Counts one more user who joins the tenant's meeting, unless it has as many as it may; `at_least`
    /// so many are there, whatever is known here.
    pub(super) fn admit(
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
    pub(super) fn joined(&mut self, key: &RouteKey, tenant: &TenantId, now: Moment) {
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
    pub(super) fn usage(&self) -> (HashMap<InstanceId, Usage>, HashMap<TenantId, Usage>) {
        let (mut by_instance, mut by_tenant) = (HashMap::new(), HashMap::new());
        for (_, slot) in self.slots().filter(|(_, slot)| slot.lives()) {
            slot.count_in(by_instance.entry(slot.route.instance.clone()).or_default());
            slot.count_in(by_tenant.entry(slot.tenant.clone()).or_default());
        }
        (by_instance, by_tenant)
    }
}

impl Slot {
    /// Whether it counts as a meeting: not ending, and not missing from the last sweep.
    pub(super) fn lives(&self) -> bool {
        self.route.state != RouteState::Ending && self.missing == 0
    }

    fn count_in(&self, usage: &mut Usage) {
        usage.meetings += 1;
        usage.participants += self.participants;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::meeting::MeetingId;

    fn at(secs: u64) -> Moment {
        Moment(Duration::from_secs(secs))
    }

    fn record(instance: &str) -> RouteRecord {
        let route = Route {
            instance: InstanceId::new(instance),
            version: Version(1),
            state: RouteState::Confirmed,
            tombs: Vec::new(),
            meeting: None,
        };
        RouteRecord::from([(TenantId::new("t"), route)])
    }

    /// Whether the slot is to be read again, after what was done to the table.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Table, RouteKey), stale: bool) {
        let (mut table, key) = (Table::default(), MeetingId::new("m").key());
        change(&mut table, key);
        assert_eq!(table.get(&key, &TenantId::new("t")).map(|slot| slot.stale), Some(stale));
    }

    #[test]
    fn an_answer_older_than_a_change_by_another_replica_is_not_believed_for_long() {
        check(|table, key| table.read(key, record("s1"), at(10)), false);
        let told_meanwhile = |table: &mut Table, key| {
            table.read(key, record("s1"), at(10));
            table.changed(key, at(21));
            table.read(key, record("s1"), at(20));
        };
        check(told_meanwhile, true);
        let told_before_it_was_known = |table: &mut Table, key| {
            table.changed(key, at(21));
            table.read_all(vec![(key, record("s1"))], at(20));
        };
        check(told_before_it_was_known, true);
        let read_again = |table: &mut Table, key| {
            told_meanwhile(table, key);
            table.read(key, record("s2"), at(22));
        };
        check(read_again, false);
        let after_a_step = |table: &mut Table, key| {
            table.changed(key, at(21));
            let route = record("s1").into_values().next();
            table.put(key, &TenantId::new("t"), route, at(22));
            table.recheck(&key, at(20));
        };
        check(after_a_step, true);
        let long_ago = |table: &mut Table, key| {
            table.changed(key, at(21));
            table.forget_told(at(22));
            table.read(key, record("s1"), at(20));
        };
        check(long_ago, false);
    }

    /// A route of "t" as it is told, from one version to another; 0 stands for none.
    fn news(from: u64, to: u64) -> Became {
        let mut route = record("s1").into_values().next();
        route.iter_mut().for_each(|route| route.version = Version(to));
        let was = (from != 0).then_some(Version(from));
        Became { tenant: TenantId::new("t"), was, route: route.filter(|_| to != 0) }
    }

    /// What is told, one after the other, on top of the version that is known (0: none); the version that is
    /// known then, and whether it is to be read again.
    #[track_caller]
    fn check_told(known: u64, told: &[(u64, u64)], expected: u64, stale: bool) {
        let (mut table, key) = (Table::default(), MeetingId::new("m").key());
        if known != 0 {
            table.put(key, &TenantId::new("t"), news(0, known).route, at(5));
        }
        for &(from, to) in told {
            table.became(key, news(from, to), at(10));
        }
        let slot = table.get(&key, &TenantId::new("t"));
        let found = slot.map_or((0, false), |slot| (slot.route.version.0, slot.stale));
        assert_eq!(found, (expected, stale), "{told:?} on {known}");
    }

    #[test]
    fn what_follows_on_what_is_known_is_taken_over_and_nothing_else() {
        check_told(0, &[(0, 1)], 1, false);
        check_told(0, &[(0, 1), (1, 2)], 2, false);
        check_told(0, &[(0, 1), (1, 2), (2, 0)], 0, false);
        check_told(1, &[(1, 2)], 2, false);
        check_told(1, &[(1, 0)], 0, false);
        check_told(2, &[(1, 2)], 2, false); // ours already
        check_told(2, &[(0, 1)], 2, true); // older, or something was missed
        check_told(2, &[(1, 0)], 2, true);
        check_told(0, &[(1, 0)], 0, false);
    }

    #[test]
    fn news_of_a_route_that_has_gone_since_does_not_bring_it_back() {
        let (mut table, key, tenant) =
            (Table::default(), MeetingId::new("m").key(), TenantId::new("t"));
        table.put(key, &tenant, news(0, 1).route, at(5));
        table.remove(&key, &tenant, at(6));
        assert!(!table.became(key, news(0, 1), at(7)));
        assert!(table.get(&key, &tenant).is_none());
        assert!(table.became(key, news(0, 2), at(8)));
    }

    #[test]
    fn after_something_may_have_been_missed_only_what_is_read_anew_is_believed() {
        let (mut table, key, tenant) =
            (Table::default(), MeetingId::new("m").key(), TenantId::new("t"));
        table.read(key, record("s1"), at(10));
        let mut check = |what: &dyn Fn(&mut Table), hears, now, expected| {
            what(&mut table);
            let slot = table.get(&key, &tenant).expect("a slot");
            assert_eq!(table.trusts(slot, hears, || at(now)), expected);
        };
        check(&|_| {}, true, 100, true);
        check(&|_| {}, false, 11, false);
        check(&|table| table.doubt(at(20)), true, 20, false);
        check(&|table| table.make_do(), true, 20, true);
        check(&|table| table.doubt(at(20)), true, 20, false);
        check(&|table| table.read(key, record("s1"), at(20)), true, 20, true);
        check(&|_| {}, false, 20, true);
    }
}
