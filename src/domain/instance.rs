//! The BBB servers of the pool: who they are, and whether they may take a meeting.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use super::secret::Secret;
use crate::bbb::checksum::Algorithm;

/// An instance's name: its URL exactly as it was registered, such as `https://bbb1.example.org/bigbluebutton`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    pub fn new(url: impl Into<Arc<str>>) -> Self {
        Self(url.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl InstanceId {
    /// What names it in keys and news, where a URL may be too long.
    pub fn mark(&self) -> InstanceMark {
        let digest: [u8; 20] = Sha1::digest(self.0.as_bytes()).into();
        let half = digest.iter().take(8);
        InstanceMark(half.fold(0, |mark, &byte| mark << 8 | u64::from(byte)))
    }
}

/// The first half of the SHA-1 of an instance's URL.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct InstanceMark(pub u64);

impl fmt::Display for InstanceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for InstanceMark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl From<InstanceMark> for String {
    fn from(mark: InstanceMark) -> Self {
        mark.to_string()
    }
}

impl TryFrom<String> for InstanceMark {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Everything needed to call an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub id: InstanceId,
    /// `https://host:port`, without a path.
    pub origin: String,
    /// The path of its API without a slash at the end, such as `/bigbluebutton/api`.
    pub api_path: String,
    pub secret: Secret,
    /// The hash its calls are signed with.
    pub sign_with: Algorithm,
}

/// Why a text is no instance URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instance URL {url:?}: {why}")]
pub struct BadInstanceUrl {
    pub url: String,
    pub why: &'static str,
}

impl Instance {
    /// Reads the registered URL; `/api` is added to its path unless it ends so already.
    pub fn new(url: &str, secret: Secret, sign_with: Algorithm) -> Result<Self, BadInstanceUrl> {
        let bad = |why| BadInstanceUrl { url: url.to_owned(), why };
        let uri: http::Uri = url.parse().map_err(|_| bad("is not a URL"))?;
        let scheme = uri.scheme_str().ok_or_else(|| bad("must start with http:// or https://"))?;
        if scheme != "http" && scheme != "https" {
            return Err(bad("must start with http:// or https://"));
        }
        let authority = uri.authority().ok_or_else(|| bad("has no host"))?;
        if authority.host().is_empty() {
            return Err(bad("has no host"));
        }
        if authority.as_str().contains('@') {
            return Err(bad("must not hold a user or password"));
        }
        if uri.query().is_some() || url.contains('#') {
            return Err(bad("must end with its path"));
        }
        let path = uri.path().trim_end_matches('/');
        let api_path = if path.ends_with("/api") { path.to_owned() } else { format!("{path}/api") };
        Ok(Self {
            id: InstanceId::new(url),
            origin: format!("{scheme}://{authority}"),
            api_path,
            secret,
            sign_with,
        })
    }
}

/// What an admin said about an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminState {
    /// Takes meetings.
    #[default]
    Enabled,
    /// Keeps its meetings, takes none.
    Draining,
    /// Out of use: its meetings are released as if it were dead.
    Disabled,
}

/// What we saw of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No probe has ended yet.
    #[default]
    Unheard,
    Up,
    /// Takes no new meeting; nothing it has is forgotten.
    Suspect,
    /// So many failed probes in a row that its meetings may be created elsewhere.
    Dead,
}

/// An instance of the pool and what is known of it.
#[derive(Clone, Debug)]
pub struct Member {
    pub instance: Arc<Instance>,
    pub admin: AdminState,
    /// Missing from the list posted last: drains with its secret kept until it is empty.
    pub retired: bool,
    pub health: Health,
    /// It is dead for so long that its meetings count as gone, not only as unknown just now.
    pub lost: bool,
    /// Why it is suspect or dead, in words.
    pub why: Option<Arc<str>>,
    /// Whether a sweep of its meetings has ever succeeded since we started.
    pub swept: bool,
    /// What creates may ask for.
    pub tags: Vec<String>,
}

impl Member {
    /// Whether its meetings may be created elsewhere.
    pub fn releases_meetings(&self) -> bool {
        self.health == Health::Dead || self.admin == AdminState::Disabled
    }

    /// Whether its meetings are gone, as far as anybody can know. Those of an instance that is dead since a moment
    /// ago may still be there: front ends end for good what they are told is not found.
    pub fn lost_meetings(&self) -> bool {
        self.lost || self.admin == AdminState::Disabled
    }

    /// Why it takes no new meeting, or nothing when it does.
    pub fn refusal(&self) -> Option<&'static str> {
        match (self.retired, self.admin, self.health) {
            (true, ..) => Some("retired: missing from the list posted last"),
            (_, AdminState::Draining, _) => Some("draining"),
            (_, AdminState::Disabled, _) => Some("disabled"),
            (.., Health::Suspect) => Some("suspect"),
            (.., Health::Dead) => Some("dead"),
            // One that was added just now may be taken: a create that it refuses goes on to the next.
            (.., Health::Unheard | Health::Up) => None,
        }
    }

    /// Whether nothing more can be heard of its meetings for now: it was swept, or it is dead.
    pub fn heard(&self) -> bool {
        self.swept || self.releases_meetings()
    }

    /// Whether all that could be known of its meetings is known: it was swept, or they are gone.
    pub fn accounted(&self) -> bool {
        self.swept || self.lost_meetings()
    }
}

/// The whole pool at one moment: a finished value, shared by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    members: Vec<Member>,
    by_id: HashMap<InstanceId, usize>,
    /// False until the list was read from the store once.
    pub loaded: bool,
}

impl Roster {
    /// A pool of these members, in their order.
    pub fn new(members: Vec<Member>) -> Self {
        let by_id = members.iter().enumerate().map(|(n, m)| (m.instance.id.clone(), n)).collect();
        Self { members, by_id, loaded: true }
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub fn get(&self, id: &InstanceId) -> Option<&Member> {
        self.by_id.get(id).map(|&n| &self.members[n])
    }

    /// Whether the meetings of every instance are known or gone: only then is an unknown meeting really unknown.
    pub fn all_accounted(&self) -> bool {
        self.loaded && self.members.iter().all(Member::accounted)
    }
}
