//! Where a meeting lives: what the meetings actor knows, else what the instances say.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

use super::World;
use super::ask::Presence;
use super::refusal::Refusal;
use crate::actors::meetings::{Home, RouteError, Settled, UserPool, Where};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::meeting::{InternalId, MeetingId, RouteState};
use crate::domain::tenant::{Tenant, TenantId};

/// How long the instance that the predecessor's key names may take to say whether it has an unknown meeting.
const HINTED_WITHIN: Duration = Duration::from_secs(1);
/// How long all instances together may take after that. Some clients wait for 5 s.
const SEARCH_WITHIN: Duration = Duration::from_millis(2_500);
/// How long the others may take once one has said that it has the meeting.
const OTHERS_WITHIN: Duration = Duration::from_millis(500);

/// What came of asking the instances for a meeting that has no route.
enum Searched {
    Found(Box<Home>),
    /// All said that they do not have it.
    Nowhere,
    /// No one has it, and one of which it is not known gave no word.
    NotKnown,
}

impl Searched {
    fn found(self) -> Option<Home> {
        match self {
            Self::Found(home) => Some(*home),
            Self::Nowhere | Self::NotKnown => None,
        }
    }

    /// The home, or that there is no such meeting. Fails when that is not known.
    fn known(self) -> Result<Option<Home>, Refusal> {
        match self {
            Self::NotKnown => Err(Refusal::Internal("ask a server for the meeting")),
            known => Ok(known.found()),
        }
    }
}

impl World {
    /// The home of this tenant's meeting; `None` when there is no such meeting. Fails while that is not known.
    ///
    /// A meeting that nobody knows is asked for on the instance that the predecessor's key names, then on those that were
    /// not swept yet.
    pub async fn locate(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
    ) -> Result<Option<Home>, Refusal> {
        match self.find(&tenant.id, meeting).await? {
            Where::At(home) => self.known(tenant, meeting, home).await,
            // Boxed, since they are rare and their waits would make the futures of all calls large.
            Where::Seen(instance) => Box::pin(self.seen(tenant, meeting, instance)).await?.known(),
            Where::Unknown { open } => Box::pin(self.unknown(tenant, meeting, open)).await?.known(),
        }
    }

    /// The same for a create, which need not wait for an instance that gives no word: `None` also when it is not
    /// known whether such a meeting lives there.
    pub async fn locate_to_create(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
    ) -> Result<Option<Home>, Refusal> {
        match self.find(&tenant.id, meeting).await? {
            Where::At(home) => self.known(tenant, meeting, home).await,
            Where::Seen(instance) => Ok(self.seen(tenant, meeting, instance).await?.found()),
            Where::Unknown { open } => Ok(self.unknown(tenant, meeting, open).await?.found()),
        }
    }

    /// The home of this tenant's meeting that a call about it can be sent to; `None` when there is no such meeting.
    ///
    /// Fails with a refusal that says so while this is not known.
    pub async fn locate_answering(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
    ) -> Result<Option<Home>, Refusal> {
        match self.locate(tenant, meeting).await? {
            Some(home) => Ok(home.answering()?),
            None => Ok(None),
        }
    }

    /// The same for a user who joins, who is counted if the tenant has a user pool.
    pub async fn locate_to_join(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
    ) -> Result<Option<Home>, Refusal> {
        let pool = self.user_pool(tenant).await;
        let meetings = &self.actors.meetings;
        let join = || self.heard(|| meetings.join(tenant.id.clone(), meeting.clone(), pool));
        // Boxed, since they are rare and their waits would make the futures of all joins large.
        let searched = match join().await? {
            Where::At(home) => return self.known(tenant, meeting, home).await,
            Where::Seen(instance) => Box::pin(self.seen(tenant, meeting, instance)).await?,
            Where::Unknown { open } => Box::pin(self.unknown(tenant, meeting, open)).await?,
        };
        let home = match searched {
            // An instance that may have it does not answer.
            Searched::NotKnown => return Err(Refusal::Unavailable),
            known => known.found(),
        };
        if home.is_some() && tenant.user_pool.is_some() {
            Box::pin(join()).await?; // only now that it has a route can its users be counted
        }
        Ok(home)
    }

    /// What is known of where this tenant's meeting lives.
    pub(super) async fn find(
        &self,
        tenant: &TenantId,
        meeting: &MeetingId,
    ) -> Result<Where, RouteError> {
        let meetings = &self.actors.meetings;
        self.heard(|| meetings.find(tenant.clone(), meeting.clone())).await
    }

