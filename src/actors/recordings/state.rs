//! What is known of recordings and of the instances they are on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::index::{Index, Place, Wanted};
use super::keeping::Keeping;
use super::message::{Count, Glimpse, Held, Last, Survey};
use super::recording::Recording;
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::{InstanceId, Roster};

/// An instance is looked at so often at most, while somebody lists.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What is known of an instance.
#[derive(Default)]
struct Facts {
    /// All of its recordings were seen since the start.
    heard: bool,
    /// When its list was taken in last that showed all.
    listed: Option<Instant>,
    /// What the store kept of it was read.
    stored: bool,
    /// It has more or fewer than are known.
    differs: bool,
    /// How much it has, as far as is known.
    count: Count,
    looked: Option<Instant>,
}

pub(super) struct State {
    most_bytes: usize,
    pub(super) index: Index,
    pub(super) keeping: Keeping,
    instances: HashMap<InstanceId, Facts>,
    /// Those whose bytes are kept, the one heard longest ago first.
    by_age: VecDeque<InstanceId>,
    /// Changed just now, with the sweeps of their instance until sweeps are believed again: two, as one
    /// may be under way.
    guarded: HashMap<Arc<str>, u8>,
    roster: Arc<Roster>,
}

impl State {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            index: Index::default(),
            keeping: Keeping::default(),
            instances: HashMap::default(),
            by_age: VecDeque::new(),
            guarded: HashMap::default(),
            roster: Arc::default(),
        }
    }

    pub(super) fn find(&self, ids: Vec<String>) -> HashMap<String, Place> {
        let known = ids.into_iter();
        known.filter_map(|id| self.index.place(&id).map(|at| (id, at))).collect()
    }

    /// Takes in what an instance listed, but for what was changed just now: that may be from before.
    pub(super) fn note(&mut self, instance: &InstanceId, seen: Vec<Recording>) {
        for recording in seen {
            if !self.guarded.contains_key(&recording.id) {
                self.learn(instance, recording);
            }
        }
    }

    fn learn(&mut self, instance: &InstanceId, recording: Recording) {
        let id = recording.id.clone();
        let was = self.index.place(&id).map(|place| place.instance);
        let (places, now) = (self.index.places(&id), recording.places);
        if self.index.learn(instance, recording) {
            self.keeping.owe(id, instance.clone());
        }
        let count = &mut self.instances.entry(instance.clone()).or_default().count;
        match was {
            None => count.add(now),
            Some(was) if was == *instance => {
                count.places = count.places.saturating_sub(places) + now
            }
            Some(_) => {}
        }
    }

    fn forget(&mut self, id: &str) {
        let places = self.index.places(id);
        if let Some(instance) = self.index.forget(id) {
            if let Some(facts) = self.instances.get_mut(&instance) {
                facts.count.recordings = facts.count.recordings.saturating_sub(1);
                facts.count.places = facts.count.places.saturating_sub(places);
            }
            self.keeping.owe(id.into(), instance);
        }
    }

    /// Forgets a recording if it is on this instance.
    fn gone(&mut self, instance: &InstanceId, id: &str) {
        if self.index.place(id).is_some_and(|place| place.instance == *instance) {
            self.forget(id);
        }
    }

    /// An instance was asked for these: this is what they are now.
    pub(super) fn asked(&mut self, instance: &InstanceId, ids: Vec<String>, seen: Vec<Recording>) {
        let there: HashSet<Arc<str>> = seen.iter().map(|recording| recording.id.clone()).collect();
        for id in ids.iter().filter(|id| !there.contains(id.as_str())) {
            self.gone(instance, id);
        }
        for recording in seen {
            self.learn(instance, recording);
        }
    }

    pub(super) fn withdraw(&mut self, ids: &[String]) {
        for id in ids {
            let Some(Place { instance, .. }) = self.index.place(id) else { continue };
            if self.index.hide(id) {
                self.guarded.insert(id.as_str().into(), 2);
                self.keeping.owe(id.as_str().into(), instance);
            }
        }
    }

    pub(super) fn swept(&mut self, instance: &InstanceId, seen: Vec<Recording>) {
        let index = &self.index;
        self.guarded.retain(|id, sweeps| {
            let Some(at) = index.place(id) else { return false };
            *sweeps -= u8::from(at.instance == *instance);
            *sweeps > 0
        });
        let mut count = Count::default();
        seen.iter().for_each(|recording| count.add(recording.places));
        let still: HashSet<Arc<str>> = seen.iter().map(|recording| recording.id.clone()).collect();
        for id in self.index.ids_on(|on| on == instance) {
            if !still.contains(&id) {
                self.forget(&id);
            }
        }
        self.note(instance, seen);
        let facts = self.instances.entry(instance.clone()).or_default();
        *facts = Facts {
            heard: true,
            listed: Some(Instant::now()),
            stored: true,
            differs: false,
            count,
            looked: Some(Instant::now()),
        };
        self.by_age.retain(|kept| kept != instance);
        self.by_age.push_back(instance.clone());
        self.bound();
    }

    /// Gives up bytes until what is left fits.
    fn bound(&mut self) {
        while self.index.bytes() > self.most_bytes {
            let Some(oldest) = self.by_age.pop_front() else { return };
            self.index.drop_bytes(&oldest);
        }
        metrics::gauge!("bigblueswarm_recordings_known").set(self.index.len() as f64);
        metrics::gauge!("bigblueswarm_recordings_bytes").set(self.index.bytes() as f64);
    }

    /// An instance listed all of what is wanted: the rest of that is gone.
    pub(super) fn miss(&mut self, instance: &InstanceId, wanted: &Wanted, listed: &[Glimpse]) {
        let there: HashSet<&str> = listed.iter().map(|(id, _)| id.as_str()).collect();
        for found in self.index.on(wanted, &HashSet::from_iter([instance.clone()])) {
            if !there.contains(&*found.id) && !self.guarded.contains_key(&found.id) {
                self.forget(&found.id);
            }
        }
    }

    /// Which of what an instance listed is news, by its place.
    pub(super) fn news(&self, instance: &InstanceId, listed: &[Glimpse]) -> Vec<usize> {
        let is_news = |(id, print): &Glimpse| self.index.is_news(instance, id, *print);
        let news = listed.iter().enumerate().filter(|(_, glimpse)| is_news(glimpse));
        news.map(|(n, _)| n).collect()
    }

    pub(super) fn survey(&mut self) -> Survey {
        let (now, mut survey) = (Instant::now(), Survey::default());
        let known = |facts: &Facts| (facts.heard || facts.stored) && !facts.differs;
        for (instance, facts) in &mut self.instances {
            if facts.heard || facts.stored {
                survey.ever.insert(instance.clone());
            }
            if !known(facts) {
                continue;
            }
            survey.known.insert(instance.clone());
            if facts.looked.is_none_or(|at| now - at >= LOOK_EVERY) {
                facts.looked = Some(now);
                survey.due.push((instance.clone(), facts.count));
            }
        }
        survey
    }

    /// What is wanted as these instances listed it last, and of which of them nothing was ever listed.
    pub(super) fn last(&self, wanted: &Wanted, instances: &HashSet<InstanceId>) -> Last {
        let found = self.index.on(wanted, instances);
        let facts = |id| self.instances.get(id).is_some_and(|facts| facts.heard || facts.stored);
        Last { found, unknown: instances.iter().filter(|id| !facts(*id)).cloned().collect() }
    }

    pub(super) fn differs(&mut self, instance: InstanceId) {
        self.instances.entry(instance).or_default().differs = true;
    }

    pub(super) fn heard(&self) -> HashSet<InstanceId> {
        let heard = self.instances.iter().filter(|(_, facts)| facts.heard);
        heard.map(|(instance, _)| instance.clone()).collect()
    }

    /// How many recordings each instance has, as far as is known.
    pub(super) fn held(&self) -> HashMap<InstanceId, Held> {
        let (now, mut counts) = (Instant::now(), self.index.counts());
        let known = self.instances.iter().filter(|(_, facts)| facts.heard || facts.stored);
        for (instance, _) in known.clone() {
            counts.entry(instance.clone()).or_default();
        }
        let all = counts.into_iter().map(|(id, count)| {
            let facts = self.instances.get(&id).filter(|facts| facts.heard);
            let listed_ago = facts.and_then(|facts| facts.listed).map(|at| now - at);
            (id, Held { recordings: count.all, withdrawn: count.hidden > 0, listed_ago })
        });
        all.collect()
    }

    /// Whether every instance of the pool was heard since the start: then the store knows nothing more.
    pub(super) fn has_heard_all(&self) -> bool {
        let heard = |id| self.instances.get(id).is_some_and(|facts| facts.heard);
        self.roster.loaded && self.roster.members().iter().all(|m| heard(&m.instance.id))
    }

    pub(super) fn is_due(&self, instance: &InstanceId) -> bool {
        self.instances.get(instance).is_none_or(|facts| !facts.heard || facts.differs)
    }

    /// Takes in what the store kept of instances that were not heard since the start, and owes it what it has not.
    pub(super) fn stored(&mut self, stored: Vec<(InstanceId, Recording)>) {
        let kept: HashSet<Arc<str>> = stored.iter().map(|(_, r)| r.id.clone()).collect();
        let mut news = Vec::new();
        for (instance, recording) in stored {
            let heard = self.instances.get(&instance).is_some_and(|facts| facts.heard);
            let elsewhere = self.index.place(&recording.id).is_some();
            if !heard && !elsewhere {
                news.push((instance, recording));
            }
        }
        for (instance, recording) in news {
            let places = recording.places;
            self.index.learn(&instance, recording);
            let facts = self.instances.entry(instance.clone()).or_default();
            facts.stored = true;
            facts.count.add(places);
            if !self.by_age.contains(&instance) {
                self.by_age.push_front(instance);
            }
        }
        let missing: Vec<_> = self.index.ids().filter(|id| !kept.contains(*id)).cloned().collect();
        for id in missing {
            if let Some(Place { instance, .. }) = self.index.place(&id) {
                self.keeping.owe(id, instance);
            }
        }
        self.bound();
        self.follow(self.roster.clone());
    }

    /// Forgets what was on instances that left the pool; those that are merely away keep theirs.
    pub(super) fn follow(&mut self, roster: Arc<Roster>) {
        self.roster = roster;
        let is_gone = |id: &InstanceId| self.roster.loaded && self.roster.get(id).is_none();
        let gone: HashSet<_> = self.instances.keys().filter(|id| is_gone(id)).cloned().collect();
        if gone.is_empty() {
            return;
        }
        for id in self.index.ids_on(|on| gone.contains(on)) {
            self.forget(&id);
        }
        self.instances.retain(|id, _| !gone.contains(id));
        self.by_age.retain(|id| !gone.contains(id));
        self.bound();
    }
}

#[cfg(test)]
mod tests;
