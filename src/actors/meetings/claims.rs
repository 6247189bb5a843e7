//! Giving meetings a home, and changing it: everything that goes through the store.

use std::time::Duration;

use ractor::RpcReplyPort;

use super::forecast::Met;
use super::queue::{Due, Pending, Then};
use super::table::Slot;
use super::{Home, MeetingsState, RouteError, Settled, Waiter, Wish};
use crate::actors::answer;
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, MeetingId, Route, RouteKey, RouteState, Version};
use crate::domain::placement::rank;
use crate::domain::tenant::TenantId;
use crate::outside::store::{
    Becomes, ChangeAsk, Changed, ClaimAsk, Claimed, Step, Stepped, StoreError,
};

/// A lasting trouble is said this often.
const SAY_EVERY: Duration = Duration::from_secs(60);

type HomePort = RpcReplyPort<Result<Home, RouteError>>;

/// Whose route of which meeting is changed, and what is known of the meeting.
pub(super) struct Of {
    pub(super) key: RouteKey,
    pub(super) meeting: Option<MeetingId>,
    pub(super) tenant: TenantId,
    pub(super) internal: Option<InternalId>,
}

/// What a route means to whoever wants to create its meeting.
enum Standing {
    /// It lives here.
    Home(Home),
    /// It lived on an instance that has let its meetings go: it is to be moved from there.
    Released,
    /// It ended: the next is a further meeting of its tenant.
    Ended,
}

impl MeetingsState {
    pub(super) fn claim(&mut self, wish: Wish, reply_to: HomePort) {
        if reply_to.is_closed() {
            return; // nobody waits any more, so nothing is promised
        }
        let key = wish.meeting.key();
        let tenant = wish.tenant.id.clone();
        if let Some(waiting) = self.claiming.get_mut(&(key, tenant.clone())) {
            return waiting.push(Waiter::Home(reply_to));
        }
        // A pool can be counted only by who knows all meetings.
        if !self.roster.loaded || wish.tenant.meeting_pool.is_some() && !self.has_loaded() {
            return answer(reply_to, Err(RouteError::NotLoaded));
        }
        // What the store has lost it can't tell better.
        let known = |slot: &&Slot| slot.lost_to.is_some() || self.trusts(slot);
        let slot = self.table.get(&key, &tenant).filter(known);
        if let Some(route) = slot.map(|slot| slot.route.clone()) {
            match self.standing(key, &tenant, &route) {
                Ok(Standing::Released) => return self.move_from(wish, route, false, reply_to),
                Ok(Standing::Home(home)) => return answer(reply_to, Ok(home)),
                Ok(Standing::Ended) => {}
                Err(error) => return answer(reply_to, Err(error)),
            }
        }
        if self.pool_is_full(&wish) {
            return answer(reply_to, Err(RouteError::PoolFull));
        }
        let candidates = match self.candidates(&wish) {
            Ok(candidates) => candidates,
            Err(none) => return answer(reply_to, Err(none)),
        };
        self.claiming.insert((key, tenant.clone()), vec![Waiter::Home(reply_to)]);
        self.send_claim(key, tenant, candidates, wish);
    }

    fn standing(
        &self,
        key: RouteKey,
        tenant: &TenantId,
        route: &Route,
    ) -> Result<Standing, RouteError> {
        if route.state == RouteState::Ending {
            return Ok(Standing::Ended);
        }
        let home = self.heard_home(key, tenant, route)?.filter(|home| !home.released);
        Ok(home.map_or(Standing::Released, Standing::Home))
    }

    fn send_claim(
        &mut self,
        key: RouteKey,
        tenant: TenantId,
        candidates: Vec<InstanceId>,
        wish: Wish,
    ) {
        self.table.place(key, &tenant, &candidates[0], self.clock.now());
        let version = self.draw(key, &tenant, None);
        let meeting = Some(wish.meeting.clone());
        self.expect_echo(key, version, &wish);
        let (of, most) = (tenant.clone(), wish.tenant.meeting_pool);
        let known = self.table.get(&key, &tenant).map(|slot| &slot.route);
        let ended = known.filter(|route| route.state == RouteState::Ending).map(|r| r.version);
        let ask = ClaimAsk { key, meeting, tenant: of, candidates, version, ended, most };
        let then = Then::Home { wish: Box::new(wish) };
        self.enqueue(Pending { key, tenant, step: Step::Claim(ask), then });
    }

