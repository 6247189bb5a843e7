//! Stories in paused time, told through the handle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::*;
use crate::actors::seat::{Usher, seat};
use crate::bbb::checksum::Algorithm;
use crate::determinism::HashMap;
use crate::domain::instance::{Instance, InstanceId, Member};
use crate::domain::load::{Load, LoadSnapshot};
use crate::domain::secret::Secret;
use crate::outside::clock::RuntimeClock;
use crate::outside::loads::View;

/// What the source does, by the number of the reading, beginning with 0.
type Script = fn(usize) -> Step;

enum Step {
    Gives,
    Fails,
    Panics,
    Takes(Duration),
    Nothing,
}

struct Scripted {
    script: Script,
    begun: AtomicUsize,
    under_way: AtomicUsize,
    most_at_once: AtomicUsize,
    clock: RuntimeClock,
}

impl Scripted {
    fn new(script: Script) -> Arc<Self> {
        let (begun, under_way, most_at_once) = Default::default();
        Arc::new(Self { script, begun, under_way, most_at_once, clock: RuntimeClock::start() })
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    fn snapshot(&self, n: usize) -> LoadSnapshot {
        let now = self.clock.now();
        let load = Load { meetings: Some(n as u64), newest: now, ..Load::default() };
        let loads = HashMap::from_iter([(InstanceId::new("i"), load)]);
        LoadSnapshot { read_at: Some(now), loads, ..LoadSnapshot::default() }
    }
}

/// Counts the readings under way, also those that are given up.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl LoadSource for Scripted {
    async fn read(&self, _: View) -> Result<LoadSnapshot, LoadError> {
        let n = self.begun.fetch_add(1, Ordering::SeqCst);
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        let _under_way = UnderWay(&self.under_way);
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        match (self.script)(n) {
            Step::Gives => {}
            Step::Nothing => return Ok(LoadSnapshot::default()),
            Step::Fails => return Err(LoadError(format!("reading {n} failed"))),
            Step::Panics => panic!("reading {n} panics, as its story wants"),
            Step::Takes(time) => sleep(time).await,
        }
        Ok(self.snapshot(n))
    }
}

fn config(poll_interval: u64) -> Arc<Config> {
    let mut config = Config::with_secrets(Secret::new("s"), Secret::new("k"));
    config.balancer.poll_interval = Duration::from_secs(poll_interval);
    Arc::new(config)
}

struct World {
    source: Arc<Scripted>,
    handle: MetricsHandle,
    actor: ActorRef<MetricsMessage>,
    _usher: Usher<MetricsMessage>,
}

impl World {
    async fn start(script: Script) -> Self {
        let source = Scripted::new(script);
        let metrics = Metrics { source: source.clone(), clock: Arc::new(source.clock) };
        let (actor, _) = Actor::spawn(None, metrics, (config(10), Arc::default())).await.unwrap();
        let (usher, seat) = seat();
        usher.place(actor.clone());
        Self { source, handle: MetricsHandle(seat), actor, _usher: usher }
    }

    /// The number of the reading that stands, and why the last one failed.
    async fn current(&self) -> (Option<u64>, Option<String>) {
        let reading = self.handle.current().await.unwrap();
        let load = reading.loads.loads.get(&InstanceId::new("i"));
        (load.and_then(|load| load.meetings), reading.failed.map(|why| why.to_string()))
    }

    async fn after(&self, secs: u64) -> (Option<u64>, Option<String>) {
        sleep(Duration::from_secs(secs)).await;
        self.current().await
    }
}

