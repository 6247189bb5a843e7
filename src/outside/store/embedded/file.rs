//! The file: opened once and kept; opened again, or written anew, after a fault of the disk.

use std::fs::OpenOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use redb::{Database, DatabaseError, StorageError};
use tracing::warn;

use crate::outside::store::StoreError;

use super::synced::{self, Syncs, Watched};
use super::{second, tables};

/// Routes and documents are small: this holds all of them. Recordings are many, but read at the start only.
const CACHE_BYTES: usize = 24 << 20;

/// The open file.
pub(super) struct Kept {
    path: PathBuf,
    /// None after a fault that redb survives only by opening the file again.
    database: ArcSwapOption<Database>,
    /// Whether there are answered writes that are not on disk.
    lazy: AtomicBool,
    syncs: Syncs,
    /// How many checks there were.
    checks: AtomicU64,
}

impl Kept {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let syncs = Syncs::default();
        let is_new = !path.exists();
        let database = open(path, &syncs).map_err(|e| with_advice(path, e))?;
        if is_new {
            second::keep(path);
        }
        let database = if synced::is_marked(path) {
            // It is nobody else's, or it would not have been opened.
            drop(database);
            written_anew(path, &syncs)?
        } else {
            database
        };
        Ok(Self {
            path: path.to_owned(),
            syncs,
            database: ArcSwapOption::from_pointee(database),
            lazy: AtomicBool::new(false),
            checks: AtomicU64::new(0),
        })
    }

    /// Does the work; only one caller at a time comes here. A panic of redb's on a damaged file is an
    /// error like any other, and the file is opened again for the next one.
    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let database = match self.database.load_full() {
            Some(database) => database,
            None => {
                let again = if self.syncs.have_failed() {
                    written_anew(&self.path, &self.syncs)
                } else {
                    open(&self.path, &self.syncs)
                };
                let again = Arc::new(self.marked(again)?);
                self.database.store(Some(again.clone()));
                again
            }
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(&database)));
        if matches!(&result, Err(_) | Ok(Err(redb::Error::Io(_) | redb::Error::PreviousIo))) {
            self.database.store(None);
        }
        let result = match result {
            Ok(done) => done.map_err(|e| explained(&self.path, e)),
            Err(_) => Err(damaged(&self.path, "reading it panicked")),
        };
        if self.syncs.have_failed() {
            self.database.store(None);
        }
        self.marked(result)
    }

    /// After a failed sync another process is told of it, too.
    fn marked<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if self.syncs.have_failed() {
            synced::set_mark(&self.path);
        }
        result
    }

    /// Writes the second copy of instances and tenants.
    pub(super) fn copy(&self, database: &Database) {
        second::write(&self.path, database);
    }

    /// Writes, and says how many bytes are free.
    pub(super) fn check(&self, database: &Database) -> Result<u64, redb::Error> {
        let number = self.checks.fetch_add(1, Ordering::Relaxed);
        tables::check(database, number)?;
        self.turn_synced();
        let disk = rustix::fs::statvfs(&self.path).map_err(std::io::Error::from)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Notes a lazy write; whether it is the first since the last sync.
    pub(super) fn turn_lazy(&self) -> bool {
        !self.lazy.swap(true, Ordering::AcqRel)
    }

    /// Notes that all is on disk.
    pub(super) fn turn_synced(&self) {
        self.lazy.store(false, Ordering::Release);
    }

    pub(super) fn is_lazy(&self) -> bool {
        self.lazy.load(Ordering::Acquire)
    }
}

/// What could not be synced, in a new file in the place of the other. Fails while there is none.
fn written_anew(path: &Path, syncs: &Syncs) -> Result<Database, StoreError> {
    let away = |e: std::io::Error| StoreError::Away(format!("{}: {e}", path.display()));
    let fresh = synced::copied(path).map_err(away)?;
    syncs.are_well();
    let opened = open(&fresh, syncs);
    let replaced = opened.and_then(|database| {
        synced::replaced(path, &fresh).map_err(away)?;
        Ok(database)
    });
    match replaced {
        Ok(database) if !syncs.have_failed() => {
            warn!(file = %path.display(), "after a failed sync the store was written to a new file");
            Ok(database)
        }
        other => {
            syncs.have_to_be_made_good();
            Err(other.err().unwrap_or_else(|| StoreError::Away("a sync failed again".into())))
        }
    }
}

/// What to do about a file that can't be read when the program starts.
fn with_advice(path: &Path, error: StoreError) -> StoreError {
    let StoreError::Unreadable(why) = error else { return error };
    let (file, copy) = (path.display().to_string(), second::path(path));
    let copy = copy.exists().then(|| {
        let before = synced::beside(path, ".copy.before.json");
        format!(" and bring instances and tenants back: bigblueswarm apply -f {}", before.display())
    });
    let copy = copy.unwrap_or_else(|| ", and post instances and tenants again".into());
    StoreError::Unreadable(format!(
        "{why}. Move {file} away (do not delete it), start again{copy}. Running meetings are found again on their instances"
    ))
}

