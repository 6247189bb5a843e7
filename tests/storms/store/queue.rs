//! The model's queue of what is owed to tenants' servers, as `queue.lua` keeps it. It goes back with the store.

use std::collections::BTreeMap;

use bigblueswarm::domain::delivery::DeliveryId;
use bigblueswarm::outside::store::queue::{
    Due, Owed, Page, Parcel, Pile, Room, Settle, Tally, Target, Way, Wish,
};

/// Where a parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    Waiting,
    Dead,
    /// Settled, and remembered.
    Done,
}

#[derive(Clone)]
struct Kept {
    lies: Lies,
    way: Way,
    parcel: Parcel,
}

/// All parcels.
#[derive(Clone, Default)]
pub(crate) struct Parcels(BTreeMap<DeliveryId, Kept>);

impl Parcels {
    fn count(&self, is: impl Fn(&Kept) -> bool) -> usize {
        self.0.values().filter(|kept| is(kept)).count()
    }

    pub(super) fn owe(&mut self, parcels: Vec<(Way, Parcel)>, room: Room) -> Vec<Owed> {
        let owe = |(way, parcel): (Way, Parcel)| {
            if self.0.contains_key(&parcel.id) {
                return Owed::Known;
            }
            let waits = |kept: &Kept| kept.lies == Lies::Waiting && kept.way.lane == way.lane;
            if self.count(|kept| waits(kept) && kept.way.target.tenant == way.target.tenant)
                >= room.tenant_most
            {
                return Owed::OverShare;
            }
            if self.count(waits) >= room.most {
                return Owed::Full;
            }
            self.0.insert(parcel.id, Kept { lies: Lies::Waiting, way, parcel });
            Owed::New
        };
        parcels.into_iter().map(owe).collect()
    }

    pub(super) fn take_due(&mut self, now: u64, until: u64, wish: &Wish) -> Due {
        let of_lane = |kept: &Kept| kept.way.lane == wish.lane;
        let mut due = Due {
            waiting: self.count(|kept| of_lane(kept) && kept.lies == Lies::Waiting) as u64,
            dead: self.count(|kept| kept.lies == Lies::Dead) as u64,
            ..Due::default()
        };
        let waiting = self.0.values_mut().filter(|k| of_lane(k) && k.lies == Lies::Waiting);
        let mut waiting: Vec<&mut Kept> = waiting.collect();
        waiting.sort_by_key(|kept| (kept.parcel.at, kept.parcel.id));
        let mut taken: BTreeMap<Target, usize> = BTreeMap::new();
        let (mut tenants, mut size) = (BTreeMap::<String, usize>::new(), 0);
        for kept in waiting {
            let target = &kept.way.target;
            let [of_target, of_tenant] = [
                taken.get(target).copied().unwrap_or_default(),
                tenants.get(&target.tenant).copied().unwrap_or_default(),
            ];
            let is_free = of_target < wish.to(target) && of_tenant < wish.of(&target.tenant);
            let fits = due.parcels.len() < wish.most && size <= wish.bytes;
            if kept.parcel.at > now {
                due.next = Some(due.next.map_or(kept.parcel.at, |next| next.min(kept.parcel.at)));
            } else if !is_free {
                due.held = true;
            } else if !fits {
                due.next = Some(due.next.map_or(kept.parcel.at, |next| next.min(kept.parcel.at)));
            } else {
                *taken.entry(target.clone()).or_default() += 1;
                *tenants.entry(target.tenant.clone()).or_default() += 1;
                size += kept.parcel.slip.len() + kept.parcel.body.len();
                kept.parcel.at = until;
                due.parcels.push(kept.parcel.clone());
            }
        }
        due
    }

    pub(super) fn settle(&mut self, id: DeliveryId, until: u64, settle: Settle) -> bool {
        let leased = |kept: &&mut Kept| kept.lies == Lies::Waiting && kept.parcel.at == until;
        let Some(kept) = self.0.get_mut(&id).filter(leased) else { return false };
        match settle {
            Settle::Done { at } => (kept.lies, kept.parcel.at) = (Lies::Done, at),
            Settle::Again { at, slip } => (kept.parcel.at, kept.parcel.slip) = (at, slip),
            Settle::Dead { at, slip } => {
                kept.lies = Lies::Dead;
                (kept.parcel.at, kept.parcel.slip) = (at, slip);
            }
        }
        true
    }

    pub(super) fn pile(&self, pile: Pile, from: usize, most: usize) -> Page {
        let wanted = if pile == Pile::Dead { Lies::Dead } else { Lies::Waiting };
        let of_pile = self.0.values().filter(|kept| kept.lies == wanted);
        let mut all: Vec<Parcel> = of_pile.map(|kept| kept.parcel.clone()).collect();
        all.sort_by_key(|parcel| (parcel.at, parcel.id));
        let total = all.len() as u64;
        Page { parcels: all.into_iter().skip(from).take(most).collect(), total }
    }

    pub(super) fn revive(&mut self, id: DeliveryId, now: u64) -> bool {
        let found = self.0.get_mut(&id).filter(|kept| kept.lies != Lies::Done);
        let Some(kept) = found else { return false };
        (kept.lies, kept.parcel.at) = (Lies::Waiting, now);
        true
    }

    pub(super) fn discard(&mut self, id: DeliveryId) -> bool {
        let there = self.0.get(&id).is_some_and(|kept| kept.lies != Lies::Done);
        there && self.0.remove(&id).is_some()
    }

    pub(super) fn discard_hook(&mut self, tenant: &str, hook: &str) -> u64 {
        let before = self.0.len();
        let is_of = |kept: &Kept| kept.way.target.tenant == tenant && kept.way.hook == hook;
        self.0.retain(|_, kept| kept.lies == Lies::Done || !is_of(kept));
        (before - self.0.len()) as u64
    }

    pub(super) fn tallies(&self) -> Vec<Tally> {
        let mut all: Vec<Tally> = Vec::new();
        for Kept { way, parcel, .. } in self.0.values().filter(|k| k.lies == Lies::Waiting) {
            match all.iter_mut().find(|t| t.lane == way.lane && t.target == way.target) {
                Some(tally) => {
                    tally.waiting += 1;
                    tally.first = tally.first.min(parcel.at);
                }
                None => all.push(Tally {
                    lane: way.lane,
                    target: way.target.clone(),
                    waiting: 1,
                    first: parcel.at,
                }),
            }
        }
        all
    }
}
