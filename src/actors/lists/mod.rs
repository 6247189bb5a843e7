//! Owns what each instance listed last, for when it does not answer: packed, and bounded in all; and the
//! round over the instances that can still be joined.

mod message;
mod round;

use std::collections::VecDeque;
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

pub use self::message::*;
use self::round::Rounds;
pub use self::round::{Answers, Round};
use super::answer;
use crate::bbb::meetings::Memo;
use crate::determinism::HashMap;
use crate::domain::instance::{InstanceId, Roster};

/// The lists actor as the runtime sees it.
pub struct Lists {
    /// Memory for all lists together; the oldest go first.
    pub most_bytes: usize,
}

/// Its state: the lists, and the order in which they came.
#[derive(Default)]
pub struct ListsState {
    kept: HashMap<InstanceId, Packed>,
    by_age: VecDeque<InstanceId>,
    bytes: usize,
    rounds: Rounds,
    /// What was in each list of the last round; a small part of its bytes.
    memos: HashMap<InstanceId, Arc<Memo>>,
}

impl Actor for Lists {
    type Msg = ListsMessage;
    type State = ListsState;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<ListsMessage>,
        (): (),
    ) -> Result<ListsState, ActorProcessingErr> {
        Ok(ListsState::default())
    }

    async fn handle(
        &self,
        _: ActorRef<ListsMessage>,
        message: ListsMessage,
        state: &mut ListsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ListsMessage::Keep { instance, list } => state.keep(instance, list, self.most_bytes),
            ListsMessage::Last { instances, reply_to } => {
                let known = instances.into_iter();
                let last = known.filter_map(|id| Some((id.clone(), state.kept.get(&id)?.clone())));
                answer(reply_to, last.collect());
            }
            ListsMessage::Join { tenant, reply_to } => {
                if !reply_to.is_closed() {
                    answer(reply_to, state.rounds.join(tenant));
                }
            }
            ListsMessage::Begin { round, reply_to } => {
                let begun = state.rounds.begin(&round);
                let begun = begun.map(|tenants| Begun { tenants, memos: state.memos.clone() });
                answer(reply_to, begun);
            }
            ListsMessage::Remember { memos } => state.memos.extend(memos),
            ListsMessage::Roster(roster) => state.follow(&roster),
            #[cfg(feature = "test-util")]
            ListsMessage::Crash => panic!("asked to crash"),
        }
        Ok(())
    }
}

impl ListsState {
    fn keep(&mut self, instance: InstanceId, list: Packed, most_bytes: usize) {
        self.drop_list(&instance);
        self.bytes += list.size();
        self.by_age.push_back(instance.clone());
        self.kept.insert(instance, list);
        while self.bytes > most_bytes {
            let Some(oldest) = self.by_age.front().cloned() else { return };
            self.drop_list(&oldest);
        }
    }

    fn drop_list(&mut self, instance: &InstanceId) {
        if let Some(list) = self.kept.remove(instance) {
            self.bytes -= list.size();
            self.by_age.retain(|kept| kept != instance);
        }
    }

    fn follow(&mut self, roster: &Roster) {
        let lets_go = |id: &InstanceId| roster.get(id).is_none_or(|m| m.lost_meetings());
        let gone: Vec<_> = self.kept.keys().filter(|id| lets_go(id)).cloned().collect();
        for instance in gone {
            self.drop_list(&instance);
        }
        self.memos.retain(|id, _| !lets_go(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_list_goes_first() {
        let mut state = ListsState::default();
        let list = Packed::pack(b"<response/>");
        for id in ["a", "b", "a", "c"] {
            state.keep(InstanceId::new(id), list.clone(), 2 * list.size());
        }
        let mut kept: Vec<_> = state.kept.keys().map(InstanceId::as_str).collect();
        kept.sort_unstable();
        assert_eq!((kept, state.bytes), (vec!["a", "c"], 2 * list.size()));
        assert_eq!(list.unpack().as_deref(), Some(&b"<response/>"[..]));
    }
}