    pub(super) fn move_on(&mut self, wish: Wish, from: Version, tomb: bool, reply_to: HomePort) {
        let key = wish.meeting.key();
        if let Some(waiting) = self.claiming.get_mut(&(key, wish.tenant.id.clone())) {
            return waiting.push(Waiter::Home(reply_to)); // somebody else moves it already
        }
        let slot = self.table.get(&key, &wish.tenant.id);
        match slot.map(|slot| slot.route.clone()) {
            Some(route) if route.version == from => self.move_from(wish, route, tomb, reply_to),
            _ => self.claim(wish, reply_to),
        }
    }

    /// Moves the meeting away from a route as it stands.
    fn move_from(&mut self, mut wish: Wish, route: Route, tomb: bool, reply_to: HomePort) {
        let (key, tenant) = (wish.meeting.key(), wish.tenant.id.clone());
        if self.home(key, &route).is_none_or(|home| home.released) {
            wish.except.insert(route.instance.clone());
        }
        if self.pool_is_full(&wish) {
            return answer(reply_to, Err(RouteError::PoolFull));
        }
        let candidates = match self.candidates(&wish) {
            Ok(candidates) => candidates,
            Err(none) => return answer(reply_to, Err(none)),
        };
        self.claiming.insert((key, tenant.clone()), vec![Waiter::Home(reply_to)]);
        self.send_move(key, tenant, candidates, route.version, tomb, wish);
    }

    fn send_move(
        &mut self,
        key: RouteKey,
        tenant: TenantId,
        candidates: Vec<InstanceId>,
        from: Version,
        tomb: bool,
        wish: Wish,
    ) {
        self.table.place(key, &tenant, &candidates[0], self.clock.now());
        let step = Step::Change(ChangeAsk {
            key,
            meeting: Some(wish.meeting.clone()),
            tenant: tenant.clone(),
            expect: Some(from),
            becomes: Becomes::Moved { candidates, tomb, most: wish.tenant.meeting_pool },
            internal: None,
            version: self.draw(key, &tenant, Some(from)),
            durable: true,
        });
        let then = Then::Home { wish: Box::new(wish) };
        self.enqueue(Pending { key, tenant, step, then });
    }

    pub(super) fn set(
        &mut self,
        tenant: TenantId,
        key: RouteKey,
        from: Version,
        (to, internal): (Option<RouteState>, Option<InternalId>),
        reply_to: RpcReplyPort<Result<Settled, RouteError>>,
    ) {
        let becomes = to.map_or(Becomes::Removed, Becomes::State);
        let then = Then::Settle { reply_to };
        let of = Of { internal, ..self.of(key, tenant) };
        self.change(of, Some(from), becomes, then);
    }

    pub(super) fn adopt(
        &mut self,
        tenant: TenantId,
        meeting: MeetingId,
        (instance, internal): (InstanceId, Option<InternalId>),
        reply_to: HomePort,
    ) {
        let becomes = Becomes::Adopted { instance };
        let then = Then::Adopted { reply_to };
        let of = Of { key: meeting.key(), meeting: Some(meeting), tenant, internal };
        self.change(of, None, becomes, then);
    }

    /// Sends a change. Only a confirm for which somebody waits must be on disk at once: a claim alone does not tell that the
    /// meeting lives, and its instance may not answer after a crash. All else the instances say again.
    pub(super) fn change(&mut self, of: Of, expect: Option<Version>, becomes: Becomes, then: Then) {
        let version = self.draw(of.key, &of.tenant, expect);
        self.change_to(of, (expect, version), becomes, then);
    }

    /// The same to a state of this version.
    pub(super) fn change_to(
        &mut self,
        Of { key, meeting, tenant, internal }: Of,
        (expect, version): (Option<Version>, Version),
        becomes: Becomes,
        then: Then,
    ) {
        let confirms = becomes == Becomes::State(RouteState::Confirmed);
        let durable = confirms && matches!(then, Then::Settle { .. });
        let of = tenant.clone();
        let ask =
            ChangeAsk { key, meeting, tenant: of, expect, becomes, internal, version, durable };
        self.enqueue(Pending { key, tenant, step: Step::Change(ask), then });
    }

    /// This route, with what it knows of its meeting.
    pub(super) fn of(&self, key: RouteKey, tenant: TenantId) -> Of {
        let route = self.table.get(&key, &tenant).map(|slot| &slot.route);
        let meeting = route.and_then(|route| route.meeting.clone());
        let internal = route.and_then(|route| route.internal.clone());
        Of { key, meeting, tenant, internal }
    }

