//! Create: a home is claimed and stored before its instance is called; a failed create tries the next.

mod attempt;
mod fault;

use std::borrow::Cow;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tracing::warn;

use self::attempt::Attempt;
use self::fault::{Fault, Tried};
use super::World;
use super::answer::Answer;
use super::ask::{CHECK_WITHIN, Presence};
use super::body::RequestBody;
use super::naming::PARENT;
use super::payload::Payload;
use super::refusal::Refusal;
use crate::actors::meetings::{BELIEVED_FOR, Copy, Home, RouteError, Settled, Wish};
use crate::actors::settle;
use crate::bbb::query;
use crate::bbb::xml::Envelope;
use crate::determinism::HashSet;
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, MeetingId, RouteState, Version};
use crate::domain::tag::TagWish;
use crate::domain::tenant::Tenant;

/// Instances tried for one create, the first included.
const MOST_ATTEMPTS: usize = 3;

/// So often a route is confirmed that others change at the same time.
const MOST_CONFIRMS: usize = 4;

/// One create on its way.
struct Creation<'a> {
    world: &'a World,
    tenant: &'a Arc<Tenant>,
    meeting: MeetingId,
    /// The query to the instance, without a checksum.
    query: String,
    /// What of the query each instance gets sealed with its own secret.
    payload: Option<Payload>,
    body: &'a RequestBody,
    only: Option<InstanceId>,
    tags: TagWish,
    except: HashSet<InstanceId>,
    /// What went wrong so far.
    tried: Tried,
    /// Instances that did not answer it.
    silent: Vec<InstanceId>,
    by: Instant,
}

/// Creates a meeting, or repeats the create of one that lives. Goes on to its end in a task of its
/// own when the client hangs up, so that nothing half-done stays.
pub async fn create(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let (world, tenant, query) = (world.clone(), tenant.clone(), query.to_owned());
    let told = settle(async move { whole(&world, &tenant, &query, body).await }).await;
    told.unwrap_or(Err(Refusal::Internal("create the meeting")))
}

async fn whole(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let (query, tags) = tenant.rules.create(query, body.posted().is_some());
    let query = query.as_str();
    let meeting = super::meeting_id(query)?;
    if query::single(query, "name")?.is_none_or(|name| name.is_empty()) {
        return Err(Refusal::NoMeetingName);
    }
    let (query, only) = parent(world, tenant, query).await?;
    let called_back = world.called_back(tenant, &meeting, &query).await?;
    let creation = Creation {
        world,
        tenant,
        meeting,
        query: query::tagged(&called_back, tenant.id.as_str()),
        payload: world.payload(tenant, &query).await,
        body: &body,
        only,
        tags,
        except: HashSet::default(),
        tried: Tried::default(),
        silent: Vec::new(),
        by: Instant::now() + world.config.deadlines.create,
    };
    let by = creation.by;
    let done = timeout_at(by, creation.run()).await;
    done.unwrap_or(Err(Refusal::Internal("create the meeting in time")))
}

/// A breakout room goes where its parent lives, which is named to that instance so that it is no other meeting. Without
/// `isBreakout=true` a parent means nothing, as at BBB.
async fn parent<'q>(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &'q str,
) -> Result<(Cow<'q, str>, Option<InstanceId>), Refusal> {
    let is_breakout = query::single(query, "isBreakout")?;
    if !is_breakout.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
        return Ok((query.into(), None));
    }
    let Some(parent) = query::single(query, PARENT)?.filter(|id| !id.is_empty()) else {
        return Ok((query.into(), None));
    };
    let parent = MeetingId::new(&*parent);
    let home = world.locate(tenant, &parent).await?.ok_or(Refusal::NoParent)?;
    let name = world.name(&tenant.id, &parent, &home).await?;
    let query = name.in_query(query, PARENT).ok_or(Refusal::NoParent)?;
    Ok((query, Some(home.instance.id.clone())))
}