    /// The home that is known, if it needs no proof or has it.
    async fn known(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
        home: Home,
    ) -> Result<Option<Home>, Refusal> {
        match home.unproven {
            // Boxed, as it is rare.
            true => Box::pin(self.proven(tenant, meeting, home)).await,
            false => Ok(Some(home)),
        }
    }

    /// The home that only memory or an older state of the store names, once its instance says that it has this very meeting.
    /// Else the route goes, if the store has it so; where it does not answer, nothing is known.
    async fn proven(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
        home: Home,
    ) -> Result<Option<Home>, Refusal> {
        if home.state == RouteState::Claimed || home.released {
            return Ok(Some(home));
        }
        let asked = home.meeting.as_ref().unwrap_or(meeting);
        let said = self.sighted(&home.instance, &tenant.id, asked, HINTED_WITHIN).await;
        let (presence, internal) = said.map_err(|error| {
            self.unreached(&tenant.id, &home.instance, "getMeetingInfo", &error)
        })?;
        let is_known = home.internal.is_none() || internal.is_none() || internal == home.internal;
        if presence == Presence::Ours && is_known {
            return Ok(Some(home));
        }
        if let Some(other) = self.not_there(&tenant.id, &home).await? {
            return Ok(Some(other));
        }
        match self.find(&tenant.id, meeting).await? {
            // Something that was read before it went.
            Where::At(same) if same.instance.id == home.instance.id => Err(Refusal::Silent),
            Where::At(other) => Ok(Some(other)),
            Where::Seen(instance) => self.seen(tenant, meeting, instance).await?.known(),
            Where::Unknown { open } => self.unknown(tenant, meeting, open).await?.known(),
        }
    }

    /// What the meetings actor answers, once it knows the instances that its routes name: where it has not heard of
    /// one, the pool is read, and it is asked again.
    pub(super) async fn heard<T, Asked>(&self, ask: impl Fn() -> Asked) -> Result<T, RouteError>
    where
        Asked: Future<Output = Result<T, RouteError>>,
    {
        let answer = ask().await;
        if !matches!(answer, Err(RouteError::Unheard)) {
            return answer;
        }
        // Boxed, since it is rare and its waits would make the futures of all calls large.
        if let Err(error) = Box::pin(self.actors.registry.read()).await {
            debug!(%error, "the pool could not be read again for an instance that is not known here");
        }
        ask().await
    }

    /// The home of a meeting that a sweep saw and whose route is being written. It may have ended since the list was made,
    /// which is older where another replica shared it: so its instance is asked first.
    async fn seen(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
        instance: InstanceId,
    ) -> Result<Searched, Refusal> {
        let roster = self.actors.registry.roster().await?;
        if let Some(member) = roster.get(&instance) {
            let said = self.sighted(&member.instance, &tenant.id, meeting, HINTED_WITHIN).await;
            match said {
                Ok((Presence::Ours, internal)) => {
                    let home = self.adopt(&tenant.id, meeting, &member.instance, internal).await?;
                    return Ok(Searched::Found(Box::new(home)));
                }
                Ok((Presence::None | Presence::Others, _)) => {}
                Err(_) => return Ok(Searched::NotKnown),
            }
        }
        self.search(tenant, meeting, None).await
    }

    /// How many users the tenant may have, and how many the database counted. Others are spared the asking.
    async fn user_pool(&self, tenant: &Tenant) -> Option<UserPool> {
        let most = tenant.user_pool?;
        let reading = self.actors.metrics.current().await.unwrap_or_default();
        let usage = reading.loads.tenants.get(&tenant.id);
        Some(UserPool { most, measured: usage.map_or(0, |usage| usage.participants) })
    }

    async fn unknown(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
        open: Option<Vec<InstanceId>>,
    ) -> Result<Searched, Refusal> {
        match self.hinted(tenant, meeting).await? {
            None if open.as_ref().is_some_and(Vec::is_empty) => Ok(Searched::Nowhere),
            None => self.search(tenant, meeting, open).await,
            Some(home) => Ok(Searched::Found(Box::new(home))),
        }
    }

