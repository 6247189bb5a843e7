//! The tables, and one function per transaction.

use std::collections::BTreeMap;

use redb::{Database, Durability, Error, ReadableDatabase, ReadableTable, Table, TableDefinition};
use tracing::warn;

use super::queue;
use super::shelves::SHELVES;
use crate::domain::meeting::{Route, RouteKey, RouteRecord};
use crate::domain::tenant::{TenantDocument, TenantId};
use crate::outside::store::record::{StoredInstance, StoredRoute, json, unreadable};
use crate::outside::store::take::take;
use crate::outside::store::{InstanceRecord, Step, Stepped, StoreError, tenant};

type Bytes = TableDefinition<'static, &'static str, &'static [u8]>;
type Routes<'t> = Table<'t, &'static [u8; 20], &'static [u8]>;

const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
const INSTANCES: Bytes = TableDefinition::new("instances");
const TENANTS: Bytes = TableDefinition::new("tenants");
const ROUTES: TableDefinition<&[u8; 20], &[u8]> = TableDefinition::new("routes");

/// How everything here is written down. Another number is another program's file.
const FORMAT: u64 = 1;

/// What became of a batch of steps.
pub(super) enum Written {
    Nothing,
    Lazily,
    Synced,
}

/// Makes the tables that a file lacks, and refuses a file of another format.
pub(super) fn prepare(database: &Database) -> Result<(), Error> {
    let write = database.begin_write()?;
    {
        let mut about = write.open_table(ABOUT)?;
        let found = about.get("format")?.map(|format| format.value());
        match found {
            // A file of an earlier release may lack a table.
            Some(FORMAT) => {}
            Some(other) => {
                return Err(Error::Corrupted(format!("format {other}, only {FORMAT} is known")));
            }
            None => drop(about.insert("format", FORMAT)?),
        }
        write.open_table(INSTANCES)?;
        write.open_table(TENANTS)?;
        write.open_table(ROUTES)?;
        write.open_table(SHELVES)?;
        queue::prepare(&write)?;
    }
    Ok(write.commit()?)
}

pub(super) fn ping(database: &Database) -> Result<(), Error> {
    database.begin_read()?.open_table(ABOUT)?.get("format")?;
    Ok(())
}

/// Writes one number, which nobody reads, and syncs.
pub(super) fn check(database: &Database, number: u64) -> Result<(), Error> {
    let write = database.begin_write()?;
    write.open_table(ABOUT)?.insert("checked", number)?;
    Ok(write.commit()?)
}

/// Brings all lazy writes to disk: a synced transaction takes those before it along.
pub(super) fn sync(database: &Database) -> Result<(), Error> {
    Ok(database.begin_write()?.commit()?)
}

pub(super) fn instances(database: &Database) -> Result<Vec<InstanceRecord>, Error> {
    let table = database.begin_read()?.open_table(INSTANCES)?;
    let mut pool = Vec::new();
    for entry in table.iter()? {
        let (url, value) = entry?;
        let stored: StoredInstance = serde_json::from_slice(value.value())
            .map_err(|e| corrupted(unreadable("instance", &e)))?;
        pool.extend(stored.named(url.value()));
    }
    Ok(pool)
}

pub(super) fn set_instances(database: &Database, pool: &[InstanceRecord]) -> Result<(), Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(INSTANCES)?;
        table.retain(|_, _| false)?;
        for record in pool {
            let stored = json(&StoredInstance::whole(record));
            table.insert(record.id.as_str(), stored.as_bytes())?;
        }
    }
    Ok(write.commit()?)
}

pub(super) fn tenants(database: &Database) -> Result<Vec<TenantDocument>, Error> {
    let table = database.begin_read()?.open_table(TENANTS)?;
    let mut tenants = Vec::new();
    for entry in table.iter()? {
        let (host, text) = entry?;
        let text = String::from_utf8_lossy(text.value());
        match tenant::read(host.value(), &text) {
            Ok(document) => tenants.push(document),
            Err(why) => warn!(tenant.name = host.value(), why, "tenant left out: unreadable"),
        }
    }
    Ok(tenants)
}

