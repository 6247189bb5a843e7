//! What is owed to tenants' servers: callbacks and webhook events, and when each is tried again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::tenant::TenantId;
use crate::bbb::callback::Kind;

/// Names a delivery: what was called for, and with what. The same twice is one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub [u8; 32]);

impl DeliveryId {
    /// Of the kind, the token and what the instance sent.
    pub fn of(kind: Kind, token: &str, sent: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [kind.name().as_bytes(), token.as_bytes(), sent] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeliveryId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut id = [0; 32];
        hex::decode_to_slice(text, &mut id).map(|()| Self(id))
    }
}

/// Something that is to be sent to a tenant's server. Kept unsigned: it is signed with the secret that
/// the tenant has when it is sent.
#[derive(Clone, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub tenant: TenantId,
    pub kind: Kind,
    /// The URL as the tenant gave it.
    pub target: String,
    /// What the instance appended to the query of its call.
    pub query: Option<String>,
    /// The name of the webhook that it is for: without that hook it is not sent.
    pub hook: Option<String>,
    pub payload: Payload,
}

/// URLs and bodies are the tenants' business.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, tenant, kind, .. } = self;
        f.debug_struct("Delivery")
            .field("id", id)
            .field("tenant", tenant)
            .field("kind", kind)
            .finish()
    }
}

/// What is sent, and how.
#[derive(Clone, PartialEq)]
pub enum Payload {
    /// A GET of the target.
    Get,
    /// A form with these claims as a JWT.
    RecordingReady { claims: Map<String, Value> },
    /// JSON, with a JWT as bearer.
    Analytics { body: Bytes },
    /// A form as BBB's webhooks send it; `event` is their JSON list.
    Event { event: String, timestamp: String },
}

/// A delivery without its body, and how far it has come: what the store keeps beside the body.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Slip {
    pub tenant: String,
    pub kind: Kind,
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    what: What,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_at: u64,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// Why it failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Get,
    Recording(Map<String, Value>),
    Analytics,
    /// Its timestamp.
    Event(String),
}

impl Delivery {
    /// As it is kept: the slip and the body apart.
    pub fn apart(self, accepted_at: u64) -> (DeliveryId, Slip, Bytes) {
        let (what, body) = match self.payload {
            Payload::Get => (What::Get, Bytes::new()),
            Payload::RecordingReady { claims } => (What::Recording(claims), Bytes::new()),
            Payload::Analytics { body } => (What::Analytics, body),
            Payload::Event { event, timestamp } => (What::Event(timestamp), event.into()),
        };
        let (tenant, kind) = (self.tenant.as_str().to_owned(), self.kind);
        let (target, query, hook) = (self.target, self.query, self.hook);
        let (attempts, error) = (0, None);
        let slip = Slip { tenant, kind, target, query, hook, what, accepted_at, attempts, error };
        (self.id, slip, body)
    }
}

impl Slip {
    /// Slip and body together again.
    pub fn together(&self, id: DeliveryId, body: Bytes) -> Delivery {
        let payload = match &self.what {
            What::Get => Payload::Get,
            What::Recording(claims) => Payload::RecordingReady { claims: claims.clone() },
            What::Analytics => Payload::Analytics { body },
            What::Event(timestamp) => Payload::Event {
                event: String::from_utf8_lossy(&body).into_owned(),
                timestamp: timestamp.clone(),
            },
        };
        let (tenant, kind) = (TenantId::new(self.tenant.as_str()), self.kind);
        Delivery {
            id,
            tenant,
            kind,
            target: self.target.clone(),
            query: self.query.clone(),
            hook: self.hook.clone(),
            payload,
        }
    }

    /// Scheme, host and port of the target: the part of it that may be shown.
    pub fn host(&self) -> String {
        host_of(&self.target)
    }
}

/// Scheme, host and port of a URL; `?` for what is none.
pub fn host_of(url: &str) -> String {
    let parsed = url::Url::parse(url).ok().filter(|url| url.has_host());
    parsed.map_or_else(|| "?".into(), |url| url.origin().ascii_serialization())
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    Delivered,
    /// It may go better later.
    Failed(String),
    /// It could not be sent just now, which says nothing of the target.
    Unsent(String),
    /// It will not go better by itself.
    Hopeless(String),
}

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    /// Again at this time, in milliseconds since 1970.
    Again {
        at: u64,
    },
    /// A dead letter: kept for admins, not tried by itself.
    Dead,
    /// An event that is old news: nobody is sent it any more.
    Dropped,
}

/// Waits after the first attempts, in seconds; then hourly.
const WAITS: [u64; 6] = [1, 5, 30, 120, 600, 1800];
const HOURLY: u64 = 3600;
/// The same of webhook events, as BBB's own waits; then every minute, for as long as an event is news.
const EVENT_WAITS: [u64; 5] = [1, 2, 5, 10, 30];
const EVERY_MINUTE: u64 = 60;
const EVENT_LIFE: Duration = Duration::from_secs(600);

