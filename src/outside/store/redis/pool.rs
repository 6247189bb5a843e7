//! Instances: the predecessor's list says who exists, with which secret; our facts say the rest.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher};

use redis::Pipeline;
use tracing::{debug, warn};

use crate::domain::instance::{AdminState, InstanceId};
use crate::domain::secret::Secret;
use crate::outside::store::mark::Mark;
use crate::outside::store::record::{StoredInstance, json, unreadable};
use crate::outside::store::{InstanceRecord, StoreError};

use super::guarded::{Guarded, ask_mark, mark, words};
use super::keys;
use super::link::Link;

type Hash = BTreeMap<String, String>;
/// The list of instances as it stands there.
pub(super) type List = BTreeMap<Vec<u8>, Vec<u8>>;

/// By which a list is known again.
pub(super) fn digest(list: &List) -> u64 {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    hasher.finish()
}

/// The digest of the list that this pool makes.
pub(super) fn digest_of(pool: &[InstanceRecord]) -> u64 {
    let listed = pool.iter().filter(|record| !record.retired);
    let entry = |r: &InstanceRecord| (r.id.as_str().into(), r.secret.reveal().into());
    digest(&listed.map(entry).collect())
}

/// What is counted under this name.
pub(super) const INSTANCES: &str = "instances";
/// So long the count of a replica's own changes outlives its last one.
pub(super) const OWN_COUNT_FOR_SECONDS: u64 = 7 * 24 * 3600;

/// Adds to a transaction that instances, tenants or a shelf (`what`) change: counted for all and for us, and told.
pub(super) fn count_and_tell(transaction: &mut Pipeline, sender: &str, what: &str) {
    let own = keys::own_revisions(sender);
    transaction.cmd("HINCRBY").arg(keys::REVISIONS).arg(what).arg(1).ignore();
    transaction.cmd("HINCRBY").arg(&own).arg(what).arg(1).ignore();
    transaction.cmd("EXPIRE").arg(&own).arg(OWN_COUNT_FOR_SECONDS).ignore();
    transaction.cmd("PUBLISH").arg(keys::CHANNEL).arg(format!("{sender} {what}")).ignore();
}

/// The pool, and which state of it that is.
pub(super) async fn read(link: &Link) -> Result<(Vec<InstanceRecord>, Mark), StoreError> {
    let mut asked = redis::pipe();
    let list = keys::instances(link.is_cluster());
    asked.atomic();
    ask_mark(&mut asked, INSTANCES);
    asked.cmd("HGETALL").arg(list).cmd("HGETALL").arg(keys::FACTS);
    asked.cmd("HGETALL").arg(keys::LISTED);
    type Read = (Option<String>, Option<i64>, Option<String>, Hash, Hash, Hash);
    let (epoch, revision, base, listed, facts, before): Read = link.send(&asked).await?;
    remember(link, &listed, &before).await;
    Ok((merge(listed, facts, before)?, mark((epoch, revision, base))))
}

/// Writes down what another tool listed, so that it is known still when a tool takes it out again. The next reading
/// does what could not be done now.
async fn remember(link: &Link, listed: &Hash, before: &Hash) {
    let news = listed.iter().filter(|(url, secret)| before.get(*url) != Some(*secret));
    let news: Vec<_> = news.collect();
    if news.is_empty() {
        return;
    }
    let mut command = redis::pipe();
    command.cmd("HSET").arg(keys::LISTED).arg(&news).ignore();
    if let Err(error) = link.send::<()>(&command).await {
        debug!(%error, "which instances are listed was not written down");
    }
}

/// Replaces the pool if it is in the state that it is changed from.
pub(super) async fn change(
    link: &Link,
    guarded: Guarded<'_>,
    pool: &[InstanceRecord],
) -> Result<Option<Mark>, StoreError> {
    let list = keys::instances(link.is_cluster());
    let mut commands: Vec<_> =
        [list, keys::FACTS, keys::LISTED].iter().map(|key| words(&["DEL", key])).collect();
    for record in pool {
        let url = record.id.as_str();
        if !record.retired {
            for key in [list, keys::LISTED] {
                commands.push(words(&["HSET", key, url, record.secret.reveal()]));
            }
        }
        if let Some(facts) = facts_of(record) {
            commands.push(words(&["HSET", keys::FACTS, url, &json(&facts)]));
        }
    }
    Ok(guarded.run(link, &commands).await?.map(|(mark, _)| mark))
}

pub(super) async fn replace(
    link: &Link,
    sender: &str,
    pool: &[InstanceRecord],
) -> Result<(), StoreError> {
    let mut transaction = redis::pipe();
    let list = keys::instances(link.is_cluster());
    transaction.atomic().cmd("DEL").arg(list).arg(keys::FACTS).arg(keys::LISTED).ignore();
    for record in pool {
        let url = record.id.as_str();
        if !record.retired {
            let secret = record.secret.reveal();
            for key in [list, keys::LISTED] {
                transaction.cmd("HSET").arg(key).arg(url).arg(secret).ignore();
            }
        }
        if let Some(facts) = facts_of(record) {
            transaction.cmd("HSET").arg(keys::FACTS).arg(url).arg(json(&facts)).ignore();
        }
    }
    count_and_tell(&mut transaction, sender, "instances");
    link.write(&transaction).await
}

/// What the predecessor's list can't say of an instance, if there is anything.
fn facts_of(record: &InstanceRecord) -> Option<StoredInstance> {
    if record.retired {
        return Some(StoredInstance::whole(record));
    }
    let enabled = record.admin == AdminState::Enabled;
    let plain = enabled && record.sign_with.is_none() && record.tags.is_empty();
    (!plain).then(|| StoredInstance { secret: None, ..StoredInstance::whole(record) })
}

