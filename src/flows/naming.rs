//! By which name a call about a meeting goes to its instance, and whether what comes back is about that meeting.
//!
//! Nothing about a meeting goes out under an id that could reach another one: it carries what the instance itself calls
//! the meeting, where that is an exact hit, or the instance was asked and speaks of this meeting.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{debug, warn};

use super::World;
use super::answer::{BadAnswer, read, whole};
use super::ask::{CallError, MOST_BYTES, Presence};
use super::refusal::Refusal;
use crate::actors::meetings::{Copy, Home};
use crate::bbb::meetings::{Listed, scan};
use crate::bbb::query;
use crate::bbb::xml::{Envelope, XmlFault};
use crate::determinism::aside;
use crate::domain::instance::Instance;
use crate::domain::meeting::{InternalId, MeetingId, RouteState};
use crate::domain::naming::{Lookup, Sought, looks_internal};
use crate::domain::tenant::TenantId;

/// How long an instance may take to say of which meeting it speaks, each time it is asked.
const NAME_WITHIN: Duration = Duration::from_secs(2);

/// So long after an instance was asked, the meeting that an id names there is taken for the one of which it spoke.
const NAMES_IT_FOR: Duration = Duration::from_secs(3);

/// A parameter that names a meeting.
pub const MEETING: &str = "meetingID";
/// The one that names a breakout room's parent.
pub const PARENT: &str = "parentMeetingID";

/// How an instance is told of a meeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// As the client does.
    AsItIs,
    /// By this text, which reaches exactly this meeting.
    Exactly(String),
    /// The instance does not have it.
    Gone,
}

impl Name {
    /// The query with this name as its parameter, every other byte as it was; nothing when there is no such meeting.
    pub fn in_query<'q>(&self, query: &'q str, parameter: &str) -> Option<Cow<'q, str>> {
        match self {
            Self::AsItIs => Some(query.into()),
            Self::Exactly(text) => Some(query::renamed(query, parameter, text).into()),
            Self::Gone => None,
        }
    }
}

/// What a question by a name came to.
enum Told {
    Of(Box<Envelope>),
    NotFound,
    /// An error of the server's, which BBB before 2.6 has for some names.
    Error,
}

impl Home {
    /// The tenant's meeting that lives here, which was asked for by this text.
    pub fn sought<'a>(&'a self, tenant: &'a TenantId, asked: &'a MeetingId) -> Sought<'a> {
        let asked = Some(asked).filter(|asked| asked.key() == self.key);
        let meeting = self.meeting.as_ref().or(asked);
        Sought { tenant, key: self.key, meeting, internal: self.internal.as_ref() }
    }
}