fn open(path: &Path, syncs: &Syncs) -> Result<Database, StoreError> {
    let away = |e: std::io::Error| StoreError::Away(format!("{}: {e}", path.display()));
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(away)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // There are secrets in it: nobody else may read a new one.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(away)?;
    let opened = catch_unwind(AssertUnwindSafe(|| -> Result<Database, redb::Error> {
        let backend = Watched::new(file, syncs.clone())?;
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = builder.create_with_backend(backend).map_err(invalid_as_corrupted)?;
        tables::prepare(&database)?;
        Ok(database)
    }));
    opened.map_err(|_| damaged(path, "reading it panicked"))?.map_err(|e| explained(path, e))
}

/// A file that is no database is told as an I/O error of the kinds that stand for wrong contents.
fn invalid_as_corrupted(error: DatabaseError) -> redb::Error {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        DatabaseError::Storage(StorageError::Io(e))
            if matches!(e.kind(), InvalidData | UnexpectedEof) =>
        {
            redb::Error::Corrupted(e.to_string())
        }
        other => other.into(),
    }
}

fn explained(path: &Path, error: redb::Error) -> StoreError {
    use redb::Error::{
        Corrupted, DatabaseAlreadyOpen, LockProtocolMismatch, TableTypeMismatch, UpgradeRequired,
    };
    match error {
        DatabaseAlreadyOpen | LockProtocolMismatch => StoreError::InUse(path.display().to_string()),
        Corrupted(why) => damaged(path, &why),
        e @ (UpgradeRequired(_) | TableTypeMismatch { .. }) => damaged(path, &e.to_string()),
        other => StoreError::Away(format!("{}: {other}", path.display())),
    }
}

fn damaged(path: &Path, why: &str) -> StoreError {
    StoreError::Unreadable(format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::domain::tenant::{TenantDocument, TenantSpec};

    fn number(path: &Path) -> u64 {
        std::fs::metadata(path).expect("a file").ino()
    }

    fn document(host: &str) -> TenantDocument {
        let spec = TenantSpec { host: host.into(), ..TenantSpec::default() };
        let (metadata, instances) = (Default::default(), Vec::new());
        TenantDocument { kind: "Tenant".into(), spec, metadata, instances }
    }

    fn put(kept: &Kept, host: &str) -> Result<(), StoreError> {
        let tenant = document(host);
        kept.run(|database| tables::put_tenant(database, &tenant))
    }

    fn hosts(kept: &Kept) -> Vec<String> {
        let tenants = kept.run(tables::tenants).expect("tenants");
        tenants.into_iter().map(|tenant| tenant.spec.host).collect()
    }

    /// A store that holds a tenant, whose syncs fail from now on: its path, and which file that is.
    fn failing(directory: &tempfile::TempDir) -> (PathBuf, Kept, u64) {
        let path = directory.path().join("swarm.redb");
        let kept = Kept::open(&path).expect("it opens");
        put(&kept, "a").expect("stored");
        let before = number(&path);
        kept.syncs.fail.store(true, Ordering::Release);
        (path, kept, before)
    }

    #[test]
    fn after_a_failed_sync_nothing_is_written_to_the_same_file_any_more() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, kept, before) = failing(&directory);
        assert!(matches!(put(&kept, "b"), Err(StoreError::Away(_))));
        assert!(matches!(put(&kept, "b"), Err(StoreError::Away(_))), "it fails all the while");
        assert!(synced::is_marked(&path));
        assert_eq!(number(&path), before, "there is no better one yet");
        kept.syncs.fail.store(false, Ordering::Release);
        put(&kept, "c").expect("stored");
        assert_ne!(number(&path), before);
        assert!(!synced::is_marked(&path));
        let found = hosts(&kept);
        assert!(found.contains(&"a".into()) && found.contains(&"c".into()), "{found:?}");
        drop(kept);
        assert_eq!(hosts(&Kept::open(&path).expect("it opens again")), found);
    }

    #[test]
    fn a_program_that_starts_after_a_failed_sync_does_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, kept, before) = failing(&directory);
        put(&kept, "b").expect_err("not stored");
        drop(kept); // as a kill would
        let again = Kept::open(&path).expect("it opens again");
        assert_ne!(number(&path), before);
        assert!(!synced::is_marked(&path) && hosts(&again).contains(&"a".into()));
        drop(again);
        let last = number(&path);
        drop(Kept::open(&path).expect("it opens as ever"));
        assert_eq!(number(&path), last);
    }
}