    fn enqueue(&mut self, pending: Pending) {
        if let Err(refused) = self.queue.push(pending) {
            let Pending { key, tenant, then, .. } = *refused;
            let full = StoreError::Away("too many steps are waiting".into());
            self.step_ended(Due { key, tenant, then }, Err(full));
        }
        self.queue.pump(&self.store, &self.myself, self.clock.now());
    }

    pub(super) fn stepped(&mut self, result: Result<Vec<Stepped>, StoreError>) {
        self.look_at_store();
        match &result {
            Ok(_) => self.lease.met(),
            Err(error) => tracing::warn!(%error, "a batch of route changes was not stored"),
        }
        for (due, result) in self.queue.back(result) {
            self.step_ended(due, result);
        }
        self.queue.pump(&self.store, &self.myself, self.clock.now());
    }

    fn step_ended(&mut self, due: Due, result: Result<Stepped, StoreError>) {
        let Due { key, tenant, then } = due;
        if matches!(then, Then::Again) && self.makes_way(key, &tenant, &result) {
            return;
        }
        if let Ok(stepped) = &result {
            if let Some(lives) = self.outlives(key, &tenant, stepped) {
                return self.keep_instead(key, tenant, lives, stepped, then);
            }
            self.remember(key, &tenant, stepped);
        }
        match then {
            Then::Home { wish } => self.home_stored(key, tenant, *wish, result),
            Then::Settle { reply_to } => answer(reply_to, self.settled(key, &tenant, result)),
            Then::Adopted { reply_to } => answer(reply_to, self.adopted(key, &tenant, result)),
            Then::Again | Then::Quiet => {}
        }
    }

    /// Whether the store could not learn a route again as two tenants' older states are in each other's way: what it has
    /// instead goes first.
    fn makes_way(
        &mut self,
        key: RouteKey,
        tenant: &TenantId,
        result: &Result<Stepped, StoreError>,
    ) -> bool {
        let Some(slot) = self.table.get(&key, tenant) else { return false };
        match (result, slot.lost_to) {
            (Ok(Stepped::Changed(Changed::Taken)), Some(Some(older))) => {
                let of = self.of(key, tenant.clone());
                self.change_to(of, (Some(older), older), Becomes::Removed, Then::Again);
                true
            }
            (Ok(Stepped::Changed(Changed::Done(None))), Some(_)) => {
                self.table.note_lost(&key, tenant, None);
                self.write_again();
                true
            }
            _ => false,
        }
    }

    /// The meeting that lives as far as we know, where a claim succeeded only since the store has lost its route.
    fn outlives(&self, key: RouteKey, tenant: &TenantId, stepped: &Stepped) -> Option<Route> {
        let Stepped::Claimed(Claimed::New(_)) = stepped else { return None };
        let slot = self.table.get(&key, tenant).filter(|_| self.doubt.stands(self.clock.now()))?;
        slot.may_stand().then(|| slot.route.clone())
    }

    /// Whether the store has lost the route, which stands all the same.
    fn is_lost(&self, key: RouteKey, tenant: &TenantId) -> bool {
        self.table.get(&key, tenant).is_some_and(|slot| slot.lost_to.is_some())
    }

    /// The store can't learn a route again, as it came back with another tenant's on the same instance, of which nothing
    /// may be left: what it has instead goes, and the route stands without it for now.
    fn stands_without(&mut self, key: RouteKey, tenant: TenantId) {
        let Some(slot) = self.table.get(&key, &tenant) else { return };
        let (instead, route) = (slot.lost_to.flatten(), slot.route.clone());
        if instead.is_some() {
            self.change(self.of(key, tenant.clone()), instead, Becomes::Removed, Then::Quiet);
        }
        let home = self.home(key, &route).ok_or(RouteError::NoInstance);
        self.tell_waiting(key, tenant, home);
    }

    /// A meeting that lives takes its route back from a claim; whoever waits for that hears of it.
    fn keep_instead(
        &mut self,
        key: RouteKey,
        tenant: TenantId,
        lives: Route,
        claimed: &Stepped,
        then: Then,
    ) {
        let Stepped::Claimed(Claimed::New(Route { version, .. })) = claimed else { return };
        self.table.note_lost(&key, &tenant, Some(*version));
        drop(self.table.take_lost()); // it is written again here
        let becomes = Becomes::Adopted { instance: lives.instance };
        let of = Of { key, meeting: lives.meeting, tenant, internal: lives.internal };
        self.change(of, Some(*version), becomes, then);
    }

