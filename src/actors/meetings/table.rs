//! The routes in memory: a plain value, one slot per tenant's meeting.

mod usage; // how many meetings and users there are

use crate::determinism::{HashMap, HashSet};
use crate::domain::forecast::{Course, Outlook, RoomKey};
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, Route, RouteKey, RouteRecord, RouteState, Version};
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;
use crate::outside::store::Became;

use super::forecast::{Forecast, Met};
use super::keeping::Recalled;

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
    /// What it is was told, and the store not asked: what is told late may not be the last.
    pub(super) hearsay: bool,
    /// The store has lost it, and has this instead: no route, or an older state. It stands all the same, until the store
    /// agrees or has a later one.
    pub(super) lost_to: Option<Option<Version>>,
    /// It was read from a store that may have come back with it, and its instance has not listed it since.
    pub(super) revived: bool,
    /// So many sweeps in a row did not list it.
    pub(super) missing: u8,
    /// Its instance was asked then for the last list that showed it, since the route is what it is.
    pub(super) listed_at: Option<Moment>,
    /// Of the last sweep.
    pub(super) participants: u64,
    /// When users joined since, if their tenant has a user pool.
    pub(super) joined: Vec<Moment>,
    /// How the meeting goes on.
    pub(super) course: Course,
    /// Its course is known from its beginning, or as a sweep told of that.
    pub(super) witnessed: bool,
    /// It is being moved, and counts where it goes.
    pub(super) leaves: bool,
    /// What its instance counts for it.
    pub(super) counted: Option<Outlook>,
}

/// A state that is known here, and of which the store knows nothing or an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) key: RouteKey,
    pub(super) tenant: TenantId,
    pub(super) route: Route,
    /// What the store has instead.
    pub(super) instead: Option<Version>,
}

impl Lost {
    fn of(key: RouteKey, slot: &Slot, instead: Option<Version>) -> Self {
        Self { key, tenant: slot.tenant.clone(), route: slot.route.clone(), instead }
    }
}

/// Every known route, and what is expected of the meetings.
#[derive(Debug, Default)]
pub(super) struct Table {
    cells: HashMap<RouteKey, Vec<Slot>>,
    forecast: Forecast,
    /// When another replica was last heard to change a record: what was sent before tells nothing of it.
    told: HashMap<RouteKey, Moment>,
    /// Versions that routes had when they went, and when: news of their coming may still be on its way.
    gone: HashMap<Version, Moment>,
    /// The last version of routes that went: what follows is later, whatever the clocks say.
    last: HashMap<(RouteKey, TenantId), (Version, Moment)>,
    /// What was read before may have been changed unheard.
    doubted_at: Moment,
    /// The store may have come back then with an older state, and not every instance was heard since.
    rolled_back: Option<Moment>,
    /// All was read that was stored when this program started, perhaps of an older state.
    began: bool,
    /// What the store is to learn again.
    lost: Vec<Lost>,
    /// How many users tenants have, as far as it was counted since any slot changed.
    users: HashMap<TenantId, u64>,
}

impl Table {
    pub(super) fn new(forecast: Forecast) -> Self {
        Self { forecast, ..Self::default() }
    }

    pub(super) fn get(&self, key: &RouteKey, tenant: &TenantId) -> Option<&Slot> {
        self.cells.get(key)?.iter().find(|slot| slot.tenant == *tenant)
    }

    /// The last version that is known of a route, be it there or gone since shortly.
    pub(super) fn last_version(&self, key: &RouteKey, tenant: &TenantId) -> Option<Version> {
        let gone = || self.last.get(&(*key, tenant.clone())).map(|(version, _)| *version);
        self.get(key, tenant).map(|slot| slot.route.version).or_else(gone)
    }

    pub(super) fn get_mut(&mut self, key: &RouteKey, tenant: &TenantId) -> Option<&mut Slot> {
        slot_of(&mut self.cells, key, tenant)
    }

