//! The file: opened once and kept; opened again after a fault of the disk.

use std::fs::OpenOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageError};

use crate::outside::store::StoreError;

use super::tables;

/// Routes and documents are small: this holds all of them. Recordings are many, but read at the start only.
const CACHE_BYTES: usize = 24 << 20;

/// The open file.
pub(super) struct Kept {
    path: PathBuf,
    /// None after a fault that redb survives only by opening the file again.
    database: ArcSwapOption<Database>,
    /// Whether there are answered writes that are not on disk.
    lazy: AtomicBool,
    /// How many checks there were.
    checks: AtomicU64,
}

impl Kept {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = open(path)?;
        Ok(Self {
            path: path.to_owned(),
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
                let again = Arc::new(open(&self.path)?);
                self.database.store(Some(again.clone()));
                again
            }
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(&database)));
        if matches!(&result, Err(_) | Ok(Err(redb::Error::Io(_) | redb::Error::PreviousIo))) {
            self.database.store(None);
        }
        match result {
            Ok(done) => done.map_err(|e| explained(&self.path, e)),
            Err(_) => Err(damaged(&self.path, "reading it panicked")),
        }
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

fn open(path: &Path) -> Result<Database, StoreError> {
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
        let backend = FileBackend::new(file)?;
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
