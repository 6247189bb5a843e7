//! The file as redb writes it, watched for a sync that fails; and how what was written is saved then.
//!
//! After a failed sync the kernel may have dropped what it could not write, and takes it for written: pages that are read
//! are the new ones until memory is short, and a later sync of the same file succeeds without them. So no file is used on
//! after a failed sync. Its bytes, as they can be read still, are written to a new file, which takes its place once that is
//! synced. A mark beside the file tells a process that starts later to do so, should this one end before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// So much is copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What is known of the syncs of a file. Clones know the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Syncs {
    failed: Arc<AtomicBool>,
    /// Whether every sync fails, in tests.
    #[cfg(test)]
    pub(super) fail: Arc<AtomicBool>,
}

impl Syncs {
    pub(super) fn have_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// What could not be synced is safe.
    pub(super) fn are_well(&self) {
        self.failed.store(false, Ordering::Release);
    }

    /// What could not be synced is not safe yet.
    pub(super) fn have_to_be_made_good(&self) {
        self.failed.store(true, Ordering::Release);
    }

    fn note<E>(&self, synced: Result<(), E>) -> Result<(), E> {
        if synced.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        synced
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct Watched {
    file: FileBackend,
    syncs: Syncs,
}

impl Watched {
    pub(super) fn new(file: File, syncs: Syncs) -> Result<Self, DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, syncs })
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.syncs.fail.load(Ordering::Acquire) {
            return self.syncs.note(Err(io::Error::from_raw_os_error(5)));
        }
        self.syncs.note(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

/// A file beside this one.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A new or emptied file that nobody else may read.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn mark(path: &Path) -> PathBuf {
    beside(path, ".unsynced")
}

/// Marks that the file must not be used as it is.
pub(super) fn set_mark(path: &Path) {
    if let Err(error) = File::create(mark(path)) {
        tracing::warn!(%error, "a failed sync could not be noted: do not start the program again before it has gone on");
    }
}

pub(super) fn is_marked(path: &Path) -> bool {
    mark(path).exists()
}

/// Copies what can be read of the file to a new one beside it and syncs that. Byte by byte, since what copies within the
/// kernel shares blocks that were never written.
pub(super) fn copied(path: &Path) -> io::Result<PathBuf> {
    let fresh = beside(path, ".new");
    let (mut from, mut to) = (File::open(path)?, private(&fresh)?);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        to.write_all(&chunk[..count])?;
    }
    to.sync_all()?;
    Ok(fresh)
}

/// Puts the new file in the place of the other.
pub(super) fn replaced(path: &Path, fresh: &Path) -> io::Result<()> {
    fs::rename(fresh, path)?;
    sync_directory(path)?;
    match fs::remove_file(mark(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Sees to it that the name of a file is on disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
