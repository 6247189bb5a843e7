//! What the registry hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use super::storing::WaitingEdit;
use crate::actors::seat::{AskError, Seat};
use crate::bbb::checksum::Algorithm;
use crate::config::Config;
use crate::domain::instance::{AdminState, BadInstanceUrl, InstanceId, Roster, Twin};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;
use crate::outside::store::mark::Mark;
use crate::outside::store::peers::Outlook;
use crate::outside::store::{InstanceRecord, StoreError};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Calls wait for it, which clients give up after 5 s.
const READ_WITHIN: Duration = Duration::from_millis(1_900);
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// What the registry can be told and asked.
pub enum RegistryMessage {
    /// The pool as it is now. Asked by flows and the admin surface.
    Roster { reply_to: RpcReplyPort<Arc<Roster>> },
    /// Reads the pool from the store, and tells all subscribers before it answers. Asked by flows when a route names an
    /// instance that nobody here knows.
    Read { reply_to: RpcReplyPort<Result<(), StoreError>> },
    /// Does another replica reach this instance? Asked by flows about one that does not answer here.
    OthersReach { instance: InstanceId, reply_to: RpcReplyPort<bool> },
    /// Replaces the whole list. Asked by the admin surface. Answers after it is stored; until then
    /// everybody sees the old list, afterwards the new one.
    Replace { list: Vec<(String, Secret)>, reply_to: RpcReplyPort<Result<(), RegistryError>> },
    /// Enables, drains or disables an instance. Asked by the admin surface. Answers after it is stored.
    SetAdmin {
        instance: InstanceId,
        admin: AdminState,
        reply_to: RpcReplyPort<Result<(), RegistryError>>,
    },
    /// Says which hash an instance's calls are signed with; `None` is the configured one. Asked by
    /// the admin surface. Answers after it is stored.
    SignWith {
        instance: InstanceId,
        hash: Option<Algorithm>,
        reply_to: RpcReplyPort<Result<(), RegistryError>>,
    },
    /// Gives an instance these tags, which creates may ask for. Asked by the admin surface. Answers
    /// after it is stored.
    Tag {
        instance: InstanceId,
        tags: Vec<String>,
        reply_to: RpcReplyPort<Result<(), RegistryError>>,
    },
    /// Forgets a retired instance, whatever is left on it. Asked by the admin surface. Answers after it is stored.
    Forget { instance: InstanceId, reply_to: RpcReplyPort<Result<(), RegistryError>> },
    /// A probe that was sent then ended; an error says why it failed. Told by [`crate::flows::health`].
    Probed { instance: InstanceId, sent_at: Moment, result: Result<(), String> },
    /// What did we see ourselves, and whom did we reach since then? Asked by [`crate::flows::tell`].
    Outlook { since: Moment, reply_to: RpcReplyPort<Outlook> },
    /// What another replica saw. Told by the store's follower.
    Told { by: u64, outlook: Outlook },
    /// A call went wrong in a way that puts the instance in doubt. Told by flows.
    Suspect { instance: InstanceId, why: String },
    /// An instance refused to list its meetings: it is suspect until it does. Told by [`crate::flows::health`].
    Refused { instance: InstanceId, why: String },
    /// A sweep of an instance succeeded, and perhaps showed whether another one is the same server. Told by
    /// [`crate::flows::sweeps`].
    Swept { instance: InstanceId, twin: Option<Twin> },
    /// What is left on a retired instance, as it or an address of the same server said. Told by [`crate::flows::sweeps`].
    Left { instance: InstanceId, left: Left },
    /// The store was read, well or not. Told by the actor's own task.
    Loaded(Result<(Vec<InstanceRecord>, Mark), StoreError>),
    /// What the store has lost was written again, or not, if another was quicker. Told by the actor's own task.
    WrittenAgain(Result<Option<Mark>, StoreError>),
    /// A change was stored, well or not. Told by the actor's own task.
    Stored(Box<Stored>),
    /// Another replica changed the pool: read it again. Told by the store's follower.
    Reload,
    /// Tell all subscribers the roster again. Told by the supervisor after it filled a seat.
    Publish,
    /// A dead instance has been silent so long that its meetings count as gone. Told by the actor's own timer.
    Overdue,
    /// The configuration changed. Told by the settings actor.
    Configure(Arc<Config>),
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// What a server said itself that a retired instance has, when it was asked then.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    pub asked_at: Moment,
    /// In its list, or with a route to it.
    pub meetings: u64,
    /// Nothing where that is not known for sure.
    pub recordings: Option<usize>,
}

impl Left {
    pub(super) fn nothing(&self) -> bool {
        self.meetings == 0 && self.recordings == Some(0)
    }
}

/// A change whose storing has ended.
pub struct Stored {
    pub(super) edit: WaitingEdit,
    pub(super) pool: Vec<InstanceRecord>,
    /// None when the pool was not the one that was edited.
    pub(super) result: Result<Option<Mark>, StoreError>,
}