    /// Takes the route as the store has it now; `None` removes it. Answers the room that has met, if a meeting is over.
    pub(super) fn put(
        &mut self,
        key: RouteKey,
        tenant: &TenantId,
        route: Option<Route>,
        now: Moment,
    ) -> Option<Met> {
        let Some(route) = route else { return self.remove(&key, tenant, now) };
        if self.is_outdated(&key, tenant, &route) {
            return None;
        }
        self.users.clear();
        let Self { cells, forecast, .. } = self;
        let cell = cells.entry(key).or_insert_with(|| Vec::with_capacity(1));
        let Some(slot) = cell.iter_mut().find(|slot| slot.tenant == *tenant) else {
            forecast.take_back(&(key, tenant.clone()));
            let course = forecast.begins(&key, tenant, now);
            let mut slot = Slot::new(tenant.clone(), route, course, now);
            forecast.count(&mut slot, now);
            cell.push(slot);
            return None;
        };
        forecast.uncount(slot);
        let changed = slot.route.version != route.version;
        let before = std::mem::replace(&mut slot.route, route);
        slot.read_at = now;
        slot.stale = false;
        slot.hearsay = false;
        slot.lost_to = None;
        if changed {
            slot.settled_at = now;
            slot.revived = false;
            slot.missing = 0;
            slot.listed_at = None;
            slot.leaves = false;
            forecast.take_back(&(key, tenant.clone()));
        }
        let met = forecast.became(&key, slot, &before, now);
        forecast.count(slot, now);
        met
    }

    /// Takes a route that the store had before it was asked.
    pub(super) fn put_stored(
        &mut self,
        key: RouteKey,
        tenant: &TenantId,
        route: Option<Route>,
        now: Moment,
    ) -> Option<Met> {
        let Some(route) = route else { return self.missing(key, tenant, now) };
        let version = route.version;
        let is_new = self.get(&key, tenant).is_none_or(|slot| slot.route.version != version);
        let met = self.put(key, tenant, Some(route), now);
        if is_new && (self.rolled_back.is_some() || !self.began) {
            let taken = self.get_mut(&key, tenant).filter(|slot| slot.route.version == version);
            taken.into_iter().for_each(|slot| slot.revived = true);
        }
        met
    }

    /// Whether only one side knows the route of this version: a store that may have come back with it, or memory, of which
    /// the store has lost it.
    pub(super) fn is_one_sided(&self, key: &RouteKey, version: Version) -> bool {
        let is_one_sided = |slot: &Slot| slot.revived || slot.lost_to.is_some();
        self.slots_of(key).any(|slot| slot.route.version == version && is_one_sided(slot))
    }

    /// What the store had when this program started was read.
    pub(super) fn begin(&mut self) {
        self.began = true;
    }

    /// The store does not have this route: it was removed, or the store came back with an older state.
    fn missing(&mut self, key: RouteKey, tenant: &TenantId, sent_at: Moment) -> Option<Met> {
        let is_lost = |slot: &Slot| {
            // What only the store has ever said is gone with it.
            slot.may_stand()
                && !slot.revived
                && (self.is_from_before(slot) || slot.lost_to.is_some())
        };
        if self.get(&key, tenant).is_some_and(is_lost) {
            self.note_lost(&key, tenant, None);
            return None;
        }
        self.remove(&key, tenant, sent_at)
    }

    /// Whether the store may have come back with an older state since it agreed with this slot.
    fn is_from_before(&self, slot: &Slot) -> bool {
        self.rolled_back.is_some_and(|since| slot.read_at < since)
    }

    /// The store has lost what is known here, and is to learn it again.
    pub(super) fn note_lost(
        &mut self,
        key: &RouteKey,
        tenant: &TenantId,
        instead: Option<Version>,
    ) {
        let Some(slot) = slot_of(&mut self.cells, key, tenant) else { return };
        slot.lost_to = Some(instead);
        self.lost.push(Lost::of(*key, slot, instead));
    }