impl Slip {
    /// Notes an attempt that ended now and says what becomes of the delivery, which is given up
    /// when it was accepted longer than `retry_for` ago; an event is dropped after ten minutes already.
    pub fn after(&mut self, attempt: Attempt, now: u64, retry_for: Duration) -> Next {
        let (error, hopeless) = match attempt {
            Attempt::Delivered => return Next::Done,
            Attempt::Failed(error) | Attempt::Unsent(error) => (error, false),
            Attempt::Hopeless(error) => (error, true),
        };
        let is_event = self.kind == Kind::Hook;
        let (waits, then, given_up) = match is_event {
            true => (&EVENT_WAITS[..], EVERY_MINUTE, Next::Dropped),
            false => (&WAITS[..], HOURLY, Next::Dead),
        };
        let wait = usize::try_from(self.attempts).ok().and_then(|n| waits.get(n).copied());
        self.attempts = self.attempts.saturating_add(1);
        self.error = Some(error);
        let end = self.ends(retry_for);
        if hopeless || now >= end {
            return given_up;
        }
        // The last one is when the time is up, not an hour later.
        let at = now.saturating_add(wait.unwrap_or(then) * 1000);
        Next::Again { at: at.min(end.max(now + 1000)) }
    }

    /// Whether it is an event that waited so long that nobody is sent it any more.
    pub fn is_old_news(&self, now: u64) -> bool {
        self.kind == Kind::Hook && now > self.ends(EVENT_LIFE)
    }

    /// Until when it is tried.
    fn ends(&self, retry_for: Duration) -> u64 {
        let life = if self.kind == Kind::Hook { EVENT_LIFE.min(retry_for) } else { retry_for };
        self.accepted_at.saturating_add(millis(life))
    }
}

/// Milliseconds, as times are kept.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(payload: Payload) -> Delivery {
        Delivery {
            id: DeliveryId::of(Kind::End, "token", b""),
            tenant: TenantId::new("t.example.org"),
            kind: Kind::End,
            target: "https://t.example.org:8443/end?key=hidden".into(),
            query: Some("recordingmarks=false".into()),
            hook: None,
            payload,
        }
    }

    #[test]
    fn what_was_taken_apart_is_the_same_together() {
        let claims = Map::from_iter([("record_id".to_owned(), "r".into())]);
        for payload in [
            Payload::Get,
            Payload::RecordingReady { claims },
            Payload::Analytics { body: Bytes::from_static(b"{}") },
            Payload::Event { event: "[{}]".into(), timestamp: "1".into() },
        ] {
            let whole = delivery(payload);
            let (id, slip, body) = whole.clone().apart(7);
            let text = serde_json::to_vec(&slip).expect("JSON");
            let slip: Slip = serde_json::from_slice(&text).expect("a slip");
            assert!(slip.together(id, body) == whole);
            assert_eq!(slip.host(), "https://t.example.org:8443");
            assert!(!format!("{whole:?}").contains("hidden"));
        }
        assert_eq!(host_of("mailto:x"), "?");
    }

    #[test]
    fn waits_grow_until_the_time_is_up() {
        let (_, mut slip, _) = delivery(Payload::Get).apart(0);
        let (day, mut now, mut waits) = (Duration::from_secs(24 * 3600), 0, Vec::new());
        let failed = || Attempt::Failed("HTTP status 500".into());
        while let Next::Again { at } = slip.after(failed(), now, day) {
            waits.push((at - now) / 1000);
            now = at;
        }
        assert_eq!(waits[..8], [1, 5, 30, 120, 600, 1800, 3600, 3600]);
        assert_eq!((now, slip.attempts), (24 * 3600 * 1000, waits.len() as u32 + 1));
        assert_eq!(slip.after(Attempt::Delivered, now, day), Next::Done);
        let (_, mut slip, _) = delivery(Payload::Get).apart(0);
        assert_eq!(slip.after(Attempt::Hopeless("refused".into()), 0, day), Next::Dead);
        assert_eq!(slip.error.as_deref(), Some("refused"));
    }

    #[test]
    fn an_event_is_tried_as_bbb_tries_it_and_dropped_after_ten_minutes() {
        let payload = Payload::Event { event: "[{}]".into(), timestamp: "1".into() };
        let (_, mut slip, _) = Delivery { kind: Kind::Hook, ..delivery(payload) }.apart(0);
        let (day, mut now, mut waits) = (Duration::from_secs(24 * 3600), 0, Vec::new());
        let failed = || Attempt::Failed("HTTP status 500".into());
        while let Next::Again { at } = slip.after(failed(), now, day) {
            assert!(!slip.is_old_news(at));
            waits.push((at - now) / 1000);
            now = at;
        }
        assert_eq!(waits[..7], [1, 2, 5, 10, 30, 60, 60]);
        assert_eq!((now, waits.len()), (600_000, 15));
        assert_eq!(slip.after(failed(), now, day), Next::Dropped);
        assert!(slip.is_old_news(now + 1));
        assert_eq!(slip.after(Attempt::Hopeless("refused".into()), 0, day), Next::Dropped);
    }

    #[test]
    fn the_same_call_twice_has_one_id() {
        let id = DeliveryId::of(Kind::End, "a", b"bc");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, DeliveryId::of(Kind::End, "ab", b"c"));
        assert_ne!(id, DeliveryId::of(Kind::Ended, "a", b"bc"));
    }
}
