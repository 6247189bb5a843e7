//! What the recordings actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use super::index::{Found, Paged, Place, Wanted};
use super::keeping::Owed;
use super::recording::Recording;
use crate::actors::seat::{AskError, Seat};
use crate::bbb::recordings::{Counted, Page};
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::{InstanceId, Roster};
use crate::outside::store::{Shelved, StoreError};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What must be asked before a page is made.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Instances whose recordings are known, from a sweep or from the store.
    pub known: HashSet<InstanceId>,
    /// The same with those that have more or fewer by now.
    pub ever: HashSet<InstanceId>,
    /// Those that are to be looked at, and how much each had when it was last heard.
    pub due: Vec<(InstanceId, Count)>,
}

/// How much an instance has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub recordings: usize,
    /// Formats of all recordings together, a recording without one counted as one.
    pub places: usize,
}

impl Count {
    pub(super) fn add(&mut self, places: usize) {
        self.recordings += 1;
        self.places += places;
    }

    /// Whether an instance that says so much may still have just this: some count recordings, others formats.
    pub fn may_be(&self, said: Counted) -> bool {
        said.total == self.recordings || said.total == self.places && !said.by_record
    }
}

/// What instances listed when they were last heard.
#[derive(Clone, Debug, Default)]
pub struct Last {
    pub found: Vec<Found>,
    /// Instances whose recordings were never heard of, here or by who wrote the store.
    pub unknown: HashSet<InstanceId>,
}

/// What is known of one instance's recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub recordings: usize,
    /// Some of them were deleted or unpublished just now; its next lists show what became of them.
    pub withdrawn: bool,
    /// How long ago all of them were listed last; nothing if that was before the start.
    pub listed_ago: Option<Duration>,
}

/// A recording as a list of its instance shows it: its id, and a fingerprint of its bytes.
pub type Glimpse = (String, u64);

/// What the recordings actor can be told and asked.
pub enum RecordingsMessage {
    /// Where are the recordings of these ids? Asked by [`crate::flows::recordings`]. Unknown ones are left out.
    Find { ids: Vec<String>, reply_to: RpcReplyPort<HashMap<String, Place>> },
    /// Some of an instance's recordings were seen. Told by [`crate::flows::recordings`].
    Seen { instance: InstanceId, seen: Vec<Recording> },
    /// An instance was asked for these ids after they were changed, or as the one that has them: these it
    /// has, the others are gone. Told by [`crate::flows::recordings`].
    Asked { instance: InstanceId, ids: Vec<String>, seen: Vec<Recording> },
    /// All of an instance's recordings were seen: what is missing is gone. Told by [`crate::flows::recordings`].
    Swept { instance: InstanceId, seen: Vec<Recording> },
    /// An instance listed these of what is wanted: if that is complete, what is missing is gone. Which of them
    /// are news, by their place? Asked by [`crate::flows::recordings`].
    Listed {
        instance: InstanceId,
        wanted: Wanted,
        listed: Vec<Glimpse>,
        complete: bool,
        reply_to: RpcReplyPort<Vec<usize>>,
    },
    /// These were deleted or unpublished: what was known of them is not shown. Told by [`crate::flows::recordings`].
    Withdrawn { ids: Vec<String> },
    /// What must be asked before a page is made? Who is to be looked at is not named again for a while.
    /// Asked by [`crate::flows::recordings`].
    Survey { reply_to: RpcReplyPort<Survey> },
    /// An instance has more or fewer recordings than are known: it is to be swept at once. Told by [`crate::flows::recordings`].
    Differs { instance: InstanceId },
    /// A page of what is wanted. Asked by [`crate::flows::recordings`].
    Page { wanted: Wanted, page: Page, reply_to: RpcReplyPort<Paged> },
    /// All that is wanted as these instances listed it last. Asked by [`crate::flows::recordings`] for instances that
    /// did not answer.
    Last { wanted: Wanted, instances: HashSet<InstanceId>, reply_to: RpcReplyPort<Last> },
    /// Of which instances were all recordings seen since the start? Asked by [`crate::flows::recordings`].
    Heard { reply_to: RpcReplyPort<HashSet<InstanceId>> },
    /// How many recordings does each instance have, as far as is known? Asked by the admin surface and by
    /// [`crate::flows::sweeps`].
    Held { reply_to: RpcReplyPort<HashMap<InstanceId, Held>> },
    /// Is the instance to be swept now? Asked by [`crate::flows::recordings`].
    Due { instance: InstanceId, reply_to: RpcReplyPort<bool> },
    /// The pool changed: what was on instances that are gone is forgotten. Told by the registry.
    Roster(Arc<Roster>),
    /// Read what is stored. Told by the follower when another replica wrote there, or, with `lost`, when the
    /// store may have lost something; and by itself.
    Reload { lost: bool },
    /// A reading of what is stored ended. Told by its own task.
    Loaded(Result<Vec<(InstanceId, Recording)>, StoreError>),
    /// Writing some to the store ended; what could not be written is still owed. Told by its own task.
    Written { owed: Vec<Owed>, result: Result<(), StoreError> },
    /// Write what is owed to the store. Told by its own timer.
    Write,
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// What the store kept, as far as it can be read.
pub(super) fn read_all(stored: &[Shelved]) -> Vec<(InstanceId, Recording)> {
    stored.iter().filter_map(|(_, bytes)| Recording::read(bytes)).collect()
}

/// The recordings actor as its callers see it.
#[derive(Clone)]
pub struct RecordingsHandle(pub(crate) Seat<RecordingsMessage>);

impl RecordingsHandle {
    async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(RpcReplyPort<R>) -> RecordingsMessage,
    ) -> Result<R, AskError> {
        self.0.ask(ANSWER_WITHIN, question).await
    }

