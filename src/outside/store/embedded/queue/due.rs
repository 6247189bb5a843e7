//! What is due: of each target in turn, as far as it may be taken.

use bytes::Bytes;
use redb::{Database, Durability, Error, ReadTransaction, ReadableDatabase};

use super::ways::{self, prefixed};
use super::{BODIES, COUNTS, Kept, PILES, SLIPS, WAITING, change, count};
use crate::domain::delivery::DeliveryId;
use crate::outside::store::queue::{Due, Parcel, Wish};

/// What is due, not leased yet: which is looked at without writing, as mostly nothing is.
fn look(read: &ReadTransaction, now: u64, wish: &Wish) -> Result<Due, Error> {
    let (slips, bodies) = (read.open_table(SLIPS)?, read.open_table(BODIES)?);
    let (order, counts) = (read.open_table(ways::ORDER)?, read.open_table(COUNTS)?);
    let mut due = Due {
        waiting: count(&counts, &prefixed("waiting", wish.lane))?,
        dead: count(&counts, PILES[1])?,
        ..Due::default()
    };
    let mut lines = ways::lines(&order, now, wish)?;
    let (mut size, mut tenants) = (0, wish.tenants.clone());
    while due.parcels.len() < wish.most && size <= wish.bytes {
        let mut taken = false;
        for line in &mut lines {
            if due.parcels.len() >= wish.most || size > wish.bytes {
                break;
            }
            let free = tenants.entry(line.target.tenant.clone()).or_insert(wish.per_tenant);
            if *free == 0 {
                continue;
            }
            let Some((at, id)) = line.next(now) else { continue };
            let Some(kept) = slips.get(&id)? else { continue };
            let body = bodies.get(&id)?.map(|body| Bytes::copy_from_slice(body.value()));
            let (slip, body) = (kept.value().2.to_vec(), body.unwrap_or_default());
            size += slip.len() + body.len();
            due.parcels.push(Parcel { id: DeliveryId(id), at, slip, body });
            (taken, *free) = (true, *free - 1);
        }
        if !taken {
            break;
        }
    }
    for line in lines {
        let free = tenants.get(&line.target.tenant).copied().unwrap_or(wish.per_tenant);
        match line.first() {
            Some(at) if at <= now && (line.free == 0 || free == 0) => due.held = true,
            Some(at) => due.next = Some(due.next.map_or(at, |next| next.min(at))),
            None => {}
        }
    }
    Ok(due)
}

/// Leases are lost with the process that took them, so they need not be on disk.
pub(in crate::outside::store::embedded) fn take_due(
    database: &Database,
    now: u64,
    until: u64,
    wish: &Wish,
) -> Result<Due, Error> {
    let mut due = look(&database.begin_read()?, now, wish)?;
    if due.parcels.is_empty() {
        return Ok(due);
    }
    change(database, Durability::None, |queue| {
        for mut parcel in std::mem::take(&mut due.parcels) {
            // It may have been dropped since it was looked at.
            let still = queue.get(&parcel.id.0)?;
            if still.is_some_and(|kept| kept.pile == WAITING && kept.at == parcel.at) {
                parcel.at = until;
                let kept = Kept { pile: WAITING, at: until, slip: parcel.slip.clone() };
                queue.put(&parcel.id.0, &kept)?;
                due.parcels.push(parcel);
            }
        }
        Ok((due, true))
    })
}
