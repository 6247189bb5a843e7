//! The BBB servers of the pool: who they are, and whether they may take a meeting.

mod name;

use std::sync::Arc;

pub use self::name::{InstanceId, InstanceMark};
use super::moment::Moment;
use super::secret::Secret;
use crate::bbb::checksum::Algorithm;
use crate::determinism::HashMap;

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
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(bad("must start with http:// or https://"));
        }
        if url.chars().any(|letter| letter.is_whitespace() || letter.is_control() || letter == '\\')
        {
            return Err(bad("is not a URL"));
        }
        let (_, rest) = url.split_once("://").unwrap_or_default();
        if rest.is_empty() || rest.starts_with(['/', ':', '?', '#']) {
            return Err(bad("has no host"));
        }
        let read = name::server(url).ok_or_else(|| bad("is not a URL"))?;
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            return Err(bad("must not hold a user or password"));
        }
        if read.query().is_some() || read.fragment().is_some() {
            return Err(bad("must end with its path"));
        }
        let id = InstanceId::new(url);
        let origin = read.origin().ascii_serialization();
        let path = id.normal().strip_prefix(&origin).unwrap_or_default();
        Ok(Self { api_path: format!("{path}/api"), origin, id, secret, sign_with })
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

/// The other records of the pool that name the same server, such as by its address instead of its name: the same
/// meetings are seen under both.
#[derive(Clone, Debug, Default)]
pub struct SameServer {
    /// The record that counts for the server; none for that record itself.
    pub alias_of: Option<InstanceId>,
    /// The records for which this one counts.
    pub aliases: Vec<InstanceId>,
}

/// What the list of an instance shows of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    pub instance: InstanceId,
    /// Whether both are the same server.
    pub is_same: bool,
}

/// An instance of the pool and what is known of it.
#[derive(Clone, Debug)]
pub struct Member {
    pub instance: Arc<Instance>,
    pub admin: AdminState,
    /// Missing from the list posted last: drains, with its secret kept until it says itself that nothing is left.
    pub retired: bool,
    /// Since when it is known here to be retired.
    pub retired_since: Option<Moment>,
    /// Since when no probe has reached it, if it is dead.
    pub silent_since: Option<Moment>,
    pub health: Health,
    /// It is dead for so long that its meetings count as gone, not only as unknown just now.
    pub lost: bool,
    /// Why it is suspect or dead, in words.
    pub why: Option<Arc<str>>,
    /// Whether a sweep of its meetings has ever succeeded since we started.
    pub swept: bool,
    /// What creates may ask for.
    pub tags: Vec<String>,
    pub same_server: SameServer,
}

impl Member {
    /// An instance that is enabled, answers and was swept, with nothing to be said of it.
    pub fn new(instance: Arc<Instance>) -> Self {
        Self {
            instance,
            admin: AdminState::Enabled,
            retired: false,
            retired_since: None,
            silent_since: None,
            health: Health::Up,
            lost: false,
            why: None,
            swept: true,
            tags: Vec::new(),
            same_server: SameServer::default(),
        }
    }

    /// Whether another record counts for this server: then it takes no meetings and has none.
    pub fn is_alias(&self) -> bool {
        self.same_server.alias_of.is_some()
    }

    /// Its id, and those of its aliases.
    pub fn names(&self) -> impl Iterator<Item = &InstanceId> {
        std::iter::once(&self.instance.id).chain(&self.same_server.aliases)
    }

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
            _ if self.is_alias() => Some("another address of an instance"),
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
        self.swept || self.releases_meetings() || self.is_alias()
    }

    /// Whether all that could be known of its meetings is known: it was swept, or they are gone.
    pub fn accounted(&self) -> bool {
        self.swept || self.lost_meetings() || self.is_alias()
    }
}

/// The whole pool at one moment: a finished value, shared by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    members: Vec<Member>,
    by_id: HashMap<InstanceId, usize>,
    /// False until the list was read from the store once.
    pub loaded: bool,
    /// When the last reading of the store began: what others added later may be missing.
    pub read_at: Moment,
}

impl Roster {
    /// A pool of these members, in their order.
    pub fn new(members: Vec<Member>) -> Self {
        let by_id = members.iter().enumerate().map(|(n, m)| (m.instance.id.clone(), n)).collect();
        Self { members, by_id, loaded: true, read_at: Moment::default() }
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One member of each server.
    pub fn servers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.is_alias())
    }

    pub fn get(&self, id: &InstanceId) -> Option<&Member> {
        self.by_id.get(id).map(|&n| &self.members[n])
    }

    /// Whether the meetings of every instance are known or gone: only then is an unknown meeting really unknown.
    pub fn all_accounted(&self) -> bool {
        self.loaded && self.members.iter().all(Member::accounted)
    }
}
