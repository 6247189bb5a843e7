//! The meetings of one server, and which call does what. Time comes in, an answer goes out; nothing waits.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::crowd::Crowd;
use super::endings::Aftermath;
use super::errand::{Errand, Outcome};
use super::hooks::Hook;
use super::meeting::{Meeting, Role, User, Voice};
use super::params::Params;
use super::recording::Recording;
use super::reply::{Reply, failed, negotiated, no_such_call};
use super::settings::SimSettings;
use super::{
    breakouts, create, documents, endings, events, failures, gate, hooks, info, join, pages,
    recordings, rules, sessions,
};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;

/// How often people come and go by a script when nobody looks.
const CROWDS_MOVE_EVERY: Duration = Duration::from_secs(1);

/// One request to a server. It has no `Debug`: its target holds a checksum.
#[derive(Clone)]
pub struct Ask {
    pub method: Method,
    /// Path and query exactly as sent.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    /// A GET without headers.
    pub fn get(target: impl Into<String>) -> Self {
        let (method, headers, body) = (Method::GET, HeaderMap::new(), Bytes::new());
        Self { method, target: target.into(), headers, body }
    }

    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query's bytes, empty when there is none.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The content type without its parameters, in lower case.
    pub(super) fn kind(&self) -> Option<String> {
        let sent = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let bare = sent.split_once(';').map_or(sent, |(bare, _)| bare);
        Some(bare.trim().to_ascii_lowercase())
    }
}

/// The call a path names: what stands behind `/api/`, without a slash at its end; empty for the root and for
/// anything else.
pub(super) fn call_of(path: &str) -> &str {
    let call = path.strip_prefix("/bigbluebutton/api/").unwrap_or_default();
    call.strip_suffix('/').unwrap_or(call)
}

/// The moment a request is answered at.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub now: Moment,
    /// Milliseconds since 1970.
    pub wall: u64,
}

/// A server's memory.
pub struct Machine {
    pub(super) settings: SimSettings,
    pub(super) meetings: Vec<Meeting>,
    pub(super) recordings: Vec<Recording>,
    pub(super) hooks: Vec<Hook>,
    /// What is still to come of meetings that are over.
    pub(super) aftermaths: Vec<Aftermath>,
    /// What it has decided to send, and nobody has taken yet.
    pub(super) outbox: Vec<Errand>,
    pub(super) rng: StdRng,
}

impl Machine {
    /// A server that has just started.
    pub fn new(settings: SimSettings) -> Self {
        let rng = StdRng::seed_from_u64(settings.seed);
        let hooks = settings.permanent_hook.clone().map(Hook::permanent).into_iter().collect();
        Self {
            settings,
            meetings: Vec::new(),
            recordings: Vec::new(),
            hooks,
            aftermaths: Vec::new(),
            outbox: Vec::new(),
            rng,
        }
    }

    /// Answers a request, and does what it asks.
    pub fn answer(&mut self, ask: &Ask, times: Times) -> Reply {
        let reply = negotiated(self.decide(ask, times), ask, self.settings.version);
        if ask.method == Method::HEAD { reply.map(|_| Bytes::new()) } else { reply }
    }

    fn decide(&mut self, ask: &Ask, times: Times) -> Reply {
        self.advance(times);
        if let Some(refusal) = gate::refusal(&self.settings, ask) {
            return refusal;
        }
        match ask.path() {
            "/bigbluebutton" | "/bigbluebutton/" | "/bigbluebutton/api" | "/bigbluebutton/api/" => {
                return pages::root(&self.settings, ask);
            }
            "/" => return pages::front(),
            "/html5client" | "/html5client/" | "/html5client/join" => {
                return pages::client(self, ask, times);
            }
            _ => {}
        }
        let params = Params::of(ask);
        if let Some(done) = breakouts::control(self, ask, &params, times) {
            return done;
        }
        let call = call_of(ask.path());
        let beside = sessions::answer(self, call, ask, &params, times)
            .or_else(|| hooks::answer(self, call, ask, &params))
            .or_else(|| recordings::answer(self, call, ask, &params, times));
        if let Some(reply) = beside {
            return reply;
        }
        if let Some(refusal) = gate::no_call(self.settings.version, call, ask, times.wall) {
            return refusal;
        }
        let checked = rules::check(self, call, ask, &params);
        let unsigned = matches!(&checked, Err(failure) if failure.key == "checksumError");
        if !unsigned && failures::fails(self, call, ask, &params) {
            return failed();
        }
        if let Err(failure) = checked {
            return if call == "join" {
                join::refuse(self, &params, &failure)
            } else {
                failure.reply()
            };
        }
        match call {
            "create" => {
                let made = create::create(self, &params, times);
                match failures::slides_are_unreadable(self.settings.version, ask) {
                    true => failed(),
                    false => made,
                }
            }
            "join" => join::join(self, &params, times),
            "isMeetingRunning" => info::running(self, &params),
            "getMeetingInfo" => info::one(self, &params),
            "getMeetings" => info::all(self),
            "insertDocument" => documents::insert(self, &params),
            "sendChatMessage" => documents::chat(self, &params),
            "end" => info::end(self, &params, times),
            _ => no_such_call(ask.path(), times.wall),
        }
    }

