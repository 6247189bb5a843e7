//! The pool as a plain value: what is stored of each instance, and what was seen of it.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Left;
use super::twins::join;
use super::watch::Watch;
use crate::bbb::checksum::Algorithm;
use crate::config::Config;
use crate::determinism::HashMap;
use crate::domain::instance::{
    AdminState, Instance, InstanceId, InstanceMark, Member, Roster, SameServer,
};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;
use crate::outside::store::InstanceRecord;
use crate::outside::store::mark::{Known, Mark};

use super::RegistryError;

/// Records in their order, and a watch for each.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) records: Vec<InstanceRecord>,
    pub(super) watches: HashMap<InstanceId, Watch>,
    by_mark: HashMap<InstanceMark, InstanceId>,
    /// Which state of the store it is.
    pub(super) known: Known,
    pub(super) loaded: bool,
    /// When the last reading began that was taken over.
    pub(super) read_at: Moment,
}

impl Pool {
    /// A pool that is still to be read, with what was seen of its members already.
    pub(super) fn after(roster: &Roster) -> Self {
        let watches = roster.members().iter().map(|m| (m.instance.id.clone(), Watch::of(m)));
        Self { watches: watches.collect(), ..Self::default() }
    }

    /// Takes these records; what was seen of instances that stay is kept.
    pub(super) fn take(&mut self, records: Vec<InstanceRecord>, mark: Mark, now: Moment) {
        let records = one_each(records);
        self.known.take(mark);
        self.watches.retain(|id, _| records.iter().any(|record| record.id == *id));
        for record in &records {
            let watch = self.watches.entry(record.id.clone()).or_default();
            watch.retired_since = record.retired.then(|| watch.retired_since.unwrap_or(now));
        }
        self.by_mark = records.iter().map(|record| (record.id.mark(), record.id.clone())).collect();
        self.records = records;
        self.loaded = true;
    }

    /// The instance of this mark, and what was seen of it.
    pub(super) fn marked(&mut self, mark: InstanceMark) -> Option<(&InstanceId, &mut Watch)> {
        let id = self.by_mark.get(&mark)?;
        Some((id, self.watches.entry(id.clone()).or_default()))
    }

    pub(super) fn watches(&self) -> impl Iterator<Item = (&InstanceId, &Watch)> {
        self.watches.iter()
    }

    pub(super) fn watches_mut(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.watches.values_mut()
    }

    /// What was seen of an instance of the pool.
    pub(super) fn watch(&mut self, id: &InstanceId) -> Option<&mut Watch> {
        let known = self.records.iter().any(|record| record.id == *id);
        known.then(|| self.watches.entry(id.clone()).or_default())
    }

    /// Whether a retired instance has said itself, asked after it was retired, that nothing is left on it.
    pub(super) fn is_done(&self, id: &InstanceId, left: &Left) -> bool {
        let since = self.watches.get(id).and_then(|watch| watch.retired_since);
        left.nothing() && since.is_some_and(|since| left.asked_at > since)
    }

    /// The pool as others see it at this moment. A record whose URL can't be read is left out.
    pub(super) fn roster(&self, config: &Config, now: Moment) -> Roster {
        let members = self.records.iter().filter_map(|record| self.member(record, config, now));
        let mut members: Vec<_> = members.collect();
        join(&mut members, |id| self.watches.get(id).and_then(|watch| watch.twin.as_ref()));
        let mut roster = Roster::new(members);
        roster.loaded = self.loaded;
        roster.read_at = self.read_at;
        roster
    }

    /// Whether another replica reached this instance not longer ago than this.
    pub(super) fn others_reach(&self, id: &InstanceId, within: Duration, now: Moment) -> bool {
        self.watches.get(id).is_some_and(|watch| watch.others_reach(within, now))
    }

    /// How long it takes until the next dead instance's meetings count as gone.
    pub(super) fn next_lost(&self, unknown_for: Duration, now: Moment) -> Option<Duration> {
        let silent = self.watches.values().filter_map(Watch::silent_since);
        silent
            .map(|since| unknown_for.saturating_sub(now.since(since)))
            .filter(|d| !d.is_zero())
            .min()
    }

    fn member(&self, record: &InstanceRecord, config: &Config, now: Moment) -> Option<Member> {
        let algorithm = record.sign_with.unwrap_or(config.balancer.sign_with);
        let unknown_for = config.health.unknown_for;
        let instance = Instance::new(record.id.as_str(), record.secret.clone(), algorithm).ok()?;
        let watch = self.watches.get(&record.id).cloned().unwrap_or_default();
        Some(Member {
            instance: Arc::new(instance),
            admin: record.admin,
            retired: record.retired,
            retired_since: watch.retired_since,
            silent_since: watch.silent_since(),
            health: watch.health,
            lost: watch.silent_since().is_some_and(|since| now.since(since) >= unknown_for),
            why: watch.why,
            swept: watch.swept,
            tags: record.tags.clone(),
            same_server: SameServer::default(),
        })
    }
}

/// One record of each server: a listed one counts before one that is retired, and else the first. A store that other
/// programs wrote may hold one server in two spellings.
fn one_each(mut records: Vec<InstanceRecord>) -> Vec<InstanceRecord> {
    let mut first: HashMap<InstanceId, (bool, Secret)> = HashMap::default();
    for record in &records {
        let (retired, secret) = first
            .entry(record.id.clone())
            .or_insert_with(|| (record.retired, record.secret.clone()));
        if *retired && !record.retired {
            (*retired, *secret) = (false, record.secret.clone());
        } else if *retired == record.retired && *secret != record.secret {
            warn!(instance.id = %record.id, "an instance is stored twice, with two secrets: the first counts");
        }
    }
    records.retain(|record| {
        let counts = first.get(&record.id).is_some_and(|(retired, _)| *retired == record.retired);
        if counts {
            first.remove(&record.id);
        }
        counts
    });
    records
}

