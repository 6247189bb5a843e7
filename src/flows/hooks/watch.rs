//! Looking after registrations: every hook stands on every instance of its tenant's pool, and no other there.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::register::{Registrar, prefix};
use crate::bbb::callback::{Kind, Sealed, Sealer};
use crate::determinism::{HashMap, HashSet};
use crate::domain::hook::{Hook, Hooks};
use crate::domain::instance::{Health, Instance, InstanceId, Roster};
use crate::domain::tenant::TenantId;
use crate::flows::World;

/// How often the pool and the tenants are looked at; hooks are heard of when they change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The next attempt after one that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// So often an instance that left the pool is told to forget our hooks.
const FAREWELLS: usize = 3;

/// What stands where, at one moment.
#[derive(Clone, Default)]
struct Plan {
    hooks: Arc<Hooks>,
    roster: Arc<Roster>,
    /// The tenants there are, and the instances that they may use; none means all.
    pools: Arc<HashMap<TenantId, Option<HashSet<InstanceId>>>>,
    sealer: Option<Arc<Sealer>>,
}

impl Plan {
    /// None while something of it is not known.
    async fn now(world: &World) -> Option<Self> {
        let actors = &world.actors;
        let (hooks, sealer) = (actors.hooks.known()?, actors.callbacks.sealer()?);
        let roster = actors.registry.roster().await.ok().filter(|roster| roster.loaded)?;
        // While nobody has a hook, nobody's pool matters.
        let documents =
            if hooks.is_empty() { Vec::new() } else { actors.tenants.list().await.ok()? };
        let pool = |urls: &[String]| {
            (!urls.is_empty())
                .then(|| urls.iter().map(|url| InstanceId::new(url.as_str())).collect())
        };
        let pools = documents.iter().map(|doc| (doc.id(), pool(&doc.instances))).collect();
        Some(Self { hooks, roster, pools: Arc::new(pools), sealer: Some(sealer) })
    }

    fn is(&self, other: &Self) -> bool {
        let same_seal = match (&self.sealer, &other.sealer) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        let same_hooks = Arc::ptr_eq(&self.hooks, &other.hooks);
        same_seal
            && same_hooks
            && Arc::ptr_eq(&self.roster, &other.roster)
            && self.pools == other.pools
    }

    /// The hooks that shall stand on an instance, by the URL of ours that it calls.
    fn wanted(&self, base: &str, instance: &InstanceId) -> BTreeMap<String, Arc<Hook>> {
        let Some(sealer) = &self.sealer else { return BTreeMap::new() };
        let may_use = |hook: &&Arc<Hook>| match self.pools.get(&hook.tenant()) {
            Some(pool) => pool.as_ref().is_none_or(|pool| pool.contains(instance)),
            None => false,
        };
        let url = |hook: &Hook| {
            let sealed = Sealed::Hook { hook: hook.name(), instance: instance.as_str().to_owned() };
            sealer.url(base, Kind::Hook, &sealed)
        };
        self.hooks.iter().filter(may_use).map(|hook| (url(hook), hook.clone())).collect()
    }
}

/// Keeps the registrations of every instance of the pool, for ever.
pub async fn watch(world: World) {
    let Some(base) = world.config.callbacks.base_url.clone() else { return pending().await };
    let (tell, told) = watch::channel(Plan::default());
    let mut keepers: HashMap<InstanceId, AbortHandle> = HashMap::default();
    let mut tasks = JoinSet::new();
    let mut changes = world.actors.hooks.changes();
    loop {
        if let Some(next) = Plan::now(&world).await {
            keepers.retain(|_, keeper| !keeper.is_finished());
            for member in next.roster.servers() {
                keepers.entry(member.instance.id.clone()).or_insert_with(|| {
                    let keeper = Keeper::new(&world, &base, member.instance.clone());
                    tasks.spawn(keeper.keep(told.clone()))
                });
            }
            tell.send_if_modified(|plan| {
                let is_new = !plan.is(&next);
                *plan = next;
                is_new
            });
        }
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            biased;
            Ok(()) = changes.changed() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

/// Looks after one instance.
struct Keeper {
    world: World,
    base: String,
    instance: Arc<Instance>,
    registrar: Registrar,
    /// What stood there when it was last seen to be right. An instance on which nothing of ours ever stood is
    /// not asked.
    settled: BTreeMap<String, Arc<Hook>>,
    /// Since when it may be otherwise; none when it was just seen to be right.
    due: Option<Instant>,
    failing: bool,
}

impl Keeper {
    fn new(world: &World, base: &str, instance: Arc<Instance>) -> Self {
        let registrar = Registrar::new(world, prefix(base));
        let (world, base) = (world.clone(), base.to_owned());
        Self {
            world,
            base,
            instance,
            registrar,
            settled: BTreeMap::new(),
            due: None,
            failing: false,
        }
    }

    /// Until the instance has left the pool.
    async fn keep(mut self, mut plans: watch::Receiver<Plan>) {
        loop {
            let plan = plans.borrow_and_update().clone();
            match plan.roster.get(&self.instance.id) {
                // The first plan of all comes a moment later.
                None if !plan.roster.loaded => {}
                None => return self.leave().await,
                // The instance that counts for the server has the hooks there looked after.
                Some(member) if member.is_alias() => return,
                // When it is back, whatever it has then is compared at once.
                Some(member) if member.health == Health::Dead => self.due = Some(Instant::now()),
                Some(member) => {
                    self.instance = member.instance.clone();
                    self.look(plan.wanted(&self.base, &member.instance.id)).await;
                }
            }
            let next = async {
                match self.due.filter(|_| !self.settled.is_empty() || self.failing) {
                    Some(due) => sleep_until(due.max(Instant::now() + LOOK_EVERY)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = plans.changed() => if changed.is_err() { return },
                () = next => {}
            }
        }
    }

    /// Compares when something has changed, or when it is time.
    async fn look(&mut self, wanted: BTreeMap<String, Arc<Hook>>) {
        let changed = !wanted.keys().eq(self.settled.keys());
        let is_due = self.due.is_some_and(|due| due <= Instant::now());
        let nothing = wanted.is_empty() && self.settled.is_empty();
        if nothing || !(changed && !self.failing || is_due) {
            return;
        }
        match self.registrar.settle(&self.instance, &wanted).await {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    info!(instance.id = %self.instance.id, "webhooks stand on the instance again");
                }
                self.settled = wanted;
                let every = self.world.health_rules().await.sweep_interval;
                self.due = Some(Instant::now() + every);
            }
            Err(error) => {
                metrics::counter!("bigblueswarm_hooks_registrations_failed_total").increment(1);
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(instance.id = %self.instance.id, %error, "webhooks could not be registered; trying again");
                }
                self.due = Some(Instant::now() + AGAIN_AFTER);
            }
        }
    }

    /// The instance has left the pool: nothing of ours stays there, if it still answers.
    async fn leave(mut self) {
        if self.settled.is_empty() && !self.failing {
            return;
        }
        for _ in 0..FAREWELLS {
            match self.registrar.settle(&self.instance, &BTreeMap::new()).await {
                Ok(()) => return,
                Err(_) => sleep(AGAIN_AFTER).await,
            }
        }
        warn!(instance.id = %self.instance.id, "webhooks could not be removed from an instance that left the pool");
    }
}
