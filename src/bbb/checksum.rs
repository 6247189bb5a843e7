//! Checksums: `hex(hash(call + raw query without the checksum + secret))`.

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// A hash that BBB signs with; a checksum's length tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The algorithm whose checksums have this many hexadecimal digits.
    pub fn of_length(digits: usize) -> Option<Self> {
        match digits {
            40 => Some(Self::Sha1),
            64 => Some(Self::Sha256),
            96 => Some(Self::Sha384),
            128 => Some(Self::Sha512),
            _ => None,
        }
    }

    fn hash(self, parts: [&str; 3]) -> Hash {
        match self {
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        }
    }
}

/// Bytes of the longest hash, SHA-512.
const LONGEST: usize = 64;

/// A hash of any of the algorithms.
struct Hash {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Hash {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn digest<D: Digest>(parts: [&str; 3]) -> Hash {
    let mut digest = D::new();
    for part in parts {
        digest.update(part.as_bytes());
    }
    let made = digest.finalize();
    let mut hash = Hash { bytes: [0; LONGEST], length: made.len() };
    hash.bytes[..made.len()].copy_from_slice(&made);
    hash
}

/// A set of algorithms that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithms([bool; 4]);

impl Algorithms {
    pub const ANY: Self = Self([true; 4]);

    /// These, or all when the list is empty.
    pub fn of(listed: &[Algorithm]) -> Self {
        if listed.is_empty() {
            return Self::ANY;
        }
        Self(Algorithm::ALL.map(|a| listed.contains(&a)))
    }

    pub fn contains(self, algorithm: Algorithm) -> bool {
        self.0[algorithm as usize]
    }
}

/// The checksum of a call whose query (without a checksum) is `query`.
pub fn sign(algorithm: Algorithm, call: &str, query: &str, secret: &str) -> String {
    hex::encode(algorithm.hash([call, query, secret]).bytes())
}

/// Whether `supplied` is the checksum of this call under `secret`. An empty secret accepts nothing.
pub fn verify(supplied: &str, call: &str, query: &str, secret: &str, allowed: Algorithms) -> bool {
    let Some(algorithm) = Algorithm::of_length(supplied.len()) else { return false };
    if secret.is_empty() || !allowed.contains(algorithm) {
        return false;
    }
    let mut bytes = [0; LONGEST];
    let bytes = &mut bytes[..supplied.len() / 2];
    let is_hex = hex::decode_to_slice(supplied, bytes).is_ok();
    is_hex && algorithm.hash([call, query, secret]).bytes().ct_eq(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "639259d4-9dd8-4b25-bf01-95f9567eaf4b";

    #[track_caller]
    fn check(algorithm: Algorithm, call: &str, query: &str, expected: &str) {
        assert_eq!(sign(algorithm, call, query, SECRET), expected);
        assert!(verify(expected, call, query, SECRET, Algorithms::ANY));
        assert!(verify(&expected.to_uppercase(), call, query, SECRET, Algorithms::ANY));
        assert!(!verify(expected, call, query, "", Algorithms::ANY));
        assert!(!verify(expected, call, query, "another", Algorithms::ANY));
    }

    #[test]
    fn known_answers_of_the_protocol() {
        let create = "name=Test+Meeting&meetingID=abc123&attendeePW=111222&moderatorPW=333444";
        check(Algorithm::Sha1, "create", create, "1fcbb0c4fc1f039f73aa6d697d2db9ba7f803f17");
        check(
            Algorithm::Sha256,
            "create",
            create,
            "da9185f7f333cfdfcd6eeac32dca3777510c4c436020d8b887ba5515bd1d189e",
        );
        check(Algorithm::Sha1, "getMeetings", "", "2027baa7771026e9e93392f55031535d1444c41f");
        let leading = "&fullName=Ada&meetingID=test01&role=VIEWER";
        check(Algorithm::Sha1, "join", leading, "a23a35e52153a5bb47d48d188114962643d20a02");
        let umlaut = "fullName=J%C3%B6rg&meetingID=test01&role=VIEWER";
        check(Algorithm::Sha1, "join", umlaut, "707a3ea044eea9e2693b06a363b681e309ddb1a7");
    }

    #[test]
    fn an_algorithm_that_is_not_allowed_is_refused() {
        let only = Algorithms::of(&[Algorithm::Sha256]);
        let sha1 = sign(Algorithm::Sha1, "end", "", SECRET);
        assert!(!verify(&sha1, "end", "", SECRET, only));
        let sha256 = sign(Algorithm::Sha256, "end", "", SECRET);
        assert!(verify(&sha256, "end", "", SECRET, only));
    }

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_checksum_that_is_not_ours_is_refused_without_a_panic(supplied in any::<String>(), digits in "[0-9a-fA-F]{0,130}") {
            for supplied in [supplied, digits] {
                prop_assert!(!verify(&supplied, "create", "a=1", SECRET, Algorithms::ANY));
                prop_assert!(!verify(&supplied, "create", "", "", Algorithms::ANY));
            }
        }
    }
}
