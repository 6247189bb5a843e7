//! What the meetings actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;
use tokio::time::Instant;

use super::keeping::Recalled;
use crate::actors::seat::{AskError, Seat};
use crate::config::Config;
use crate::determinism::{HashMap, HashSet};
use crate::domain::forecast::RoomKey;
use crate::domain::instance::{Instance, InstanceId, Roster, Twin};
use crate::domain::load::LoadSnapshot;
use crate::domain::meeting::{
    InternalId, MeetingId, Route, RouteKey, RouteRecord, RouteState, Version,
};
use crate::domain::moment::Moment;
use crate::domain::naming::Lookup;
use crate::domain::placement::Verdict;
use crate::domain::tag::TagWish;
use crate::domain::tenant::{Tenant, TenantId};
use crate::outside::store::{Became, Stepped, StoreError};

/// Finding answers from memory, or after one read of the store.
const FIND_WITHIN: Duration = Duration::from_millis(950);
/// A claim waits for the store; a client is refused within 1 s when that is away.
const STEP_WITHIN: Duration = Duration::from_millis(950);
const REPORT_WITHIN: Duration = Duration::from_secs(5);

/// What the meetings actor can be told and asked.
pub enum MeetingsMessage {
    /// Where does this meeting live? Asked by every call that names one. Waits for a claim of it
    /// that is being stored; reads a shared store before it says unknown. With `joins`, the most users
    /// that the tenant may have, the asker lets one join: counted, or refused when they are so many.
    Find {
        tenant: TenantId,
        meeting: MeetingId,
        joins: Option<UserPool>,
        reply_to: RpcReplyPort<Result<Where, RouteError>>,
    },
    /// Give this meeting a home. Asked by [`crate::flows::create`]. Answers after the claim is stored;
    /// claims of one meeting that come together get one home.
    Claim { wish: Wish, reply_to: RpcReplyPort<Result<Home, RouteError>> },
    /// Give up the home of this version and take another. Asked by [`crate::flows::create`].
    /// When the route has changed meanwhile, its new home is the answer.
    Move { wish: Wish, from: Version, tomb: bool, reply_to: RpcReplyPort<Result<Home, RouteError>> },
    /// Change the state of the route of this version. Asked by flows. `None` removes it. Answers
    /// whether it was still that version, with the route's home as it is now.
    Set {
        tenant: TenantId,
        key: RouteKey,
        from: Version,
        to: Option<RouteState>,
        /// What the instance calls the meeting, if it has just said so.
        internal: Option<InternalId>,
        reply_to: RpcReplyPort<Result<Settled, RouteError>>,
    },
    /// A meeting was found on an instance where we knew of none. Asked by [`crate::flows::locate`].
    Adopt {
        tenant: TenantId,
        meeting: MeetingId,
        instance: InstanceId,
        /// What the instance calls it, if it said so.
        internal: Option<InternalId>,
        reply_to: RpcReplyPort<Result<Home, RouteError>>,
    },
    /// All meetings of one instance, as one sweep saw them. Asked by [`crate::flows::health`].
    /// Answers the copies that are to be ended.
    /// With them, what is to be asked to learn how the instance looks meetings up, if that is due.
    Swept { sweep: Sweep, reply_to: RpcReplyPort<ToDo> },
    /// Why would each instance be taken or not? Asked by the admin surface.
    Explain {
        tenant: Arc<Tenant>,
        loads: Arc<LoadSnapshot>,
        tags: TagWish,
        reply_to: RpcReplyPort<Vec<Verdict>>,
    },
    /// Which meetings of these tenants live on these instances, as far as their routes say? Asked by
    /// [`crate::flows::meetings`] and [`crate::flows::sessions`] about instances that do not answer.
    Routes {
        instances: Vec<InstanceId>,
        tenants: Vec<TenantId>,
        reply_to: RpcReplyPort<Result<Vec<LivingRoute>, RouteError>>,
    },
    /// Which copies of meetings live elsewhere than their route says? Asked by [`crate::flows::meetings`] and
    /// [`crate::flows::known`].
    Strays { reply_to: RpcReplyPort<Arc<HashSet<Stray>>> },
    /// How many meetings live where, and what is known. Asked by the admin surface and readiness.
    Count { reply_to: RpcReplyPort<Counts> },
    /// So this instance looks meetings up. Told by [`crate::flows::naming`].
    Looks { instance: InstanceId, lookup: Lookup },
    /// Whose is the meeting that this instance calls so? Asked by [`crate::flows::hooks`].
    Owner { instance: InstanceId, internal: InternalId, reply_to: RpcReplyPort<Option<TenantId>> },
    /// A create of this tenant was not answered by this instance, and then taken by another. Told by create.
    Stalled { instance: InstanceId, tenant: TenantId },
    /// The pool changed. Told by the registry.
    Roster(Arc<Roster>),
    /// Another replica changed this record: read it again when it is next needed. Told by the store's follower.
    Changed(RouteKey),
    /// Another replica changed a route, and says to what. Told by the store's follower.
    Became { key: RouteKey, became: Box<Became> },
    /// A user joined a meeting through another replica. Told by the store's follower.
    Joined { key: RouteKey, tenant: TenantId },
    /// A claim made here was told to all, or it is not waited for any longer. Told by the store's follower and by
    /// the actor's own timer.
    Echo { key: RouteKey, tenant: TenantId, version: Version },
    /// What we sent to all at this moment came back, after all that was told before. Told by the store's follower.
    Heard(Instant),
    /// The store does not answer, and will have been asked again at this moment. Told by the store's follower.
    Away(Instant),
    /// Something may have been missed: read everything again, and until then what is needed. Told by the store's follower.
    Missed,
    /// Read everything again. Told by the actor itself.
    Reload,
    /// All records were read, well or not. Told by the actor's own task.
    Loaded(Result<Vec<(RouteKey, RouteRecord)>, StoreError>),
    /// Records were read again, well or not. Told by the actor's own task.
    Fetched { sent_at: Moment, keys: Vec<RouteKey>, result: Result<Vec<RouteRecord>, StoreError> },
    /// A batch of steps ended, well or not. Told by the actor's own task.
    Stepped(Result<Vec<Stepped>, StoreError>),
    /// Read again what is stored of rooms. Told by the actor itself.
    Recall,
    /// What is stored of rooms was read, well or not. Told by the actor's own task.
    Recalled(Result<Recalled, StoreError>),
    /// Write what rooms did since it was written last. Told by the actor's own timer.
    Keep,
    /// Remove the routes to instances that have left the pool. Told by the actor's own timer.
    Clear,
    /// A write of what these rooms did ended, well or not. Told by the actor's own task.
    Kept { rooms: Vec<RoomKey>, result: Result<(), StoreError> },
    /// The configuration changed. Told by the settings actor.
    Configure(Arc<Config>),
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// A meeting that needs a home, and what its placement looks at.
#[derive(Clone, Debug)]
pub struct Wish {
    pub tenant: Arc<Tenant>,
    pub meeting: MeetingId,
    pub loads: Arc<LoadSnapshot>,
    /// The instances that the create asks for.
    pub tags: TagWish,
    /// The only instance to be taken, for a breakout room: its parent's.
    pub only: Option<InstanceId>,
    /// Instances not to be taken, such as one that just failed.
    pub except: HashSet<InstanceId>,
}

/// Where a meeting lives.
#[derive(Clone, Debug)]
pub struct Home {
    /// Under which the route is kept. Not always that of the text that was asked for: an internal id finds it too.
    pub key: RouteKey,
    pub instance: Arc<Instance>,
    /// The id that the meeting was created with, if its text is known.
    pub meeting: Option<MeetingId>,
    /// What the instance calls the meeting, if that is known.
    pub internal: Option<InternalId>,
    /// How the instance looks meetings up.
    pub lookup: Lookup,
    /// Another meeting there has an internal id that begins as the names of this one.
    pub shadowed: bool,
    pub version: Version,
    pub state: RouteState,
    /// The instance is dead or disabled: the meeting may be created elsewhere.
    pub released: bool,
    /// The instance is disabled, or dead for so long that the meeting counts as gone. Until then it is not known.
    pub lost: bool,
    /// The instance takes new meetings.
    pub accepts: bool,
    /// Whether the instance answers is in doubt.
    pub suspect: bool,
    /// It is only claimed here, and may still live where it was before.
    pub unsettled: bool,
    /// What says so may be behind: memory while the store does not answer, or a store that came back with an older state.
    /// It counts once the instance says that it has this very meeting.
    pub unproven: bool,
}

impl Home {
    /// The home, if a call can be sent there; `None` when the meeting is gone with its instance.
    ///
    /// Fails with [`Silent`] while the instance is dead since a moment ago, or the meeting is on its way from such a one:
    /// whether it lives is not known.
    pub fn answering(self) -> Result<Option<Self>, Silent> {
        match (self.lost, self.released) {
            _ if self.unsettled => Err(Silent),
            (true, _) => Ok(None),
            (false, true) => Err(Silent),
            (false, false) => Ok(Some(self)),
        }
    }
}

/// The meeting's instance does not answer just now; what it has is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the meeting's instance does not answer")]
pub struct Silent;

/// A meeting that lives on an instance as far as its route says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LivingRoute {
    pub key: RouteKey,
    pub tenant: TenantId,
    pub instance: InstanceId,
    /// What the instance calls it, if that is known.
    pub internal: Option<InternalId>,
    /// Its create was acknowledged, or it was seen there.
    pub confirmed: bool,
}

