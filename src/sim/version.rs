//! Which BBB a simulated server behaves like.

use std::fmt;
use std::str::FromStr;

/// A version of BBB, as far as versions differ to those who call them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V2_5,
    V2_7,
    #[default]
    V3_0,
    V4_0,
}

impl Version {
    pub const ALL: [Self; 4] = [Self::V2_5, Self::V2_7, Self::V3_0, Self::V4_0];

    /// The name by which it is chosen: `3.0`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V2_5 => "2.5",
            Self::V2_7 => "2.7",
            Self::V3_0 => "3.0",
            Self::V4_0 => "4.0",
        }
    }

    /// What its root call says as `bbbVersion`.
    pub fn release(self) -> &'static str {
        match self {
            Self::V2_5 => "2.5.20",
            Self::V2_7 => "2.7.15",
            Self::V3_0 => "3.0.10",
            Self::V4_0 => "4.0.0",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No version of this name is simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such version; there are 2.5, 2.7, 3.0 and 4.0")]
pub struct UnknownVersion;

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(name: &str) -> Result<Self, UnknownVersion> {
        Self::ALL.into_iter().find(|version| version.name() == name).ok_or(UnknownVersion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_chosen_by_their_names() {
        for version in Version::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
            assert!(version.release().starts_with(version.name()));
        }
        assert_eq!("2.6".parse::<Version>(), Err(UnknownVersion));
        assert!(Version::V2_5 < Version::V4_0);
        assert_eq!(Version::default(), Version::V3_0);
    }
}
