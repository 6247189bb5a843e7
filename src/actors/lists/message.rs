//! What the lists actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use super::Round;
use crate::actors::seat::{AskError, Seat};
use crate::bbb::meetings::Memo;
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::tenant::TenantId;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A getMeetings answer as an instance gave it, packed by lz4 with its size in front.
#[derive(Clone, Debug)]
pub struct Packed(Arc<[u8]>);

impl Packed {
    pub fn pack(list: &[u8]) -> Self {
        Self(lz4_flex::compress_prepend_size(list).into())
    }

    /// What another replica packed.
    pub fn of(packed: Vec<u8>) -> Self {
        Self(packed.into())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The list, if it says that it is no larger than this.
    pub fn unpack_within(&self, most: usize) -> Option<Vec<u8>> {
        let size = self.0.first_chunk().map(|size| u32::from_le_bytes(*size))?;
        (size as usize <= most).then(|| self.unpack()).flatten()
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

/// A round that begins.
#[derive(Default)]
pub struct Begun {
    /// Whom it is for.
    pub tenants: HashSet<TenantId>,
    /// What was in each instance's list in the round before, so that what is there again need not be read again.
    pub memos: HashMap<InstanceId, Arc<Memo>>,
}

/// What the lists actor can be told and asked.
pub enum ListsMessage {
    /// The newest list of an instance. Told by [`crate::flows::health`] after each sweep.
    Keep { instance: InstanceId, list: Packed },
    /// What these instances listed last; those without a list are left out. Asked by
    /// [`crate::flows::meetings`] for instances that did not answer, and by [`crate::flows::known`] for admins.
    Last { instances: Vec<InstanceId>, reply_to: RpcReplyPort<HashMap<InstanceId, Packed>> },
    /// A round over the instances that has not begun, for this tenant too. Asked by [`crate::flows::meetings`].
    Join { tenant: TenantId, reply_to: RpcReplyPort<Arc<Round>> },
    /// This round begins: whom is it for? None if that is not known. Asked by who leads it, [`crate::flows::meetings`].
    Begin { round: Arc<Round>, reply_to: RpcReplyPort<Option<Begun>> },
    /// What was in the lists of a round. Told by who led it, [`crate::flows::meetings`].
    Remember { memos: Vec<(InstanceId, Arc<Memo>)> },
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

    /// A round that has not begun, for this tenant too.
    pub async fn join(&self, tenant: TenantId) -> Result<Arc<Round>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| ListsMessage::Join { tenant, reply_to }).await
    }

    /// Begins a round: answers whom it is for, unless that is not known.
    pub async fn begin(&self, round: Arc<Round>) -> Result<Option<Begun>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| ListsMessage::Begin { round, reply_to }).await
    }

    /// Keeps what was in these lists for the next round.
    pub fn remember(&self, memos: Vec<(InstanceId, Arc<Memo>)>) {
        self.0.tell(ListsMessage::Remember { memos });
    }
}
