//! Programs that are built from pinned modules, once, into a cache.

use std::path::PathBuf;
use std::process::Command;

/// The program of this service; builds it when it is not there yet, which takes minutes.
pub(crate) fn program(service: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/build");
    let built = Command::new(script).arg(service).output().expect("the script runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{service} is missing and can't be built: {said}");
    PathBuf::from(String::from_utf8_lossy(&built.stdout).trim())
}
