//! What several parts of one storm hold together. A storm runs in one thread.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bigblueswarm::domain::moment::Moment;
use bigblueswarm::outside::clock::Clock;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::history::{Event, What};

/// A value that several hold.
pub(crate) struct Held<T>(Arc<watch::Sender<T>>);

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(watch::Sender::new(value)))
    }

    /// Does something with the value.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        let mut done = None;
        self.0.send_modify(|value| done = Some(act(value)));
        done.expect("it was acted on")
    }
}

impl<T: Clone> Held<T> {
    pub(crate) fn get(&self) -> T {
        self.0.borrow().clone()
    }
}

/// Writes the history down.
#[derive(Clone)]
pub(crate) struct Recorder {
    began: Instant,
    events: Held<Vec<Event>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), events: Held::new(Vec::new()) }
    }

    pub(crate) fn note(&self, what: What) {
        let at = millis(self.began.elapsed());
        self.events.with(|events| events.push(Event { at, what }));
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.get()
    }
}

/// A machine's clock: its time of day is set wrong by so much, and may be set anew.
#[derive(Clone)]
pub(crate) struct StormClock {
    began: Instant,
    wrong_by: Held<i64>,
}

/// When every storm begins: 2026-01-01 00:00 UTC, in seconds since 1970.
const BEGIN: u64 = 1_767_225_600;

impl StormClock {
    /// A clock that is `wrong_by` milliseconds fast.
    pub(crate) fn new(began: Instant, wrong_by: i64) -> Self {
        Self { began, wrong_by: Held::new(wrong_by) }
    }

    /// Sets the time of day, this many milliseconds on.
    pub(crate) fn step(&self, by: i64) {
        self.wrong_by.with(|wrong| *wrong += by);
    }
}

impl Clock for StormClock {
    fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    fn wall(&self) -> SystemTime {
        let right = millis(Duration::from_secs(BEGIN) + self.began.elapsed());
        UNIX_EPOCH + Duration::from_millis(right.saturating_add_signed(self.wrong_by.get()))
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a replica's process runs. Nothing of it passes while it sleeps, and nothing ever once it has crashed.
#[derive(Clone)]
pub(crate) struct Process(Held<(Phase, Vec<oneshot::Sender<()>>)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Asleep,
    Crashed,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self(Held::new((Phase::Running, Vec::new())))
    }

    pub(crate) fn phase(&self) -> Phase {
        self.0.with(|(phase, _)| *phase)
    }

    /// It runs, sleeps or has crashed from now on. Who waited goes on in the order in which they came.
    pub(crate) fn turn(&self, to: Phase) {
        let waited = self.0.with(|(phase, waiting)| {
            if *phase != Phase::Crashed {
                *phase = to;
            }
            if *phase == Phase::Running { std::mem::take(waiting) } else { Vec::new() }
        });
        for waiter in waited {
            let _ = waiter.send(());
        }
    }

    /// Waits until it runs.
    pub(crate) async fn runs(&self) {
        loop {
            let awake = self.0.with(|(phase, waiting)| {
                let (wake, awake) = oneshot::channel();
                (*phase != Phase::Running).then(|| {
                    waiting.push(wake);
                    awake
                })
            });
            match awake {
                None => return,
                Some(awake) => drop(awake.await),
            }
        }
    }
}