/// The answer to [`MeetingsMessage::Find`].
#[derive(Clone, Debug)]
pub enum Where {
    At(Home),
    /// A sweep saw it on this instance, and its route is not written yet: adopt it.
    Seen(InstanceId),
    /// No route. It may live on these instances, of which it is not known what they have: ask them. On any while routes
    /// or the pool were not read.
    Unknown {
        open: Option<Vec<InstanceId>>,
    },
}

/// The answer to [`MeetingsMessage::Set`].
#[derive(Clone, Debug)]
pub enum Settled {
    /// Done.
    Yes,
    /// The route had changed; this is what it became.
    Otherwise(Home),
    /// The route was gone.
    Gone,
}

/// Why a meeting has no home.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RouteError {
    #[error("no instance can take the meeting")]
    NoInstance,
    #[error("no instance with the required tag can take the meeting")]
    NoTag,
    /// Every candidate holds another tenant's meeting of this id.
    #[error("another meeting has this id")]
    Taken,
    #[error("the tenant's meeting pool is full")]
    PoolFull,
    #[error("the tenant's user pool is full")]
    UsersFull,
    #[error("the pool or the routes are not loaded yet")]
    NotLoaded,
    /// The route names an instance that may have been added since the pool was read: it is to be read once more.
    #[error("the meeting's instance is not known here")]
    Unheard,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// What one sweep of an instance saw.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub instance: InstanceId,
    /// When the request was sent: what was confirmed later can't be missing.
    pub asked_at: Moment,
    /// Another replica asked, and does what follows from it.
    pub shared: bool,
    pub seen: Vec<Seen>,
}

