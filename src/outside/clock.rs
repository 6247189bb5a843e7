//! The clock: one for everything, so that tests can hold it.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::domain::moment::Moment;

/// Tells the time. Everything that keeps or compares times asks one of these.
pub trait Clock: Send + Sync + 'static {
    /// Time since the program started; never goes back.
    fn now(&self) -> Moment;
    /// The time of day, for what is shown or sent to others.
    fn wall(&self) -> SystemTime;
}

/// The system's clock: the time of day follows when somebody sets it.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// Starts counting now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.0.elapsed())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The runtime's clock; a test that pauses the runtime's time holds this one too.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeClock {
    started: Instant,
    started_at: SystemTime,
}

impl RuntimeClock {
    /// Starts counting now.
    pub fn start() -> Self {
        Self { started: Instant::now(), started_at: SystemTime::now() }
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Moment {
        Moment(self.started.elapsed())
    }

    fn wall(&self) -> SystemTime {
        self.started_at + self.started.elapsed()
    }
}
