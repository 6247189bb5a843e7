//! What the store keeps, and as it was before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::bbb::callback::KEY_BYTES;
use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::meeting::{RouteKey, RouteRecord, RouteState};
use bigblueswarm::domain::tenant::{TenantDocument, TenantId};
use bigblueswarm::outside::store::mark::Mark;
use bigblueswarm::outside::store::peers::{Chore, Shared, StoreTime, Turn};
use bigblueswarm::outside::store::{
    Became, Becomes, Changed, ClaimAsk, Claimed, InstanceRecord, Shelf, Shelved, Step, Stepped,
    Told,
};

use super::Hub;
use super::ear::{Ear, Note};
use super::queue::Parcels;
use crate::engine::now;

pub(super) const INSTANCES: &str = "instances";
pub(super) const TENANTS: &str = "tenants";
/// Who changes things that is no replica.
const NOBODY: u64 = 0;
/// So long earlier states are remembered.
const REMEMBERED: Duration = Duration::from_secs(40);

/// What a snapshot holds.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) routes: BTreeMap<RouteKey, RouteRecord>,
    pub(super) pool: Vec<InstanceRecord>,
    pub(super) tenants: BTreeMap<String, TenantDocument>,
    shelves: BTreeMap<(String, String), Vec<u8>>,
    pub(super) epoch: String,
    /// How often instances, tenants and shelves were changed, by all and by each.
    revisions: BTreeMap<String, i64>,
    own: BTreeMap<(u64, String), i64>,
    bases: BTreeMap<String, String>,
    /// What is owed to tenants' servers, and the key that callback URLs are sealed with. Copies share them until they change.
    queue: Arc<Parcels>,
    callback_key: Option<[u8; KEY_BYTES]>,
    /// Where tenants with pools made claims.
    pools: BTreeMap<TenantId, BTreeSet<RouteKey>>,
}

impl Kept {
    pub(super) fn put(&mut self, document: TenantDocument) {
        self.tenants.insert(document.spec.host.clone(), document);
    }

    /// Whether a claim or a move is refused, as the tenant has as many meetings as it may beside this one: as `step.lua`
    /// counts, by the claims that it let pass, what was found, and what became of them.
    fn is_full(&mut self, step: &Step) -> bool {
        let Self { routes, pools, .. } = self;
        let present = |key: &RouteKey, tenant: &TenantId| routes.get(key)?.get(tenant);
        let (key, tenant, most) = match step {
            Step::Claim(ClaimAsk { key, tenant, most, .. }) => (key, tenant, most),
            Step::Change(ask) => {
                let fits = present(&ask.key, &ask.tenant).map(|route| route.version) == ask.expect;
                match &ask.becomes {
                    Becomes::Moved { most, .. } if fits => (&ask.key, &ask.tenant, most),
                    _ => return false,
                }
            }
        };
        let &Some(most) = most else { return false };
        let lives = |key: &RouteKey| {
            let route = routes.get(key).and_then(|record| record.get(tenant));
            route.is_some_and(|route| route.state != RouteState::Ending)
        };
        if matches!(step, Step::Claim(_)) && lives(key) {
            return false;
        }
        let pool = pools.entry(tenant.clone()).or_default();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let others = |pool: &BTreeSet<RouteKey>| pool.iter().filter(|other| *other != key).count();
        if others(pool) >= most {
            pool.retain(lives);
        }
        others(pool) >= most
    }

    /// What a step means for the tenant's pool, once it is done.
    fn pool(&mut self, step: &Step, tenant: &TenantId, stepped: &Stepped) {
        let pool = self.pools.entry(tenant.clone()).or_default();
        match (step, stepped) {
            (Step::Claim(ask), Stepped::Claimed(Claimed::New(_))) if ask.most.is_some() => {
                pool.insert(ask.key);
            }
            (Step::Change(ask), Stepped::Changed(Changed::Done(route))) => match ask.becomes {
                Becomes::Adopted { .. } | Becomes::Moved { .. } => {
                    pool.insert(ask.key);
                }
                Becomes::Removed if route.is_none() => drop(pool.remove(&ask.key)),
                _ => {}
            },
            _ => {}
        }
    }

    fn count(&mut self, by: u64, what: &str) {
        *self.revisions.entry(what.to_owned()).or_default() += 1;
        *self.own.entry((by, what.to_owned())).or_default() += 1;
    }

    /// How often others than this one have changed it.
    pub(super) fn by_others(&self, me: u64, what: &str) -> i64 {
        let all = self.revisions.get(what).copied().unwrap_or_default();
        all - self.own.get(&(me, what.to_owned())).copied().unwrap_or_default()
    }
}

