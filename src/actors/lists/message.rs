//! What the lists actor hears, and the handle its askers hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use crate::actors::seat::{AskError, Seat};
use crate::domain::instance::{InstanceId, Roster};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A getMeetings answer as an instance gave it, packed by lz4 with its size in front.
#[derive(Clone, Debug)]
pub struct Packed(Arc<[u8]>);

impl Packed {
    pub fn pack(list: &[u8]) -> Self {
        Self(lz4_flex::compress_prepend_size(list).into())
    }

    /// The list; nothing when what is kept can't be unpacked.
    pub fn unpack(&self) -> Option<Vec<u8>> {
        lz4_flex::decompress_size_prepended(&self.0).ok()
    }

    /// Bytes it takes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// What the lists actor can be told and asked.
pub enum ListsMessage {
    /// The newest list of an instance. Told by [`crate::flows::health`] after each sweep.
    Keep { instance: InstanceId, list: Packed },
    /// What these instances listed last; those without a list are left out. Asked by
    /// [`crate::flows::meetings`] for instances that did not answer, and by [`crate::flows::known`] for admins.
    Last { instances: Vec<InstanceId>, reply_to: RpcReplyPort<HashMap<InstanceId, Packed>> },
    /// The pool changed: lists of instances that are dead or gone are dropped. Told by the registry.
    Roster(Arc<Roster>),
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// The lists actor as its callers see it.
#[derive(Clone)]
pub struct ListsHandle(pub(crate) Seat<ListsMessage>);

impl ListsHandle {
    /// Keeps an instance's newest list.
    pub fn keep(&self, instance: InstanceId, list: Packed) {
        self.0.tell(ListsMessage::Keep { instance, list });
    }

    /// What these instances listed last.
    pub async fn last(
        &self,
        instances: Vec<InstanceId>,
    ) -> Result<HashMap<InstanceId, Packed>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| ListsMessage::Last { instances, reply_to }).await
    }
}
