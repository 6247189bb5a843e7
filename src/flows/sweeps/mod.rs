//! Sweeping an instance: by us, or by the replica that does it for all. Whoever has the turn asks the
//! instance and shares its list; the others take that in as if they had asked. Where sharing fails in any
//! way each asks by itself.

mod take;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use self::take::{List, take_in};
use super::World;
use super::answer::{BadAnswer, whole};
use super::ask::CallError;
use super::health::current;
use crate::actors::lists::Packed;
use crate::bbb::xml::XmlFault;
use crate::config::HealthRules;
use crate::domain::instance::{Instance, InstanceId};
use crate::outside::store::peers::{Chore, StoreTime, Turn};

/// Of an interval so much may pass without news of a sweep before one looks where it stays, and so much
/// until one asks by oneself. The turn of a replica that was killed ends by then.
const LATE: f64 = 1.5;
const OVERDUE: f64 = 2.5;
/// Sooner is not looked again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// At the end turns are given up so many at once, and within this time.
const LEAVES: usize = 16;
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Keeps what is known of one instance's meetings fresh.
pub(super) struct Sweeper {
    world: World,
    id: InstanceId,
    /// For reading large lists.
    turns: Arc<Semaphore>,
    /// Counts what other replicas say of sweeps of this instance.
    news: watch::Receiver<u64>,
    /// When the instance was asked for what was taken in last.
    last: Option<Instant>,
    /// Of what was shared, what was taken in last.
    taken: StoreTime,
    failing: bool,
}

impl Sweeper {
    pub(super) fn new(
        world: World,
        id: InstanceId,
        turns: Arc<Semaphore>,
        news: watch::Receiver<u64>,
    ) -> Self {
        let taken = StoreTime::default();
        Self { world, id, turns, news, last: None, taken, failing: false }
    }

    pub(super) async fn keep_sweeping(mut self) {
        let mut told = true; // a list that is shared already is the quickest
        loop {
            let rules = self.world.health_rules().await;
            let wait = self.round(&rules, told).await;
            told = tokio::select! {
                biased;
                Ok(()) = self.news.changed() => true,
                () = sleep(wait) => false,
            };
        }
    }

    /// Sees to it that the newest list is known; how long to wait then. `told`: another replica says that
    /// there is one, or that it will make no more.
    async fn round(&mut self, rules: &HealthRules, told: bool) -> Duration {
        let interval = rules.sweep_interval;
        let Some(instance) = current(&self.world, &self.id).await else { return interval };
        if told {
            if self.take_shared(&instance, interval).await {
                return self
                    .until(interval.mul_f64(LATE) + interval - self.world.shortened(interval));
            }
            let early = self.until(interval);
            if early > LOOK_AGAIN_AFTER {
                return early;
            }
        }
        let hold = interval.mul_f64(LATE);
        match self.world.store.turn(Chore::Meetings, &self.id, hold).await {
            Ok(Turn::Mine(asked)) => self.sweep(&instance, rules, Some(asked)).await,
            Ok(Turn::Others) if self.take_shared(&instance, interval).await => {
                self.until(interval.mul_f64(LATE))
            }
            Ok(Turn::Others) if !self.is_overdue(interval) => interval / 4,
            Ok(Turn::Others | Turn::Alone) => self.sweep(&instance, rules, None).await,
            Err(error) => {
                debug!(instance.id = %self.id, %error, "sweeps are not shared");
                self.sweep(&instance, rules, None).await
            }
        }
    }

    /// How long it is until so much has passed since the instance was asked last.
    fn until(&self, wait: Duration) -> Duration {
        let passed = self.last.map_or(wait, |last| last.elapsed());
        wait.saturating_sub(passed).max(LOOK_AGAIN_AFTER)
    }

    fn is_overdue(&self, interval: Duration) -> bool {
        self.last.is_none_or(|last| last.elapsed() > interval.mul_f64(OVERDUE))
    }

