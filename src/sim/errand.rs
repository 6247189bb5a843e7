//! What a server sends by itself: callbacks and events. The machine says which; here they are sent, and tried again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::{sleep, timeout};

/// An answer that has not come by then will not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A permanent hook's event is tried again so often after all other attempts.
const INSISTS_EVERY: Duration = Duration::from_secs(60);
/// So many redirects are followed.
const REDIRECTS: usize = 10;
/// So many errands are remembered; older ones are forgotten first.
const MOST: usize = 10_000;

/// Why a server sends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// meta_endCallbackUrl.
    EndCallback,
    /// meetingEndedURL.
    Ended,
    /// meta_bbb-recording-ready-url.
    RecordingReady,
    /// meta_analytics-callback-url.
    Analytics,
    /// An event for a hook.
    Event,
}

impl Reason {
    /// How long is waited before each further attempt.
    fn waits(self) -> &'static [Duration] {
        const SECOND: Duration = Duration::from_secs(1);
        const OF_EVENTS: [Duration; 5] = [
            SECOND,
            Duration::from_secs(2),
            Duration::from_secs(5),
            Duration::from_secs(10),
            Duration::from_secs(30),
        ];
        const OF_ENDS: [Duration; 3] =
            [Duration::from_secs(30), Duration::from_secs(60), Duration::from_secs(90)];
        match self {
            Self::EndCallback | Self::Ended => &OF_ENDS,
            Self::RecordingReady | Self::Analytics => &[],
            Self::Event => &OF_EVENTS,
        }
    }

    /// Whether this answer means that it arrived. What is refused or gone is not sent again either.
    fn is_done(self, status: StatusCode) -> bool {
        let last_word = match self {
            Self::Event => status == StatusCode::UNAUTHORIZED,
            Self::RecordingReady => {
                status == StatusCode::UNAUTHORIZED || status == StatusCode::GONE
            }
            Self::EndCallback | Self::Ended | Self::Analytics => false,
        };
        status.is_success() || last_word
    }

    fn follows_redirects(self) -> bool {
        self != Self::RecordingReady
    }
}

/// One request of a server's own. It has no `Debug` of its parts: they may hold secrets.
#[derive(Clone)]
pub struct Errand {
    pub reason: Reason,
    pub method: Method,
    /// The whole URL, byte for byte.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The hook that the event is for.
    pub(super) hook: Option<String>,
    /// It is tried until it arrives.
    pub(super) insists: bool,
}

impl Errand {
    /// A GET of this URL.
    pub(super) fn get(reason: Reason, url: String) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { reason, method: Method::GET, url, headers, body, hook: None, insists: false }
    }

    /// A POST of this body.
    pub(super) fn post(reason: Reason, url: String, kind: &'static str, body: String) -> Self {
        let sent = Self { method: Method::POST, body: body.into(), ..Self::get(reason, url) };
        sent.header(CONTENT_TYPE, kind)
    }

    /// The same with a bearer token.
    pub(super) fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// The same in the name of this program.
    pub(super) fn agent(self, name: &'static str) -> Self {
        self.header(USER_AGENT, name)
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Where a server's own requests go. Answers the status, or none when nobody answered.
#[async_trait]
pub trait Elsewhere: Send + Sync + 'static {
    async fn send(&self, errand: &Errand) -> Option<StatusCode>;
}

/// Any function from a request to its answer's status serves as the world outside.
#[async_trait]
impl<F> Elsewhere for F
where
    F: Fn(&Errand) -> Option<StatusCode> + Send + Sync + 'static,
{
    async fn send(&self, errand: &Errand) -> Option<StatusCode> {
        self(errand)
    }
}

/// Real requests over sockets.
pub(super) struct Sockets {
    follows: reqwest::Client,
    stays: reqwest::Client,
}

impl Sockets {
    pub(super) fn open() -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let with = |policy| reqwest::Client::builder().redirect(policy).build().ok();
        let follows = with(reqwest::redirect::Policy::limited(REDIRECTS))?;
        let stays = with(reqwest::redirect::Policy::none())?;
        Some(Self { follows, stays })
    }
}

#[async_trait]
impl Elsewhere for Sockets {
    async fn send(&self, errand: &Errand) -> Option<StatusCode> {
        let client = if errand.reason.follows_redirects() { &self.follows } else { &self.stays };
        let request = client.request(errand.method.clone(), errand.url.as_str());
        let request = request.headers(errand.headers.clone()).body(errand.body.clone());
        Some(request.send().await.ok()?.status())
    }
}

/// How an errand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub reason: Reason,
    pub url: String,
    /// The last answer, if there was one.
    pub status: Option<StatusCode>,
    pub attempts: usize,
    pub arrived: bool,
    pub(super) hook: Option<String>,
}

/// Sends a request until it arrives or every attempt was made.
pub(super) async fn run(errand: Errand, way: Option<Arc<dyn Elsewhere>>) -> Outcome {
    let mut waits = errand.reason.waits().iter();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let answer = async {
            match &way {
                Some(way) => way.send(&errand).await,
                None => None,
            }
        };
        let status = timeout(ANSWER_WITHIN, answer).await.unwrap_or(None);
        let arrived = status.is_some_and(|status| errand.reason.is_done(status));
        match waits.next() {
            Some(wait) if !arrived && way.is_some() => sleep(*wait).await,
            None if !arrived && way.is_some() && errand.insists => sleep(INSISTS_EVERY).await,
            _ => {
                let Errand { reason, url, hook, .. } = errand;
                return Outcome { reason, url, status, attempts, arrived, hook };
            }
        }
    }
}

/// The last errands that ended, oldest first.
#[derive(Default)]
pub(super) struct Ledger(VecDeque<Outcome>);

impl Ledger {
    pub(super) fn note(&mut self, outcome: Outcome) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(outcome);
    }

    pub(super) fn all(&self) -> Vec<Outcome> {
        self.0.iter().cloned().collect()
    }
}