    /// Takes over what the store now says of this route.
    fn remember(&mut self, key: RouteKey, tenant: &TenantId, stepped: &Stepped) {
        self.sighted.settled(&key, tenant);
        let (route, is_stored) = match stepped {
            Stepped::Claimed(Claimed::Existing(route)) => (Some(route), true),
            Stepped::Claimed(Claimed::New(route)) => (Some(route), false),
            Stepped::Changed(Changed::Lost(route)) => (route.as_ref(), true),
            Stepped::Changed(Changed::Done(route)) => (route.as_ref(), false),
            Stepped::Claimed(Claimed::Taken | Claimed::Full)
            | Stepped::Changed(Changed::Taken | Changed::Full) => return,
        };
        let (now, sent_at) = (self.clock.now(), self.queue.sent_at());
        if self.table.overtook(&key, tenant, route, sent_at) {
            return self.table.mark_stale(&key);
        }
        if let Some(route) = route {
            self.names.put(key, tenant, route);
        }
        let met = match is_stored {
            true => self.table.put_stored(key, tenant, route.cloned(), now),
            false => self.table.put(key, tenant, route.cloned(), now),
        };
        // Others learn by themselves that the room has met; whoever did the step writes it down.
        if let (Some(Met { room, gone }), Stepped::Changed(Changed::Done(_))) = (met, stepped) {
            self.keeping.owe(gone.into_iter().chain([room]));
        }
        self.table.recheck(&key, sent_at);
        if self.is_late(sent_at) {
            self.table.mark_stale(&key);
        }
        self.write_again();
    }

    /// A claim or a move ended: tell everyone who waits, or go on where the store knew more than we.
    fn home_stored(
        &mut self,
        key: RouteKey,
        tenant: TenantId,
        wish: Wish,
        result: Result<Stepped, StoreError>,
    ) {
        let outcome = match result {
            Err(error) => Err(error.into()),
            Ok(Stepped::Claimed(Claimed::Full) | Stepped::Changed(Changed::Full)) => {
                Err(RouteError::PoolFull)
            }
            Ok(Stepped::Changed(Changed::Taken)) if self.is_lost(key, &tenant) => {
                return self.stands_without(key, tenant);
            }
            Ok(Stepped::Claimed(Claimed::Taken) | Stepped::Changed(Changed::Taken)) => {
                Err(RouteError::Taken)
            }
            Ok(Stepped::Claimed(Claimed::New(_))) if self.waits_for_echo(key, &tenant) => return,
            Ok(Stepped::Claimed(Claimed::New(route)))
            | Ok(Stepped::Changed(Changed::Done(Some(route)))) => {
                self.home(key, &route).ok_or(RouteError::NoInstance)
            }
            Ok(Stepped::Claimed(Claimed::Existing(route)))
            | Ok(Stepped::Changed(Changed::Lost(Some(route)))) => {
                let known = self.known_route(key, &tenant, route.clone());
                return self.found_existing(key, tenant, wish, (route.version, known));
            }
            Ok(Stepped::Changed(Changed::Lost(None) | Changed::Done(None))) => {
                return self.claim_again(key, tenant, wish);
            }
        };
        self.tell_waiting(key, tenant, outcome);
    }

    /// The route as it is known here: what the store says, unless that is an older state with which it came back.
    fn known_route(&self, key: RouteKey, tenant: &TenantId, stored: Route) -> Route {
        self.table.get(&key, tenant).map_or(stored, |slot| slot.route.clone())
    }

    /// The store knew a route already: it is the home, unless its instance lets its meetings go.
    fn found_existing(
        &mut self,
        key: RouteKey,
        tenant: TenantId,
        mut wish: Wish,
        (stored, route): (Version, Route),
    ) {
        match self.standing(key, &tenant, &route) {
            Ok(Standing::Home(home)) => return self.tell_waiting(key, tenant, Ok(home)),
            // Nothing can follow on it before the store has learnt it again.
            Ok(Standing::Ended | Standing::Released) if stored != route.version => {
                let behind = StoreError::Away("it came back with an older state".into());
                return self.tell_waiting(key, tenant, Err(behind.into()));
            }
            Ok(Standing::Ended) => return self.claim_again(key, tenant, wish),
            Ok(Standing::Released) => {}
            Err(error) => return self.tell_waiting(key, tenant, Err(error)),
        }
        wish.except.insert(route.instance);
        match self.candidates(&wish) {
            Err(none) => self.tell_waiting(key, tenant, Err(none)),
            Ok(candidates) => self.send_move(key, tenant, candidates, route.version, false, wish),
        }
    }

