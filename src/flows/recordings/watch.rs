//! Looking after recordings: each instance is asked for all of its own now and then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::pages::{Page, each_page};
use crate::actors::recordings::Recording;
use crate::bbb::recordings::Recorded;
use crate::domain::instance::{Health, Instance, InstanceId};
use crate::flows::World;
use crate::flows::answer::BadAnswer;
use crate::flows::ask::CallError;
use crate::flows::health::SPREAD;

/// How often the roster is looked at for instances that came or went, and the actor for what it knows.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Instances that are swept at once.
const AT_ONCE: usize = 4;
/// All pages of one instance.
const SWEEP_WITHIN: Duration = Duration::from_secs(120);
/// The next sweep after one that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Sweeps the recordings of every instance of the pool, for ever.
pub async fn watch(world: World) {
    let mut watchers: HashMap<InstanceId, AbortHandle> = HashMap::new();
    let mut tasks = JoinSet::new();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        if let Ok(roster) = world.actors.registry.roster().await {
            watchers.retain(|id, watcher| {
                let stays = roster.get(id).is_some() && !watcher.is_finished();
                if !stays {
                    watcher.abort();
                }
                stays
            });
            for member in roster.members() {
                let id = &member.instance.id;
                watchers.entry(id.clone()).or_insert_with(|| {
                    tasks.spawn(keep_sweeping(world.clone(), id.clone(), turns.clone()))
                });
            }
        }
        while tasks.try_join_next().is_some() {}
        sleep(LOOK_EVERY).await;
    }
}

async fn keep_sweeping(world: World, id: InstanceId, turns: Arc<Semaphore>) {
    let mut failing = false;
    loop {
        let began = Instant::now();
        let turn = turns.acquire().await;
        let swept = once(&world, &id).await;
        drop(turn);
        if let Err(error) = &swept {
            metrics::counter!("bigblueswarm_recordings_sweeps_failed_total").increment(1);
            if !std::mem::replace(&mut failing, true) {
                warn!(instance.id = %id, %error, "recordings could not be listed: what was known of them stays");
            }
        } else {
            failing = false;
        }
        wait_until_due(&world, &id, began, failing).await;
    }
}

/// Waits for the interval that is in force; but not while the actor knows nothing of the instance, as
/// after it was started again, or it has more or fewer recordings than are known.
async fn wait_until_due(world: &World, id: &InstanceId, began: Instant, failing: bool) {
    let share = rand::random_range(SPREAD);
    loop {
        let interval = world.recordings_interval().await;
        let wait = if failing { interval.min(AGAIN_AFTER) } else { interval };
        let left = (began + wait.mul_f64(share)).saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK_EVERY)).await;
        let due = world.actors.recordings.is_due(id.clone()).await;
        if !failing && due.is_ok_and(|due| due) {
            return;
        }
    }
}

impl World {
    /// The interval in force; that of the start while the settings actor is away.
    async fn recordings_interval(&self) -> Duration {
        let now = self.actors.settings.current().await;
        let config = now.as_ref().unwrap_or(&self.config);
        config.swarm.recordings_poll_interval
    }
}

/// One sweep, unless the instance is dead; then there is nothing to be heard of it.
async fn once(world: &World, id: &InstanceId) -> Result<(), CallError> {
    let Ok(roster) = world.actors.registry.roster().await else { return Ok(()) };
    match roster.get(id).filter(|member| member.health != Health::Dead) {
        Some(member) => {
            let swept = timeout(SWEEP_WITHIN, sweep(world, &member.instance)).await;
            swept.map_err(|_| BadAnswer::Late)?
        }
        None => Ok(()),
    }
}

/// Reads all recordings of an instance, in any state, and tells the actor.
async fn sweep(world: &World, instance: &Arc<Instance>) -> Result<(), CallError> {
    let mut seen: Vec<Recording> = Vec::new();
    let total = each_page(world, instance, "state=any", |page: Page| {
        let of = |recorded: &Recorded| Recording::of(recorded, &page.bytes[recorded.span.clone()]);
        seen.extend(page.list.recordings.iter().map(of));
        Ok(())
    });
    let total = total.await?;
    let ids: HashSet<&str> = seen.iter().map(|seen| &*seen.id).collect();
    let distinct = ids.len();
    let id = instance.id.clone();
    // Pages shift when recordings come or go meanwhile: then nothing is forgotten.
    if total.is_none_or(|total| total == distinct) {
        world.actors.recordings.swept(id, seen);
        return Ok(());
    }
    world.actors.recordings.seen(id, seen);
    Err(BadAnswer::Shifted.into())
}