/// One meeting as its instance lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// As the instance prints it, which may be with its blanks folded.
    pub meeting: MeetingId,
    /// What the instance calls it; none when it says nothing of the kind.
    pub internal: Option<InternalId>,
    /// Whose it is, by our tag; none when it was made without us.
    pub tenant: Option<TenantId>,
    pub participants: u64,
    pub webcams: u64,
    /// When it was created, in milliseconds since 1970 by its instance's clock.
    pub created: Option<u64>,
    /// It was ended by force and only lingers.
    pub ended: bool,
}

/// What a sweep leaves to be done at the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToDo {
    /// Copies to be ended.
    pub end: Vec<Copy>,
    /// Whether another instance of the pool is the same server, where the list shows it.
    pub twin: Option<Twin>,
    /// A meeting that lives there: whether it is found by its internal id shows how the instance looks meetings up.
    pub look_up: Option<InternalId>,
}

/// A copy of a meeting that lives elsewhere; its instance shall end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub key: RouteKey,
    pub meeting: MeetingId,
    pub tenant: TenantId,
    /// What its instance calls it: the copy itself, and no other meeting.
    pub internal: Option<InternalId>,
    /// Where the meeting lives, and what it is called there.
    pub home: InstanceId,
    pub living: Option<InternalId>,
}

