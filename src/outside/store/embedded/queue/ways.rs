//! Whose parcels are, how many each tenant has, and their order by target, so that what waits for one target is never
//! looked through for another's.

use std::collections::VecDeque;

use redb::{Error, ReadableTable, TableDefinition};

use super::{Id, Queue};
use crate::outside::store::queue::{Lane, Owed, Room, Tally, Target, Way, Wish};

/// Lane, bytes, tenant, origin, and webhook.
pub(super) type Stored = (u8, u64, &'static str, &'static str, &'static str);
/// Lane, tenant and origin, when it is due, and which.
pub(super) type Place = (u8, &'static str, u64, &'static Id);

pub(super) const OWNERS: TableDefinition<&Id, Stored> = TableDefinition::new("callback owners");
pub(super) const ORDER: TableDefinition<Place, ()> = TableDefinition::new("callback order");

/// The name of a count of one lane.
pub(super) fn prefixed(name: &str, lane: Lane) -> String {
    format!("{name} {}", lane as u8)
}

/// Whose a parcel is. One that was stored before parcels had owners is nobody's.
#[derive(Default)]
pub(super) struct Owner {
    lane: Lane,
    bytes: u64,
    target: Target,
    hook: String,
}

impl Owner {
    pub(super) fn of(way: &Way, bytes: u64) -> Self {
        let Way { lane, target, hook } = way.clone();
        Self { lane, bytes, target, hook }
    }

    /// The counts of those that wait, and of their bytes: of the lane, and of the tenant.
    fn counts(&self) -> [String; 4] {
        names(self.lane, &self.target.tenant)
    }
}

fn names(lane: Lane, tenant: &str) -> [String; 4] {
    let (waiting, bytes) = (prefixed("waiting", lane), prefixed("bytes", lane));
    [format!("{waiting}/{tenant}"), format!("{bytes}/{tenant}"), waiting, bytes]
}

fn lane(stored: u8) -> Lane {
    if stored == Lane::Events as u8 { Lane::Events } else { Lane::Calls }
}

fn line(target: &Target) -> String {
    [&target.tenant, "\n", &target.origin].concat()
}

fn target(line: &str) -> Target {
    let (tenant, origin) = line.split_once('\n').unwrap_or_default();
    Target { tenant: tenant.to_owned(), origin: origin.to_owned() }
}

impl Queue<'_> {
    pub(super) fn own(&mut self, id: &Id, owner: &Owner) -> Result<(), Error> {
        let Owner { lane, bytes, target, hook } = owner;
        let stored =
            (*lane as u8, *bytes, target.tenant.as_str(), target.origin.as_str(), hook.as_str());
        self.owners.insert(id, stored)?;
        Ok(())
    }

    fn owner(&self, id: &Id) -> Result<Owner, Error> {
        let stored = self.owners.get(id)?;
        Ok(stored.map_or_else(Owner::default, |stored| {
            let (of, bytes, tenant, origin, hook) = stored.value();
            let target = Target { tenant: tenant.to_owned(), origin: origin.to_owned() };
            Owner { lane: lane(of), bytes, target, hook: hook.to_owned() }
        }))
    }

    /// It waits from now on, until this time.
    pub(super) fn enter(&mut self, id: &Id, at: u64) -> Result<(), Error> {
        let owner = self.owner(id)?;
        self.order.insert((owner.lane as u8, line(&owner.target).as_str(), at, id), ())?;
        let bytes = usize::try_from(owner.bytes).unwrap_or(usize::MAX);
        for (name, more) in owner.counts().iter().zip([1, bytes, 1, bytes]) {
            self.add(name, more)?;
        }
        Ok(())
    }

    /// It waits no longer.
    pub(super) fn leave(&mut self, id: &Id, at: u64) -> Result<(), Error> {
        let owner = self.owner(id)?;
        self.order.remove((owner.lane as u8, line(&owner.target).as_str(), at, id))?;
        let bytes = usize::try_from(owner.bytes).unwrap_or(usize::MAX);
        for (name, less) in owner.counts().iter().zip([1, bytes, 1, bytes]) {
            self.subtract(name, less)?;
        }
        Ok(())
    }

    /// Why there is no room for so many bytes more of this kind, whatever dead letters go.
    pub(super) fn refused(&self, way: &Way, more: u64, room: Room) -> Result<Option<Owed>, Error> {
        let [own, own_bytes, all, all_bytes] = names(way.lane, &way.target.tenant);
        let full = self.count(&all)? >= room.most as u64
            || way.lane == Lane::Events && self.count(&all_bytes)? + more > room.bytes / 2;
        let over = self.count(&own)? >= room.tenant_most as u64
            || self.count(&own_bytes)? + more > room.tenant_bytes;
        Ok(if over { Some(Owed::OverShare) } else { full.then_some(Owed::Full) })
    }
}

