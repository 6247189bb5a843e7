//! Calling an instance: signing, sending, and telling the registry when it fails.

use std::sync::Arc;
use std::time::Duration;

use crate::bbb::query;
use crate::domain::instance::Instance;
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::TenantId;
use crate::outside::servers::{Incoming, Outgoing, SendError};

use super::World;
use super::answer::{BadAnswer, Start, start};
use super::refusal::Refusal;

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
    /// Whether the instance is to blame whatever was asked. A 4xx or odd content may be the asker's doing,
    /// who must not be able to put instances out of use.
    pub fn is_instances_fault(&self) -> bool {
        match self {
            Self::Send(SendError::Request(_)) => false,
            Self::Send(SendError::NotSent(_) | SendError::Unanswered(_)) => true,
            Self::Bad(BadAnswer::Status(status)) => !status.is_client_error(),
            Self::Bad(BadAnswer::BrokenOff | BadAnswer::Late) => true,
            Self::Bad(BadAnswer::Xml(_) | BadAnswer::Json | BadAnswer::TooLarge(_)) => false,
            Self::Bad(BadAnswer::Shifted) => false,
        }
    }
}

/// The query of a call, signed for this instance; order and escaping untouched.
pub fn signed_for(instance: &Instance, call: &str, query: &str) -> String {
    query::signed(query, call, instance.secret.reveal(), instance.sign_with)
}

impl World {
    /// Sends a signed GET.
    pub async fn get(
        &self,
        instance: &Arc<Instance>,
        call: &str,
        query: &str,
        within: Duration,
    ) -> Result<Incoming, SendError> {
        let signed = signed_for(instance, call, query);
        self.servers.send(Outgoing::get(instance.clone(), call, &signed, within)).await
    }

    /// Sends a signed request whose answer passes through; an instance that gives none is put in doubt.
    pub async fn pass(&self, call: &str, request: Outgoing) -> Result<Start, Refusal> {
        let (instance, within) = (request.instance.clone(), request.first_byte_within);
        let asked = async {
            let answer = self.servers.send(request).await?;
            Ok::<_, CallError>(start(answer, self.most_passed(), within).await?)
        };
        asked.await.map_err(|error| self.unreached(&instance, call, &error))
    }

    /// Puts the instance in doubt if this is its fault, and has the words for who asked.
    pub fn unreached(&self, instance: &Instance, call: &str, error: &CallError) -> Refusal {
        self.doubt(instance, call, error);
        Refusal::Internal("reach the meeting's server")
    }

    /// How long an instance may take to say something of a meeting that it has at hand. Some clients wait for 5 s.
    pub fn info_within(&self) -> Duration {
        self.config.deadlines.first_byte.min(self.config.deadlines.list)
    }

    /// The same for a GET of this query, which is signed here.
    pub async fn pass_get(
        &self,
        instance: &Arc<Instance>,
        call: &str,
        query: &str,
    ) -> Result<Start, Refusal> {
        let signed = signed_for(instance, call, query);
        let within = self.info_within();
        self.pass(call, Outgoing::get(instance.clone(), call, &signed, within)).await
    }

    /// Tells the registry that a call went wrong, if that puts the instance in doubt.
    pub fn doubt(&self, instance: &Instance, call: &str, error: &CallError) {
        metrics::counter!("bigblueswarm_calls_failed_total").increment(1);
        tracing::debug!(instance.id = %instance.id, call, %error, "an instance gave no usable answer");
        if !error.is_instances_fault() {
            return;
        }
        self.actors.registry.suspect(instance.id.clone(), format!("{call}: {error}"));
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
