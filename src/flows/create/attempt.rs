//! One attempt of a create on one instance: it is sent once, and waited for as long as it may come to something.

use std::pin::pin;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::Creation;
use super::fault::Fault;
use crate::actors::meetings::Home;
use crate::bbb::xml::Envelope;
use crate::flows::answer::{BadAnswer, read};
use crate::flows::ask::{
    CHECK_WITHIN, CallError, MOST_BYTES, Presence, form_for, request_for, signed_for,
};
use crate::flows::body::{Posted, RequestBody};
use crate::outside::servers::{Outgoing, SendError};

/// What came of one attempt on one instance.
pub(super) enum Attempt {
    /// It has the meeting now; this is what it said.
    Made(Bytes, Envelope),
    /// It refused for a reason that the client shall read.
    Refused(Bytes, Envelope),
    /// The client's own body broke off.
    Unsent,
    /// Another tenant's meeting has this id there.
    Foreign,
    /// It has the meeting, and gave no answer that the client could read. The route is kept.
    Kept(Fault),
    /// It did not take the meeting; `tomb` when it may have made it all the same.
    Failed { fault: Fault, refusal: Option<(Bytes, Envelope)>, tomb: bool },
}

type Answered = Result<(Bytes, Envelope), CallError>;

impl Creation<'_> {
    pub(super) async fn attempt(&self, home: &Home, confirmed: bool) -> Attempt {
        let answered = match self.answered(home, confirmed).await {
            Ok(answered) => answered,
            Err(slow) => return slow,
        };
        match answered {
            Ok((answer, envelope)) => self.judge(home, confirmed, answer, envelope).await,
            Err(error) => self.failed(home, confirmed, &error).await,
        }
    }

    /// What the instance answers, which has the whole time if it has the meeting before it answers; `Err` when
    /// it is not waited for any longer.
    async fn answered(&self, home: &Home, confirmed: bool) -> Result<Answered, Attempt> {
        let mut sending = pin!(self.send(home));
        tokio::select! {
            biased;
            answered = &mut sending => return Ok(self.again_if_idle(home, confirmed, answered).await),
            () = self.slow(), if !confirmed => {}
            // A known meeting is nowhere else.
            () = std::future::pending(), if confirmed => {}
        }
        let there = tokio::select! {
            biased;
            answered = &mut sending => return Ok(answered),
            there = self.ask(home) => there,
        };
        if let Ok(Presence::Ours) = there {
            self.confirm(home).await;
            return Ok(sending.await);
        }
        self.doubt(home, &BadAnswer::Late.into());
        Err(Attempt::Failed { fault: Fault::Silent, refusal: None, tomb: true })
    }

    /// A create that was lost with an idle connection goes out once more, unless it was not lost.
    async fn again_if_idle(&self, home: &Home, confirmed: bool, answered: Answered) -> Answered {
        let Err(CallError::Send(SendError::Closed(_))) = answered else { return answered };
        if confirmed || matches!(self.ask(home).await, Ok(Presence::None)) {
            return self.send(home).await;
        }
        answered
    }

    /// Ends when an answer is late, counted from the last that was sent.
    async fn slow(&self) {
        let (patience, mut last) = (self.world.config.deadlines.attempt, Instant::now());
        loop {
            sleep_until(last + patience).await;
            match self.body.posted().and_then(Posted::passed_at).filter(|&passed| passed > last) {
                Some(passed) => last = passed,
                None => return,
            }
        }
    }

    /// Whether the instance has the meeting.
    pub(super) async fn ask(&self, home: &Home) -> Result<Presence, CallError> {
        let id = &self.tenant.id;
        self.world.presence(&home.instance, id, &self.meeting, CHECK_WITHIN).await
    }

    /// Sends the create and reads the whole answer.
    async fn send(&self, home: &Home) -> Answered {
        let within = self.by.saturating_duration_since(Instant::now());
        let query = match &self.payload {
            Some(payload) => {
                let (id, instance) = (&self.tenant.id, &home.instance);
                self.world.sealed(id, payload, &self.query, instance).await
            }
            None => self.query.as_str().into(),
        };
        let mut request = match self.body {
            RequestBody::Nothing => request_for(&home.instance, "create", &query, within),
            RequestBody::Form => form_for(&home.instance, "create", &query, within),
            RequestBody::Posted(posted) => {
                let signed = signed_for(&home.instance, "create", &query);
                posted
                    .carried_by(Outgoing::get(home.instance.clone(), "create", &signed, within))
                    .await
            }
        };
        request.once = true;
        let answer = self.world.servers.send(request).await?;
        Ok(read(answer, MOST_BYTES, within).await?)
    }

    /// Keeps the route of a meeting that is there, whatever the client hears.
    async fn confirm(&self, home: &Home) {
        let (tenant, meeting) = (self.tenant.id.clone(), self.meeting.clone());
        let meetings = &self.world.actors.meetings;
        if let Err(error) = meetings.confirm(tenant, meeting, home.version, None).await {
            warn!(%error, "a meeting that was found could not be confirmed; a sweep will do it");
        }
    }

    fn doubt(&self, home: &Home, error: &CallError) {
        self.world.doubt(&self.tenant.id, &home.instance, "create", error);
    }

    /// There is no answer, or none that can be used: whether the meeting was made all the same is asked.
    async fn failed(&self, home: &Home, confirmed: bool, error: &CallError) -> Attempt {
        let Some(fault) = Fault::of(error) else { return Attempt::Unsent };
        self.doubt(home, error);
        let refusal = None;
        if confirmed || !fault.may_have_made() {
            return Attempt::Failed { fault, refusal, tomb: false };
        }
        match self.ask(home).await {
            Ok(Presence::Ours) => {
                self.confirm(home).await;
                Attempt::Kept(fault)
            }
            // What was answered is over; what was not may still be done.
            Ok(Presence::None) if fault != Fault::Silent => {
                Attempt::Failed { fault, refusal, tomb: false }
            }
            Ok(Presence::None | Presence::Others) | Err(_) => {
                Attempt::Failed { fault, refusal, tomb: true }
            }
        }
    }

    async fn judge(
        &self,
        home: &Home,
        confirmed: bool,
        answer: Bytes,
        envelope: Envelope,
    ) -> Attempt {
        let key = envelope.message_key.clone().unwrap_or_default();
        let doubtful = envelope.is_duplicate() || key == "idNotUnique";
        if confirmed {
            // The meeting is known to be ours: whatever its instance says is the answer.
            return match envelope.success {
                true if self.is_anothers(home, &envelope).await => Attempt::Foreign,
                true => Attempt::Made(answer, envelope),
                false => Attempt::Refused(answer, envelope),
            };
        }
        if doubtful {
            return self.judge_repeated(home, key, answer, envelope).await;
        }
        match (envelope.success, key.as_str()) {
            (true, _) => Attempt::Made(answer, envelope),
            (false, "unsupportedRequest" | "nonUniqueVoiceBridge") => {
                let (id, tenant) = (&home.instance.id, &self.tenant.id);
                info!(instance.id = %id, tenant.name = %tenant, key, "an instance did not take a meeting");
                self.world.count_failure(tenant, "refused");
                if key == "unsupportedRequest" {
                    self.world.check(id);
                }
                let refusal = Some((answer, envelope));
                Attempt::Failed { fault: Fault::Refused(key), refusal, tomb: false }
            }
            (false, _) => Attempt::Refused(answer, envelope),
        }
    }

    /// The instance says that it has a meeting of this id: whose is it?
    async fn judge_repeated(
        &self,
        home: &Home,
        key: String,
        answer: Bytes,
        envelope: Envelope,
    ) -> Attempt {
        match self.ask(home).await {
            Ok(Presence::Ours) if envelope.success => Attempt::Made(answer, envelope),
            Ok(Presence::Ours) => {
                // It refuses this create since it has the tenant's own meeting.
                self.confirm(home).await;
                Attempt::Refused(answer, envelope)
            }
            Ok(Presence::Others) => Attempt::Foreign,
            // Not for the client to read: perhaps it is about another tenant's meeting.
            Ok(Presence::None) => {
                Attempt::Failed { fault: Fault::Refused(key), refusal: None, tomb: true }
            }
            Err(error) => {
                self.doubt(home, &error);
                Attempt::Failed { fault: Fault::Silent, refusal: None, tomb: true }
            }
        }
    }
}
