//! The queue of what is owed: slips, bodies, and an index by time.

use bytes::Bytes;
use redb::{
    Database, Durability, Error, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};

use crate::bbb::callback::KEY_BYTES;
use crate::domain::delivery::{DeliveryId, millis};
use crate::outside::store::queue::{
    MOST_REMEMBERED, Owed, Page, Parcel, Pile, REMEMBERED_FOR, Room, Settle, Tally, Way,
};

mod due; // what may be taken now
mod ways; // whose parcels are, and their order by target

pub(super) use due::take_due;

use ways::{OWNERS, Owner};

/// Those of both lanes; their times stand by target, see [`ways`].
const WAITING: u8 = 0;
const DEAD: u8 = 1;
/// Settled a short while ago.
const DONE: u8 = 2;

type Id = [u8; 32];

/// Which pile, since when or until when, and the slip.
const SLIPS: TableDefinition<&Id, (u8, u64, &[u8])> = TableDefinition::new("callback slips");
const BODIES: TableDefinition<&Id, &[u8]> = TableDefinition::new("callback bodies");
const TIMES: TableDefinition<(u8, u64, &Id), ()> = TableDefinition::new("callback times");
/// How many each pile has, and the bytes of all.
const COUNTS: TableDefinition<&str, u64> = TableDefinition::new("callback counts");
const KEYS: TableDefinition<&str, &[u8; KEY_BYTES]> = TableDefinition::new("keys");

const PILES: [&str; 3] = ["waiting", "dead", "done"];
const BYTES: &str = "bytes";

/// Makes the tables; what was written before parcels had targets waits for one without a name.
pub(super) fn prepare(write: &WriteTransaction) -> Result<(), Error> {
    write.open_table(KEYS)?;
    let mut queue = Queue::open(write)?;
    while let Some((at, id)) = queue.first(WAITING)? {
        queue.times.remove((WAITING, at, &id))?;
        queue.enter(&id, at)?;
    }
    Ok(())
}

pub(super) fn key(
    database: &Database,
    propose: &[u8; KEY_BYTES],
) -> Result<[u8; KEY_BYTES], Error> {
    let write = database.begin_write()?;
    let key = {
        let mut keys = write.open_table(KEYS)?;
        let kept = keys.get("callbacks")?.map(|key| *key.value());
        if kept.is_none() {
            keys.insert("callbacks", propose)?;
        }
        kept
    };
    match key {
        Some(key) => write.abort().map(|()| key)?,
        None => write.commit().map(|()| *propose)?,
    };
    Ok(key.unwrap_or(*propose))
}

/// The tables in one transaction.
struct Queue<'t> {
    slips: Table<'t, &'static Id, (u8, u64, &'static [u8])>,
    bodies: Table<'t, &'static Id, &'static [u8]>,
    times: Table<'t, (u8, u64, &'static Id), ()>,
    owners: Table<'t, &'static Id, ways::Stored>,
    order: Table<'t, ways::Place, ()>,
    counts: Table<'t, &'static str, u64>,
}

/// What is kept of a parcel beside its body.
struct Kept {
    pile: u8,
    at: u64,
    slip: Vec<u8>,
}