impl Copy {
    /// Whether this is another meeting than the living one, and the route says that that one is its home's.
    pub fn is_one_still(&self, route: Option<&Route>) -> bool {
        let is_other = |living: &InternalId| self.internal.as_ref().is_some_and(|id| id != living);
        self.living.as_ref().is_some_and(is_other)
            && route.is_some_and(|route| {
                route.state == RouteState::Confirmed
                    && route.instance == self.home
                    && route.internal.as_ref().is_none_or(is_other)
            })
    }
}

/// A copy that is hidden from lists: the meeting lives elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stray {
    pub meeting: MeetingId,
    pub tenant: TenantId,
    /// Where the copy is.
    pub instance: InstanceId,
}

/// How much there is.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub by_instance: HashMap<InstanceId, Usage>,
    pub by_tenant: HashMap<TenantId, Usage>,
    /// Copies of meetings that live elsewhere, hidden from lists.
    pub strays: Arc<HashSet<Stray>>,
    /// Whether the routes were read from the store.
    pub loaded: bool,
}

/// Meetings and participants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub meetings: u64,
    /// Of the last sweep.
    pub participants: u64,
}

/// How many users a tenant may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserPool {
    pub most: u32,
    /// How many were measured: counts while an instance is neither swept nor dead, so that its users are unknown.
    pub measured: u64,
}

/// The meetings actor as its callers see it.
#[derive(Clone)]
pub struct MeetingsHandle(pub(crate) Seat<MeetingsMessage>);

impl MeetingsHandle {
    /// Where this tenant's meeting lives.
    pub async fn find(&self, tenant: TenantId, meeting: MeetingId) -> Result<Where, RouteError> {
        self.join(tenant, meeting, None).await
    }

    /// The same for a user who joins. If the tenant may have so many users only, one more is counted.
    pub async fn join(
        &self,
        tenant: TenantId,
        meeting: MeetingId,
        joins: Option<UserPool>,
    ) -> Result<Where, RouteError> {
        let question = |reply_to| MeetingsMessage::Find { tenant, meeting, joins, reply_to };
        self.0.ask(FIND_WITHIN, question).await?
    }

    /// A home for a new meeting, stored; or the one it has.
    pub async fn claim(&self, wish: Wish) -> Result<Home, RouteError> {
        let question = |reply_to| MeetingsMessage::Claim { wish, reply_to };
        self.0.ask(STEP_WITHIN, question).await?
    }

    /// Another home; with `tomb`, the one it leaves may hold a copy.
    pub async fn move_on(&self, wish: Wish, from: Version, tomb: bool) -> Result<Home, RouteError> {
        let question = |reply_to| MeetingsMessage::Move { wish, from, tomb, reply_to };
        self.0.ask(STEP_WITHIN, question).await?
    }

    /// Confirms a claim, or marks a meeting as ending.
    pub async fn set(
        &self,
        tenant: TenantId,
        key: impl Into<RouteKey>,
        from: Version,
        to: RouteState,
    ) -> Result<Settled, RouteError> {
        self.change(tenant, key.into(), from, Some(to), None).await
    }

    /// Confirms a meeting that the instance calls so.
    pub async fn confirm(
        &self,
        tenant: TenantId,
        key: impl Into<RouteKey>,
        from: Version,
        internal: Option<InternalId>,
    ) -> Result<Settled, RouteError> {
        self.change(tenant, key.into(), from, Some(RouteState::Confirmed), internal).await
    }

    /// Removes a route: its meeting is not there.
    pub async fn release(
        &self,
        tenant: TenantId,
        key: impl Into<RouteKey>,
        from: Version,
    ) -> Result<Settled, RouteError> {
        self.change(tenant, key.into(), from, None, None).await
    }

    async fn change(
        &self,
        tenant: TenantId,
        key: RouteKey,
        from: Version,
        to: Option<RouteState>,
        internal: Option<InternalId>,
    ) -> Result<Settled, RouteError> {
        let question =
            |reply_to| MeetingsMessage::Set { tenant, key, from, to, internal, reply_to };
        self.0.ask(STEP_WITHIN, question).await?
    }

