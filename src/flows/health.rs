//! Watching the instances: a probe says whether one lives, a sweep (see [`super::sweeps`]) what lives on it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::World;
use super::answer::{BadAnswer, whole};
use super::ask::{CallError, MOST_BYTES};
use super::check::keep_checking;
use super::sweeps::Sweeper;
use crate::bbb::xml;
use crate::determinism::HashMap;
use crate::domain::instance::{Instance, InstanceId, InstanceMark};
use crate::outside::servers::Outgoing;
use crate::outside::store::peers::Chore;

/// How often the roster is looked at for instances that came or went.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of an interval so much is waited, drawn anew each time.
pub(super) const SPREAD: RangeInclusive<f64> = 0.9..=1.0;
/// So many lists are read at the same moment.
const DIGESTS: usize = 4;

/// Who looks after one instance.
struct Watcher {
    tasks: [AbortHandle; 3],
    /// Counts what other replicas say of its sweeps.
    news: watch::Sender<u64>,
    /// Counts what clients got no usable answer to.
    doubts: watch::Sender<u64>,
}

/// Watches every instance of the pool, for ever. A watcher that fails is started again.
pub async fn watch(world: World) {
    let mut watchers: HashMap<InstanceId, Watcher> = HashMap::default();
    let mut tasks = JoinSet::new();
    let turns = Arc::new(Semaphore::new(DIGESTS));
    let (mut done, mut doubted) = (world.done.subscribe(), world.doubted.subscribe());
    loop {
        if let Ok(roster) = world.actors.registry.roster().await {
            watchers.retain(|id, watcher| {
                let failed = watcher.tasks.iter().any(AbortHandle::is_finished);
                let stays = roster.get(id).is_some() && !failed;
                if !stays {
                    watcher.tasks.iter().for_each(AbortHandle::abort);
                }
                stays
            });
            for member in roster.members() {
                let id = &member.instance.id;
                watchers.entry(id.clone()).or_insert_with(|| {
                    let (news, heard) = watch::channel(0);
                    let sweeper = Sweeper::new(world.clone(), id.clone(), turns.clone(), heard);
                    let probing = tasks.spawn(keep_probing(world.clone(), id.clone()));
                    let (doubts, doubted) = watch::channel(0);
                    let checking = tasks.spawn(keep_checking(world.clone(), id.clone(), doubted));
                    let sweeping = tasks.spawn(sweeper.keep_sweeping());
                    Watcher { tasks: [probing, checking, sweeping], news, doubts }
                });
            }
        }
        while tasks.try_join_next().is_some() {}
        let until = Instant::now() + LOOK_EVERY;
        tokio::join!(
            pass_on(&mut done, &watchers, until),
            pass_doubts(&mut doubted, &watchers, until)
        );
    }
}

/// Passes on until then what other replicas say of their sweeps.
async fn pass_on(
    done: &mut broadcast::Receiver<(Chore, InstanceMark)>,
    watchers: &HashMap<InstanceId, Watcher>,
    until: Instant,
) {
    let by_mark: HashMap<_, _> =
        watchers.iter().map(|(id, watcher)| (id.mark(), watcher)).collect();
    let tell = |watcher: &Watcher| watcher.news.send_modify(|count| *count += 1);
    while let Ok(heard) = timeout_at(until, done.recv()).await {
        match heard {
            Ok((Chore::Meetings, mark)) => by_mark.get(&mark).into_iter().for_each(|w| tell(w)),
            Ok((Chore::Recordings, _)) => {}
            // Some were missed, and which is not known.
            Err(RecvError::Lagged(_)) => watchers.values().for_each(tell),
            Err(RecvError::Closed) => return sleep_until(until).await,
        }
    }
}

/// Passes on until then whom clients got no usable answer from.
async fn pass_doubts(
    doubted: &mut broadcast::Receiver<InstanceId>,
    watchers: &HashMap<InstanceId, Watcher>,
    until: Instant,
) {
    let tell = |watcher: &Watcher| watcher.doubts.send_modify(|count| *count += 1);
    while let Ok(heard) = timeout_at(until, doubted.recv()).await {
        match heard {
            Ok(id) => watchers.get(&id).into_iter().for_each(tell),
            // Some were missed, and which is not known.
            Err(RecvError::Lagged(_)) => watchers.values().for_each(tell),
            Err(RecvError::Closed) => return sleep_until(until).await,
        }
    }
}

/// The instance as it is registered now; its secret may have changed since the last look.
pub(super) async fn current(world: &World, id: &InstanceId) -> Option<Arc<Instance>> {
    let roster = world.actors.registry.roster().await.ok()?;
    roster.get(id).map(|member| member.instance.clone())
}

async fn keep_probing(world: World, id: InstanceId) {
    loop {
        let rules = world.health_rules().await;
        let next = Instant::now() + world.shortened(rules.probe_interval);
        if let Some(instance) = current(&world, &id).await {
            let sent_at = world.clock.now();
            let result = probe(&world, &instance, rules.probe_timeout).await;
            world.actors.registry.probed(id.clone(), sent_at, result);
        }
        sleep_until(next).await;
    }
}

impl World {
    /// An interval less up to a tenth, so that instances are not all asked at the same instant.
    pub(super) fn shortened(&self, interval: Duration) -> Duration {
        interval.mul_f64(self.randomness.within(SPREAD))
    }
}

/// The unsigned root call: cheap, and enough to know that the API lives.
pub(super) async fn probe(
    world: &World,
    instance: &Arc<Instance>,
    within: Duration,
) -> Result<(), String> {
    let asked = async {
        let request = Outgoing::get(instance.clone(), "", "", within);
        let answer = world.servers.send(request).await?;
        let body = whole(answer, MOST_BYTES, within).await?;
        let said = xml::read(&body).map_err(BadAnswer::from)?;
        Ok::<_, CallError>(said.success)
    };
    match timeout(within, asked).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err("its root call says FAILED".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {within:?}")),
    }
}