    fn claim_again(&mut self, key: RouteKey, tenant: TenantId, wish: Wish) {
        if self.pool_is_full(&wish) {
            return self.tell_waiting(key, tenant, Err(RouteError::PoolFull));
        }
        match self.candidates(&wish) {
            Err(none) => self.tell_waiting(key, tenant, Err(none)),
            Ok(candidates) => self.send_claim(key, tenant, candidates, wish),
        }
    }

    pub(super) fn tell_waiting(
        &mut self,
        key: RouteKey,
        tenant: TenantId,
        outcome: Result<Home, RouteError>,
    ) {
        self.table.take_back(key, &tenant, self.clock.now());
        let id = (key, tenant);
        self.unheard.remove(&id);
        for waiter in self.claiming.remove(&id).unwrap_or_default() {
            match (waiter, &outcome) {
                (Waiter::Home(reply_to), outcome) => answer(reply_to, outcome.clone()),
                (Waiter::Find(asker), Err(RouteError::Store(error))) => {
                    answer(asker.reply_to, Err(RouteError::Store(error.clone())));
                }
                (Waiter::Find(asker), _) => self.find(asker),
            }
        }
    }

    fn settled(
        &self,
        key: RouteKey,
        tenant: &TenantId,
        result: Result<Stepped, StoreError>,
    ) -> Result<Settled, RouteError> {
        match result? {
            Stepped::Changed(Changed::Done(_)) => Ok(Settled::Yes),
            Stepped::Changed(Changed::Lost(Some(route))) => {
                let home = self.heard_home(key, tenant, &self.known_route(key, tenant, route))?;
                Ok(home.map_or(Settled::Gone, Settled::Otherwise))
            }
            _ => Ok(Settled::Gone),
        }
    }

    fn adopted(
        &self,
        key: RouteKey,
        tenant: &TenantId,
        result: Result<Stepped, StoreError>,
    ) -> Result<Home, RouteError> {
        match result? {
            Stepped::Changed(Changed::Done(Some(route)) | Changed::Lost(Some(route))) => {
                let route = self.known_route(key, tenant, route);
                self.heard_home(key, tenant, &route)?.ok_or(RouteError::NoInstance)
            }
            _ => Err(RouteError::Taken),
        }
    }

    /// The candidates for a meeting, best first; there is at least one.
    fn candidates(&mut self, wish: &Wish) -> Result<Vec<InstanceId>, RouteError> {
        let ranked = self.ranked(wish);
        if ranked.is_empty() {
            return Err(nobody(wish));
        }
        let reachable = self.reachable(wish, ranked);
        if reachable.is_empty() { Err(RouteError::Taken) } else { Ok(reachable) }
    }

    fn ranked(&mut self, wish: &Wish) -> Vec<InstanceId> {
        if let Some(only) = &wish.only {
            let member = self.roster.get(only).filter(|member| !member.releases_meetings());
            let may = member.is_some() && !wish.except.contains(only);
            return may.then(|| only.clone()).into_iter().collect();
        }
        let coming = self.table.coming(&wish.meeting.key(), &wish.tenant.id, self.clock.now());
        let Wish { tenant, loads, except, tags, .. } = wish;
        let ranking = rank(&self.question(tenant, loads, except, tags, &coming));
        if ranking.blind {
            self.say_blind();
        }
        self.stalls.order(ranking.order, self.clock.now())
    }

    /// A placement goes by no measurements: counted each time, said now and then.
    fn say_blind(&mut self) {
        metrics::counter!("bigblueswarm_meetings_blind_placements_total").increment(1);
        let now = self.clock.now();
        if self.said_blind.is_none_or(|last| now.since(last) >= SAY_EVERY) {
            self.said_blind = Some(now);
            tracing::warn!(
                "no instance has measurements: the one with the least meetings is taken"
            );
        }
    }
}

/// Why a wish has no candidate.
fn nobody(wish: &Wish) -> RouteError {
    match wish.only.is_none() && wish.tags.is_required() {
        true => RouteError::NoTag,
        false => RouteError::NoInstance,
    }
}
