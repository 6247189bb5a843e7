//! Owns which recording is on which instance, whose it is and what filters ask of it, and its bytes as listed last.
//! What it knows is kept in the store, so that an instance that is away loses none of its own over a restart.

mod index;
mod keeping;
mod message;
mod recording;
mod state;

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

pub use self::index::{Found, Paged, Place, Wanted};
pub use self::keeping::Owed;
pub use self::message::*;
pub use self::recording::{Packed, Recording, print};
use self::state::State;
use super::{answer, settle_stored};
use crate::determinism::aside;
use crate::domain::instance::InstanceId;
use crate::outside::store::{Shelf, Store, StoreError};

const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The recordings actor as the runtime sees it.
pub struct Recordings {
    /// Memory for the bytes of all recordings together; those of the instance heard longest ago go first.
    pub most_bytes: usize,
    pub store: Arc<dyn Store>,
}

/// Its state, and what waits for it.
pub struct RecordingsState {
    state: State,
    /// Whether a reading of the store is under way, and whether another is to follow.
    loading: bool,
    load_again: bool,
    /// Questions from before the store was read once; their askers stop waiting by themselves.
    held: Vec<RecordingsMessage>,
    loaded: bool,
}

impl Actor for Recordings {
    type Msg = RecordingsMessage;
    type State = RecordingsState;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<RecordingsMessage>,
        (): (),
    ) -> Result<RecordingsState, ActorProcessingErr> {
        myself.cast(RecordingsMessage::Reload { lost: true })?;
        let state = State::new(self.most_bytes);
        let (held, loading, load_again, loaded) = (Vec::new(), false, false, false);
        Ok(RecordingsState { state, loading, load_again, held, loaded })
    }

    async fn handle(
        &self,
        myself: ActorRef<RecordingsMessage>,
        message: RecordingsMessage,
        all: &mut RecordingsState,
    ) -> Result<(), ActorProcessingErr> {
        if !all.loaded && needs_all(&message) {
            all.held.push(message);
            return Ok(());
        }
        let state = &mut all.state;
        match message {
            RecordingsMessage::Reload { lost: false } if state.has_heard_all() => {}
            RecordingsMessage::Reload { .. } => self.load(&myself, all),
            RecordingsMessage::Loaded(result) => self.loaded(&myself, result, all),
            RecordingsMessage::Written { owed, result } => {
                state.keeping.written(owed, result, &myself);
            }
            RecordingsMessage::Write => {}
            RecordingsMessage::Find { ids, reply_to } => answer(reply_to, state.find(ids)),
            RecordingsMessage::Seen { instance, seen } => state.note(&instance, seen),
            RecordingsMessage::Asked { instance, ids, seen } => state.asked(&instance, ids, seen),
            RecordingsMessage::Swept { instance, seen } => state.swept(&instance, seen),
            RecordingsMessage::Listed { instance, wanted, listed, complete, reply_to } => {
                if complete {
                    state.miss(&instance, &wanted, &listed);
                }
                answer(reply_to, state.news(&instance, &listed));
            }
            RecordingsMessage::Withdrawn { ids } => state.withdraw(&ids),
            RecordingsMessage::Survey { reply_to } => answer(reply_to, state.survey()),
            RecordingsMessage::Differs { instance } => state.differs(instance),
            RecordingsMessage::Page { wanted, page, reply_to } => {
                answer(reply_to, state.index.page(&wanted, page));
            }
            RecordingsMessage::Last { wanted, instances, reply_to } => {
                answer(reply_to, state.last(&wanted, &instances));
            }
            RecordingsMessage::Heard { reply_to } => answer(reply_to, state.heard()),
            RecordingsMessage::Held { reply_to } => answer(reply_to, state.held()),
            RecordingsMessage::Due { instance, reply_to } => {
                answer(reply_to, state.is_due(&instance));
            }
            RecordingsMessage::Roster(roster) => state.follow(roster),
            #[cfg(feature = "test-util")]
            RecordingsMessage::Crash => panic!("asked to crash"),
        }
        let state = &mut all.state;
        if all.loaded {
            state.keeping.write(&state.index, &self.store, &myself);
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<RecordingsMessage>,
        all: &mut RecordingsState,
    ) -> Result<(), ActorProcessingErr> {
        all.state.keeping.finish().await;
        Ok(())
    }
}

/// Whether an answer would leave out what is stored.
fn needs_all(message: &RecordingsMessage) -> bool {
    use RecordingsMessage::{Find, Last, Listed, Page, Survey};
    matches!(message, Find { .. } | Survey { .. } | Page { .. } | Last { .. } | Listed { .. })
}

impl Recordings {
    /// Reads what is stored. What is read has to be unpacked and looked at, so that is done there too.
    fn load(&self, myself: &ActorRef<RecordingsMessage>, all: &mut RecordingsState) {
        if std::mem::replace(&mut all.loading, true) {
            all.load_again = true;
            return;
        }
        let (store, myself) = (self.store.clone(), myself.clone());
        tokio::spawn(async move {
            let read = settle_stored(async move {
                let stored = store.shelf(Shelf::Recordings).await?;
                let read = aside(move || message::read_all(&stored)).await;
                read.map_err(|e| StoreError::Unreadable(e.to_string()))
            });
            let _ = myself.cast(RecordingsMessage::Loaded(read.await));
        });
    }

    fn loaded(
        &self,
        myself: &ActorRef<RecordingsMessage>,
        result: Result<Vec<(InstanceId, Recording)>, StoreError>,
        all: &mut RecordingsState,
    ) {
        all.loading = false;
        match result {
            Ok(stored) => {
                all.state.stored(stored);
                all.loaded = true;
                for message in all.held.drain(..) {
                    let _ = myself.cast(message);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "stored recordings could not be read; trying again");
                all.load_again = false;
                myself.send_after(LOAD_AGAIN_AFTER, || RecordingsMessage::Reload { lost: true });
            }
        }
        if std::mem::take(&mut all.load_again) {
            let _ = myself.cast(RecordingsMessage::Reload { lost: true });
        }
    }
}
