//! Calling an instance: signing, sending, and what it means when that fails.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::timeout;
use tracing::info;

use crate::bbb::call::Call;
use crate::bbb::{form, query};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::{Tenant, TenantId};
use crate::outside::servers::{Incoming, Outgoing, SendError};

use super::World;
use super::answer::{BadAnswer, Start, start};
use super::refusal::{Refusal, Rejection};

/// How long an instance may take to say whether it has a meeting, when that decides something else.
pub const CHECK_WITHIN: Duration = Duration::from_secs(1);
/// The largest answer about one meeting that is read whole.
pub const MOST_BYTES: usize = 4 << 20;

/// Why a call gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Bad(#[from] BadAnswer),
}

impl CallError {
    /// Whether the instance can't have seen the request, as no connection to it stood. Any other failure may be
    /// brought about by what was asked, and nobody must be able to put instances out of use by that.
    pub fn is_unreached(&self) -> bool {
        matches!(self, Self::Send(SendError::NotSent(_)))
    }

    /// The kind of failure, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Send(SendError::NotSent(_)) => "unreached",
            Self::Send(SendError::Closed(_) | SendError::Unanswered(_)) => "unanswered",
            Self::Send(SendError::Request(_)) => "unsent",
            Self::Bad(BadAnswer::Status(status)) if status.is_client_error() => "http4xx",
            Self::Bad(BadAnswer::Status(_)) => "http5xx",
            Self::Bad(BadAnswer::Signature) => "checksumError",
            Self::Bad(BadAnswer::BrokenOff | BadAnswer::Late) => "brokenOff",
            Self::Bad(_) => "garbage",
        }
    }

    /// The words for who asked an instance that has what the call is about.
    fn refusal(&self, call: &str) -> Refusal {
        match self {
            Self::Bad(BadAnswer::Status(status)) if is_unknown_call(*status, call) => {
                Refusal::Unsupported
            }
            // What stands before the instance says that it does not answer.
            Self::Bad(BadAnswer::Status(
                StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT,
            )) => Refusal::Silent,
            Self::Bad(BadAnswer::Status(status)) => match Rejection::of(*status) {
                Some(rejection) => Refusal::Rejected(rejection, *status),
                None => {
                    Refusal::Server(format!("it answered with HTTP status {}", status.as_u16()))
                }
            },
            Self::Bad(BadAnswer::Signature) => Refusal::Server("it refuses our signature".into()),
            Self::Bad(BadAnswer::Xml(_) | BadAnswer::Json | BadAnswer::TooLarge(_)) => {
                Refusal::Server("its answer can't be understood".into())
            }
            Self::Bad(BadAnswer::Shifted) => Refusal::Server("its answer broke off".into()),
            Self::Send(SendError::Request(_)) => Refusal::Internal("send such a request"),
            Self::Bad(BadAnswer::BrokenOff | BadAnswer::Late) | Self::Send(_) => Refusal::Silent,
        }
    }
}

/// Whether an instance says by this status that its version does not know the call. All versions know the calls about
/// meetings themselves.
fn is_unknown_call(status: StatusCode, call: &str) -> bool {
    const ALWAYS_KNOWN: [&str; 5] = ["create", "join", "end", "getMeetingInfo", "isMeetingRunning"];
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        && !ALWAYS_KNOWN.contains(&call)
}

/// A longer query goes out as a form: servers take 8 KB of a request's first line, and the path and the checksum are
/// part of it. In bytes.
const LONGEST_QUERY: usize = 7 * 1024;

/// A call of this query, signed for the instance: a form where the query is too long for a URL, and BBB takes one.
pub fn request_for(
    instance: &Arc<Instance>,
    call: &str,
    query: &str,
    within: Duration,
) -> Outgoing {
    if query.len() > LONGEST_QUERY && Call::parse(call).is_some_and(Call::takes_forms) {
        return form_for(instance, call, query, within);
    }
    let signed = signed_for(instance, call, query);
    Outgoing::get(instance.clone(), call, &signed, within)
}

/// As [`request_for`], a form however short the query is.
pub fn form_for(instance: &Arc<Instance>, call: &str, query: &str, within: Duration) -> Outgoing {
    let (url, form) = form::split(query);
    let signed = signed_for(instance, call, &url);
    let mut request = Outgoing::get(instance.clone(), call, &signed, within);
    request.method = Method::POST;
    request.content_type = Some(HeaderValue::from_static("application/x-www-form-urlencoded"));
    request.body = Body::from(form);
    request
}

