//! What a connection is doing, and when that is too little to keep it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// What one connection is doing. Written by its requests, read by its watcher.
#[derive(Debug)]
pub(super) struct Pulse {
    born: Instant,
    /// Requests whose answer has not begun.
    handling: AtomicUsize,
    /// Answers that have begun and not ended.
    answering: AtomicUsize,
    /// When anything of these last moved, in milliseconds after `born`.
    moved: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            handling: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
        }
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Something moved.
    pub(super) fn touch(&self) {
        self.moved.store(self.age_ms(), Relaxed);
    }

    /// While a request is handled nothing is asked of the time, so none is taken.
    pub(super) fn begin(&self) {
        self.handling.fetch_add(1, Relaxed);
    }

    /// The answer's head is there, its body follows.
    pub(super) fn answer(&self) {
        self.answering.fetch_add(1, Relaxed);
        self.handling.fetch_sub(1, Relaxed);
        self.touch();
    }

    pub(super) fn end(&self, answering: bool) {
        let stage = if answering { &self.answering } else { &self.handling };
        stage.fetch_sub(1, Relaxed);
        self.touch();
    }

    pub(super) fn look(&self, closing: bool) -> State {
        State {
            handling: self.handling.load(Relaxed),
            answering: self.answering.load(Relaxed),
            quiet: Duration::from_millis(self.age_ms().saturating_sub(self.moved.load(Relaxed))),
            closing,
        }
    }
}

/// A connection at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    handling: usize,
    answering: usize,
    /// Since anything moved.
    quiet: Duration,
    /// It was asked to close already.
    closing: bool,
}

/// How long a connection may rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Without any request.
    pub(super) idle: Duration,
    /// In the middle of an answer that its client does not take.
    pub(super) stuck: Duration,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Keep it, and look again after this time.
    Keep(Duration),
    /// Ask it to close.
    Close,
    DropIdle,
    DropStuck,
}

/// Decides about a connection. Requests that are being handled have deadlines of their own.
pub(super) fn judge(state: State, patience: Patience) -> Verdict {
    let State { handling, answering, quiet, closing } = state;
    if handling > 0 {
        return Verdict::Keep(patience.idle);
    }
    if answering > 0 {
        let left = patience.stuck.saturating_sub(quiet);
        return if left.is_zero() { Verdict::DropStuck } else { Verdict::Keep(left) };
    }
    match patience.idle.saturating_sub(quiet) {
        Duration::ZERO if closing => Verdict::DropIdle,
        Duration::ZERO => Verdict::Close,
        left => Verdict::Keep(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { idle: Duration::from_secs(10), stuck: Duration::from_secs(60) };

    #[track_caller]
    fn check(handling: usize, answering: usize, quiet: u64, closing: bool, expected: Verdict) {
        let state = State { handling, answering, quiet: Duration::from_secs(quiet), closing };
        assert_eq!(judge(state, PATIENCE), expected, "{state:?}");
    }

    #[test]
    fn a_connection_that_rests_too_long_is_closed() {
        let keep = |s| Verdict::Keep(Duration::from_secs(s));
        check(0, 0, 0, false, keep(10));
        check(0, 0, 9, false, keep(1));
        check(0, 0, 10, false, Verdict::Close);
        check(0, 0, 3, true, keep(7));
        check(0, 0, 10, true, Verdict::DropIdle);
        check(1, 0, 500, false, keep(10));
        check(1, 1, 500, true, keep(10));
        check(0, 1, 59, false, keep(1));
        check(0, 2, 60, false, Verdict::DropStuck);
    }

    #[test]
    fn requests_are_counted_through_their_stages() {
        let pulse = Pulse::new();
        pulse.begin();
        pulse.begin();
        pulse.answer();
        let state = pulse.look(false);
        assert_eq!((state.handling, state.answering), (1, 1));
        pulse.end(false);
        pulse.end(true);
        let state = pulse.look(false);
        assert_eq!((state.handling, state.answering), (0, 0));
    }
}
