//! Meetings and where they live.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use super::instance::InstanceId;
use super::tenant::TenantId;

/// A meeting's id as its creator chose it (decoded). Two tenants may use the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeetingId(Arc<str>);

impl MeetingId {
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key under which all tenants' meetings of this id are kept.
    pub fn key(&self) -> RouteKey {
        RouteKey(Sha1::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Display for MeetingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An instance's own name of a meeting. BBB makes it of the hex SHA-1 of the meeting id, `-`, and the create time;
/// other servers, and BBB 2.5 for breakout rooms, make it otherwise. No later meeting there has the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InternalId(Arc<str>);

impl InternalId {
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the meeting was made by its instance's clock, in milliseconds since 1970, if it has the form that BBB
    /// gives it.
    pub fn created(&self) -> Option<u64> {
        self.0.split_once('-')?.1.parse().ok()
    }

    /// The key that its hash is, if it has the form that BBB gives it. No proof of a meeting's id: a server may have
    /// taken the text from whoever created the meeting.
    pub fn key(&self) -> Option<RouteKey> {
        let (hash, time) = self.0.split_once('-')?;
        let is_time = !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit());
        let is_lower = !hash.bytes().any(|b| b.is_ascii_uppercase());
        if is_time && is_lower { hash.parse().ok() } else { None }
    }
}

impl fmt::Display for InternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-1 of a meeting id. One record per key holds the routes of every tenant that uses the id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey(pub [u8; 20]);

impl RouteKey {
    pub const BYTES: usize = 20;
}

impl From<MeetingId> for RouteKey {
    fn from(meeting: MeetingId) -> Self {
        meeting.key()
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for RouteKey {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut key = [0; 20];
        hex::decode_to_slice(text, &mut key).map(|()| Self(key))
    }
}

/// How far a meeting's claim has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteState {
    /// Stored before its instance was called; whether the meeting exists is not known yet.
    Claimed,
    /// The instance said that the meeting exists.
    Confirmed,
    /// The instance accepted an `end`.
    Ending,
}

/// Names one state of a route. Every change gives a new one, so an old one never fits again.
///
/// Its upper 42 bits are milliseconds since 1970, more than those of the state before; the others are random. So of two
/// states the later one is known even where the store came back with an older one. Versions of earlier releases are
/// random throughout; what reads as a time outside of this century's first half counts as older than any other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Version(pub u64);

impl Version {
    const RANDOM_BITS: u32 = 22;
    /// 2026 to 2050, in milliseconds since 1970.
    const TIMES: std::ops::Range<u64> = 1_767_225_600_000..2_524_608_000_000;

    /// A version for what follows on this one, at this time in milliseconds since 1970; `random`: 64 bits.
    pub fn next(before: Option<Self>, now: u64, random: u64) -> Self {
        let least = before.and_then(Self::time).map_or(0, |time| time + 1);
        let noise = random >> (u64::BITS - Self::RANDOM_BITS);
        Self(now.max(least) << Self::RANDOM_BITS | noise)
    }

    fn time(self) -> Option<u64> {
        Some(self.0 >> Self::RANDOM_BITS).filter(|time| Self::TIMES.contains(time))
    }

    /// Whether it is known to be of an earlier state than that one.
    pub fn precedes(self, other: Self) -> bool {
        other.time().is_some() && self.time() < other.time()
    }
}

/// One tenant's meeting of an id: where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub instance: InstanceId,
    pub version: Version,
    pub state: RouteState,
    /// Instances that may hold a copy from a create that was given up; such a copy is ended when seen.
    pub tombs: Vec<InstanceId>,
    /// The meeting's id, if whoever made the route knew its text: an instance that folds blanks shows only the key.
    pub meeting: Option<MeetingId>,
    /// What the instance calls it, once it said so: in its answer to the create, or in a list.
    pub internal: Option<InternalId>,
    /// Where the meeting lived before it was claimed here, until the claim is confirmed: if that comes to nothing, it lives
    /// there as before.
    pub left: Option<InstanceId>,
}

/// Every tenant's route of one meeting id.
pub type RouteRecord = BTreeMap<TenantId, Route>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_version_is_known_as_such_even_where_a_clock_is_behind() {
        let now = 1_800_000_000_000;
        let first = Version::next(None, now, u64::MAX);
        for (clock, random) in [(now, 0), (now - 5_000, 1), (0, 2), (now + 1, 3)] {
            let second = Version::next(Some(first), clock, random);
            assert!(first.precedes(second) && !second.precedes(first), "{clock}");
        }
        let old = Version(u64::MAX);
        assert!(old.precedes(first) && !first.precedes(old) && !old.precedes(old));
        assert!(old.precedes(Version::next(Some(old), now, 0)));
    }
}