    /// What the store has not learnt again yet of this instance's meetings is tried once more.
    pub(super) fn note_lost_again(&mut self, instance: &InstanceId) {
        // After every sweep: what is rare is looked at first.
        let lost = self.slots().filter_map(|(key, slot)| Some((key, slot, slot.lost_to?)));
        let here = |slot: &Slot| slot.route.instance == *instance && slot.may_stand();
        let again = lost.filter(|(_, slot, _)| here(slot));
        let again: Vec<_> = again.map(|(key, slot, to)| Lost::of(*key, slot, to)).collect();
        self.lost.extend(again);
    }

    /// Whether this is an older state with which the store came back: then what is known here is noted as lost.
    ///
    /// That may be behind as well. But nothing that followed on an older state than ours is of use to anybody, and whoever
    /// knows a later one than ours says so.
    fn is_outdated(&mut self, key: &RouteKey, tenant: &TenantId, route: &Route) -> bool {
        // What lists miss is gone, here and there.
        let in_doubt = |slot: &&Slot| {
            slot.missing == 0 && (self.rolled_back.is_some() || slot.lost_to.is_some())
        };
        let known = self.get(key, tenant).filter(in_doubt);
        let Some(newer) = known.filter(|slot| route.version.precedes(slot.route.version)) else {
            return false;
        };
        // An end is no later state of another meeting than the one that has ended, whatever the clocks say: that one may have
        // been made after the end was lost.
        let names = |route: &Route| (route.instance.clone(), route.internal.clone());
        if newer.route.state == RouteState::Ending && names(&newer.route) != names(route) {
            return false;
        }
        self.note_lost(key, tenant, Some(route.version));
        true
    }

    /// The store may have come back then with an older state; `None`: every instance was heard since.
    pub(super) fn rolled_back(&mut self, since: Option<Moment>) {
        self.rolled_back = since;
    }

