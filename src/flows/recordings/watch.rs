//! Looking after recordings: each instance is asked for all of its own now and then.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::warn;

use super::pages::{Page, each_page};
use crate::actors::recordings::Recording;
use crate::bbb::recordings::Recorded;
use crate::determinism::{HashMap, aside};
use crate::domain::instance::{Health, Instance, InstanceId};
use crate::flows::World;
use crate::flows::answer::BadAnswer;
use crate::flows::ask::CallError;
use crate::flows::health::SPREAD;
use crate::outside::store::peers::{Chore, StoreTime, Turn};

/// How often the roster is looked at for instances that came or went, and the actor for what it knows.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Instances that are swept at once.
const AT_ONCE: usize = 4;
/// All pages of one instance.
const SWEEP_WITHIN: Duration = Duration::from_secs(120);
/// Sooner is not looked again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// The next sweep after one that failed; later if that took longer, so that no server is asked without a pause.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// A turn ends by itself so long after the replica that has it said last that it still sweeps: one that was
/// killed holds the others up for no longer.
const TURN_FOR: Duration = Duration::from_secs(20);
const STILL_AT_IT_EVERY: Duration = Duration::from_secs(5);
/// A replica that has the turn for so long and has shared nothing is not waited for.
const OVERDUE: f64 = 2.5;

/// Sweeps the recordings of every instance of the pool, for ever.
pub async fn watch(world: World) {
    let mut watchers: HashMap<InstanceId, (AbortHandle, watch::Sender<u64>)> = HashMap::default();
    let mut tasks = JoinSet::new();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut done = world.done.subscribe();
    loop {
        if let Ok(roster) = world.actors.registry.roster().await {
            watchers.retain(|id, (watcher, _)| {
                let stays = roster.get(id).is_some_and(|m| !m.is_alias()) && !watcher.is_finished();
                if !stays {
                    watcher.abort();
                }
                stays
            });
            for member in roster.servers() {
                let id = &member.instance.id;
                watchers.entry(id.clone()).or_insert_with(|| {
                    let (news, heard) = watch::channel(0);
                    let sweeper = Sweeper::new(world.clone(), id.clone(), turns.clone(), heard);
                    (tasks.spawn(sweeper.keep_sweeping()), news)
                });
            }
        }
        while tasks.try_join_next().is_some() {}
        let until = Instant::now() + LOOK_EVERY;
        while let Ok(heard) = timeout_at(until, done.recv()).await {
            let Ok((Chore::Recordings, mark)) = heard else { continue };
            let named = watchers.iter().filter(|(id, _)| id.mark() == mark);
            named.for_each(|(_, (_, news))| news.send_modify(|count| *count += 1));
        }
    }
}

/// Keeps what is known of one instance's recordings fresh. One replica asks for all, and the others take
/// what it shares; a sweep costs an instance much.
struct Sweeper {
    world: World,
    id: InstanceId,
    turns: Arc<Semaphore>,
    /// Counts what other replicas say of sweeps of this instance.
    news: watch::Receiver<u64>,
    /// When the instance was asked for what was taken in last; at first, when we began.
    last: Instant,
    heard: bool,
    /// Of what was shared, what was taken in last.
    taken: StoreTime,
    /// How long the next sweep waits, where the last one failed.
    failing: Option<Duration>,
}

impl Sweeper {
    fn new(
        world: World,
        id: InstanceId,
        turns: Arc<Semaphore>,
        news: watch::Receiver<u64>,
    ) -> Self {
        let (last, taken) = (Instant::now(), StoreTime::default());
        Self { world, id, turns, news, last, heard: false, taken, failing: None }
    }

    async fn keep_sweeping(mut self) {
        loop {
            let turns = self.turns.clone();
            let turn = turns.acquire().await;
            let began = Instant::now();
            let swept = self.once().await;
            drop(turn);
            match swept {
                Ok(true) => (self.failing, self.heard) = (None, true),
                Ok(false) => {
                    // Another replica is at it.
                    tokio::select! {
                        biased;
                        Ok(()) = self.news.changed() => {}
                        () = sleep(LOOK_EVERY) => {}
                    }
                    continue;
                }
                Err(error) => {
                    metrics::counter!("bigblueswarm_recordings_sweeps_failed_total").increment(1);
                    self.last = Instant::now();
                    if self.failing.replace(began.elapsed().max(AGAIN_AFTER)).is_none() {
                        warn!(instance.id = %self.id, %error, "recordings could not be listed: what was known of them stays");
                    }
                }
            }
            self.wait_until_due().await;
        }
    }

    /// Waits for the interval that is in force, or for news; but not while the actor knows nothing of the
    /// instance, as after it was started again, or it has more or fewer recordings than are known.
    async fn wait_until_due(&mut self) {
        let share = self.world.randomness.within(SPREAD);
        loop {
            let interval = self.world.recordings_interval().await;
            let wait = self.failing.map_or(interval, |pause| pause.min(interval));
            let left = (self.last + wait.mul_f64(share)).saturating_duration_since(Instant::now());
            tokio::select! {
                biased;
                Ok(()) = self.news.changed() => return,
                () = sleep(left.clamp(LOOK_AGAIN_AFTER, LOOK_EVERY)) => {}
            }
            if left.is_zero() {
                return;
            }
            let due = self.world.actors.recordings.is_due(self.id.clone()).await;
            if self.failing.is_none() && due.is_ok_and(|due| due) {
                return;
            }
        }
    }