pub(super) fn put_tenant(database: &Database, document: &TenantDocument) -> Result<(), Error> {
    let write = database.begin_write()?;
    let text = tenant::write(document);
    write.open_table(TENANTS)?.insert(document.spec.host.as_str(), text.as_bytes())?;
    Ok(write.commit()?)
}

pub(super) fn rename_tenant(
    database: &Database,
    from: &TenantId,
    to: &TenantDocument,
) -> Result<(), Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(TENANTS)?;
        table.remove(from.as_str())?;
        table.insert(to.spec.host.as_str(), tenant::write(to).as_bytes())?;
    }
    Ok(write.commit()?)
}

pub(super) fn delete_tenant(database: &Database, host: &TenantId) -> Result<bool, Error> {
    let write = database.begin_write()?;
    let was_there = write.open_table(TENANTS)?.remove(host.as_str())?.is_some();
    write.commit()?;
    Ok(was_there)
}

pub(super) fn all_routes(database: &Database) -> Result<Vec<(RouteKey, RouteRecord)>, Error> {
    let table = database.begin_read()?.open_table(ROUTES)?;
    let mut all = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        let key = RouteKey(*key.value());
        match read_record(value.value()) {
            Ok(record) => all.push((key, record)),
            Err(e) => warn!(route.key = %key, error = %e, "routes left out: unreadable"),
        }
    }
    Ok(all)
}

pub(super) fn routes(database: &Database, keys: &[RouteKey]) -> Result<Vec<RouteRecord>, Error> {
    let table = database.begin_read()?.open_table(ROUTES)?;
    keys.iter().map(|key| stored_record(&table, key)).collect()
}

/// Takes the steps in one transaction. It is synced if a step changed something that must not be
/// lost, and not written at all if none changed anything.
pub(super) fn step(database: &Database, steps: &[Step]) -> Result<(Vec<Stepped>, Written), Error> {
    let mut write = database.begin_write()?;
    let (mut answers, mut changed, mut durable) = (Vec::with_capacity(steps.len()), false, false);
    {
        let mut table = write.open_table(ROUTES)?;
        for step in steps {
            let (answer, wrote) = step_once(&mut table, step)?;
            changed |= wrote;
            durable |= wrote && step.durable();
            answers.push(answer);
        }
    }
    let written = match (changed, durable) {
        (false, _) => Written::Nothing,
        (true, false) => Written::Lazily,
        (true, true) => Written::Synced,
    };
    match written {
        Written::Nothing => write.abort()?,
        Written::Lazily => {
            write.set_durability(Durability::None)?;
            write.commit()?;
        }
        Written::Synced => write.commit()?,
    }
    Ok((answers, written))
}

fn step_once(table: &mut Routes<'_>, step: &Step) -> Result<(Stepped, bool), Error> {
    let key = step.key();
    let before = stored_record(table, &key)?;
    let mut record = before.clone();
    let answer = take(&mut record, step);
    if record == before {
        return Ok((answer, false));
    }
    if record.is_empty() {
        table.remove(&key.0)?;
    } else {
        table.insert(&key.0, write_record(&record).as_bytes())?;
    }
    Ok((answer, true))
}

fn stored_record(
    table: &impl ReadableTable<&'static [u8; 20], &'static [u8]>,
    key: &RouteKey,
) -> Result<RouteRecord, Error> {
    match table.get(&key.0)? {
        Some(value) => read_record(value.value()).map_err(corrupted),
        None => Ok(RouteRecord::new()),
    }
}

fn write_record(record: &RouteRecord) -> String {
    let stored: BTreeMap<&str, StoredRoute> =
        record.iter().map(|(tenant, route)| (tenant.as_str(), route.into())).collect();
    json(&stored)
}

fn read_record(value: &[u8]) -> Result<RouteRecord, StoreError> {
    let stored: BTreeMap<String, StoredRoute> =
        serde_json::from_slice(value).map_err(|e| unreadable("routes", &e))?;
    let route = |(tenant, route): (String, StoredRoute)| -> Result<(TenantId, Route), StoreError> {
        Ok((TenantId::new(tenant), route.try_into()?))
    };
    stored.into_iter().map(route).collect()
}

fn corrupted(error: StoreError) -> Error {
    Error::Corrupted(error.to_string())
}
