//! Tenants: `tenant:HOST`, the predecessor's YAML. In a Cluster they are in one hash, so that they are
//! changed together with the counts of changes.

use std::collections::BTreeMap;

use tracing::warn;

use crate::domain::tenant::{TenantDocument, TenantId};
use crate::outside::store::{StoreError, tenant};

use super::keys;
use super::link::Link;
use super::pool::count_and_tell;

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
