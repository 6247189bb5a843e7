//! The embedded store's file, as a crash in the middle of a write leaves it: of all that was written since the last sync
//! any sectors are there, and any are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::outside::store::Store;
use bigblueswarm::outside::store::embedded::Embedded;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::shared::Held;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;
/// The store answers within this.
const STORE_WITHIN: Duration = Duration::from_millis(900);

/// The file of one balancer through all its crashes.
pub(crate) struct TornFile {
    folder: tempfile::TempDir,
    crashes: Held<u64>,
    open: Held<Option<Arc<Embedded>>>,
}

impl TornFile {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, crashes: Held::new(0), open: Held::new(None) }
    }

    /// The store of a process that starts.
    pub(crate) fn open(&self) -> Arc<Embedded> {
        let store = Arc::new(Embedded::open(&self.path(), STORE_WITHIN).expect("a store"));
        self.open.with(|open| *open = Some(store.clone()));
        store
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(format!("state-{}.redb", self.crashes.get()))
    }

    /// The process that has it open crashes while it writes: what was answered before is synced, what it was about to
    /// answer is there in part. The next process begins with that.
    pub(crate) async fn crash(&self, seed: u64) {
        let (path, store) = (self.path(), self.open.get().expect("an open store"));
        let read = |path: &Path| fs::read(path).expect("the file is read");
        let before = read(&path);
        let instances = store.instances().await.expect("instances");
        store.set_instances(instances).await.expect("instances are written");
        let after = read(&path);
        self.crashes.with(|crashes| *crashes += 1);
        fs::write(self.path(), torn(before, &after, seed)).expect("the file is written");
    }
}

fn torn(mut before: Vec<u8>, after: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    // It grows before it is written to, and shrinks after that is synced.
    before.resize(before.len().max(after.len()), 0);
    // All of it, nothing, or any part.
    let share = [0.0, 0.1, 0.5, 0.9, 1.0][rng.random_range(0..5)];
    for (old, new) in before.chunks_mut(SECTOR).zip(after.chunks(SECTOR)) {
        if old != new && rng.random_bool(share) {
            old.copy_from_slice(new);
        }
    }
    before
}