    /// Takes in what another replica shared, if that is news and young enough.
    async fn take_shared(&mut self, instance: &Arc<Instance>, interval: Duration) -> bool {
        let (now, before) = (Instant::now(), self.world.clock.now());
        let read = self.world.store.read_shared(Chore::Meetings, &self.id).await;
        let Ok(Some(shared)) = read else { return false };
        if shared.asked <= self.taken || shared.age > interval.mul_f64(LATE) {
            return false;
        }
        let Some(list) = shared.list else { return false }; // too large to be shared
        let list = List::Shared(Packed::of(list));
        // By this clock, and never later than it was.
        let asked_at = before.before(shared.age);
        match take_in(&self.world, instance, list, asked_at, self.turns.clone()).await {
            Ok(_) => {
                metrics::counter!("bigblueswarm_sweeps_total", "by" => "another").increment(1);
                self.taken = shared.asked;
                self.last = now.checked_sub(shared.age).or(Some(now));
                self.failing = false;
                true
            }
            Err(error) => {
                debug!(instance.id = %self.id, %error, "a shared sweep could not be read");
                false
            }
        }
    }

    /// Asks the instance; with `turn`, the moment since when it is our turn, for all. How long to wait then.
    async fn sweep(
        &mut self,
        instance: &Arc<Instance>,
        rules: &HealthRules,
        turn: Option<StoreTime>,
    ) -> Duration {
        let began = Instant::now();
        let swept = self.ask(instance, rules.sweep_timeout).await;
        let failed = swept.is_err();
        match swept {
            Ok(packed) => {
                metrics::counter!("bigblueswarm_sweeps_total", "by" => "us").increment(1);
                self.failing = false;
                self.last = Some(began);
                if let Some(asked) = turn {
                    self.share(asked, packed, rules.sweep_interval).await;
                }
            }
            Err(error) => {
                self.failed(&error);
                if turn.is_some() {
                    // Perhaps another replica reaches it.
                    self.world.store.leave(Chore::Meetings, &self.id, false).await;
                }
            }
        }
        // After a failure the next look comes sooner, so that what is unknown stays so for a short time only.
        let wait = match failed {
            true => rules.probe_interval.min(rules.sweep_interval),
            false => rules.sweep_interval,
        };
        self.world.shortened(wait).saturating_sub(began.elapsed())
    }

    /// Asks the instance for its list and takes it in.
    async fn ask(&self, instance: &Arc<Instance>, within: Duration) -> Result<Packed, CallError> {
        let asked_at = self.world.clock.now();
        let most = self.world.config.limits.answer_bytes;
        let asked = async {
            let answer = self.world.get(instance, "getMeetings", "", within).await?;
            Ok::<_, CallError>(whole(answer, most, within).await?)
        };
        let bytes = timeout(within, asked).await.map_err(|_| BadAnswer::Late)??;
        take_in(&self.world, instance, List::Answer(bytes), asked_at, self.turns.clone()).await
    }

    async fn share(&mut self, asked: StoreTime, list: Packed, interval: Duration) {
        let (store, keep) = (&self.world.store, interval.mul_f64(LATE));
        match store.share(Chore::Meetings, &self.id, asked, list.bytes(), keep).await {
            Ok(()) => self.taken = self.taken.max(asked),
            Err(error) => debug!(instance.id = %self.id, %error, "a sweep was not shared"),
        }
    }

    fn failed(&mut self, error: &CallError) {
        metrics::counter!("bigblueswarm_sweeps_failed_total").increment(1);
        if let CallError::Bad(BadAnswer::Xml(fault @ XmlFault::Failed(_))) = error {
            self.world.actors.registry.refused(self.id.clone(), format!("getMeetings {fault}"));
        }
        if !std::mem::replace(&mut self.failing, true) {
            warn!(instance.id = %self.id, %error, "a sweep failed: what was known of its meetings stays");
        }
    }
}

/// Gives up every turn, so that another replica sweeps on at once.
pub(crate) async fn leave(world: &World) {
    let Ok(roster) = world.actors.registry.roster().await else { return };
    let ids = roster.members().iter().map(|member| &member.instance.id);
    let turns = ids.flat_map(|id| [(Chore::Meetings, id), (Chore::Recordings, id)]);
    let leaves = futures_util::stream::iter(turns)
        .for_each_concurrent(LEAVES, |(chore, id)| world.store.leave(chore, id, true));
    if timeout(LEAVE_WITHIN, leaves).await.is_err() {
        debug!("not every turn was given up; they end by themselves");
    }
}
