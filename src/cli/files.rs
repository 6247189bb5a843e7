//! Files that verbs write: each appears whole or not at all, and only its owner can read it.

use std::io::{self, Write};
use std::path::Path;

use super::failure::Failure;

/// How a file came to be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    Anew,
    /// It was there, with this very text.
    Nothing,
}

/// Writes a file that holds secrets. One that is there with another text stays, unless `force`.
pub(super) fn write(path: &Path, text: &str, force: bool) -> Result<Wrote, Failure> {
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(Wrote::Nothing);
    }
    place(path, text, force).map(|()| Wrote::Anew).map_err(|error| {
        let shown = path.display();
        Failure::Wrong(match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{shown} is there already; edit it, or --force replaces it")
            }
            _ => format!("{shown} can't be written: {error}"),
        })
    })
}

/// Puts a file in its place, and its folder if that is missing.
pub(super) fn place(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // A temporary file is readable by its owner only.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let placed = if force { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_only_if_told_and_never_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.yml");
        assert_eq!(write(&path, "a", false), Ok(Wrote::Anew));
        assert_eq!(write(&path, "a", false), Ok(Wrote::Nothing));
        let refused = write(&path, "b", false).unwrap_err().to_string();
        assert!(refused.contains("a.yml is there already"), "{refused}");
        assert_eq!(write(&path, "b", true), Ok(Wrote::Anew));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write(Path::new("/dev/null/a"), "a", false), Err(Failure::Wrong(_))));
    }
}