/// The list stands: what is in it is not retired, and what another tool took out of it, as it was listed `before`, is.
/// A tool may spell an instance otherwise than it was; what is known of it counts all the same. Of two spellings in the
/// list the first in the order of the texts counts.
fn merge(listed: Hash, facts: Hash, before: Hash) -> Result<Vec<InstanceRecord>, StoreError> {
    let mut known: BTreeMap<InstanceId, (String, StoredInstance)> = BTreeMap::new();
    for (url, text) in facts {
        let (id, facts) = (InstanceId::new(url.as_str()), read_facts(&text)?);
        let better = |(spelt, before): &(String, StoredInstance)| {
            (listed.contains_key(&url), !facts.retired)
                > (listed.contains_key(spelt), !before.retired)
        };
        if known.get(&id).is_none_or(better) {
            known.insert(id, (url, facts));
        }
    }
    let mut pool: BTreeMap<InstanceId, InstanceRecord> = BTreeMap::new();
    for (url, secret) in listed {
        let (id, secret) = (InstanceId::new(url), Secret::new(secret));
        if let Some(first) = pool.get(&id) {
            if first.secret != secret {
                let first = &first.id;
                warn!(instance.id = %id, %first, "one server is listed twice, with two secrets: the first counts");
            }
            continue;
        }
        // One that was retired and is listed again by another tool starts afresh.
        let (admin, sign_with, tags) = match known.remove(&id) {
            Some((_, known)) if !known.retired => (known.admin, known.sign_with, known.tags),
            Some((_, known)) => (AdminState::Enabled, known.sign_with, known.tags),
            None => (AdminState::Enabled, None, Vec::new()),
        };
        let record =
            InstanceRecord { id: id.clone(), secret, admin, retired: false, sign_with, tags };
        pool.insert(id, record);
    }
    for (url, secret) in before {
        let id = InstanceId::new(url.as_str());
        if !pool.contains_key(&id) {
            let (url, known) = known.remove(&id).unwrap_or((url, StoredInstance::default()));
            let known = StoredInstance { secret: Some(secret), retired: true, ..known };
            pool.extend(known.named(&url).map(|record| (id, record)));
        }
    }
    let retired = known.into_iter().filter(|(_, (_, known))| known.retired);
    pool.extend(retired.filter_map(|(id, (url, known))| Some((id, known.named(&url)?))));
    Ok(pool.into_values().collect())
}

fn read_facts(text: &str) -> Result<StoredInstance, StoreError> {
    serde_json::from_str(text).map_err(|e| unreadable("facts of an instance", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listed: &[&str], facts: &[(&str, &str)], expected: &[(&str, AdminState, bool)]) {
        check_after(&[], listed, facts, expected);
    }

    #[track_caller]
    fn check_after(
        before: &[&str],
        listed: &[&str],
        facts: &[(&str, &str)],
        expected: &[(&str, AdminState, bool)],
    ) {
        let list = |urls: &[&str]| urls.iter().map(|u| (u.to_string(), "s".to_owned())).collect();
        let facts = facts.iter().map(|(url, text)| (url.to_string(), text.to_string())).collect();
        let pool = merge(list(listed), facts, list(before)).expect("readable facts");
        assert!(pool.iter().all(|record| record.secret.reveal() == "s"));
        let seen: Vec<_> = pool.iter().map(|r| (r.id.as_str(), r.admin, r.retired)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_list_says_who_exists_and_the_facts_say_the_rest() {
        use AdminState::{Draining, Enabled};
        check(&["b", "a"], &[], &[("a", Enabled, false), ("b", Enabled, false)]);
        check(&["a"], &[("a", r#"{"admin":"draining"}"#)], &[("a", Draining, false)]);
        let retired = r#"{"secret":"s","admin":"draining","retired":true}"#;
        check(&["b"], &[("a", retired)], &[("a", Draining, true), ("b", Enabled, false)]);
        check(&["a"], &[("a", retired)], &[("a", Enabled, false)]);
        check(&[], &[("a", r#"{"admin":"draining"}"#)], &[]);
    }

    #[test]
    fn what_another_tool_takes_out_is_retired_with_what_is_known_of_it() {
        use AdminState::{Draining, Enabled};
        let b = ("b", Enabled, false);
        check_after(&["a", "b"], &["b"], &[], &[("a", Enabled, true), b]);
        let draining = r#"{"admin":"draining"}"#;
        check_after(&["a", "b"], &["b"], &[("a", draining)], &[("a", Draining, true), b]);
        check_after(&["a", "b"], &["a", "b"], &[("a", draining)], &[("a", Draining, false), b]);
        check_after(&["a"], &[], &[], &[("a", Enabled, true)]);
        let retired = r#"{"secret":"old","admin":"draining","retired":true}"#;
        check_after(&["a"], &["b"], &[("a", retired)], &[("a", Draining, true), b]);
        // Another spelling is no other server.
        check_after(&["http://a"], &["http://A:80/"], &[], &[("http://A:80/", Enabled, false)]);
    }

    #[test]
    fn another_tool_may_spell_an_instance_otherwise() {
        use AdminState::{Draining, Enabled};
        let draining = r#"{"admin":"draining"}"#;
        check(&["http://a/"], &[("http://a", draining)], &[("http://a/", Draining, false)]);
        check(&["http://A:80", "http://a/"], &[], &[("http://A:80", Enabled, false)]);
        let retired = r#"{"secret":"s","admin":"draining","retired":true}"#;
        check(&["http://a/"], &[("http://a", retired)], &[("http://a/", Enabled, false)]);
        check(
            &["http://a/"],
            &[("http://a", retired), ("http://a/", draining)],
            &[("http://a/", Draining, false)],
        );
    }
}
