//! The second copy of instances and tenants, which nothing but people can make again: a text beside the file, written anew
//! at each change of them, that `bigblueswarm apply` reads.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use redb::Database;
use serde_json::{Map, Value, json};
use tracing::warn;

use super::{synced, tables};
use crate::outside::store::InstanceRecord;

/// Where it is.
pub(super) fn path(of: &Path) -> PathBuf {
    synced::beside(of, ".copy.json")
}

/// Writes what is stored now. A copy that could not be written changes nothing for who changed the store.
pub(super) fn write(of: &Path, database: &Database) {
    let text = match text(database) {
        Ok(text) => text,
        Err(error) => return warn!(%error, "the copy of instances and tenants was not written"),
    };
    if let Err(error) = put(&path(of), &text) {
        warn!(%error, "the copy of instances and tenants was not written");
    }
}

/// A new file was made: the copy that is there is of another one, which was lost, and is kept under another name.
pub(super) fn keep(of: &Path) {
    let (copy, kept) = (path(of), synced::beside(of, ".copy.before.json"));
    if fs::rename(&copy, &kept).is_ok() {
        let file = kept.display();
        warn!(%file, "a new store file was made though there is a copy of instances and tenants: `bigblueswarm apply -f FILE` brings them back");
    }
}

/// A document of each line.
fn text(database: &Database) -> Result<String, redb::Error> {
    let pool = tables::instances(database)?;
    let stays = |record: &&InstanceRecord| !record.retired;
    let secret = |record: &InstanceRecord| {
        (record.id.as_str().to_owned(), Value::from(record.secret.reveal()))
    };
    let urls: Map<_, _> = pool.iter().filter(stays).map(secret).collect();
    let mut lines = vec![json!({"kind": "InstanceList", "instances": urls}).to_string()];
    for tenant in tables::tenants(database)? {
        lines.extend(serde_json::to_string(&tenant));
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let fresh = synced::beside(path, ".new");
    let mut file = synced::private(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    synced::sync_directory(path)
}
