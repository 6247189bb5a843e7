//! The pool as a plain value: what is stored of each instance, and what was seen of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::watch::Watch;
use crate::bbb::checksum::Algorithm;
use crate::config::Config;
use crate::domain::instance::{AdminState, Instance, InstanceId, InstanceMark, Member, Roster};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;
use crate::outside::store::InstanceRecord;
use crate::outside::store::mark::Mark;

use super::RegistryError;

/// Records in their order, and a watch for each.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) records: Vec<InstanceRecord>,
    watches: HashMap<InstanceId, Watch>,
    by_mark: HashMap<InstanceMark, InstanceId>,
    /// Which state of the store it is; none before it was read.
    pub(super) mark: Option<Mark>,
    pub(super) loaded: bool,
}

impl Pool {
    /// A pool that is still to be read, with what was seen of its members already.
    pub(super) fn after(roster: &Roster) -> Self {
        let watches = roster.members().iter().map(|m| (m.instance.id.clone(), Watch::of(m)));
        Self { watches: watches.collect(), ..Self::default() }
    }

    /// Takes these records; what was seen of instances that stay is kept.
    pub(super) fn take(&mut self, records: Vec<InstanceRecord>, mark: Mark) {
        self.mark = Some(mark);
        self.watches.retain(|id, _| records.iter().any(|record| record.id == *id));
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

    pub(super) fn is_retired(&self, id: &InstanceId) -> bool {
        self.records.iter().any(|record| record.id == *id && record.retired)
    }

    /// The pool as others see it at this moment. A record whose URL can't be read is left out.
    pub(super) fn roster(&self, config: &Config, now: Moment) -> Roster {
        let members = self.records.iter().filter_map(|record| self.member(record, config, now));
        let mut roster = Roster::new(members.collect());
        roster.loaded = self.loaded;
        roster
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
            health: watch.health,
            lost: watch.silent_since().is_some_and(|since| now.since(since) >= unknown_for),
            why: watch.why,
            swept: watch.swept,
            tags: record.tags.clone(),
        })
    }
}

/// The records after the list was replaced: those that stay keep their admin state, those that
/// are missing are retired, behind the listed ones.
pub(super) fn replaced(
    old: &[InstanceRecord],
    list: Vec<(String, Secret)>,
) -> Result<Vec<InstanceRecord>, RegistryError> {
    let mut listed = HashSet::new();
    let mut records = Vec::with_capacity(list.len());
    for (url, secret) in list {
        if secret.is_empty() {
            return Err(RegistryError::EmptySecret(url));
        }
        Instance::new(&url, secret.clone(), Algorithm::Sha256)?;
        let id = InstanceId::new(url);
        if !listed.insert(id.clone()) {
            continue;
        }
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
    let retired = old.iter().filter(|record| !listed.contains(&record.id));
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
    }
}
