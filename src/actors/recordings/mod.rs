//! Owns which recording is on which instance and whose it is, and what each instance listed last.

mod message;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

pub use self::message::*;
use super::answer;
use super::lists::Packed;
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::tenant::TenantId;

/// The recordings actor as the runtime sees it.
pub struct Recordings {
    /// Memory for all lists together; those of the instance heard longest ago go first.
    pub most_bytes: usize,
}

/// Its state. A recording costs its id and two shared names.
#[derive(Default)]
pub struct RecordingsState {
    known: HashMap<Box<str>, Place>,
    /// One copy of each tenant's name, shared by its recordings.
    tenants: HashSet<TenantId>,
    heard: HashSet<InstanceId>,
    /// Deleted or unpublished, with the sweeps of its instance until pages say so too: two, as one
    /// may be under way.
    withdrawn: HashMap<Box<str>, u8>,
    pages: HashMap<InstanceId, Arc<[Packed]>>,
    by_age: VecDeque<InstanceId>,
    bytes: usize,
}

impl Actor for Recordings {
    type Msg = RecordingsMessage;
    type State = RecordingsState;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<RecordingsMessage>,
        (): (),
    ) -> Result<RecordingsState, ActorProcessingErr> {
        Ok(RecordingsState::default())
    }

    async fn handle(
        &self,
        _: ActorRef<RecordingsMessage>,
        message: RecordingsMessage,
        state: &mut RecordingsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RecordingsMessage::Find { ids, reply_to } => answer(reply_to, state.find(ids)),
            RecordingsMessage::Seen { instance, seen } => state.note(&instance, seen),
            RecordingsMessage::Swept { instance, seen, pages } => {
                state.swept(&instance, seen);
                state.keep(instance, pages, self.most_bytes);
                metrics::gauge!("bigblueswarm_recordings_known").set(state.known.len() as f64);
            }
            RecordingsMessage::Withdrawn { ids } => state.withdraw(ids),
            RecordingsMessage::Last { instances, reply_to } => {
                let pages = instances.iter().filter_map(|id| state.pages.get(id).cloned());
                let withdrawn = state.withdrawn.keys().cloned().collect();
                answer(reply_to, Last { pages: pages.collect(), withdrawn });
            }
            RecordingsMessage::Heard { reply_to } => answer(reply_to, state.heard.clone()),
            RecordingsMessage::Roster(roster) => state.follow(&roster),
            #[cfg(feature = "test-util")]
            RecordingsMessage::Crash => panic!("asked to crash"),
        }
        Ok(())
    }
}

impl RecordingsState {
    fn find(&self, ids: Vec<String>) -> HashMap<String, Place> {
        let known = ids.into_iter();
        known.filter_map(|id| self.known.get(id.as_str()).cloned().map(|at| (id, at))).collect()
    }

    fn note(&mut self, instance: &InstanceId, seen: Vec<Seen>) {
        for Seen { id, tenant } in seen {
            let tenant = tenant.map(|tenant| self.shared(tenant));
            self.known.insert(id.into(), Place { instance: instance.clone(), tenant });
        }
    }

    /// The one copy of a name that everybody shares.
    fn shared(&mut self, tenant: TenantId) -> TenantId {
        if let Some(known) = self.tenants.get(&tenant) {
            return known.clone();
        }
        self.tenants.insert(tenant.clone());
        tenant
    }

    fn withdraw(&mut self, ids: Vec<String>) {
        let known = ids.into_iter().filter(|id| self.known.contains_key(id.as_str()));
        self.withdrawn.extend(known.map(|id| (id.into(), 2)));
    }

    fn swept(&mut self, instance: &InstanceId, seen: Vec<Seen>) {
        let known = &self.known;
        self.withdrawn.retain(|id, sweeps| {
            let Some(at) = known.get(id) else { return false };
            *sweeps -= u8::from(at.instance == *instance);
            *sweeps > 0
        });
        let still: HashSet<&str> = seen.iter().map(|seen| seen.id.as_str()).collect();
        self.known.retain(|id, at| at.instance != *instance || still.contains(&**id));
        self.note(instance, seen);
        self.heard.insert(instance.clone());
    }