/// The query of a call, signed for this instance; order and escaping untouched.
pub fn signed_for(instance: &Instance, call: &str, query: &str) -> String {
    query::signed(query, call, instance.secret.reveal(), instance.sign_with)
}

impl World {
    /// Sends a signed call that may be repeated.
    pub async fn get(
        &self,
        instance: &Arc<Instance>,
        call: &str,
        query: &str,
        within: Duration,
    ) -> Result<Incoming, SendError> {
        self.servers.send(request_for(instance, call, query, within)).await
    }

    /// Sends a tenant's signed request whose answer passes through; an instance that gives none is looked at.
    pub async fn pass(
        &self,
        tenant: &Tenant,
        call: &str,
        request: Outgoing,
    ) -> Result<Start, Refusal> {
        let (instance, within) = (request.instance.clone(), request.first_byte_within);
        let asked = async {
            let answer = self.servers.send(request).await?;
            Ok::<_, CallError>(start(answer, self.most_passed(), within).await?)
        };
        asked.await.map_err(|error| self.unreached(&tenant.id, &instance, call, &error))
    }

    /// Has the instance looked at, and the words for who asked.
    pub fn unreached(
        &self,
        tenant: &TenantId,
        instance: &Instance,
        call: &str,
        error: &CallError,
    ) -> Refusal {
        self.doubt(tenant, instance, call, error);
        error.refusal(call)
    }

    /// How long an instance may take to say something of a meeting that it has at hand. Some clients wait for 5 s.
    pub fn info_within(&self) -> Duration {
        self.config.deadlines.first_byte.min(self.config.deadlines.list)
    }

    /// What an instance says to a signed call that may be repeated, all within one deadline.
    pub async fn told(
        &self,
        instance: &Arc<Instance>,
        call: &str,
        query: &str,
        within: Duration,
    ) -> Result<Start, CallError> {
        let told = async {
            let answer = self.get(instance, call, query, within).await?;
            Ok(start(answer, self.most_passed(), within).await?)
        };
        timeout(within, told).await.unwrap_or(Err(BadAnswer::Late.into()))
    }

    /// As [`World::pass`] for a call of this query, which is signed here.
    pub async fn pass_get(
        &self,
        tenant: &Tenant,
        instance: &Arc<Instance>,
        call: &str,
        query: &str,
    ) -> Result<Start, Refusal> {
        let told = self.told(instance, call, query, self.info_within()).await;
        told.map_err(|error| self.unreached(&tenant.id, instance, call, &error))
    }

    /// A tenant's call got no usable answer. An instance that can't be reached is suspect at once. Anything else
    /// may be the request's fault: then calls of our own decide, see [`super::check`].
    pub fn doubt(&self, tenant: &TenantId, instance: &Instance, call: &str, error: &CallError) {
        self.count_failure(tenant, error.kind());
        let id = &instance.id;
        info!(instance.id = %id, tenant.name = %tenant, call, %error, "a call got no usable answer");
        if error.is_unreached() {
            self.actors.registry.suspect(id.clone(), format!("{call}: {error}"));
        } else if !matches!(error, CallError::Send(SendError::Request(_))) {
            self.check(id);
        }
    }

    /// Counts a call of a tenant that got no usable answer.
    pub fn count_failure(&self, tenant: &TenantId, kind: &'static str) {
        let labels = [("tenant", tenant.as_str().to_owned()), ("kind", kind.to_owned())];
        metrics::counter!("bigblueswarm_calls_failed_total", &labels).increment(1);
    }

    /// Has an instance asked by calls of our own whether it is well, soon.
    pub fn check(&self, instance: &InstanceId) {
        // Without a listener the next probe will say.
        let _ = self.doubted.send(instance.clone());
    }

    /// What an instance says of a meeting: [`Presence`], or why it said nothing within the time.
    pub async fn presence(
        &self,
        instance: &Arc<Instance>,
        tenant: &TenantId,
        meeting: &MeetingId,
        within: Duration,
    ) -> Result<Presence, CallError> {
        self.sighted(instance, tenant, meeting, within).await.map(|(presence, _)| presence)
    }
}

/// What an instance says of a meeting id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has the tenant's meeting.
    Ours,
    /// It has a meeting of this id that is not the tenant's, or not marked as such.
    Others,
    /// It has none, or one that was ended.
    None,
}