impl World {
    /// The query of a call about this meeting as it goes to its home; nothing when that does not have it.
    pub async fn addressed<'q>(
        &self,
        tenant: &TenantId,
        meeting: &MeetingId,
        home: &Home,
        query: &'q str,
    ) -> Result<Option<Cow<'q, str>>, Refusal> {
        Ok(self.name(tenant, meeting, home).await?.in_query(query, MEETING))
    }

    /// How this meeting, which was asked for by this text, is named at its home.
    pub async fn name(
        &self,
        tenant: &TenantId,
        asked: &MeetingId,
        home: &Home,
    ) -> Result<Name, Refusal> {
        let is_its_id = asked.key() == home.key;
        // Where an internal id is an error, one that was taken from the client's id makes that one an error too.
        let fails = !matches!(home.lookup, Lookup::Internal | Lookup::External)
            && home.internal.as_ref().is_some_and(|id| id.as_str() == asked.as_str());
        // A meeting that is only claimed there may be another's that was left there.
        let is_there = home.state != RouteState::Claimed;
        let is_clear = is_its_id && is_there && !home.shadowed && !fails;
        if is_clear && !looks_internal(asked.as_str()) {
            return Ok(Name::AsItIs);
        }
        match (&home.internal, home.lookup) {
            (Some(internal), Lookup::Internal) => Ok(Name::Exactly(internal.as_str().to_owned())),
            // Boxed, since it is rare and its waits would make the futures of all calls large.
            _ => Box::pin(self.identify(tenant, asked, home)).await,
        }
    }

    /// Finds out how to name a meeting whose id alone could reach another one.
    pub async fn identify(
        &self,
        tenant: &TenantId,
        asked: &MeetingId,
        home: &Home,
    ) -> Result<Name, Refusal> {
        let (instance, sought) = (&home.instance, home.sought(tenant, asked));
        let failed = |error: CallError| self.unreached(tenant, instance, "getMeetingInfo", &error);
        let mut tried = None;
        // One that takes no internal ids is asked by the id first.
        if let Some(internal) = home.internal.as_ref().filter(|_| home.lookup == Lookup::Unknown) {
            match self.try_internal(instance, internal).await.map_err(failed)? {
                Lookup::Internal => return Ok(Name::Exactly(internal.as_str().to_owned())),
                other => tried = Some(other),
            }
        }
        let text = sought.meeting.unwrap_or(asked);
        match self.ask_of(instance, text.as_str(), NAME_WITHIN).await.map_err(failed)? {
            Told::Of(said) if is_it(&sought, &said) => {
                let internal = said.internal_id.as_deref().map(InternalId::new);
                let news = internal.filter(|id| Some(id) != home.internal.as_ref());
                if let Some(name) = self.exactly(tenant, home, news.as_ref()).await {
                    return Ok(name);
                }
                // It lives there under this text, and not under its internal id.
                if let Some(lookup) = tried {
                    self.actors.meetings.looks(instance.id.clone(), lookup);
                }
                Ok(if text == asked {
                    Name::AsItIs
                } else {
                    Name::Exactly(text.as_str().to_owned())
                })
            }
            Told::NotFound if text.key() == home.key => Ok(Name::Gone),
            Told::Of(_) | Told::NotFound | Told::Error => {
                let (presence, listed) = self.listed(instance, &sought).await.map_err(failed)?;
                let Some(listed) = listed.filter(|_| presence == Presence::Ours) else {
                    return Ok(Name::Gone);
                };
                if let Some(name) = self.exactly(tenant, home, internal_of(&listed).as_ref()).await
                {
                    return Ok(name);
                }
                let found = self.as_listed(instance, &listed, text).await.map_err(failed)?;
                found.ok_or(Refusal::Internal("tell this meeting from another one on its server"))
            }
        }
    }

    /// The id that the list shows, if that reaches the listed meeting where the id it was created with did not: BBB 2.5
    /// lists a breakout room that the API made under an id of its own.
    async fn as_listed(
        &self,
        instance: &Arc<Instance>,
        listed: &Listed,
        tried: &MeetingId,
    ) -> Result<Option<Name>, CallError> {
        let text = &listed.meeting_id;
        if text == tried.as_str() {
            return Ok(None);
        }
        let told = self.ask_of(instance, text, NAME_WITHIN).await?;
        let is_it = matches!(&told, Told::Of(said) if said.spoken() == listed.spoken());
        Ok(is_it.then(|| Name::Exactly(text.clone())))
    }

    /// The meeting's exact name if its home takes this internal id; what is learnt by that is kept.
    async fn exactly(
        &self,
        tenant: &TenantId,
        home: &Home,
        internal: Option<&InternalId>,
    ) -> Option<Name> {
        let internal = internal?;
        match self.try_internal(&home.instance, internal).await {
            Ok(Lookup::Internal) => {}
            Ok(other) => {
                self.actors.meetings.looks(home.instance.id.clone(), other);
                return None;
            }
            Err(error) => {
                debug!(instance.id = %home.instance.id, %error, "no word about a meeting");
                return None;
            }
        }
        if home.internal.as_ref() != Some(internal) && home.state == RouteState::Confirmed {
            let known = Some(internal.clone());
            let meetings = &self.actors.meetings;
            let kept = meetings.confirm(tenant.clone(), home.key, home.version, known).await;
            if let Err(error) = kept {
                debug!(%error, "what an instance calls a meeting was not kept; a sweep will tell it again");
            }
        }
        Some(Name::Exactly(internal.as_str().to_owned()))
    }

    /// What an instance makes of an internal id of a meeting that lives there; that it takes it is remembered.
    async fn try_internal(
        &self,
        instance: &Arc<Instance>,
        internal: &InternalId,
    ) -> Result<Lookup, CallError> {
        let told = self.ask_of(instance, internal.as_str(), NAME_WITHIN).await?;
        let lookup = match told {
            Told::Of(said) if said.internal_id.as_deref() == Some(internal.as_str()) => {
                Lookup::Internal
            }
            Told::Of(_) | Told::NotFound => return Ok(Lookup::External),
            Told::Error => return Ok(Lookup::Fails),
        };
        self.actors.meetings.looks(instance.id.clone(), lookup);
        Ok(lookup)
    }

    /// Learns how an instance looks meetings up, from one that it has just listed.
    pub async fn learn_lookup(&self, instance: &Arc<Instance>, internal: &InternalId) {
        match self.try_internal(instance, internal).await {
            Ok(Lookup::Internal) => {}
            // It may have ended since it was listed: that it is still there says the list.
            Ok(other) if self.lists(instance, internal).await => {
                self.actors.meetings.looks(instance.id.clone(), other);
            }
            Ok(_) => {}
            Err(error) => {
                debug!(instance.id = %instance.id, %error, "no word of how it looks meetings up");
            }
        }
    }

    async fn lists(&self, instance: &Arc<Instance>, internal: &InternalId) -> bool {
        let is_it = |listed: &Listed| {
            !listed.ended && listed.internal_id.as_deref() == Some(internal.as_str())
        };
        self.list(instance).await.is_ok_and(|all| all.iter().any(is_it))
    }

    /// What an instance says of the tenant's meeting of an id, and what it calls that.
    pub async fn sighted(
        &self,
        instance: &Arc<Instance>,
        tenant: &TenantId,
        meeting: &MeetingId,
        within: Duration,
    ) -> Result<(Presence, Option<InternalId>), CallError> {
        let key = meeting.key();
        let sought = Sought { tenant, key, meeting: Some(meeting), internal: None };
        match self.ask_of(instance, meeting.as_str(), within).await? {
            Told::NotFound => Ok((Presence::None, None)),
            Told::Of(said) if sought.is_named(&said.spoken()) => {
                let there = if said.forcibly_ended {
                    Presence::None
                } else if sought.is_it(&said.spoken()) {
                    Presence::Ours
                } else {
                    Presence::Others
                };
                Ok((there, said.internal_id.as_deref().map(InternalId::new)))
            }
            // Another meeting answers for it: whether it is there too the list says.
            Told::Of(_) => self.sighted_in_list(instance, &sought).await,
            Told::Error if looks_internal(meeting.as_str()) => {
                self.sighted_in_list(instance, &sought).await
            }
            Told::Error => Err(BadAnswer::Status(http::StatusCode::INTERNAL_SERVER_ERROR).into()),
        }
    }

    /// The same by the instance's list, in which no meeting hides another.
    async fn sighted_in_list(
        &self,
        instance: &Arc<Instance>,
        sought: &Sought<'_>,
    ) -> Result<(Presence, Option<InternalId>), CallError> {
        let (presence, listed) = self.listed(instance, sought).await?;
        Ok((presence, listed.as_ref().and_then(internal_of)))
    }

    /// Whether an instance lists a meeting, and the tenant's own as it is listed.
    async fn listed(
        &self,
        instance: &Arc<Instance>,
        sought: &Sought<'_>,
    ) -> Result<(Presence, Option<Listed>), CallError> {
        let mut all = self.list(instance).await?;
        all.retain(|one| !one.ended && sought.is_named(&one.spoken()));
        let is_ours = |one: &Listed| one.tenant.as_deref() == Some(sought.tenant.as_str());
        Ok(match all.iter().position(is_ours) {
            Some(at) => (Presence::Ours, Some(all.swap_remove(at))),
            None if all.is_empty() => (Presence::None, None),
            None => (Presence::Others, None),
        })
    }

    /// Whether a meeting that was not found by its names is listed all the same, which is asked only where its instance
    /// calls it otherwise than BBB would: then it may be that the instance knows it by none of them.
    pub async fn is_still_listed(&self, home: &Home) -> bool {
        let Some(internal) = &home.internal else { return false };
        internal.key() != Some(home.key) && self.lists(&home.instance, internal).await
    }

    async fn list(&self, instance: &Arc<Instance>) -> Result<Vec<Listed>, CallError> {
        let most = self.config.limits.answer_bytes;
        let asked = async {
            let answer = self.get(instance, "getMeetings", "", NAME_WITHIN).await?;
            let bytes = whole(answer, most, NAME_WITHIN).await?;
            let listed = aside(move || scan(&bytes)).await;
            Ok::<_, CallError>(listed.map_err(|_| BadAnswer::BrokenOff)?.map_err(BadAnswer::from)?)
        };
        timeout(NAME_WITHIN, asked).await.map_err(|_| BadAnswer::Late)?
    }

    /// What an instance says of whatever a text names there.
    async fn ask_of(
        &self,
        instance: &Arc<Instance>,
        text: &str,
        within: Duration,
    ) -> Result<Told, CallError> {
        let mut asked = String::new();
        query::append(&mut asked, MEETING, text);
        let told = async {
            let answer = self.get(instance, "getMeetingInfo", &asked, within).await?;
            let (_, envelope) = read(answer, MOST_BYTES, within).await?;
            Ok::<_, CallError>(envelope)
        };
        let told = timeout(within, told).await.map_err(|_| BadAnswer::Late)?;
        match told {
            Ok(said) if said.success => Ok(Told::Of(Box::new(said))),
            Ok(said) if said.failed_with("notFound") => Ok(Told::NotFound),
            // A failure of another kind, such as a wrong checksum, says nothing about the meeting.
            Ok(said) => Err(BadAnswer::Xml(XmlFault::failed(said.message_key.as_deref())).into()),
            Err(CallError::Bad(BadAnswer::Status(status))) if status.as_u16() == 500 => {
                Ok(Told::Error)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends exactly this meeting of an instance and no other. Whether there was such a one.
    pub async fn end_copy(
        &self,
        instance: &Arc<Instance>,
        copy: &Copy,
        within: Duration,
    ) -> Result<bool, CallError> {
        let asked_at = self.clock.now();
        let Some(text) = self.ending(instance, copy).await? else { return Ok(false) };
        let is_exact = copy.internal.as_ref().is_some_and(|id| id.as_str() == text);
        if !is_exact && self.clock.now().since(asked_at) >= NAMES_IT_FOR {
            return Ok(false); // this process was stopped: the id may name a later meeting by now
        }
        let mut query = String::new();
        query::append(&mut query, MEETING, text);
        self.get(instance, "end", &query, within).await?;
        Ok(true)
    }

    /// The id by which an instance finds exactly this meeting of its list and no other; nothing when there is none such.
    async fn ending<'a>(
        &self,
        instance: &Arc<Instance>,
        Copy { meeting, tenant, internal, .. }: &'a Copy,
    ) -> Result<Option<&'a str>, CallError> {
        if let Some(internal) = internal
            && self.try_internal(instance, internal).await? == Lookup::Internal
        {
            return Ok(Some(internal.as_str()));
        }
        let (key, internal) = (meeting.key(), internal.as_ref());
        let sought = Sought { tenant, key, meeting: Some(meeting), internal };
        match self.ask_of(instance, meeting.as_str(), NAME_WITHIN).await? {
            Told::Of(said)
                if said.internal_id.as_deref() == internal.map(InternalId::as_str)
                    && sought.is_it(&said.spoken()) =>
            {
                Ok(Some(meeting.as_str()))
            }
            Told::Of(_) | Told::Error => {
                warn!(instance.id = %instance.id, "a copy stays: its id reaches another meeting there");
                Ok(None)
            }
            Told::NotFound => Ok(None),
        }
    }
}

fn internal_of(listed: &Listed) -> Option<InternalId> {
    listed.internal_id.as_deref().map(InternalId::new)
}

/// Whether an answer about a living meeting is about this one.
fn is_it(sought: &Sought<'_>, said: &Envelope) -> bool {
    let spoken = said.spoken();
    sought.is_known_as(spoken.internal) || sought.is_it(&spoken)
}