    /// Lets time pass: crowds come and go, meetings end by themselves, ended ones vanish.
    pub fn advance(&mut self, times: Times) {
        join::connect_who_is_due(self, times);
        for at in 0..self.meetings.len() {
            self.follow_crowd(at, times);
        }
        let (now, lingers) = (times.now, self.settings.ended_lingers);
        let over = |m: &mut Meeting| match m.ended_at {
            Some(at) => now.since(at) >= lingers,
            None => m.expired(now),
        };
        let gone: Vec<Meeting> = self.meetings.extract_if(.., over).collect();
        for meeting in gone.iter().filter(|m| m.lives()) {
            endings::over(self, meeting, times);
        }
        endings::follow(self, times);
    }

    /// When something will happen by itself, if nobody calls before.
    pub(super) fn next(&self, now: Moment) -> Option<Moment> {
        let crowds = self.meetings.iter().any(|m| m.lives() && m.crowd.is_some());
        let step = crowds.then(|| Moment(now.0 + CROWDS_MOVE_EVERY));
        let ends = self.meetings.iter().filter(|m| m.lives()).filter_map(Meeting::expires_at);
        let due = self.aftermaths.iter().map(|after| after.due);
        let users = self.meetings.iter().flat_map(|m| &m.users);
        let connects = users.filter_map(|user| user.connects_at);
        ends.chain(due).chain(step).chain(connects).min()
    }

    /// An errand has ended. A hook whose events do not arrive is given up.
    pub(super) fn settled(&mut self, outcome: &Outcome) {
        if !outcome.arrived {
            self.hooks.retain(|hook| hook.permanent || Some(&hook.id) != outcome.hook.as_ref());
        }
    }

    fn follow_crowd(&mut self, at: usize, times: Times) {
        let now = times.now;
        let Some((crowd, since)) = self.meetings[at].crowd.filter(|_| self.meetings[at].lives())
        else {
            return;
        };
        let wanted = crowd.present(now.since(since));
        let mut there = self.meetings[at].users.iter().filter(|u| u.scripted).count();
        while there < wanted {
            let role = if there == 0 { Role::Moderator } else { Role::Viewer };
            let mut user = self.newcomer(&format!("Guest {}", there + 1), role);
            (user.scripted, user.connected) = (true, true);
            self.meetings[at].users.push(user.clone());
            self.meetings[at].joined += 1;
            self.tell_of("user-joined", at, &user, times);
            there += 1;
        }
        while there > wanted {
            let last = self.meetings[at].users.iter().rposition(|u| u.scripted);
            if let Some(user) = last.map(|n| self.meetings[at].users.remove(n)) {
                self.tell_of("user-left", at, &user, times);
            }
            there -= 1;
        }
        self.meetings[at].note_presence(now);
    }

    fn tell_of(&mut self, event: &str, at: usize, user: &User, times: Times) {
        if !self.hooks.is_empty() {
            let meeting = self.meetings[at].clone();
            events::user(self, event, &meeting, user, times);
        }
    }

    /// Somebody new, who may speak, listen or show a picture.
    pub(super) fn newcomer(&mut self, name: &str, role: Role) -> User {
        let internal_id = format!("w_{}", self.letters(12));
        let (speaks, shows) = if role == Role::Moderator { (0.9, 0.8) } else { (0.2, 0.3) };
        let voice = match self.rng.random_bool(speaks) {
            true => Voice::Speaking,
            false if self.rng.random_bool(0.8) => Voice::Listening,
            false => Voice::None,
        };
        User {
            external_id: internal_id.clone(),
            internal_id,
            name: name.to_owned(),
            role,
            voice,
            video: self.rng.random_bool(self.settings.webcams.unwrap_or(shows)),
            custom: Vec::new(),
            session: Secret::new(self.letters(16)),
            waiting: false,
            connected: false,
            connects_at: None,
            scripted: false,
        }
    }

    /// Sends a crowd to a meeting; whether there is one.
    pub fn send_crowd(&mut self, id: &str, crowd: Crowd, now: Moment) -> bool {
        let Some(at) = self.live(id) else { return false };
        self.meetings[at].crowd = Some((crowd, now));
        true
    }

    /// So many random lower-case letters and digits.
    pub(super) fn letters(&mut self, len: usize) -> String {
        Alphanumeric.sample_string(&mut self.rng, len).to_ascii_lowercase()
    }

    /// A password as BBB makes it.
    pub(super) fn password(&mut self) -> Secret {
        Secret::new(Alphanumeric.sample_string(&mut self.rng, 8))
    }

    /// Five random digits.
    pub(super) fn digits(&mut self) -> String {
        self.rng.random_range(10_000..100_000u32).to_string()
    }

    /// A random UUID.
    pub(super) fn uuid(&mut self) -> String {
        let mut bytes: [u8; 16] = self.rng.random();
        (bytes[6], bytes[8]) = (bytes[6] & 0x0f | 0x40, bytes[8] & 0x3f | 0x80);
        let hex = hex::encode(bytes);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// A session id of the servlet container.
    pub(super) fn cookie(&mut self) -> String {
        hex::encode_upper(self.rng.random::<[u8; 16]>())
    }
}

/// So many minutes.
pub(super) fn minutes(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(60))
}