    /// What the store is to learn again; each time it is found to have lost it.
    pub(super) fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }

    pub(super) fn remove(&mut self, key: &RouteKey, tenant: &TenantId, now: Moment) -> Option<Met> {
        self.users.clear();
        let cell = self.cells.get_mut(key)?;
        let at = cell.iter().position(|slot| slot.tenant == *tenant)?;
        let mut slot = cell.swap_remove(at);
        self.gone.insert(slot.route.version, now);
        self.last.insert((*key, tenant.clone()), (slot.route.version, now));
        if cell.is_empty() {
            self.cells.remove(key);
        }
        self.forecast.uncount(&mut slot);
        self.forecast.gone(key, slot, now)
    }

    pub(super) fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    pub(super) fn forecast_mut(&mut self) -> &mut Forecast {
        &mut self.forecast
    }

    /// What this meeting will cost where it is placed.
    pub(super) fn coming(&self, key: &RouteKey, tenant: &TenantId, now: Moment) -> Outlook {
        self.forecast.coming(key, tenant, self.get(key, tenant), now)
    }

    /// A meeting counts on this instance from now on, though its route is not stored yet.
    pub(super) fn place(
        &mut self,
        key: RouteKey,
        tenant: &TenantId,
        instance: &InstanceId,
        now: Moment,
    ) {
        let coming = self.coming(&key, tenant, now);
        let Self { cells, forecast, .. } = self;
        if let Some(slot) = slot_of(cells, &key, tenant) {
            forecast.uncount(slot);
            slot.leaves = true;
        }
        forecast.place((key, tenant.clone()), instance, coming);
    }

    /// A placement came to nothing, or is stored: the meeting counts where it is.
    pub(super) fn take_back(&mut self, key: RouteKey, tenant: &TenantId, now: Moment) {
        let Self { cells, forecast, .. } = self;
        forecast.take_back(&(key, tenant.clone()));
        if let Some(slot) = slot_of(cells, &key, tenant) {
            slot.leaves = false;
            forecast.count(slot, now);
        }
    }

    /// Takes over what was stored of rooms; what the store is to learn or to forget. Only the first time it is news
    /// of what was learnt, and of the meetings that were there before.
    pub(super) fn recalled(
        &mut self,
        mut stored: Recalled,
        again: bool,
        now: Moment,
    ) -> Vec<RoomKey> {
        if again {
            stored.lessons = None;
        }
        let owed = self.forecast.recalled(stored, now);
        let (slots, forecast) = self.parts();
        for (key, slot) in slots.filter(|_| !again) {
            forecast.uncount(slot);
            forecast.begins_anew(key, slot);
            forecast.count(slot, now);
        }
        owed
    }

    /// Takes a whole record as it was read at `sent_at`, except for slots that the store answered about later.
    pub(super) fn read(&mut self, key: RouteKey, record: RouteRecord, sent_at: Moment) {
        let known: Vec<_> = self.slots_of(&key).map(|s| (s.tenant.clone(), s.read_at)).collect();
        for (tenant, read_at) in known {
            if read_at < sent_at && !record.contains_key(&tenant) {
                self.missing(key, &tenant, sent_at);
            }
        }
        for (tenant, route) in record {
            if self.get(&key, &tenant).is_none_or(|slot| slot.read_at < sent_at) {
                self.put_stored(key, &tenant, Some(route), sent_at);
            }
        }
        self.recheck(&key, sent_at);
    }

    /// Takes all records as they were read at `sent_at`; what was learnt since then is newer and stays.
    /// So do meetings that live as far as we know, though the store does not know them: they are the answer.
    pub(super) fn read_all(&mut self, records: Vec<(RouteKey, RouteRecord)>, sent_at: Moment) {
        for (key, record) in records {
            self.read(key, record, sent_at);
        }
        let noted = self.lost.iter().map(|lost| (lost.key, lost.tenant.clone()));
        let noted: HashSet<(RouteKey, TenantId)> = noted.collect();
        let missing = self.slots().filter(|(_, slot)| slot.read_at < sent_at);
        let missing = missing.map(|(key, slot)| (*key, slot.clone()));
        let missing = missing.filter(|(key, slot)| !noted.contains(&(*key, slot.tenant.clone())));
        for (key, slot) in missing.collect::<Vec<_>>() {
            if slot.is_sure() || self.is_from_before(&slot) && slot.may_stand() {
                self.note_lost(&key, &slot.tenant, None);
            } else {
                self.remove(&key, &slot.tenant, sent_at);
            }
        }
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
            if let Some(slot) = self.get_mut(&key, &tenant) {
                slot.hearsay = true;
            }
            return true;
        }
        if let Some(route) = &route {
            self.is_outdated(&key, &tenant, route);
        }
        self.mark_stale(&key);
        false
    }

    /// Whether something may have been missed since the store agreed with this slot.
    pub(super) fn is_doubted(&self, slot: &Slot) -> bool {
        slot.read_at < self.doubted_at
    }

    /// Changes may have been missed: what was read before is read again when it is next needed.
    pub(super) fn doubt(&mut self, now: Moment) {
        self.doubted_at = now;
    }

    /// What the store said to a question of `sent_at` was taken over. If the record was changed since,
    /// or may have been, it may be what stood before, and is read again when it is next needed.
    pub(super) fn recheck(&mut self, key: &RouteKey, sent_at: Moment) {
        let told = self.told.get(key).is_some_and(|&told| told >= sent_at);
        if told || sent_at < self.doubted_at {
            self.mark_stale(key);
        }
    }

    /// Whether another replica's change was told since a question was sent, and is later than the answer to that.
    pub(super) fn overtook(
        &self,
        key: &RouteKey,
        tenant: &TenantId,
        answer: Option<&Route>,
        sent_at: Moment,
    ) -> bool {
        let is_later = |told: Version| answer.is_none_or(|route| route.version.precedes(told));
        let told = self.get(key, tenant).filter(|slot| slot.hearsay && slot.read_at >= sent_at);
        told.is_some_and(|slot| is_later(slot.route.version))
    }

    /// No answer to a question from before this moment will come any more, and no news.
    pub(super) fn forget_told(&mut self, before: Moment) {
        self.told.retain(|_, told| *told >= before);
        self.gone.retain(|_, gone| *gone >= before);
        self.last.retain(|_, (_, gone)| *gone >= before);
    }

    /// What the store said of this record may be what stood before.
    pub(super) fn mark_stale(&mut self, key: &RouteKey) {
        for slot in self.cells.get_mut(key).into_iter().flatten() {
            slot.stale = true;
        }
    }

    /// Where meetings of this key live.
    pub(super) fn instances_of(&self, key: RouteKey) -> impl Iterator<Item = &InstanceId> {
        self.cells.get(&key).into_iter().flatten().map(|slot| &slot.route.instance)
    }

    /// Whose the meeting is that this instance calls so, which is made of its id as BBB does.
    pub(super) fn owner(&self, instance: &InstanceId, internal: &InternalId) -> Option<TenantId> {
        let is_it = |slot: &&Slot| {
            slot.route.instance == *instance && slot.route.internal.as_ref() == Some(internal)
        };
        let slot = self.slots_of(&internal.key()?).find(is_it)?;
        Some(slot.tenant.clone())
    }

    fn slots_of(&self, key: &RouteKey) -> impl Iterator<Item = &Slot> {
        self.cells.get(key).into_iter().flatten()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (&RouteKey, &Slot)> {
        self.cells.iter().flat_map(|(key, cell)| cell.iter().map(move |slot| (key, slot)))
    }

    /// Every slot, and what is expected of them.
    pub(super) fn parts(
        &mut self,
    ) -> (impl Iterator<Item = (&RouteKey, &mut Slot)>, &mut Forecast) {
        self.users.clear();
        let Self { cells, forecast, .. } = self;
        let slots =
            cells.iter_mut().flat_map(|(key, cell)| cell.iter_mut().map(move |slot| (key, slot)));
        (slots, forecast)
    }
}

