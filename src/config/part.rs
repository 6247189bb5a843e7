//! A configuration as it is written, in one text or in several.

use crate::domain::secret::Secret;

/// A text of a configuration: a whole file, or one section of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What faults name: a file, or a key of Consul.
    pub(super) file: String,
    /// The section that the text is of, as it is written there; none for a whole file.
    pub(super) section: Option<String>,
    /// It holds secrets, so it is never shown.
    pub(super) text: Secret,
}

impl Part {
    /// A whole file.
    pub(super) fn whole(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), section: None, text: Secret::new(text) }
    }
}

/// The parts as they are now, and those that were there before and are gone: their last text stays.
/// Answers a warning for each of these.
pub(super) fn kept(before: &[Part], mut now: Vec<Part>) -> (Vec<Part>, Vec<String>) {
    let mut warnings = Vec::new();
    for gone in before {
        if now.iter().all(|part| part.file != gone.file) {
            warnings.push(format!("{}: was deleted: its last value stays", gone.file));
            now.push(gone.clone());
        }
    }
    (now, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_gone_keeps_its_last_text() {
        let part = |file: &str, text: &str| Part::whole(file, text);
        let before = [part("a", "1"), part("b", "1")];
        let (parts, warnings) = kept(&before, vec![part("b", "2"), part("c", "2")]);
        assert_eq!(parts, [part("b", "2"), part("c", "2"), part("a", "1")]);
        assert_eq!(warnings, ["a: was deleted: its last value stays"]);
        assert_eq!(kept(&[], before.to_vec()), (before.to_vec(), Vec::new()));
    }
}