/// From which state a change counts.
pub(super) struct Guard<'a> {
    pub(super) from: &'a Mark,
    pub(super) exactly: bool,
    pub(super) again: Option<&'a Mark>,
}

/// The store's memory.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) kept: Kept,
    pub(super) chores: Chores,
    /// Which state it is: counts restarts and failovers.
    pub(crate) incarnation: u64,
    /// How far the store's own replica is behind; zero without one.
    pub(crate) lag: Duration,
    pub(super) ears: Vec<Ear>,
    earlier: VecDeque<(Duration, Kept)>,
    senders: u64,
}

impl State {
    pub(super) fn next_sender(&mut self) -> u64 {
        self.senders += 1;
        self.senders
    }

    pub(super) fn tenants(&self) -> Vec<TenantDocument> {
        self.kept.tenants.values().cloned().collect()
    }

    pub(super) fn mark(&self, what: &str) -> Mark {
        let revision = self.kept.revisions.get(what).copied().unwrap_or_default();
        let base = self.kept.bases.get(what).cloned().unwrap_or_default();
        Mark { epoch: self.kept.epoch.clone(), revision, base }
    }

    pub(super) fn change<R>(
        &mut self,
        me: u64,
        what: &str,
        change: impl FnOnce(&mut Kept) -> R,
    ) -> R {
        let done = change(&mut self.kept);
        self.kept.count(me, what);
        self.counted();
        self.remember();
        done
    }

    /// As `guarded.lua` does it.
    pub(super) fn guarded(
        &mut self,
        me: u64,
        what: &str,
        guard: Guard<'_>,
        change: impl FnOnce(&mut Kept),
    ) -> Option<Mark> {
        let now = self.mark(what);
        let fits = now.epoch == guard.from.epoch && now.revision >= guard.from.revision;
        if !fits || guard.exactly && now.revision != guard.from.revision {
            return None;
        }
        change(&mut self.kept);
        self.kept.count(me, what);
        if let Some(again) = guard.again {
            self.kept.revisions.insert(what.to_owned(), again.revision);
            self.kept.bases.insert(what.to_owned(), again.epoch.clone());
        }
        self.counted();
        self.remember();
        Some(self.mark(what))
    }

    pub(super) fn queue<R>(&mut self, act: impl FnOnce(&mut Parcels) -> R) -> R {
        let done = act(Arc::make_mut(&mut self.kept.queue));
        self.remember();
        done
    }