fn slot_of<'a>(
    cells: &'a mut HashMap<RouteKey, Vec<Slot>>,
    key: &RouteKey,
    tenant: &TenantId,
) -> Option<&'a mut Slot> {
    cells.get_mut(key)?.iter_mut().find(|slot| slot.tenant == *tenant)
}

impl Slot {
    /// Whether it is the answer where the store knows nothing: it was confirmed, and nothing was heard against it.
    fn is_sure(&self) -> bool {
        self.may_stand() && !self.stale && !self.revived
    }

    /// Whether it may be the answer where the store has lost what it knew.
    pub(super) fn may_stand(&self) -> bool {
        self.route.state == RouteState::Confirmed && self.lives()
    }

    fn new(tenant: TenantId, route: Route, course: Course, now: Moment) -> Self {
        Self {
            tenant,
            // Whoever claims it begins it.
            witnessed: route.state == RouteState::Claimed,
            route,
            settled_at: now,
            read_at: now,
            stale: false,
            hearsay: false,
            lost_to: None,
            revived: false,
            missing: 0,
            listed_at: None,
            participants: 0,
            joined: Vec::new(),
            course,
            leaves: false,
            counted: None,
        }
    }

    /// Whether the last list of its instance shows it as it is now: confirmed, and since it is so.
    pub(super) fn is_listed(&self) -> bool {
        self.route.state == RouteState::Confirmed
            && self.missing == 0
            && self.listed_at.is_some_and(|at| at > self.settled_at)
    }

    /// Where the meeting lives as far as is known: a move counts once it is confirmed.
    pub(super) fn lives_on(&self) -> &InstanceId {
        self.route.left.as_ref().unwrap_or(&self.route.instance)
    }

    /// Whether it counts as a meeting: not ending, and not missing from the last sweep.
    pub(super) fn lives(&self) -> bool {
        self.route.state != RouteState::Ending && self.missing == 0
    }
}

#[cfg(test)]
mod tests;