    fn keep(&mut self, instance: InstanceId, pages: Vec<Packed>, most_bytes: usize) {
        self.drop_pages(&instance);
        self.bytes += size(&pages);
        self.by_age.push_back(instance.clone());
        self.pages.insert(instance, pages.into());
        while self.bytes > most_bytes {
            let Some(oldest) = self.by_age.front().cloned() else { return };
            self.drop_pages(&oldest);
        }
    }

    fn drop_pages(&mut self, instance: &InstanceId) {
        if let Some(pages) = self.pages.remove(instance) {
            self.bytes -= size(&pages);
            self.by_age.retain(|kept| kept != instance);
        }
    }

    /// Forgets what was on instances that left the pool; those that are merely away keep theirs.
    fn follow(&mut self, roster: &Roster) {
        let is_gone = |id: &InstanceId| roster.loaded && roster.get(id).is_none();
        let gone: HashSet<_> = self.heard.iter().filter(|id| is_gone(id)).cloned().collect();
        if gone.is_empty() {
            return;
        }
        self.known.retain(|_, at| !gone.contains(&at.instance));
        for instance in &gone {
            self.heard.remove(instance);
            self.drop_pages(instance);
        }
    }
}

fn size(pages: &[Packed]) -> usize {
    pages.iter().map(Packed::size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ids: &[&str]) -> Vec<Seen> {
        let tenant = Some(TenantId::new("t"));
        ids.iter().map(|id| Seen { id: (*id).into(), tenant: tenant.clone() }).collect()
    }

    #[test]
    fn a_sweep_forgets_what_is_missing_there_and_nothing_elsewhere() {
        let (one, two) = (InstanceId::new("1"), InstanceId::new("2"));
        let mut state = RecordingsState::default();
        state.swept(&one, seen(&["a", "b"]));
        state.swept(&two, seen(&["c"]));
        state.note(&two, seen(&["d"]));
        state.swept(&one, seen(&["b"]));
        let all = ["a", "b", "c", "d"].map(String::from).to_vec();
        let mut known: Vec<_> =
            state.find(all).into_iter().map(|(id, at)| (id, at.instance)).collect();
        known.sort();
        let expected = [("b", &one), ("c", &two), ("d", &two)];
        assert_eq!(known, expected.map(|(id, at)| (id.to_owned(), at.clone())));
        assert_eq!(state.tenants.len(), 1);
    }

    #[test]
    fn an_instance_that_left_the_pool_is_forgotten_and_one_not_loaded_yet_is_not() {
        let one = InstanceId::new("1");
        let mut state = RecordingsState::default();
        state.swept(&one, seen(&["a"]));
        state.keep(one.clone(), vec![Packed::pack(b"<response/>")], 1_000);
        state.follow(&Roster::default());
        assert!(state.heard.contains(&one) && !state.pages.is_empty());
        state.follow(&Roster::new(Vec::new()));
        assert!(state.heard.is_empty() && state.known.is_empty() && state.pages.is_empty());
        assert_eq!(state.bytes, 0);
    }

    #[test]
    fn what_was_withdrawn_is_held_back_until_a_sweep_that_began_later() {
        let (one, two) = (InstanceId::new("1"), InstanceId::new("2"));
        let mut state = RecordingsState::default();
        state.swept(&one, seen(&["a", "b"]));
        state.withdraw(vec!["a".into(), "unknown".into()]);
        let held = |state: &RecordingsState| state.withdrawn.len();
        assert_eq!(held(&state), 1);
        state.swept(&two, seen(&["c"]));
        state.swept(&one, seen(&["a", "b"]));
        assert_eq!(held(&state), 1);
        state.swept(&one, seen(&["a", "b"]));
        assert_eq!(held(&state), 0);
    }

    #[test]
    fn lists_are_bounded_and_the_oldest_go_first() {
        let mut state = RecordingsState::default();
        let page = Packed::pack(b"<response/>");
        for id in ["a", "b", "a", "c"] {
            state.keep(InstanceId::new(id), vec![page.clone()], 2 * page.size());
        }
        let mut kept: Vec<_> = state.pages.keys().map(InstanceId::as_str).collect();
        kept.sort_unstable();
        assert_eq!((kept, state.bytes), (vec!["a", "c"], 2 * page.size()));
    }
}
