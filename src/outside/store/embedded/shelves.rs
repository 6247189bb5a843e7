//! Shelves: small records by kind and id, all in one table.

use redb::{Database, Error, ReadableDatabase, TableDefinition};

use crate::outside::store::{Shelf, Shelved};

/// By the shelf's name and the record's id.
pub(super) const SHELVES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("shelves");

pub(super) fn read(database: &Database, shelf: Shelf) -> Result<Vec<Shelved>, Error> {
    let table = database.begin_read()?.open_table(SHELVES)?;
    let mut records = Vec::new();
    for entry in table.range((shelf.name(), "")..)? {
        let (key, value) = entry?;
        let (name, id) = key.value();
        if name != shelf.name() {
            break;
        }
        records.push((id.to_owned(), value.value().to_vec()));
    }
    Ok(records)
}

pub(super) fn put(database: &Database, shelf: Shelf, records: &[Shelved]) -> Result<(), Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(SHELVES)?;
        for (id, bytes) in records {
            table.insert((shelf.name(), id.as_str()), bytes.as_slice())?;
        }
    }
    Ok(write.commit()?)
}

pub(super) fn remove(database: &Database, shelf: Shelf, ids: &[String]) -> Result<(), Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(SHELVES)?;
        for id in ids {
            table.remove((shelf.name(), id.as_str()))?;
        }
    }
    Ok(write.commit()?)
}