impl Creation<'_> {
    async fn run(mut self) -> Result<Answer, Refusal> {
        let mut home = self.first_home().await?;
        loop {
            let confirmed = home.state == RouteState::Confirmed && !home.released;
            let known_until = Instant::now() + BELIEVED_FOR;
            match self.attempt(&home, confirmed).await {
                Attempt::Made(answer, envelope) => {
                    match self.made(&home, &envelope, known_until).await? {
                        None => {
                            self.tell_stalled();
                            return Ok(Answer::Passed(answer));
                        }
                        Some(winner) => home = winner,
                    }
                }
                Attempt::Refused(answer, envelope) => {
                    self.release(&home, confirmed).await;
                    return Ok(Answer::said(answer, envelope));
                }
                Attempt::Unsent => {
                    self.release(&home, confirmed).await;
                    return Err(Refusal::Internal("read the request's body"));
                }
                Attempt::Foreign => home = self.next(home, false).await?,
                Attempt::Kept(fault) => {
                    self.tried.add(fault, None);
                    return self.tried.end();
                }
                Attempt::Failed { fault, .. } if confirmed => return Err(fault.alone()),
                Attempt::Failed { fault, refusal, tomb } => {
                    if fault == Fault::Silent {
                        self.silent.push(home.instance.id.clone());
                    }
                    self.tried.add(fault, refusal);
                    if !self.may_try_another() {
                        self.release(&home, confirmed).await;
                        return self.tried.end();
                    }
                    home = match self.next(home, tomb).await {
                        Ok(home) => home,
                        // There is no other: what those said that were asked is the answer.
                        Err(RouteError::NoInstance | RouteError::NoTag | RouteError::Taken) => {
                            return self.tried.end();
                        }
                        Err(error) => return Err(error.into()),
                    };
                }
            }
        }
    }

    /// An instance took the create: those that did not answer it before may hang.
    fn tell_stalled(&self) {
        for instance in &self.silent {
            self.world.actors.meetings.stalled(instance.clone(), self.tenant.id.clone());
        }
    }

    /// Whether another instance could still take the meeting, and has the time to say so.
    fn may_try_another(&self) -> bool {
        let left = self.by.saturating_duration_since(Instant::now());
        self.tried.count() < MOST_ATTEMPTS
            && !self.tried.is_the_requests()
            && left >= self.world.config.deadlines.connect
    }

    /// The home the meeting has, else a claimed one.
    async fn first_home(&mut self) -> Result<Home, Refusal> {
        let known = self.world.locate_to_create(self.tenant, &self.meeting).await?;
        let lives = |home: &Home| !home.released && home.state != RouteState::Ending;
        let known = known.filter(lives);
        if let Some(text) = &self.tenant.maintenance {
            return self.home_of_living(known).await.ok_or(Refusal::Maintenance(text.clone()));
        }
        let Some(home) = known else { return self.claim().await };
        if home.accepts || home.state != RouteState::Confirmed || self.only.is_some() {
            return Ok(home);
        }
        // Its instance takes no new meetings: the create goes there only while the meeting lives.
        let (id, within) = (&self.tenant.id, CHECK_WITHIN);
        match self.world.presence(&home.instance, id, &self.meeting, within).await {
            Ok(Presence::None | Presence::Others) => Ok(self.move_on(&home, false).await?),
            Ok(Presence::Ours) | Err(_) => Ok(home),
        }
    }

    /// The home of a meeting that lives, which may be created again while nothing new may begin.
    async fn home_of_living(&self, known: Option<Home>) -> Option<Home> {
        let home = known?;
        let (id, within) = (&self.tenant.id, CHECK_WITHIN);
        match self.world.presence(&home.instance, id, &self.meeting, within).await {
            Ok(Presence::Ours) => Some(home),
            Ok(Presence::None | Presence::Others) => None,
            // Nobody knows: its own instance will say.
            Err(_) => Some(home).filter(|home| home.state == RouteState::Confirmed),
        }
    }

    async fn wish(&self) -> Result<Wish, RouteError> {
        Ok(Wish {
            tenant: self.tenant.clone(),
            meeting: self.meeting.clone(),
            loads: self.world.actors.metrics.current().await?.loads,
            only: self.only.clone(),
            tags: self.tags.clone(),
            except: self.except.clone(),
        })
    }

    async fn claim(&self) -> Result<Home, Refusal> {
        let wish = self.wish().await?;
        let meetings = &self.world.actors.meetings;
        Ok(self.world.heard(|| meetings.claim(wish.clone())).await?)
    }

    /// Another home after this one failed; when there is none, nothing stays claimed.
    async fn next(&mut self, home: Home, tomb: bool) -> Result<Home, RouteError> {
        self.except.insert(home.instance.id.clone());
        let moved = self.move_on(&home, tomb).await;
        if moved.is_err() {
            self.release(&home, false).await;
        }
        moved
    }

    async fn move_on(&self, home: &Home, tomb: bool) -> Result<Home, RouteError> {
        let wish = self.wish().await?;
        let meetings = &self.world.actors.meetings;
        self.world.heard(|| meetings.move_on(wish.clone(), home.version, tomb)).await
    }

    /// Gives up a claim that came to nothing; a confirmed route stays.
    async fn release(&self, home: &Home, confirmed: bool) {
        if confirmed || home.state == RouteState::Confirmed {
            return;
        }
        let (tenant, meeting) = (self.tenant.id.clone(), self.meeting.clone());
        let released = self.world.actors.meetings.release(tenant, meeting, home.version).await;
        if let Err(error) = released {
            warn!(%error, "a claim that came to nothing could not be released; a sweep will do it");
        }
    }

    /// The instance has the meeting: the route is confirmed before the client hears of it. One that was known needs no
    /// confirm until `known_until`. Answers the winner when the meeting got another home meanwhile.
    async fn made(
        &self,
        home: &Home,
        envelope: &Envelope,
        known_until: Instant,
    ) -> Result<Option<Home>, Refusal> {
        let (tenant, meeting) = (&self.tenant.id, &self.meeting);
        if let Some(internal) = envelope.internal_id.clone() {
            // Its first events may come before the next sweep.
            self.world.actors.hooks.learn(&home.instance.id, [(internal, Some(tenant.clone()))]);
        }
        let internal = envelope.internal_id.as_deref().map(InternalId::new);
        let same = internal.is_none() || home.internal.is_none() || internal == home.internal;
        let repeated = home.state == RouteState::Confirmed && envelope.is_duplicate() && same;
        let is_known = internal.is_none() || home.internal.is_some();
        if repeated && is_known && Instant::now() < known_until {
            return Ok(None);
        }
        let (meetings, mut version) = (&self.world.actors.meetings, home.version);
        let counts = self.tenant.meeting_pool.is_some();
        let is_further = home.internal.is_some() && is_newer(&internal, &home.internal);
        if home.state == RouteState::Confirmed && counts && is_further {
            // The meeting of the route has ended unseen: this one counts as a further one.
            let (of, ending) = (tenant.clone(), RouteState::Ending);
            if let Settled::Yes = meetings.set(of, home.key, version, ending).await? {
                match self.claim_here(home, &internal).await? {
                    Ok(claimed) => version = claimed,
                    Err(elsewhere) => return Ok(Some(elsewhere)),
                }
            }
        }
        for _ in 0..MOST_CONFIRMS {
            let confirm = || {
                let (of, named) = (tenant.clone(), meeting.clone());
                meetings.confirm(of, named, version, internal.clone())
            };
            let stands = match self.world.heard(confirm).await {
                // The instance had it before: it is the meeting of the route, which needs no store.
                Err(_) if repeated => return Ok(None),
                Err(error) => return Err(error.into()),
                Ok(Settled::Yes) => return Ok(None),
                Ok(Settled::Otherwise(other)) => Some(other),
                // Only the claim counted it, which is gone with the route.
                Ok(Settled::Gone) if counts && !envelope.is_duplicate() => None,
                Ok(Settled::Gone) => {
                    let internal = internal.clone();
                    Some(self.world.adopt(tenant, meeting, &home.instance, internal).await?)
                }
            };
            // An `end` or another create was quicker to change the route; this answer came after what they did.
            version = match stands {
                Some(other) if other.instance.id != home.instance.id => return Ok(Some(other)),
                Some(Home { state: RouteState::Confirmed, internal: known, .. })
                    if !is_newer(&internal, &known) =>
                {
                    return Ok(None);
                }
                Some(other) if other.state != RouteState::Ending => other.version,
                // What the answer was about has ended since: the room's next meeting is made.
                Some(_) if repeated && is_known => return Ok(Some(self.claim().await?)),
                Some(_) | None => match self.claim_here(home, &internal).await? {
                    Ok(claimed) => claimed,
                    Err(elsewhere) => return Ok(Some(elsewhere)),
                },
            };
        }
        Err(Refusal::Internal("keep the meeting's route"))
    }

    /// The room had no route when this instance made its next meeting, which counts as any other: it is claimed now, or
    /// ended where there is no room for it. The claim's version; or where the room lives, if that is elsewhere.
    async fn claim_here(
        &self,
        home: &Home,
        internal: &Option<InternalId>,
    ) -> Result<Result<Version, Home>, Refusal> {
        let meetings = &self.world.actors.meetings;
        let wish = Wish { only: Some(home.instance.id.clone()), ..self.wish().await? };
        let claimed = self.world.heard(|| meetings.claim(wish.clone())).await;
        if let Err(RouteError::PoolFull) = claimed {
            let copy = Copy {
                key: self.meeting.key(),
                meeting: self.meeting.clone(),
                tenant: self.tenant.id.clone(),
                internal: internal.clone(),
                home: home.instance.id.clone(),
                living: None,
            };
            let within = self.world.config.deadlines.attempt;
            let _ = self.world.end_copy(&home.instance, &copy, within).await;
        }
        let claimed = claimed?;
        let is_here = claimed.instance.id == home.instance.id;
        Ok(if is_here { Ok(claimed.version) } else { Err(claimed) })
    }

    /// Whether the meeting that the instance had already is not the one of the route, and another tenant's.
    async fn is_anothers(&self, home: &Home, envelope: &Envelope) -> bool {
        let sought = home.sought(&self.tenant.id, &self.meeting);
        let internal = envelope.internal_id.as_deref();
        if !envelope.is_duplicate() || internal.is_none() || sought.is_known_as(internal) {
            return false;
        }
        matches!(self.ask(home).await, Ok(Presence::Others))
    }
}

/// Whether this meeting was made after that one, as far as their instance says.
fn is_newer(this: &Option<InternalId>, that: &Option<InternalId>) -> bool {
    let created = |id: &Option<InternalId>| id.as_ref().and_then(InternalId::created);
    this.is_some() && (that.is_none() || created(this) > created(that))
}
