//! A value that stays out of logs.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;

/// A secret, key or token. `Debug` never shows it; comparing takes the same time wherever they differ.
#[derive(Clone, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for hashing, comparing and storing.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What is said of a secret that has blanks around it.
pub const BLANKS: &str = "has blanks before or behind it, so that nothing fits that is written without them: take them away";

/// Whether a secret begins or ends with something that nobody sees.
pub fn has_blanks_around(secret: &str) -> bool {
    let unseen =
        |c: char| c.is_whitespace() || c.is_control() || "\u{200b}\u{2060}\u{feff}".contains(c);
    secret.starts_with(unseen) || secret.ends_with(unseen)
}