/// Why a change of the pool was refused. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("instance {0} is not in the pool")]
    NotFound(InstanceId),
    #[error(transparent)]
    BadUrl(#[from] BadInstanceUrl),
    #[error("instance {0}: the secret is empty")]
    EmptySecret(String),
    #[error("instances {0} and {1} are the same server, with two secrets")]
    TwoSecrets(InstanceId, InstanceId),
    #[error("instance {0} is in the list: post the list without it first")]
    StillListed(InstanceId),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// The registry as its callers see it.
#[derive(Clone)]
pub struct RegistryHandle(pub(crate) Seat<RegistryMessage>);

impl RegistryHandle {
    /// The pool as it is now.
    pub async fn roster(&self) -> Result<Arc<Roster>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| RegistryMessage::Roster { reply_to }).await
    }

    /// Whether another replica reaches this instance.
    pub async fn others_reach(&self, instance: InstanceId) -> Result<bool, AskError> {
        let question = |reply_to| RegistryMessage::OthersReach { instance, reply_to };
        self.0.ask(ANSWER_WITHIN, question).await
    }

    /// Has the pool read from the store: whoever is asked afterwards knows it as it is now.
    pub async fn read(&self) -> Result<(), RegistryError> {
        Ok(self.0.ask(READ_WITHIN, |reply_to| RegistryMessage::Read { reply_to }).await??)
    }

    /// Replaces the whole list of instances: URL and secret of each. Instances that are missing
    /// from it are retired: they keep what they have until they say themselves that nothing is left.
    pub async fn replace(&self, list: Vec<(String, Secret)>) -> Result<(), RegistryError> {
        self.0.ask(STORE_WITHIN, |reply_to| RegistryMessage::Replace { list, reply_to }).await?
    }

    /// Enables, drains or disables an instance.
    pub async fn set_admin(
        &self,
        instance: InstanceId,
        admin: AdminState,
    ) -> Result<(), RegistryError> {
        let question = |reply_to| RegistryMessage::SetAdmin { instance, admin, reply_to };
        self.0.ask(STORE_WITHIN, question).await?
    }

    /// Signs an instance's calls with this hash; with the configured one when `None`.
    pub async fn sign_with(
        &self,
        instance: InstanceId,
        hash: Option<Algorithm>,
    ) -> Result<(), RegistryError> {
        let question = |reply_to| RegistryMessage::SignWith { instance, hash, reply_to };
        self.0.ask(STORE_WITHIN, question).await?
    }

    /// Gives an instance these tags instead of those it has.
    pub async fn tag(&self, instance: InstanceId, tags: Vec<String>) -> Result<(), RegistryError> {
        let question = |reply_to| RegistryMessage::Tag { instance, tags, reply_to };
        self.0.ask(STORE_WITHIN, question).await?
    }

    /// Forgets a retired instance with its secret, whatever is left on it.
    pub async fn forget(&self, instance: InstanceId) -> Result<(), RegistryError> {
        self.0.ask(STORE_WITHIN, |reply_to| RegistryMessage::Forget { instance, reply_to }).await?
    }

    /// Has the pool read again.
    pub(crate) fn reload(&self) {
        self.0.tell(RegistryMessage::Reload);
    }

    /// Has all subscribers told the roster again.
    pub(crate) fn publish(&self) {
        self.0.tell(RegistryMessage::Publish);
    }

    /// Says how a probe went that was sent then.
    pub fn probed(&self, instance: InstanceId, sent_at: Moment, result: Result<(), String>) {
        self.0.tell(RegistryMessage::Probed { instance, sent_at, result });
    }

    /// What we saw ourselves, and whom we reached since then, for other replicas.
    pub async fn outlook(&self, since: Moment) -> Result<Outlook, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| RegistryMessage::Outlook { since, reply_to }).await
    }

    /// Says what another replica saw.
    pub(crate) fn told(&self, by: u64, outlook: Outlook) {
        self.0.tell(RegistryMessage::Told { by, outlook });
    }

    /// Puts an instance in doubt.
    pub fn suspect(&self, instance: InstanceId, why: String) {
        self.0.tell(RegistryMessage::Suspect { instance, why });
    }

    /// Says that an instance refused to list its meetings, such as for a wrong secret.
    pub fn refused(&self, instance: InstanceId, why: String) {
        self.0.tell(RegistryMessage::Refused { instance, why });
    }

    /// Says that all meetings of an instance were seen, and what that showed of another one.
    pub fn swept(&self, instance: InstanceId, twin: Option<Twin>) {
        self.0.tell(RegistryMessage::Swept { instance, twin });
    }

    /// Says what is left on a retired instance.
    pub fn left(&self, instance: InstanceId, left: Left) {
        self.0.tell(RegistryMessage::Left { instance, left });
    }
}
