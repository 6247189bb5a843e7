//! Tenants: `tenant:HOST`, the predecessor's YAML.

use std::collections::BTreeMap;

use tracing::warn;

use crate::domain::tenant::{TenantDocument, TenantId};
use crate::outside::store::{StoreError, tenant};

use super::keys;
use super::link::Link;
use super::pool::count_and_tell;

pub(super) async fn read_all(link: &Link) -> Result<Vec<TenantDocument>, StoreError> {
    let mut found = BTreeMap::new();
    let mut scan = link.scan(keys::ALL_TENANTS);
    while let Some(names) = scan.next().await? {
        for (name, text) in names.iter().zip(texts(link, &names).await?) {
            let (Some(host), Some(text)) = (keys::host_of(name), text) else { continue };
            match tenant::read(host, &String::from_utf8_lossy(&text)) {
                Ok(document) => drop(found.insert(host.to_owned(), document)),
                Err(why) => warn!(tenant.name = host, why, "tenant left out: unreadable"),
            }
        }
    }
    Ok(found.into_values().collect())
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
    let key = keys::tenant(&document.spec.host);
    transaction.atomic().cmd("SET").arg(key).arg(tenant::write(document)).ignore();
    count_and_tell(&mut transaction, sender, "tenants");
    link.send(&transaction).await
}

pub(super) async fn delete(link: &Link, sender: &str, host: &TenantId) -> Result<bool, StoreError> {
    let mut transaction = redis::pipe();
    transaction.atomic().cmd("DEL").arg(keys::tenant(host.as_str()));
    count_and_tell(&mut transaction, sender, "tenants");
    let (removed,): (u64,) = link.send(&transaction).await?;
    Ok(removed > 0)
}