impl<'t> Queue<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            slips: write.open_table(SLIPS)?,
            bodies: write.open_table(BODIES)?,
            times: write.open_table(TIMES)?,
            owners: write.open_table(OWNERS)?,
            order: write.open_table(ways::ORDER)?,
            counts: write.open_table(COUNTS)?,
        })
    }

    fn get(&self, id: &Id) -> Result<Option<Kept>, Error> {
        let kept = self.slips.get(id)?;
        Ok(kept.map(|kept| {
            let (pile, at, slip) = kept.value();
            Kept { pile, at, slip: slip.to_vec() }
        }))
    }

    fn count(&self, name: &str) -> Result<u64, Error> {
        count(&self.counts, name)
    }

    fn add(&mut self, name: &str, more: usize) -> Result<(), Error> {
        let now = self.count(name)?.saturating_add(more as u64);
        self.counts.insert(name, now).map(drop)?;
        Ok(())
    }

    fn subtract(&mut self, name: &str, less: usize) -> Result<(), Error> {
        match self.count(name)?.saturating_sub(less as u64) {
            0 => drop(self.counts.remove(name)?),
            now => drop(self.counts.insert(name, now)?),
        }
        Ok(())
    }

    fn put(&mut self, id: &Id, kept: &Kept) -> Result<(), Error> {
        self.take_slip(id)?;
        self.slips.insert(id, (kept.pile, kept.at, kept.slip.as_slice()))?;
        match kept.pile {
            WAITING => self.enter(id, kept.at)?,
            pile => drop(self.times.insert((pile, kept.at, id), ())?),
        }
        self.add(PILES[kept.pile as usize], 1)?;
        self.add(BYTES, kept.slip.len())
    }

    fn take_slip(&mut self, id: &Id) -> Result<(), Error> {
        let Some(kept) = self.get(id)? else { return Ok(()) };
        self.slips.remove(id)?;
        match kept.pile {
            WAITING => self.leave(id, kept.at)?,
            pile => drop(self.times.remove((pile, kept.at, id))?),
        }
        self.subtract(PILES[kept.pile as usize], 1)?;
        self.subtract(BYTES, kept.slip.len())
    }

    fn put_body(&mut self, id: &Id, body: &[u8]) -> Result<(), Error> {
        if body.is_empty() {
            return Ok(());
        }
        self.bodies.insert(id, body)?;
        self.add(BYTES, body.len())
    }

    fn take_body(&mut self, id: &Id) -> Result<(), Error> {
        let length = self.bodies.remove(id)?.map_or(0, |body| body.value().len());
        self.subtract(BYTES, length)
    }

    fn remove(&mut self, id: &Id) -> Result<(), Error> {
        self.take_slip(id)?;
        self.owners.remove(id)?;
        self.take_body(id)
    }

    /// The oldest of a pile.
    fn first(&self, pile: u8) -> Result<Option<(u64, Id)>, Error> {
        let mut range = self.times.range((pile, 0, &[0; 32])..(pile + 1, 0, &[0; 32]))?;
        let first = range.next().transpose()?;
        Ok(first.map(|(key, _)| {
            let (_, at, id) = key.value();
            (at, *id)
        }))
    }

    /// Makes room: the oldest of a pile go until it has so many at most.
    fn prune(&mut self, pile: u8, most: usize) -> Result<(), Error> {
        while self.count(PILES[pile as usize])? > most as u64 {
            let Some((_, id)) = self.first(pile)? else { return Ok(()) };
            self.remove(&id)?;
        }
        Ok(())
    }

    fn owe(&mut self, way: &Way, parcel: &Parcel, now: u64, room: Room) -> Result<Owed, Error> {
        let forgotten = now.saturating_sub(millis(REMEMBERED_FOR));
        match self.get(&parcel.id.0)? {
            Some(kept) if kept.pile != DONE || kept.at > forgotten => return Ok(Owed::Known),
            _ => {}
        }
        let more = (parcel.slip.len() + parcel.body.len()) as u64;
        if let Some(refused) = self.refused(way, more, room)? {
            return Ok(refused);
        }
        while self.count(BYTES)? + more > room.bytes {
            let Some((_, id)) = self.first(DEAD)? else { return Ok(Owed::Full) };
            self.remove(&id)?;
        }
        self.own(&parcel.id.0, &Owner::of(way, more))?;
        let kept = Kept { pile: WAITING, at: parcel.at, slip: parcel.slip.clone() };
        self.put(&parcel.id.0, &kept)?;
        self.put_body(&parcel.id.0, &parcel.body)?;
        Ok(Owed::New)
    }

    /// Forgets what was settled long ago.
    fn forget(&mut self, now: u64) -> Result<(), Error> {
        let before = now.saturating_sub(millis(REMEMBERED_FOR));
        while let Some((_, id)) = self.first(DONE)?.filter(|(at, _)| *at <= before) {
            self.remove(&id)?;
        }
        self.prune(DONE, MOST_REMEMBERED)
    }
}

