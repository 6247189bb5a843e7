//! Every recording that is known, each tenant's newest first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::recording::{Packed, Recording};
use crate::bbb::recordings::{Described, Filter, Page};
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::InstanceId;
use crate::domain::tenant::TenantId;

/// Newest first; of those that began at the same time, by id.
type Order = (Reverse<u64>, Arc<str>);

/// A recording in its tenant's order.
struct Entry {
    instance: InstanceId,
    state: Box<str>,
    metadata: Box<str>,
    /// None when there was no memory for it.
    raw: Option<Packed>,
    places: usize,
    print: u64,
    /// It was deleted or unpublished, and its instance has not said since what it is now.
    hidden: bool,
}

/// What a filter looks at.
struct Looked<'a>(&'a Order, &'a Entry);

impl Described for Looked<'_> {
    fn record_id(&self) -> &str {
        &self.0.1
    }

    fn state(&self) -> &str {
        &self.1.state
    }

    fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.1.metadata)
    }
}

/// Names and values of metadata as they are kept.
pub(super) fn pairs(metadata: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut parts = metadata.split('\0');
    std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
}

/// Whose recordings are asked for, and which of them.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub tenant: TenantId,
    /// Recordings without a tag are this tenant's too.
    pub untagged: bool,
    pub filter: Filter,
}

/// A recording that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: Arc<str>,
    pub start_time: u64,
    pub instance: InstanceId,
    /// Its bytes as they were last listed, if there was memory for them.
    pub raw: Option<Packed>,
}

/// The recordings of a page, and how many there are on all pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paged {
    pub total: usize,
    pub found: Vec<Found>,
}

/// Where a recording is, and whose it is by our tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub instance: InstanceId,
    pub tenant: Option<TenantId>,
}

/// The recordings by id, and by tenant in their order.
#[derive(Default)]
pub(super) struct Index {
    by_id: BTreeMap<Arc<str>, (Option<TenantId>, u64)>,
    by_tenant: HashMap<Option<TenantId>, BTreeMap<Order, Entry>>,
    /// Bytes of each instance's recordings, packed.
    bytes: HashMap<InstanceId, usize>,
}

