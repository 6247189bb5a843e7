//! What several parts of one storm hold together. A storm runs in one thread.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bigblueswarm::domain::moment::Moment;
use bigblueswarm::outside::clock::Clock;
use tokio::sync::watch;

use crate::engine::now;
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
    events: Held<Vec<Event>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        now();
        Self { events: Held::new(Vec::new()) }
    }

    pub(crate) fn note(&self, what: What) {
        self.events.with(|events| {
            // The clocks of those at work differ by a turn.
            let last = events.last().map_or(0, |event| event.at);
            events.push(Event { at: millis(now()).max(last), what });
        });
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.get()
    }
}

/// A machine's clock: its time of day is set wrong by so much, and may be set anew.
#[derive(Clone)]
pub(crate) struct StormClock {
    wrong_by: Held<i64>,
}

/// When every storm begins: 2026-01-01 00:00 UTC, in seconds since 1970.
const BEGIN: u64 = 1_767_225_600;
/// A proxy calls nobody who has not answered for so long.
const MISSED_AFTER: Duration = Duration::from_secs(4);

impl StormClock {
    /// A clock that is `wrong_by` milliseconds fast.
    pub(crate) fn new(wrong_by: i64) -> Self {
        Self { wrong_by: Held::new(wrong_by) }
    }

    /// Sets the time of day, this many milliseconds on.
    pub(crate) fn step(&self, by: i64) {
        self.wrong_by.with(|wrong| *wrong += by);
    }
}

impl Clock for StormClock {
    fn now(&self) -> Moment {
        Moment(now())
    }

    fn wall(&self) -> SystemTime {
        let right = millis(Duration::from_secs(BEGIN) + now());
        UNIX_EPOCH + Duration::from_millis(right.saturating_add_signed(self.wrong_by.get()))
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a replica's process runs, and since when: it gets no turn while it is stopped, and none ever once it was killed.
#[derive(Clone)]
pub(crate) struct Process(Held<(Phase, Duration)>, Held<Amid>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Asleep,
    Crashed,
}

/// Amid which calls a replica comes to stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amid {
    Nothing,
    /// A read of routes or a step.
    Store,
    /// A read of routes, which it makes as it hears nothing of what others change.
    Read,
    /// A create, join or end.
    Server,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self(Held::new((Phase::Running, Duration::ZERO)), Held::new(Amid::Nothing))
    }

    pub(crate) fn phase(&self) -> Phase {
        self.0.with(|(phase, _)| *phase)
    }

    /// It runs, sleeps or has crashed from now on.
    pub(crate) fn turn(&self, to: Phase) {
        self.0.with(|process| {
            if process.0 != Phase::Crashed {
                *process = (to, now());
            }
        });
    }

    /// It comes to stand still amid its next call of these.
    pub(crate) fn stop_amid(&self, calls: Amid) {
        self.1.with(|amid| *amid = calls);
    }

    /// A call of these was done, and its answer is on its way.
    pub(crate) fn is_amid(&self, call: Amid) {
        let stops = self.1.with(|amid| {
            let stops = *amid == call;
            if stops {
                *amid = Amid::Nothing;
            }
            stops
        });
        if stops {
            self.turn(Phase::Asleep);
        }
    }

    /// Whether whoever looks after it has noticed that it does not answer.
    pub(crate) fn is_missed(&self) -> bool {
        self.0.with(|(phase, since)| *phase == Phase::Asleep && now() >= *since + MISSED_AFTER)
    }
}
