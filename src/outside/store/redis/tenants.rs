//! Tenants: `tenant:HOST`, the predecessor's YAML. In a Cluster they are in one hash, so that they are
//! changed together with the counts of changes.

use std::collections::BTreeMap;

use tracing::warn;

use crate::domain::tenant::{TenantDocument, TenantId};
use crate::outside::store::mark::Mark;
use crate::outside::store::{StoreError, tenant};

use super::guarded::{Guarded, ask_mark, mark, words};
use super::keys;
use super::link::Link;
use super::pool::count_and_tell;

/// What is counted under this name.
pub(super) const TENANTS: &str = "tenants";
/// So often they are read while they change.
const MOST_READINGS: usize = 5;

pub(super) async fn read_all(link: &Link) -> Result<Vec<TenantDocument>, StoreError> {
    if link.is_cluster() {
        return read_hash(link).await;
    }
    let mut found = BTreeMap::new();
    let mut scan = link.scan(keys::ALL_TENANTS);
    while let Some(names) = scan.next().await? {
        for (name, text) in names.iter().zip(texts(link, &names).await?) {
            let (Some(host), Some(text)) = (keys::host_of(name), text) else { continue };
            found.extend(readable(host, &text).map(|document| (host.to_owned(), document)));
        }
    }
    Ok(found.into_values().collect())
}

async fn read_hash(link: &Link) -> Result<Vec<TenantDocument>, StoreError> {
    let mut asked = redis::pipe();
    asked.cmd("HGETALL").arg(keys::POOLED_TENANTS);
    let (texts,): (BTreeMap<String, Vec<u8>>,) = link.send(&asked).await?;
    Ok(texts.iter().filter_map(|(host, text)| readable(host, text)).collect())
}

fn readable(host: &str, text: &[u8]) -> Option<TenantDocument> {
    let read = tenant::read(host, &String::from_utf8_lossy(text));
    read.inspect_err(|why| warn!(tenant.name = host, why, "tenant left out: unreadable")).ok()
}

/// The texts of these keys; nothing where there is none (any more).
async fn texts(link: &Link, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut asked = redis::pipe();
    asked.cmd("MGET").arg(names);
    let (texts,): (Vec<Option<Vec<u8>>>,) = link.send(&asked).await?;
    Ok(texts)
}

/// Every tenant, and which state of them that is.
pub(super) async fn read_marked(link: &Link) -> Result<(Vec<TenantDocument>, Mark), StoreError> {
    for _ in 0..MOST_READINGS {
        let (before, tenants) = (read_mark(link).await?, read_all(link).await?);
        // Many keys are not read at one moment: what came between may have been the end of all.
        if read_mark(link).await? == before {
            return Ok((tenants, before));
        }
    }
    Err(StoreError::Away("tenants change faster than they can be read".into()))
}

async fn read_mark(link: &Link) -> Result<Mark, StoreError> {
    let mut asked = redis::pipe();
    ask_mark(asked.atomic(), TENANTS);
    Ok(mark(link.send(&asked).await?))
}

/// Puts these tenants there and takes those away, if they are in the state that they are changed from; how
/// many of the last kind there were.
pub(super) async fn change(
    link: &Link,
    guarded: Guarded<'_>,
    put: &[TenantDocument],
    remove: &[TenantId],
) -> Result<Option<(Mark, bool)>, StoreError> {
    let cluster = link.is_cluster();
    let put = put.iter().map(|document| {
        let (host, text) = (&document.spec.host, tenant::write(document));
        match cluster {
            true => words(&["HSET", keys::POOLED_TENANTS, host, &text]),
            false => words(&["SET", &keys::tenant(host), &text]),
        }
    });
    let remove = remove.iter().map(|host| match cluster {
        true => words(&["HDEL", keys::POOLED_TENANTS, host.as_str()]),
        false => words(&["DEL", &keys::tenant(host.as_str())]),
    });
    let commands: Vec<_> = put.chain(remove).collect();
    let done = guarded.run(link, &commands).await?;
    Ok(done.map(|(mark, answer)| (mark, answer == "1")))
}

pub(super) async fn put(
    link: &Link,
    sender: &str,
    document: &TenantDocument,
) -> Result<(), StoreError> {
    let mut transaction = redis::pipe();
    let (host, text) = (&document.spec.host, tenant::write(document));
    if link.is_cluster() {
        transaction.atomic().cmd("HSET").arg(keys::POOLED_TENANTS).arg(host).arg(text).ignore();
    } else {
        transaction.atomic().cmd("SET").arg(keys::tenant(host)).arg(text).ignore();
    }
    count_and_tell(&mut transaction, sender, "tenants");
    link.write(&transaction).await
}

pub(super) async fn rename(
    link: &Link,
    sender: &str,
    from: &TenantId,
    to: &TenantDocument,
) -> Result<(), StoreError> {
    let mut transaction = redis::pipe();
    let (host, text) = (&to.spec.host, tenant::write(to));
    if link.is_cluster() {
        transaction.atomic().cmd("HDEL").arg(keys::POOLED_TENANTS).arg(from.as_str()).ignore();
        transaction.cmd("HSET").arg(keys::POOLED_TENANTS).arg(host).arg(text).ignore();
    } else {
        transaction.atomic().cmd("DEL").arg(keys::tenant(from.as_str())).ignore();
        transaction.cmd("SET").arg(keys::tenant(host)).arg(text).ignore();
    }
    count_and_tell(&mut transaction, sender, "tenants");
    link.write(&transaction).await
}

pub(super) async fn delete(link: &Link, sender: &str, host: &TenantId) -> Result<bool, StoreError> {
    let mut transaction = redis::pipe();
    if link.is_cluster() {
        transaction.atomic().cmd("HDEL").arg(keys::POOLED_TENANTS).arg(host.as_str());
    } else {
        transaction.atomic().cmd("DEL").arg(keys::tenant(host.as_str()));
    }
    count_and_tell(&mut transaction, sender, "tenants");
    let (removed,): (u64,) = link.write(&transaction).await?;
    Ok(removed > 0)
}