/// What is spelt otherwise than before: the old spelling and the new one of each.
pub(super) fn respelt<'a>(
    old: &'a [InstanceRecord],
    new: &'a [InstanceRecord],
) -> Vec<(&'a InstanceId, &'a InstanceId)> {
    let before: HashMap<_, _> = old.iter().map(|record| (&record.id, &record.id)).collect();
    let known = new.iter().filter_map(|record| Some((*before.get(&record.id)?, &record.id)));
    known.filter(|(old, new)| !old.is_spelt_as(new)).collect()
}

/// The records after the list was replaced: those that stay keep their admin state, those that
/// are missing are retired, behind the listed ones.
pub(super) fn replaced(
    old: &[InstanceRecord],
    list: Vec<(String, Secret)>,
) -> Result<Vec<InstanceRecord>, RegistryError> {
    let mut listed: HashMap<InstanceId, Secret> = HashMap::default();
    let mut records = Vec::with_capacity(list.len());
    for (url, secret) in list {
        if secret.is_empty() {
            return Err(RegistryError::EmptySecret(url));
        }
        let id = Instance::new(&url, secret.clone(), Algorithm::Sha256)?.id;
        if let Some((same, other)) = listed.get_key_value(&id) {
            if *other != secret {
                return Err(RegistryError::TwoSecrets(same.clone(), id));
            }
            continue;
        }
        listed.insert(id.clone(), secret.clone());
        let known = old.iter().find(|record| record.id == id);
        records.push(InstanceRecord {
            secret,
            admin: known.filter(|r| !r.retired).map_or(AdminState::Enabled, |r| r.admin),
            retired: false,
            sign_with: known.and_then(|r| r.sign_with),
            tags: known.map(|r| r.tags.clone()).unwrap_or_default(),
            id,
        });
    }
    let retired = old.iter().filter(|record| !listed.contains_key(&record.id));
    records.extend(retired.map(|record| InstanceRecord { retired: true, ..record.clone() }));
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(urls: &[&str]) -> Vec<(String, Secret)> {
        urls.iter().map(|url| (format!("http://{url}/bigbluebutton"), Secret::new("s"))).collect()
    }

    #[track_caller]
    fn check(lists: &[&[&str]], expected: &[(&str, bool)]) {
        let mut records = Vec::new();
        for urls in lists {
            records = replaced(&records, list(urls)).expect("the list is good");
        }
        let found: Vec<_> = records.iter().map(|r| (r.id.to_string(), r.retired)).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(url, retired)| (format!("http://{url}/bigbluebutton"), *retired))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_missing_from_a_new_list_is_retired() {
        check(&[&["a", "b"]], &[("a", false), ("b", false)]);
        check(&[&["a", "b"], &["b", "c"]], &[("b", false), ("c", false), ("a", true)]);
        check(&[&["a"], &[], &["a"]], &[("a", false)]);
    }

    #[test]
    fn a_bad_list_is_refused_whole() {
        let bad = vec![("ftp://a".to_owned(), Secret::new("s"))];
        assert!(matches!(replaced(&[], bad), Err(RegistryError::BadUrl(_))));
        let empty = vec![("http://a".to_owned(), Secret::new(""))];
        assert!(matches!(replaced(&[], empty), Err(RegistryError::EmptySecret(_))));
        let two = [("http://a/b", "s"), ("http://A:80/b/", "t")];
        let two = two.map(|(url, secret)| (url.to_owned(), Secret::new(secret))).into();
        let fault = replaced(&[], two).expect_err("two secrets").to_string();
        assert!(fault.contains("http://a/b") && fault.contains("http://A:80/b/"), "{fault}");
    }

    #[test]
    fn another_spelling_changes_nothing_but_what_is_shown() {
        let mut old = replaced(&[], list(&["a", "b"])).expect("good");
        old[0].admin = AdminState::Draining;
        let again = vec![
            ("http://A.:80/bigbluebutton/".to_owned(), Secret::new("s")),
            ("http://b/bigbluebutton/api".to_owned(), Secret::new("s")),
            ("http://b/bigbluebutton".to_owned(), Secret::new("s")),
        ];
        let new = replaced(&old, again).expect("good");
        let shown: Vec<_> = new.iter().map(|r| (r.id.as_str(), r.admin, r.retired)).collect();
        assert_eq!(
            shown,
            [
                ("http://A.:80/bigbluebutton/", AdminState::Draining, false),
                ("http://b/bigbluebutton/api", AdminState::Enabled, false),
            ]
        );
        let told: Vec<_> = respelt(&old, &new).iter().map(|(_, new)| new.as_str()).collect();
        assert_eq!(told, ["http://A.:80/bigbluebutton/", "http://b/bigbluebutton/api"]);
    }

    #[test]
    fn of_two_spellings_in_a_store_the_listed_one_counts() {
        let record = |url: &str, retired| InstanceRecord {
            retired,
            ..replaced(&[], vec![(url.to_owned(), Secret::new("s"))]).expect("good").remove(0)
        };
        let stored = vec![
            record("http://a/b", true),
            record("http://a/b/", false),
            record("http://a:80/b", false),
            record("http://c", true),
        ];
        let kept: Vec<_> = one_each(stored).iter().map(|r| r.id.to_string()).collect();
        assert_eq!(kept, ["http://a/b/", "http://c"]);
    }
}
