//! What the recordings actor hears, and the handle its askers hold.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use crate::actors::lists::Packed;
use crate::actors::seat::{AskError, Seat};
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::tenant::TenantId;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A recording as its instance lists it: its id, and whose it is by our tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub tenant: Option<TenantId>,
}

/// Where a recording is, and whose it is by our tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub instance: InstanceId,
    pub tenant: Option<TenantId>,
}

/// What instances listed last.
#[derive(Clone, Debug, Default)]
pub struct Last {
    /// The pages of each instance.
    pub pages: Vec<Arc<[Packed]>>,
    /// Recordings that were deleted or unpublished since.
    pub withdrawn: HashSet<Box<str>>,
}

/// What the recordings actor can be told and asked.
pub enum RecordingsMessage {
    /// Where are the recordings of these ids? Asked by [`crate::flows::recordings`]. Unknown ones are left out.
    Find { ids: Vec<String>, reply_to: RpcReplyPort<HashMap<String, Place>> },
    /// Some of an instance's recordings were seen. Told by [`crate::flows::recordings`].
    Seen { instance: InstanceId, seen: Vec<Seen> },
    /// All of an instance's recordings were seen: what is missing is gone. Its lists come along, for
    /// when it does not answer. Told by [`crate::flows::recordings`].
    Swept { instance: InstanceId, seen: Vec<Seen>, pages: Vec<Packed> },
    /// These were deleted or unpublished: lists from before do not show them. Told by [`crate::flows::recordings`].
    Withdrawn { ids: Vec<String> },
    /// What these instances listed last. Asked by [`crate::flows::recordings`] for instances that did not answer.
    Last { instances: Vec<InstanceId>, reply_to: RpcReplyPort<Last> },
    /// Of which instances are all recordings known? Asked by [`crate::flows::recordings`].
    Heard { reply_to: RpcReplyPort<HashSet<InstanceId>> },
    /// The pool changed: what was on instances that are gone is forgotten. Told by the registry.
    Roster(Arc<Roster>),
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// The recordings actor as its callers see it.
#[derive(Clone)]
pub struct RecordingsHandle(pub(crate) Seat<RecordingsMessage>);

impl RecordingsHandle {
    /// Where these recordings are, as far as they are known.
    pub async fn find(&self, ids: Vec<String>) -> Result<HashMap<String, Place>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| RecordingsMessage::Find { ids, reply_to }).await
    }

    /// Says that these recordings are on an instance.
    pub fn seen(&self, instance: InstanceId, seen: Vec<Seen>) {
        self.0.tell(RecordingsMessage::Seen { instance, seen });
    }

    /// Says that these are all recordings of an instance.
    pub fn swept(&self, instance: InstanceId, seen: Vec<Seen>, pages: Vec<Packed>) {
        self.0.tell(RecordingsMessage::Swept { instance, seen, pages });
    }

    /// Says that these were deleted or unpublished.
    pub fn withdrawn(&self, ids: Vec<String>) {
        self.0.tell(RecordingsMessage::Withdrawn { ids });
    }

    /// What these instances listed last.
    pub async fn last(&self, instances: Vec<InstanceId>) -> Result<Last, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| RecordingsMessage::Last { instances, reply_to }).await
    }

    /// The instances whose recordings are all known.
    pub async fn heard(&self) -> Result<HashSet<InstanceId>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| RecordingsMessage::Heard { reply_to }).await
    }
}
