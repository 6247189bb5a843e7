//! Shelves: small records by kind and id, a hash for each kind.

use std::collections::BTreeMap;

use crate::outside::store::{RecordingsKept, Shelf, Shelved, StoreError};

use super::hints::Hints;
use super::keys;
use super::link::{Link, PART};
use super::pool::count_and_tell;

/// Records that come twice while the hash changes are the same or newer the second time.
pub(super) async fn read(link: &Link, shelf: Shelf) -> Result<Vec<Shelved>, StoreError> {
    let (key, mut records, mut cursor) = (keys::shelf(shelf), BTreeMap::new(), 0);
    loop {
        let mut asked = redis::pipe();
        asked.cmd("HSCAN").arg(&key).arg(cursor).arg("COUNT").arg(PART);
        type Part = (u64, Vec<(String, Vec<u8>)>);
        let ((next, part),): (Part,) = link.send(&asked).await?;
        records.extend(part);
        if next == 0 {
            return Ok(records.into_iter().collect());
        }
        cursor = next;
    }
}

pub(super) async fn put(
    link: &Link,
    sender: &str,
    shelf: Shelf,
    records: &[Shelved],
) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let mut transaction = redis::pipe();
    transaction.atomic().cmd("HSET").arg(keys::shelf(shelf));
    for (id, bytes) in records {
        transaction.arg(id).arg(bytes);
    }
    transaction.ignore();
    if shelf.is_told() {
        count_and_tell(&mut transaction, sender, shelf.name());
    }
    link.write(&transaction).await
}

pub(super) async fn remove(
    link: &Link,
    sender: &str,
    shelf: Shelf,
    ids: &[String],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut transaction = redis::pipe();
    transaction.atomic().cmd("HDEL").arg(keys::shelf(shelf)).arg(ids).ignore();
    if shelf.is_told() {
        count_and_tell(&mut transaction, sender, shelf.name());
    }
    link.write(&transaction).await
}

/// Records of recordings, and the predecessor's keys for them, in one transaction.
pub(super) async fn keep_recordings(
    link: &Link,
    sender: &str,
    hints: Hints,
    changed: &RecordingsKept,
) -> Result<(), StoreError> {
    let (mut transaction, shelf) = (redis::pipe(), keys::shelf(Shelf::Recordings));
    transaction.atomic();
    if !changed.there.is_empty() {
        transaction.cmd("HSET").arg(&shelf);
        for (id, bytes) in &changed.there {
            transaction.arg(id).arg(bytes);
        }
        transaction.ignore();
    }
    if !changed.gone.is_empty() {
        transaction.cmd("HDEL").arg(&shelf).arg(&changed.gone).ignore();
    }
    hints.add_recordings(&mut transaction, changed);
    count_and_tell(&mut transaction, sender, Shelf::Recordings.name());
    link.write(&transaction).await
}