    /// The key that is kept, or this one from now on.
    pub(super) fn callback_key(&mut self, propose: [u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
        let key = *self.kept.callback_key.get_or_insert(propose);
        self.remember();
        key
    }

    /// A tool writes the list of instances without this one.
    pub(crate) fn unlist(&mut self, id: &InstanceId) {
        self.change(NOBODY, INSTANCES, |kept| kept.pool.retain(|record| record.id != *id));
    }

    pub(super) fn step(
        &mut self,
        me: u64,
        hub: &Hub,
        step: &Step,
        take: fn(&mut RouteRecord, &Step) -> Stepped,
    ) -> Stepped {
        let key = step.key();
        let tenant = match step {
            Step::Claim(ask) => ask.tenant.clone(),
            Step::Change(ask) => ask.tenant.clone(),
        };
        let is_full = hub.counts_pools && self.kept.is_full(step);
        let record = self.kept.routes.entry(key).or_default();
        let was = record.get(&tenant).cloned();
        let stepped = match step {
            Step::Claim(_) if is_full => Stepped::Claimed(Claimed::Full),
            Step::Change(_) if is_full => Stepped::Changed(Changed::Full),
            _ => take(record, step),
        };
        let now = record.get(&tenant).cloned();
        if record.is_empty() {
            self.kept.routes.remove(&key);
        }
        if hub.counts_pools {
            self.kept.pool(step, &tenant, &stepped);
        }
        if was != now {
            self.tell(
                me,
                hub,
                key,
                &tenant,
                Became { tenant: tenant.clone(), was: was.map(|r| r.version), route: now },
            );
        }
        stepped
    }

    /// Tells the others what a route became, and its maker of a claim.
    fn tell(&mut self, me: u64, hub: &Hub, key: RouteKey, tenant: &TenantId, became: Became) {
        let claim = became.route.as_ref().filter(|route| route.state == RouteState::Claimed);
        let echo = claim.map(|route| Told::Echo(key, tenant.clone(), route.version));
        self.publish(me, hub, &Told::Became(key, Box::new(became)));
        for ear in self.ears.iter_mut().filter(|ear| ear.me == me) {
            echo.iter().for_each(|echo| ear.hear(hub, Note::Told(echo.clone())));
        }
    }

    /// Tells all others.
    pub(super) fn publish(&mut self, me: u64, hub: &Hub, told: &Told) {
        for ear in self.ears.iter_mut().filter(|ear| ear.me != me) {
            ear.hear(hub, Note::Told(told.clone()));
        }
    }

    /// All are told that counts have changed.
    fn counted(&mut self) {
        self.ears.iter_mut().for_each(Ear::wake);
    }

    pub(super) fn shelf(&self, shelf: Shelf) -> Vec<Shelved> {
        let of = self.kept.shelves.iter().filter(|((name, _), _)| name == shelf.name());
        of.map(|((_, id), bytes)| (id.clone(), bytes.clone())).collect()
    }

    pub(super) fn shelve(&mut self, me: u64, shelf: Shelf, records: Vec<Shelved>) {
        let named = records.into_iter().map(|(id, bytes)| ((shelf.name().to_owned(), id), bytes));
        self.kept.shelves.extend(named);
        self.kept.count(me, shelf.name());
        self.counted();
        self.remember();
    }

    pub(super) fn unshelve(&mut self, me: u64, shelf: Shelf, ids: &[String]) {
        for id in ids {
            self.kept.shelves.remove(&(shelf.name().to_owned(), id.clone()));
        }
        self.kept.count(me, shelf.name());
        self.counted();
        self.remember();
    }

    /// Remembers the state as it is now, in case it comes back to it.
    pub(super) fn remember(&mut self) {
        let now = now();
        self.earlier.push_back((now, self.kept.clone()));
        while self.earlier.len() > 1 && self.earlier[1].0 + REMEMBERED < now {
            self.earlier.pop_front();
        }
    }

    /// It comes back as it was so long ago, and everybody connects again.
    pub(crate) fn go_back(&mut self, age: Duration) {
        let then = now().checked_sub(age);
        let before = self.earlier.iter().rfind(|(at, _)| then.is_some_and(|then| *at <= then));
        let before = before.or(self.earlier.front()).map(|(_, kept)| kept.clone());
        self.kept = before.unwrap_or_default();
        self.restart();
    }

    /// It comes back empty.
    pub(crate) fn flush(&mut self) {
        self.kept = Kept::default();
        self.restart();
    }

    fn restart(&mut self) {
        self.chores = Chores::default();
        self.incarnation += 1;
        self.ears.clear();
        self.remember();
    }
}

type Of<'a> = (Chore, &'a InstanceId);
type Name = (&'static str, InstanceId);

/// Whose turn it is, and what came of it.
#[derive(Default)]
pub(super) struct Chores {
    turns: BTreeMap<Name, (u64, Duration)>,
    done: BTreeMap<Name, (StoreTime, Vec<u8>, Duration)>,
}

impl Chores {
    fn now() -> StoreTime {
        StoreTime(1_000_000 + u64::try_from(now().as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn turn(&mut self, me: u64, (chore, instance): Of<'_>, hold: Duration) -> Turn {
        let (name, now) = ((chore.name(), instance.clone()), now());
        let others = |(who, until): &(u64, Duration)| *who != me && *until > now;
        if self.turns.get(&name).is_some_and(others) {
            return Turn::Others;
        }
        self.turns.insert(name, (me, now + hold));
        Turn::Mine(Self::now())
    }

    /// Whether it is news.
    pub(super) fn share(
        &mut self,
        me: u64,
        (chore, instance): Of<'_>,
        asked: StoreTime,
        list: &[u8],
        keep: Duration,
    ) -> bool {
        let (name, until) = ((chore.name(), instance.clone()), now() + keep);
        if let Some(turn) = self.turns.get_mut(&name).filter(|(who, _)| *who == me) {
            turn.1 = until;
        }
        if self.done.get(&name).is_some_and(|(stands, ..)| *stands >= asked) {
            return false;
        }
        self.done.insert(name, (asked, list.to_vec(), until));
        true
    }

    pub(super) fn read(&self, (chore, instance): Of<'_>) -> Option<Shared> {
        let done = self.done.get(&(chore.name(), instance.clone()));
        let (asked, list, _) = done.filter(|(_, _, until)| *until > now())?;
        let age = Duration::from_micros(Self::now().0.checked_sub(asked.0)?);
        Some(Shared { asked: *asked, age, list: Some(list.clone()) })
    }

    /// Whether it was its own.
    pub(super) fn leave(&mut self, me: u64, (chore, instance): Of<'_>) -> bool {
        let name = (chore.name(), instance.clone());
        let own = self.turns.get(&name).is_some_and(|(who, _)| *who == me);
        if own {
            self.turns.remove(&name);
        }
        own
    }
}
