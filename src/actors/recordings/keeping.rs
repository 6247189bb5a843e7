//! What is owed to the store: recordings that were learned or forgotten since it was written last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use tokio::task::JoinSet;
use tracing::warn;

use super::index::Index;
use super::message::RecordingsMessage;
use super::recording::Recording;
use crate::actors::settle_stored;
use crate::domain::instance::InstanceId;
use crate::outside::store::{RecordingsKept, Store, StoreError};

/// The most records of one write, and their bytes: a write is synced, and holds up others.
const MOST_RECORDS: usize = 1_000;
const MOST_BYTES: usize = 1 << 20;
/// How long it waits after a write that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A recording that is owed, and where it is or was.
pub type Owed = (Arc<str>, InstanceId);

/// What is owed, and the write that is under way.
#[derive(Default)]
pub(super) struct Keeping {
    owed: BTreeMap<Arc<str>, InstanceId>,
    busy: bool,
    tasks: JoinSet<()>,
}

impl Keeping {
    pub(super) fn owe(&mut self, id: Arc<str>, instance: InstanceId) {
        self.owed.insert(id, instance);
    }

    /// Begins the next write, unless one is under way.
    pub(super) fn write(
        &mut self,
        index: &Index,
        store: &Arc<dyn Store>,
        myself: &ActorRef<RecordingsMessage>,
    ) {
        metrics::gauge!("bigblueswarm_recordings_unstored").set(self.owed.len() as f64);
        if self.busy || self.owed.is_empty() {
            return;
        }
        let batch = self.batch(index);
        self.busy = true;
        while self.tasks.try_join_next().is_some() {}
        let (store, myself) = (store.clone(), myself.clone());
        self.tasks.spawn(async move {
            let owed = batch.owed.clone();
            let result =
                settle_stored(async move { store.keep_recordings(batch.kept).await }).await;
            let _ = myself.cast(RecordingsMessage::Written { owed, result });
        });
    }

    fn batch(&mut self, index: &Index) -> Batch {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        while batch.owed.len() < MOST_RECORDS && bytes < MOST_BYTES {
            let Some((id, was)) = self.owed.pop_first() else { break };
            let kept = &mut batch.kept;
            match index.kept(&id) {
                Some((instance, raw, shown)) => {
                    let record = Recording::stored(instance, raw);
                    bytes += record.len();
                    kept.there.push((id.to_string(), record));
                    let at = (id.to_string(), instance.clone());
                    if shown { kept.named.push(at) } else { kept.unnamed.push(at) }
                }
                None => {
                    kept.gone.push(id.to_string());
                    kept.unnamed.push((id.to_string(), was.clone()));
                }
            }
            batch.owed.push((id, was));
        }
        batch
    }

    /// A write ended. What it could not write is still owed.
    pub(super) fn written(
        &mut self,
        owed: Vec<Owed>,
        result: Result<(), StoreError>,
        myself: &ActorRef<RecordingsMessage>,
    ) {
        self.busy = false;
        let Err(error) = result else {
            let _ = myself.cast(RecordingsMessage::Write);
            return;
        };
        warn!(%error, "recordings could not be stored: they will be tried again");
        // What became owed meanwhile is newer.
        for (id, was) in owed {
            self.owed.entry(id).or_insert(was);
        }
        myself.send_after(AGAIN_AFTER, || RecordingsMessage::Write);
    }

    /// Waits for the write that is under way.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// One write.
#[derive(Default)]
struct Batch {
    owed: Vec<Owed>,
    kept: RecordingsKept,
}