    /// The predecessor's key is read as a hint and verified with the instance it names.
    async fn hinted(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
    ) -> Result<Option<Home>, Refusal> {
        if !self.store.shared() {
            return Ok(None);
        }
        let Ok(Some(id)) = self.store.hint(meeting).await else { return Ok(None) };
        let roster = self.actors.registry.roster().await?;
        let Some(member) = roster.get(&id).filter(|m| !m.releases_meetings()) else {
            return Ok(None);
        };
        match self.sighted(&member.instance, &tenant.id, meeting, HINTED_WITHIN).await {
            Ok((Presence::Ours, internal)) => {
                self.adopt(&tenant.id, meeting, &member.instance, internal).await.map(Some)
            }
            Ok((Presence::None, _)) => {
                self.store.forget_hint(meeting, &id).await;
                Ok(None)
            }
            Ok((Presence::Others, _)) | Err(_) => Ok(None),
        }
    }

    /// Asks the instances of which it is not known what they have, all at once. Of several that have the meeting that one
    /// is its home which made it last: the others are what was given up for it.
    async fn search(
        &self,
        tenant: &Arc<Tenant>,
        meeting: &MeetingId,
        open: Option<Vec<InstanceId>>,
    ) -> Result<Searched, Refusal> {
        let roster = self.actors.registry.roster().await?;
        if !roster.loaded {
            return Err(Refusal::Internal("load its state"));
        }
        let is_open = |id: &InstanceId| open.as_ref().is_none_or(|open| open.contains(id));
        let members = || roster.servers().filter(|member| is_open(&member.instance.id));
        let asked = members().filter(|member| !member.releases_meetings());
        let mut answers: FuturesUnordered<_> = asked
            .map(|member| async {
                let instance = &member.instance;
                (instance, self.sighted(instance, &tenant.id, meeting, SEARCH_WITHIN).await)
            })
            .collect();
        let mut silent = members().any(|m| m.releases_meetings() && !m.lost_meetings());
        let (mut found, mut until) = (Vec::new(), None);
        while let Some((instance, presence)) = next_by(&mut answers, until).await {
            match presence {
                Ok((Presence::Ours, internal)) => {
                    until = until.or_else(|| Some(Instant::now() + OTHERS_WITHIN));
                    found.push((instance, internal));
                }
                Ok((Presence::Others | Presence::None, _)) => {}
                Err(error) => {
                    silent = true;
                    debug!(instance.id = %instance.id, %error, "no word about a meeting");
                }
            }
        }
        if let Some((instance, internal)) = found.into_iter().max_by_key(made_at) {
            info!(instance.id = %instance.id, tenant.name = %tenant.id, "a meeting without a route was found");
            let home = self.adopt(&tenant.id, meeting, instance, internal).await?;
            return Ok(Searched::Found(Box::new(home)));
        }
        Ok(if silent { Searched::NotKnown } else { Searched::Nowhere })
    }

    /// Makes a route for a meeting that an instance has.
    pub async fn adopt(
        &self,
        tenant: &TenantId,
        meeting: &MeetingId,
        instance: &Instance,
        internal: Option<InternalId>,
    ) -> Result<Home, Refusal> {
        let (meetings, instance) = (&self.actors.meetings, &instance.id);
        let adopt =
            || meetings.adopt(tenant.clone(), meeting.clone(), instance.clone(), internal.clone());
        Ok(self.heard(adopt).await?)
    }

    /// An instance said that it does not have the meeting of this route: the route goes, unless it
    /// was being claimed or has changed meanwhile; then its new home is the answer. Fails where nothing can be known.
    pub async fn not_there(&self, tenant: &TenantId, home: &Home) -> Result<Option<Home>, Refusal> {
        if home.state == RouteState::Claimed || self.is_still_listed(home).await {
            // Whether it lives elsewhere by now, only the store can say.
            return match home.unproven {
                true => Err(Refusal::Internal("reach its store")),
                false => Ok(None),
            };
        }
        let settled = self.actors.meetings.release(tenant.clone(), home.key, home.version).await?;
        match settled {
            Settled::Otherwise(other) if other.instance.id != home.instance.id => Ok(Some(other)),
            Settled::Yes | Settled::Otherwise(_) | Settled::Gone => Ok(None),
        }
    }
}

/// The next answer, if one comes until then.
async fn next_by<S: Stream + Unpin>(answers: &mut S, until: Option<Instant>) -> Option<S::Item> {
    match until {
        Some(until) => timeout_at(until, answers.next()).await.ok().flatten(),
        None => answers.next().await,
    }
}

/// When a meeting that was found was made, by its instance's clock.
fn made_at((_, internal): &(&Arc<Instance>, Option<InternalId>)) -> Option<u64> {
    internal.as_ref().and_then(InternalId::created)
}