/// What waits for one target, as far as it may be taken, and one more.
pub(super) struct Line {
    pub(super) target: Target,
    entries: VecDeque<(u64, Id)>,
    pub(super) free: usize,
}

impl Line {
    /// When the first that is left is due.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|(at, _)| *at)
    }

    /// The next that is due, if one may be taken.
    pub(super) fn next(&mut self, now: u64) -> Option<(u64, Id)> {
        let due = self.free > 0 && self.first().is_some_and(|at| at <= now);
        let next = self.entries.pop_front_if(|_| due)?;
        self.free -= 1;
        Some(next)
    }
}

type Order<'a> = dyn Iterator<Item = Result<(u8, String, u64, Id), Error>> + 'a;

fn range<'a>(
    order: &'a impl ReadableTable<Place, ()>,
    lane: u8,
    from: &str,
) -> Result<Box<Order<'a>>, Error> {
    let nobody: Id = [0; 32];
    let all = order.range((lane, from, 0, &nobody)..(lane + 1, "", 0, &nobody))?;
    Ok(Box::new(all.map(|entry| {
        let (key, ()) = entry.map(|(key, value)| (key, value.value()))?;
        let (lane, line, at, id) = key.value();
        Ok((lane, line.to_owned(), at, *id))
    })))
}

/// The targets of a lane, the one whose first is due longest first.
pub(super) fn lines(
    order: &impl ReadableTable<Place, ()>,
    now: u64,
    wish: &Wish,
) -> Result<Vec<Line>, Error> {
    let (mut lines, mut from) = (Vec::new(), String::new());
    while let Some(first) = range(order, wish.lane as u8, &from)?.next() {
        let (_, name, at, id) = first?;
        let target = target(&name);
        let free = wish.to(&target);
        let mut entries = VecDeque::from([(at, id)]);
        if at <= now && free > 0 {
            for entry in range(order, wish.lane as u8, &name)?.skip(1).take(free.min(wish.most)) {
                let (_, line, at, id) = entry?;
                if line != name {
                    break;
                }
                entries.push_back((at, id));
            }
        }
        lines.push(Line { target, entries, free });
        from = name + "\0";
    }
    lines.sort_by_key(Line::first);
    Ok(lines)
}

/// When everything of both lanes is due.
pub(super) fn times(order: &impl ReadableTable<Place, ()>) -> Result<Vec<(u64, Id)>, Error> {
    let all = order.iter()?.map(|entry| {
        let (key, _) = entry?;
        let (_, _, at, id) = key.value();
        Ok((at, *id))
    });
    all.collect()
}

pub(super) fn tallies(order: &impl ReadableTable<Place, ()>) -> Result<Vec<Tally>, Error> {
    let mut tallies: Vec<Tally> = Vec::new();
    for entry in order.iter()? {
        let (key, _) = entry?;
        let (of, name, at, _) = key.value();
        let (lane, target) = (lane(of), target(name));
        match tallies.last_mut().filter(|last| last.lane == lane && last.target == target) {
            Some(last) => last.waiting += 1,
            None => tallies.push(Tally { lane, target, waiting: 1, first: at }),
        }
    }
    Ok(tallies)
}

/// What is kept for a webhook.
pub(super) fn of_hook(
    owners: &impl ReadableTable<&'static Id, Stored>,
    tenant: &str,
    hook: &str,
) -> Result<Vec<Id>, Error> {
    let mut ids = Vec::new();
    for entry in owners.iter()? {
        let (id, owner) = entry?;
        let (_, _, of, _, named) = owner.value();
        if of == tenant && named == hook {
            ids.push(*id.value());
        }
    }
    Ok(ids)
}