    /// One sweep, by us or by another replica, unless the instance is dead: then there is nothing to be heard of
    /// it. Whether all that was to be heard was.
    async fn once(&mut self) -> Result<bool, CallError> {
        let Ok(roster) = self.world.actors.registry.roster().await else { return Ok(true) };
        let living = roster.get(&self.id).filter(|member| member.health != Health::Dead);
        let Some(instance) = living.map(|member| member.instance.clone()) else {
            self.last = Instant::now();
            return Ok(true);
        };
        let (store, interval) = (self.world.store.clone(), self.world.recordings_interval().await);
        if self.take_shared(interval).await {
            return Ok(true);
        }
        let turn = store.turn(Chore::Recordings, &self.id, TURN_FOR).await;
        if turn.as_ref().is_ok_and(|turn| *turn == Turn::Others) && !self.is_overdue(interval) {
            return Ok(false);
        }
        let began = Instant::now();
        let swept = tokio::select! {
            swept = timeout(SWEEP_WITHIN, sweep(&self.world, &instance)) => {
                swept.map_err(|_| CallError::from(BadAnswer::Late)).flatten()
            }
            never = self.keep_turn(), if matches!(turn, Ok(Turn::Mine(_))) => match never {},
        };
        if let Ok(Turn::Mine(asked)) = turn {
            if let Ok(bundle) = &swept {
                let keep = interval + SWEEP_WITHIN;
                let shared = store.share(Chore::Recordings, &self.id, asked, bundle, keep).await;
                self.taken = if shared.is_ok() { asked } else { self.taken };
            }
            store.leave(Chore::Recordings, &self.id, false).await;
        }
        swept?;
        self.last = began;
        Ok(true)
    }

    /// Says again and again that we still sweep, until it is dropped.
    async fn keep_turn(&self) -> Infallible {
        loop {
            sleep(STILL_AT_IT_EVERY).await;
            // If the store does not hear it, another replica may sweep too: that costs the instance one sweep more.
            let _ = self.world.store.turn(Chore::Recordings, &self.id, TURN_FOR).await;
        }
    }

    fn is_overdue(&self, interval: Duration) -> bool {
        let wait = if self.heard { interval.mul_f64(OVERDUE) } else { Duration::ZERO };
        self.last.elapsed() > wait.max(SWEEP_WITHIN)
    }

    /// Takes in what another replica shared, if that is news and young enough.
    async fn take_shared(&mut self, interval: Duration) -> bool {
        let (now, id) = (Instant::now(), self.id.clone());
        let read = self.world.store.read_shared(Chore::Recordings, &id).await;
        let Ok(Some(shared)) = read else { return false };
        let Some(bundle) = shared.list.filter(|_| shared.asked > self.taken) else { return false };
        if shared.age > interval {
            return false;
        }
        let reading = move || Recording::unbundle(&id, &bundle);
        let Ok(Some(seen)) = aside(reading).await else { return false };
        self.world.actors.recordings.swept(self.id.clone(), seen);
        self.taken = shared.asked;
        self.last = now.checked_sub(shared.age).unwrap_or(now);
        true
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

/// Reads all recordings of an instance, in any state, and tells the actor; all of them in a bundle.
async fn sweep(world: &World, instance: &Arc<Instance>) -> Result<Vec<u8>, CallError> {
    let mut seen = Seen::default();
    let complete = each_page(world, instance, "state=any", |page: Page| {
        for recorded in &page.list.recordings {
            seen.add(recorded, &page.bytes[recorded.span.clone()]);
        }
        Ok(())
    });
    let complete = complete.await?;
    let (id, seen) = (instance.id.clone(), seen.all);
    // Pages shift when recordings come or go meanwhile: then nothing is forgotten.
    if complete {
        let bundle = if world.store.shared() { Recording::bundle(&id, &seen) } else { Vec::new() };
        world.actors.recordings.swept(id, seen);
        return Ok(bundle);
    }
    world.actors.recordings.seen(id, seen);
    Err(BadAnswer::Shifted.into())
}

/// All recordings of an instance as they are kept, each once and with all its formats.
#[derive(Default)]
struct Seen {
    all: Vec<Recording>,
    at: HashMap<Arc<str>, usize>,
}

impl Seen {
    fn add(&mut self, recorded: &Recorded, raw: &[u8]) {
        let known = self.at.get(recorded.record_id.as_str());
        let Some(known) = known.and_then(|n| self.all.get_mut(*n)) else {
            let recording = Recording::of(recorded, raw);
            self.at.insert(recording.id.clone(), self.all.len());
            return self.all.push(recording);
        };
        if let Some(both) = known.with(raw) {
            *known = both;
        }
    }
}