/// How many recordings an instance has that are not deleted, and how many are hidden.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    pub(super) all: usize,
    pub(super) hidden: usize,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.values().sum()
    }

    pub(super) fn place(&self, id: &str) -> Option<Place> {
        let (tenant, entry) = self.entry(id)?;
        Some(Place { instance: entry.instance.clone(), tenant: tenant.clone() })
    }

    /// How many places it takes in its instance's pages, if they are cut over formats; 0 for an unknown one.
    pub(super) fn places(&self, id: &str) -> usize {
        self.entry(id).map_or(0, |(_, entry)| entry.places)
    }

    fn entry(&self, id: &str) -> Option<(&Option<TenantId>, &Entry)> {
        let (id, (tenant, start)) = self.by_id.get_key_value(id)?;
        let entry = self.by_tenant.get(tenant)?.get(&(Reverse(*start), id.clone()))?;
        Some((tenant, entry))
    }

    fn entry_mut(&mut self, id: &str) -> Option<&mut Entry> {
        let (id, (tenant, start)) = self.by_id.get_key_value(id)?;
        self.by_tenant.get_mut(tenant)?.get_mut(&(Reverse(*start), id.clone()))
    }

    /// Where it is, what the store keeps of it, and whether its instance lists it to who asks for no state;
    /// none when it is to keep nothing.
    pub(super) fn kept(&self, id: &str) -> Option<(&InstanceId, &Packed, bool)> {
        let (_, entry) = self.entry(id)?;
        let raw = entry.raw.as_ref().filter(|_| !entry.hidden)?;
        let listed = matches!(&*entry.state, "published" | "unpublished");
        Some((&entry.instance, raw, listed))
    }

    /// Takes in what an instance says of a recording. Answers whether that is news.
    pub(super) fn learn(&mut self, instance: &InstanceId, recording: Recording) -> bool {
        let Recording { id, tenant, start_time, state, metadata, places, raw, print } = recording;
        let known = self.by_id.get(&id);
        if known.is_some_and(|known| *known == (tenant.clone(), start_time))
            && let Some((_, entry)) = self.entry(&id)
            && entry.print == print
            && !entry.hidden
            && entry.raw.is_some()
            && entry.instance == *instance
        {
            return false;
        }
        // One copy of the id, wherever it is kept.
        let id = self.by_id.get_key_value(&id).map_or(id, |(known, _)| known.clone());
        self.forget(&id);
        *self.bytes.entry(instance.clone()).or_default() += raw.size();
        let (instance, raw) = (instance.clone(), Some(raw));
        let entry = Entry { instance, state, metadata, raw, places, print, hidden: false };
        // One copy of the tenant's name.
        let known = self.by_tenant.get_key_value(&tenant).map(|(known, _)| known.clone());
        let tenant = known.unwrap_or(tenant);
        self.by_id.insert(id.clone(), (tenant.clone(), start_time));
        self.by_tenant.entry(tenant).or_default().insert((Reverse(start_time), id), entry);
        true
    }

    /// Forgets a recording. Answers where it was.
    pub(super) fn forget(&mut self, id: &str) -> Option<InstanceId> {
        let (id, (tenant, start)) = self.by_id.remove_entry(id)?;
        let of_tenant = self.by_tenant.get_mut(&tenant)?;
        let entry = of_tenant.remove(&(Reverse(start), id))?;
        if of_tenant.is_empty() {
            self.by_tenant.remove(&tenant);
        }
        self.give_back(&entry.instance, entry.raw.as_ref());
        Some(entry.instance)
    }

    fn give_back(&mut self, instance: &InstanceId, raw: Option<&Packed>) {
        let size = raw.map_or(0, Packed::size);
        if let Some(bytes) = self.bytes.get_mut(instance) {
            *bytes -= size;
            if *bytes == 0 {
                self.bytes.remove(instance);
            }
        }
    }

    /// Keeps a recording out of sight until its instance says what it is. Answers whether it is known.
    pub(super) fn hide(&mut self, id: &str) -> bool {
        self.entry_mut(id).map(|entry| entry.hidden = true).is_some()
    }

    /// Whether its instance listed it with these bytes before.
    pub(super) fn is_news(&self, instance: &InstanceId, id: &str, print: u64) -> bool {
        self.entry(id).is_none_or(|(_, e)| e.print != print || e.instance != *instance || e.hidden)
    }

    /// The ids of what is on this instance, or on any that `on` names.
    pub(super) fn ids_on(&self, on: impl Fn(&InstanceId) -> bool) -> Vec<Arc<str>> {
        let all = self.by_tenant.values().flatten();
        all.filter(|(_, entry)| on(&entry.instance)).map(|((_, id), _)| id.clone()).collect()
    }

    /// How many there are on each instance that has any; a server lists deleted ones for a while.
    pub(super) fn counts(&self) -> HashMap<InstanceId, Amount> {
        let mut counts: HashMap<InstanceId, Amount> = HashMap::default();
        for entry in self.by_tenant.values().flat_map(BTreeMap::values) {
            let count = counts.entry(entry.instance.clone()).or_default();
            count.all += usize::from(&*entry.state != "deleted");
            count.hidden += usize::from(entry.hidden);
        }
        counts
    }

    /// All ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_id.keys()
    }

    /// Gives up the bytes of an instance's recordings.
    pub(super) fn drop_bytes(&mut self, instance: &InstanceId) {
        self.bytes.remove(instance);
        let all = self.by_tenant.values_mut().flat_map(BTreeMap::values_mut);
        all.filter(|entry| entry.instance == *instance).for_each(|entry| entry.raw = None);
    }

    /// What is asked for, in order; only the page's own are made.
    pub(super) fn page(&self, wanted: &Wanted, page: Page) -> Paged {
        let mut paged = Paged::default();
        self.each(wanted, |order, entry| {
            if paged.total >= page.offset && paged.found.len() < page.limit {
                paged.found.push(found(order, entry));
            }
            paged.total += 1;
        });
        paged
    }

    /// All that is asked for on these instances, in order.
    pub(super) fn on(&self, wanted: &Wanted, instances: &HashSet<InstanceId>) -> Vec<Found> {
        let mut all = Vec::new();
        self.each(wanted, |order, entry| {
            if instances.contains(&entry.instance) {
                all.push(found(order, entry));
            }
        });
        all
    }

    fn each<'a>(&'a self, wanted: &Wanted, mut take: impl FnMut(&'a Order, &'a Entry)) {
        let fits = |order: &Order, entry: &Entry| {
            !entry.hidden && wanted.filter.fits(&Looked(order, entry))
        };
        let mut fitting = |(order, entry): (&'a Order, &'a Entry)| {
            if fits(order, entry) {
                take(order, entry);
            }
        };
        let untagged = wanted.untagged.then_some(None);
        let owners = [Some(Some(wanted.tenant.clone())), untagged];
        let owned = |owner: &Option<TenantId>| self.by_tenant.get(owner);
        if wanted.filter.prefixes().is_empty() {
            let [first, second] = owners.map(|owner| owner.and_then(|owner| owned(&owner)));
            let sorted = |of: Option<&'a BTreeMap<Order, Entry>>| of.into_iter().flatten();
            itertools::merge_join_by(sorted(first), sorted(second), |a, b| a.0.cmp(b.0))
                .map(|either| either.reduce(|one, _| one))
                .for_each(&mut fitting);
            return;
        }
        // Ids with one start stand together.
        let mut all: Vec<(&Order, &Entry)> = Vec::new();
        for prefix in wanted.filter.prefixes() {
            let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
            let from = self.by_id.range::<str, _>(from);
            let named = from.take_while(|(id, _)| id.starts_with(prefix.as_str()));
            let ours = named.filter(|(_, (owner, _))| owners.iter().flatten().any(|o| o == owner));
            all.extend(ours.filter_map(|(id, (owner, start))| {
                owned(owner)?.get_key_value(&(Reverse(*start), id.clone()))
            }));
        }
        all.sort_unstable_by_key(|(order, _)| *order);
        all.dedup_by_key(|(order, _)| *order);
        all.into_iter().for_each(fitting);
    }
}

fn found((Reverse(start_time), id): &Order, entry: &Entry) -> Found {
    let (id, instance, raw) = (id.clone(), entry.instance.clone(), entry.raw.clone());
    Found { id, start_time: *start_time, instance, raw }
}