fn count(counts: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, Error> {
    Ok(counts.get(name)?.map_or(0, |count| count.value()))
}

/// Does something in one transaction, which is dropped when nothing was changed.
fn change<T>(
    database: &Database,
    durability: Durability,
    work: impl FnOnce(&mut Queue<'_>) -> Result<(T, bool), Error>,
) -> Result<T, Error> {
    let mut write = database.begin_write()?;
    let (answer, changed) = work(&mut Queue::open(&write)?)?;
    match changed {
        true => {
            write.set_durability(durability)?;
            write.commit()?;
        }
        false => write.abort()?,
    }
    Ok(answer)
}

pub(super) fn owe(
    database: &Database,
    parcels: &[(Way, Parcel)],
    now: u64,
    room: Room,
) -> Result<Vec<Owed>, Error> {
    change(database, Durability::Immediate, |queue| {
        let owed = parcels.iter().map(|(way, parcel)| queue.owe(way, parcel, now, room));
        let owed = owed.collect::<Result<Vec<_>, _>>()?;
        let changed = owed.contains(&Owed::New);
        Ok((owed, changed))
    })
}

pub(super) fn settle(
    database: &Database,
    id: &DeliveryId,
    until: u64,
    settle: Settle,
    room: Room,
) -> Result<bool, Error> {
    change(database, Durability::Immediate, |queue| {
        let kept = queue.get(&id.0)?;
        if !kept.is_some_and(|kept| kept.pile == WAITING && kept.at == until) {
            return Ok((false, false));
        }
        match settle {
            Settle::Done { at } => {
                queue.remove(&id.0)?;
                queue.put(&id.0, &Kept { pile: DONE, at, slip: Vec::new() })?;
                queue.forget(at)?;
            }
            Settle::Again { at, slip } => queue.put(&id.0, &Kept { pile: WAITING, at, slip })?,
            Settle::Dead { at, slip } => {
                queue.put(&id.0, &Kept { pile: DEAD, at, slip })?;
                queue.prune(DEAD, room.most)?;
            }
        }
        Ok((true, true))
    })
}

pub(super) fn pile(
    database: &Database,
    pile: Pile,
    from: usize,
    most: usize,
) -> Result<Page, Error> {
    let read = database.begin_read()?;
    let (times, slips) = (read.open_table(TIMES)?, read.open_table(SLIPS)?);
    let mut all = match pile {
        Pile::Waiting => ways::times(&read.open_table(ways::ORDER)?)?,
        Pile::Dead => times
            .range((DEAD, 0, &[0; 32])..(DEAD + 1, 0, &[0; 32]))?
            .map(|entry| entry.map(|(key, _)| (key.value().1, *key.value().2)))
            .collect::<Result<Vec<_>, _>>()?,
    };
    all.sort_unstable();
    let total = all.len() as u64;
    let mut parcels = Vec::new();
    for (at, id) in all.into_iter().skip(from).take(most) {
        let Some(kept) = slips.get(&id)? else { continue };
        let slip = kept.value().2.to_vec();
        parcels.push(Parcel { id: DeliveryId(id), at, slip, body: Bytes::new() });
    }
    Ok(Page { parcels, total })
}

pub(super) fn revive(database: &Database, id: &DeliveryId, now: u64) -> Result<bool, Error> {
    change(database, Durability::Immediate, |queue| {
        let Some(kept) = queue.get(&id.0)?.filter(|kept| kept.pile != DONE) else {
            return Ok((false, false));
        };
        queue.put(&id.0, &Kept { pile: WAITING, at: now, slip: kept.slip })?;
        Ok((true, true))
    })
}

pub(super) fn discard(database: &Database, id: &DeliveryId) -> Result<bool, Error> {
    change(database, Durability::Immediate, |queue| {
        if queue.get(&id.0)?.is_none_or(|kept| kept.pile == DONE) {
            return Ok((false, false));
        }
        queue.remove(&id.0)?;
        Ok((true, true))
    })
}

pub(super) fn discard_hook(database: &Database, tenant: &str, hook: &str) -> Result<u64, Error> {
    change(database, Durability::Immediate, |queue| {
        let ids = ways::of_hook(&queue.owners, tenant, hook)?;
        for id in &ids {
            queue.remove(id)?;
        }
        Ok((ids.len() as u64, !ids.is_empty()))
    })
}

pub(super) fn tallies(database: &Database) -> Result<Vec<Tally>, Error> {
    ways::tallies(&database.begin_read()?.open_table(ways::ORDER)?)
}