    /// Where these recordings are, as far as they are known.
    pub async fn find(&self, ids: Vec<String>) -> Result<HashMap<String, Place>, AskError> {
        self.ask(|reply_to| RecordingsMessage::Find { ids, reply_to }).await
    }

    /// Says that these recordings are on an instance.
    pub fn seen(&self, instance: InstanceId, seen: Vec<Recording>) {
        self.0.tell(RecordingsMessage::Seen { instance, seen });
    }

    /// Says that of these ids an instance has these recordings, and no others.
    pub fn asked(&self, instance: InstanceId, ids: Vec<String>, seen: Vec<Recording>) {
        self.0.tell(RecordingsMessage::Asked { instance, ids, seen });
    }

    /// Says that these are all recordings of an instance.
    pub fn swept(&self, instance: InstanceId, seen: Vec<Recording>) {
        self.0.tell(RecordingsMessage::Swept { instance, seen });
    }

    /// Says that an instance listed these, perhaps as all that are wanted. Answers which of them are news.
    pub async fn listed(
        &self,
        instance: InstanceId,
        wanted: Wanted,
        listed: Vec<Glimpse>,
        complete: bool,
    ) -> Result<Vec<usize>, AskError> {
        self.ask(|reply_to| RecordingsMessage::Listed {
            instance,
            wanted,
            listed,
            complete,
            reply_to,
        })
        .await
    }

    /// Says that these were deleted or unpublished.
    pub fn withdrawn(&self, ids: Vec<String>) {
        self.0.tell(RecordingsMessage::Withdrawn { ids });
    }

    /// What must be asked before a page is made.
    pub async fn survey(&self) -> Result<Survey, AskError> {
        self.ask(|reply_to| RecordingsMessage::Survey { reply_to }).await
    }

    /// Says that an instance has more or fewer recordings than are known.
    pub fn differs(&self, instance: InstanceId) {
        self.0.tell(RecordingsMessage::Differs { instance });
    }

    /// A page of what is wanted.
    pub async fn page(&self, wanted: Wanted, page: Page) -> Result<Paged, AskError> {
        self.ask(|reply_to| RecordingsMessage::Page { wanted, page, reply_to }).await
    }

    /// All that is wanted as these instances listed it last.
    pub async fn last(
        &self,
        wanted: Wanted,
        instances: HashSet<InstanceId>,
    ) -> Result<Last, AskError> {
        self.ask(|reply_to| RecordingsMessage::Last { wanted, instances, reply_to }).await
    }

    /// The instances whose recordings were all seen since the start.
    pub async fn heard(&self) -> Result<HashSet<InstanceId>, AskError> {
        self.ask(|reply_to| RecordingsMessage::Heard { reply_to }).await
    }

    /// How many recordings each instance has; those of which nothing is known are left out.
    pub async fn held(&self) -> Result<HashMap<InstanceId, Held>, AskError> {
        self.ask(|reply_to| RecordingsMessage::Held { reply_to }).await
    }

    /// Whether an instance is to be swept now.
    pub async fn is_due(&self, instance: InstanceId) -> Result<bool, AskError> {
        self.ask(|reply_to| RecordingsMessage::Due { instance, reply_to }).await
    }

    /// Says that what is stored may hold more than is known here; or less, if some was lost.
    pub fn reload(&self, lost: bool) {
        self.0.tell(RecordingsMessage::Reload { lost });
    }
}
