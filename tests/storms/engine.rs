//! The runtimes of a storm: one of the world around, and one of each process, all in one thread. Each in its turn works for
//! two milliseconds of simulated time. A process that is stopped gets no turn: when it goes on, all that came meanwhile is
//! there and all its timers are overdue, as after SIGSTOP and SIGCONT. One that is killed is dropped where it stands.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Instant, advance, sleep_until};

use crate::shared::{Held, Phase, Process};

/// How long a turn is, and at the end, when nothing happens any more.
pub(crate) const TURN: Duration = Duration::from_millis(2);
const QUIET_TURN: Duration = Duration::from_millis(20);
/// After so many polls of tasks a runtime looks for timers that are due. Fewer than usual, so that after a stop some fire
/// before all that came has been dealt with.
const POLLS: u32 = 8;

thread_local! {
    /// Whose turn it is: some instant of its clock, and when in the storm that was.
    static AT_WORK: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// The time since the storm began; outside of storms, since it was asked for first.
pub(crate) fn now() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    match AT_WORK.get() {
        Some((instant, then)) => then + instant.elapsed(),
        None => FIRST.get_or_init(Instant::now).elapsed(),
    }
}

/// A runtime and its clock.
struct Engine {
    runtime: Runtime,
    process: Process,
    /// Some instant of its clock, and when in the storm that was.
    began: (Instant, Duration),
    /// It was stopped when it had its last turn.
    stood: bool,
}

impl Engine {
    fn new(process: Process, then: Duration) -> Self {
        let mut builder = Builder::new_current_thread();
        let builder = builder.enable_time().start_paused(true).event_interval(POLLS);
        let runtime = builder.build().expect("a runtime");
        let instant = {
            let _inside = runtime.enter();
            Instant::now()
        };
        Self { runtime, process, began: (instant, then), stood: false }
    }

    fn work(&mut self, until: Duration, turn: Duration) {
        if self.process.phase() == Phase::Asleep {
            self.stood = true;
            return;
        }
        AT_WORK.set(Some(self.began));
        let (instant, then) = self.began;
        let end = instant + until.saturating_sub(then);
        let stood = std::mem::take(&mut self.stood);
        self.runtime.block_on(async {
            if stood {
                advance((end - turn).saturating_duration_since(Instant::now())).await;
            }
            sleep_until(end).await;
        });
    }

    /// Nothing of it happens any more.
    fn stop(self) {
        AT_WORK.set(Some(self.began));
        drop(self.runtime);
    }
}

/// The runtimes of all processes.
#[derive(Clone)]
pub(crate) struct Engines {
    processes: Held<Vec<Engine>>,
    turn: Held<Duration>,
    world: Held<Option<Handle>>,
}

impl Engines {
    /// The runtime of a new process.
    pub(crate) fn start(&self, process: &Process) -> Handle {
        let engine = Engine::new(process.clone(), now());
        let handle = engine.runtime.handle().clone();
        self.processes.with(|all| all.push(engine));
        handle
    }

    /// The runtime of the world around.
    pub(crate) fn world(&self) -> Handle {
        self.world.get().expect("a world")
    }

    /// From now on little happens.
    pub(crate) fn calm_down(&self) {
        self.turn.with(|turn| *turn = QUIET_TURN);
    }

    fn work(&self, until: Duration, turn: Duration) {
        let all = self.processes.with(std::mem::take);
        let mut at_work = Vec::with_capacity(all.len());
        for mut engine in all {
            if engine.process.phase() == Phase::Crashed {
                engine.stop();
            } else {
                engine.work(until, turn);
                at_work.push(engine);
            }
        }
        self.processes.with(|all| *all = at_work);
    }
}

/// Runs what is to happen, and all processes that are started by it, until it is over.
pub(crate) fn drive<T, F>(what: impl FnOnce(Engines) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut world = Engine::new(Process::new(), Duration::ZERO);
    let handle = world.runtime.handle().clone();
    let engines = Engines {
        processes: Held::new(Vec::new()),
        turn: Held::new(TURN),
        world: Held::new(Some(handle.clone())),
    };
    let work = handle.spawn(what(engines.clone()));
    let mut at = Duration::ZERO;
    while !work.is_finished() {
        let turn = engines.turn.get();
        at += turn;
        world.work(at, turn);
        engines.work(at, turn);
    }
    let done = world.runtime.block_on(work);
    engines.processes.with(std::mem::take).into_iter().for_each(Engine::stop);
    world.stop();
    done.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}