#[tokio::test(start_paused = true)]
async fn figures_are_read_at_once_and_then_at_the_interval() {
    let world = World::start(|_| Step::Gives).await;
    assert_eq!(world.after(1).await, (Some(0), None));
    assert_eq!(world.after(8).await, (Some(0), None));
    assert_eq!(world.after(2).await, (Some(1), None));
    assert_eq!(world.after(50).await, (Some(6), None));
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_is_never_read_twice_at_once_and_holds_up_no_asker() {
    let world = World::start(|_| Step::Takes(Duration::from_secs(60))).await;
    for _ in 0..70 {
        let began = Instant::now();
        let (number, _) = world.after(1).await;
        assert_eq!((number, began.elapsed()), (None, Duration::from_secs(1)));
    }
    // 8 s until it is given up and 10 s of waiting: begun at 0, 18, 36 and 54 s.
    assert_eq!((world.source.begun(), world.source.most_at_once.load(Ordering::SeqCst)), (4, 1));
    assert_eq!(world.current().await.1.as_deref(), Some("load source: no reading within 8s"));
}

#[tokio::test(start_paused = true)]
async fn the_interval_begins_when_a_reading_ends() {
    let world = World::start(|_| Step::Takes(Duration::from_secs(5))).await;
    sleep(Duration::from_secs(14)).await;
    assert_eq!(world.source.begun(), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.source.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_leaves_the_last_figures_and_says_why() {
    let world = World::start(|n| if (1..4).contains(&n) { Step::Fails } else { Step::Gives }).await;
    assert_eq!(world.after(1).await, (Some(0), None));
    assert_eq!(world.after(10).await, (Some(0), Some("load source: reading 1 failed".into())));
    assert_eq!(world.after(20).await, (Some(0), Some("load source: reading 3 failed".into())));
    assert_eq!(world.after(10).await, (Some(4), None));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_read_again() {
    let world = World::start(|n| if n == 1 { Step::Panics } else { Step::Gives }).await;
    assert_eq!(world.after(11).await, (Some(0), Some("load source: reading panicked".into())));
    assert_eq!(world.after(10).await, (Some(2), None));
}

#[tokio::test(start_paused = true)]
async fn a_changed_interval_counts_from_the_next_tick() {
    let world = World::start(|_| Step::Gives).await;
    sleep(Duration::from_secs(1)).await;
    world.actor.cast(MetricsMessage::Configure(config(2))).unwrap();
    sleep(Duration::from_secs(8)).await;
    assert_eq!(world.source.begun(), 1);
    sleep(Duration::from_secs(8)).await;
    assert_eq!(world.source.begun(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_stray_refresh_begins_no_second_reading() {
    let world = World::start(|_| Step::Takes(Duration::from_secs(5))).await;
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        world.actor.cast(MetricsMessage::Refresh).unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.source.begun(), 1);
}

/// A pool of these instances.
fn pool(urls: &[&str]) -> Arc<Roster> {
    let member = |url: &&str| {
        let instance = Instance::new(url, Secret::new("s"), Algorithm::Sha256).unwrap();
        Member::new(Arc::new(instance))
    };
    Arc::new(Roster::new(urls.iter().map(member).collect()))
}

#[tokio::test(start_paused = true)]
async fn while_nothing_was_measured_of_the_pool_it_is_read_every_second() {
    let world = World::start(|n| match n {
        0..3 => Step::Fails,
        3..8 => Step::Nothing,
        _ => Step::Gives,
    })
    .await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.source.begun(), 1, "a pool without instances needs no figures");
    world.actor.cast(MetricsMessage::Roster(pool(&["http://a/x"]))).unwrap();
    sleep(Duration::from_millis(7_500)).await;
    assert_eq!(world.current().await, (Some(8), None));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_joins_is_looked_for_at_once_and_not_for_ever() {
    let world = World::start(|_| Step::Gives).await;
    sleep(Duration::from_secs(1)).await;
    world.actor.cast(MetricsMessage::Roster(pool(&["http://a/x"]))).unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(world.source.begun(), 2);
    sleep(Duration::from_secs(600)).await;
    let quick = 120;
    let begun = world.source.begun();
    assert!((quick..quick + 60).contains(&begun), "{begun}");
}