    /// Makes a route for a meeting that was found on an instance; or answers the one it has.
    pub async fn adopt(
        &self,
        tenant: TenantId,
        meeting: MeetingId,
        instance: InstanceId,
        internal: Option<InternalId>,
    ) -> Result<Home, RouteError> {
        let question =
            |reply_to| MeetingsMessage::Adopt { tenant, meeting, instance, internal, reply_to };
        self.0.ask(STEP_WITHIN, question).await?
    }

    /// Reports a sweep; answers what is to be done at the instance.
    pub async fn swept(&self, sweep: Sweep) -> Result<ToDo, AskError> {
        self.0.ask(REPORT_WITHIN, |reply_to| MeetingsMessage::Swept { sweep, reply_to }).await
    }

    /// Why each instance would be taken or not, best first.
    pub async fn explain(
        &self,
        tenant: Arc<Tenant>,
        loads: Arc<LoadSnapshot>,
        tags: TagWish,
    ) -> Result<Vec<Verdict>, AskError> {
        let question = |reply_to| MeetingsMessage::Explain { tenant, loads, tags, reply_to };
        self.0.ask(REPORT_WITHIN, question).await
    }

    /// So this instance looks meetings up.
    pub(crate) fn looks(&self, instance: InstanceId, lookup: Lookup) {
        self.0.tell(MeetingsMessage::Looks { instance, lookup });
    }

    /// Whose the meeting is that this instance calls so, if its route says that; also of one that was just ended.
    pub async fn owner(
        &self,
        instance: InstanceId,
        internal: InternalId,
    ) -> Result<Option<TenantId>, AskError> {
        let question = |reply_to| MeetingsMessage::Owner { instance, internal, reply_to };
        self.0.ask(FIND_WITHIN, question).await
    }

    /// A create of this tenant was not answered there, and then taken by another instance.
    pub(crate) fn stalled(&self, instance: InstanceId, tenant: TenantId) {
        self.0.tell(MeetingsMessage::Stalled { instance, tenant });
    }

    /// Another replica changed this record.
    pub(crate) fn changed(&self, key: RouteKey) {
        self.0.tell(MeetingsMessage::Changed(key));
    }

    /// Another replica changed a route to this.
    pub(crate) fn became(&self, key: RouteKey, became: Box<Became>) {
        self.0.tell(MeetingsMessage::Became { key, became });
    }

    /// A user joined through another replica.
    pub(crate) fn joined(&self, key: RouteKey, tenant: TenantId) {
        self.0.tell(MeetingsMessage::Joined { key, tenant });
    }

    /// A claim made here was told to all.
    pub(crate) fn echo(&self, key: RouteKey, tenant: TenantId, version: Version) {
        self.0.tell(MeetingsMessage::Echo { key, tenant, version });
    }

    /// All that was told before this moment has been told here.
    pub(crate) fn heard(&self, sent: Instant) {
        self.0.tell(MeetingsMessage::Heard(sent));
    }

    /// The store does not answer, and will have been asked again at this moment.
    pub(crate) fn away(&self, until: Instant) {
        self.0.tell(MeetingsMessage::Away(until));
    }

    /// Changes of others may have been missed.
    pub(crate) fn missed(&self) {
        self.0.tell(MeetingsMessage::Missed);
    }

    /// The meetings of these tenants that live on these instances, as far as their routes say.
    /// Fails while the routes are not loaded.
    pub async fn routes(
        &self,
        instances: Vec<InstanceId>,
        tenants: Vec<TenantId>,
    ) -> Result<Vec<LivingRoute>, RouteError> {
        self.0
            .ask(FIND_WITHIN, |reply_to| MeetingsMessage::Routes { instances, tenants, reply_to })
            .await?
    }

    /// The copies of meetings that live elsewhere.
    pub async fn strays(&self) -> Result<Arc<HashSet<Stray>>, AskError> {
        self.0.ask(FIND_WITHIN, |reply_to| MeetingsMessage::Strays { reply_to }).await
    }

    /// How many meetings live where.
    pub async fn count(&self) -> Result<Counts, AskError> {
        self.0.ask(REPORT_WITHIN, |reply_to| MeetingsMessage::Count { reply_to }).await
    }
}
