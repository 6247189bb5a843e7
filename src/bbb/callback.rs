//! Callback URLs of ours: where an instance's call belongs is sealed in the URL that the instance calls.

mod restore; // the client's own URLs in what goes back to it
mod rewrite; // ours in what goes to an instance

pub use restore::{Escape, Restorer, Stream};
pub use rewrite::{asks_for_callbacks, rewritten, without_urls};

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Where instances reach us, behind `callbacks.baseUrl`; the kind, `/` and the token follow.
pub const PATH: &str = "/bigblueswarm/callbacks/";
/// Bytes of a key to seal with.
pub const KEY_BYTES: usize = 32;
/// Bytes of the seal: enough that nobody guesses one.
const SEAL: usize = 16;
/// What is sealed, in which form.
const LABEL: &[u8] = b"bigblueswarm callback 1";

/// What an instance calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `meta_endCallbackUrl`: a meeting ended.
    End,
    /// `meetingEndedURL`: the same, for load balancers.
    Ended,
    /// `meta_bbb-recording-ready-url`, else `meta_bn-…` or `meta_canvas-…`: a recording was published.
    Recording,
    /// `meta_analytics-callback-url`: what happened in a meeting.
    Analytics,
    /// A webhook.
    Hook,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::End, Self::Ended, Self::Recording, Self::Analytics, Self::Hook];

    /// The name that stands in the URL, in metrics and in what admins see.
    pub fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Ended => "ended",
            Self::Recording => "recording",
            Self::Analytics => "analytics",
            Self::Hook => "hook",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a token says. There is no secret in it: whoever has the URL can read it, and nobody can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// A callback of one meeting.
    Meeting {
        tenant: String,
        /// As the client named it.
        meeting: String,
        /// Where the client wants the call; empty when it wants none.
        url: String,
        /// Drawn for each create, so that two meetings of one name have different tokens.
        nonce: u64,
    },
    /// The events of one webhook from one instance.
    Hook { hook: String, instance: String },
}

/// Keys by which tokens are opened: the one in force, and former ones.
const MOST_KEYS: usize = 4;

/// Seals tokens with its key, and opens them. `Debug` shows nothing of the key.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; KEY_BYTES],
    /// The key in force first.
    keys: Vec<Hmac<Sha256>>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        // HMAC takes a key of any length.
        let keys = Hmac::new_from_slice(&key).into_iter().collect();
        Self { key, keys }
    }

    /// One with another key, which still opens what this one sealed.
    pub fn with_key(&self, key: [u8; KEY_BYTES]) -> Self {
        let mut next = Self::new(key);
        next.keys.extend(self.keys.iter().take(MOST_KEYS - 1).cloned());
        next
    }

    /// The key in force.
    pub fn key(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    /// The token that says this.
    pub fn seal(&self, kind: Kind, sealed: &Sealed) -> String {
        let mut bytes = Vec::with_capacity(128);
        match sealed {
            Sealed::Meeting { tenant, meeting, url, nonce } => {
                bytes.extend_from_slice(&nonce.to_be_bytes());
                put(&mut bytes, tenant);
                put(&mut bytes, meeting);
                bytes.extend_from_slice(url.as_bytes());
            }
            Sealed::Hook { hook, instance } => {
                put(&mut bytes, hook);
                bytes.extend_from_slice(instance.as_bytes());
            }
        }
        let tag = self.keys.first().map(|key| tag(key, kind, &bytes));
        bytes.extend(tag.into_iter().flatten());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token of this kind says, if we made it.
    pub fn open(&self, kind: Kind, token: &str) -> Option<Sealed> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (said, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        if !self.keys.iter().any(|key| bool::from(tag(key, kind, said).ct_eq(seal))) {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        if kind == Kind::Hook {
            let (hook, instance) = take(said)?;
            return Some(Sealed::Hook { hook: text(hook)?, instance: text(instance)? });
        }
        let (nonce, said) = said.split_at_checked(8)?;
        let nonce = u64::from_be_bytes(nonce.try_into().ok()?);
        let (tenant, said) = take(said)?;
        let (meeting, url) = take(said)?;
        let (tenant, meeting, url) = (text(tenant)?, text(meeting)?, text(url)?);
        Some(Sealed::Meeting { tenant, meeting, url, nonce })
    }

    /// The URL that an instance calls; `base` is `callbacks.baseUrl`.
    pub fn url(&self, base: &str, kind: Kind, sealed: &Sealed) -> String {
        let (base, token) = (base.trim_end_matches('/'), self.seal(kind, sealed));
        [base, PATH, kind.name(), "/", &token].concat()
    }
}

fn tag(key: &Hmac<Sha256>, kind: Kind, said: &[u8]) -> [u8; SEAL] {
    let mut mac = key.clone();
    for part in [LABEL, &[kind as u8], said] {
        mac.update(part);
    }
    let mut tag = [0; SEAL];
    tag.copy_from_slice(&mac.finalize().into_bytes()[..SEAL]);
    tag
}

/// A text with its length in front.
fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn sealer() -> Sealer {
        Sealer::new([7; KEY_BYTES])
    }

    pub(crate) fn of_meeting(url: &str) -> Sealed {
        let (tenant, meeting) = ("t.example.org".into(), "room 1".into());
        Sealed::Meeting { tenant, meeting, url: url.into(), nonce: 42 }
    }

    #[test]
    fn a_token_is_opened_by_its_kind_and_key_alone() {
        let sealed = of_meeting("https://t.example.org/end?a=b");
        let token = sealer().seal(Kind::End, &sealed);
        assert_eq!(sealer().open(Kind::End, &token), Some(sealed));
        assert_eq!(sealer().open(Kind::Ended, &token), None);
        assert_eq!(Sealer::new([8; KEY_BYTES]).open(Kind::End, &token), None);
        let later = sealer().with_key([8; KEY_BYTES]);
        assert!(later.open(Kind::End, &token).is_some());
        assert_eq!(sealer().open(Kind::End, &later.seal(Kind::End, &of_meeting("x"))), None);
        assert_eq!(format!("{later:?}"), "Sealer(..)");
        let url = sealer().url("https://lb.example.org/", Kind::End, &of_meeting(""));
        assert!(url.starts_with("https://lb.example.org/bigblueswarm/callbacks/end/"), "{url}");
    }

    #[test]
    fn a_kind_is_known_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("END"), None);
    }

    proptest! {
        #[test]
        fn what_was_sealed_comes_out_and_nothing_else_does(
            tenant in any::<String>(), meeting in any::<String>(), url in any::<String>(),
            nonce in any::<u64>(), at in any::<prop::sample::Index>(), n in 0..5_usize, other in any::<String>(),
        ) {
            let kind = Kind::ALL[n];
            let sealed = match kind {
                Kind::Hook => Sealed::Hook { hook: tenant, instance: url },
                _ => Sealed::Meeting { tenant, meeting, url, nonce },
            };
            let token = sealer().seal(kind, &sealed);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
            prop_assert_eq!(sealer().open(kind, &token), Some(sealed));
            let mut bent = token.clone().into_bytes();
            let at = at.index(bent.len());
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(sealer().open(kind, std::str::from_utf8(&bent).expect("ASCII")), None);
            prop_assert_eq!(sealer().open(kind, &token[..token.len() - 1]), None);
            prop_assert_eq!(sealer().open(kind, &other), None);
        }
    }
}
