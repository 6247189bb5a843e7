//! A meeting and who is in it.

use std::time::Duration;

use super::crowd::Crowd;
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;

/// A meeting as its server keeps it.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The id its creator chose.
    pub id: String,
    /// `sha1(id)-createTime`.
    pub internal_id: String,
    pub name: String,
    pub attendee_pw: Secret,
    pub moderator_pw: Secret,
    pub voice_bridge: String,
    /// When it was made, in milliseconds since 1970.
    pub create_time: u64,
    pub created_at: Moment,
    /// It ends so long after its start; zero means never.
    pub duration: Duration,
    pub recording: bool,
    /// What happens in it is kept for figures even without a recording.
    pub keeps_events: bool,
    /// Asked for by GET when it ends, exactly as given; empty for nobody.
    pub ended_url: String,
    /// Whether its `meta_secret-lrs-payload` opens with the server's secret; none without one.
    pub lrs_payload_opened: Option<bool>,
    /// Most users; zero means no limit.
    pub max_users: u64,
    /// Names in lower case.
    pub metadata: Vec<(String, String)>,
    pub breakout: Option<Breakout>,
    /// Guests are refused, or wait for a moderator.
    pub guest_policy: GuestPolicy,
    pub users: Vec<User>,
    pub has_user_joined: bool,
    /// How many have come in all.
    pub joined: u32,
    /// It ends when nobody came for so long; zero means never.
    pub expires_unused: Duration,
    /// It ends when the last one left so long ago; zero means never.
    pub expires_empty: Duration,
    /// Since when it is empty, if it is.
    pub empty_since: Option<Moment>,
    /// When it was ended by force; it is only shown for a while after.
    pub ended_at: Option<Moment>,
    /// Who comes by a script, and since when.
    pub crowd: Option<(Crowd, Moment)>,
}

/// What makes a meeting a breakout room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakout {
    /// The parent's internal id.
    pub parent: String,
    pub sequence: u64,
    pub free_join: bool,
}

/// What happens to guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestPolicy {
    Accept,
    Deny,
    Ask,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Moderator,
    Viewer,
}

impl Role {
    /// The role of this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Moderator, Self::Viewer]
            .into_iter()
            .find(|role| role.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Moderator => "MODERATOR",
            Self::Viewer => "VIEWER",
        }
    }
}

/// How a user takes part in the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    None,
    Listening,
    Speaking,
}

/// Somebody in a meeting.
#[derive(Clone, Debug)]
pub struct User {
    pub internal_id: String,
    /// The id the front end gave, else the internal one.
    pub external_id: String,
    pub name: String,
    pub role: Role,
    pub voice: Voice,
    pub video: bool,
    /// `userdata-` parameters.
    pub custom: Vec<(String, String)>,
    pub session: Secret,
    /// A guest who waits for a moderator, and is not in yet.
    pub waiting: bool,
    /// The browser has come; before that nobody counts.
    pub connected: bool,
    /// When the browser comes by itself.
    pub connects_at: Option<Moment>,
    /// Came by a script.
    pub scripted: bool,
}

impl Meeting {
    /// Not ended by force.
    pub fn lives(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Somebody is in.
    pub fn running(&self) -> bool {
        self.lives() && self.present().next().is_some()
    }

    /// Everybody who is in.
    pub fn present(&self) -> impl Iterator<Item = &User> {
        self.users.iter().filter(|user| user.connected && !user.waiting)
    }

    /// How many who are in fit `which`.
    pub fn count(&self, which: impl Fn(&User) -> bool) -> usize {
        self.present().filter(|user| which(user)).count()
    }

    /// The value of a metadata name.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Keeps the memory of since when it is empty.
    pub(super) fn note_presence(&mut self, now: Moment) {
        if self.present().next().is_some() {
            self.has_user_joined = true;
            self.empty_since = None;
        } else if self.empty_since.is_none() {
            self.empty_since = Some(now);
        }
    }

    /// Whether it is over by itself.
    pub(super) fn expired(&self, now: Moment) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    /// When it will be over by itself, if nothing changes.
    pub(super) fn expires_at(&self) -> Option<Moment> {
        let after =
            |limit: Duration, since: Moment| (!limit.is_zero()).then_some(Moment(since.0 + limit));
        let empty_for = if self.has_user_joined { self.expires_empty } else { self.expires_unused };
        let empty = self.empty_since.and_then(|since| after(empty_for, since));
        after(self.duration, self.created_at).into_iter().chain(empty).min()
    }
}
