//! The listener: takes connections while there is room, and ends by draining them.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::body::Bounds;
use super::connection::{self, House};
use super::door::Door;
use super::meters::Meters;
use super::pulse::Patience;
use crate::config::{Deadlines, Limits};

/// After an accept that failed for want of something, such as file descriptors.
const REST: Duration = Duration::from_millis(100);
/// A lasting trouble is said this often.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Descriptors that are left for the store, the instances and files.
const RESERVED_FILES: u64 = 512;
/// How long connections have to end once they are cut.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Requests that were still running at the deadline.
    pub cut: usize,
}

impl Drained {
    /// Whether every request ended by itself.
    pub fn whole(self) -> bool {
        self.cut == 0
    }
}

/// Serves `app` until `shutdown`, then closes the listener, lets running requests end within
/// `deadlines.drain`, and cuts what is left.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: &Limits,
    deadlines: &Deadlines,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let bounds = Bounds { bytes: limits.body_bytes, gap: deadlines.body };
    let house = Arc::new(House {
        door: Door::new(app, limits.requests, bounds),
        protocol: connection::protocol(limits),
        patience: Patience { idle: limits.header_timeout, stuck: deadlines.body * 2 },
        drain: CancellationToken::new(),
        cut: CancellationToken::new(),
    });
    let connections = TaskTracker::new();
    tokio::select! {
        biased;
        () = shutdown => {}
        never = take_all(&listener, &house, &connections, slots(limits.connections)) => match never {},
    }
    drop(listener);
    connections.close();
    drain(&house, &connections, deadlines.drain).await
}

async fn drain(house: &House, connections: &TaskTracker, within: Duration) -> Drained {
    house.drain.cancel();
    if timeout(within, connections.wait()).await.is_ok() {
        return Drained { cut: 0 };
    }
    let cut = house.door.inside();
    if cut > 0 {
        warn!(requests = cut, "requests were cut at the end of the drain time");
    }
    house.cut.cancel();
    let _ = timeout(CUT_WITHIN, connections.wait()).await;
    Drained { cut }
}

/// How many connections fit: the limit, as far as the system's limit of open files allows.
fn slots(limit: usize) -> usize {
    let wanted = (limit as u64).saturating_add(RESERVED_FILES);
    let files = match rlimit::increase_nofile_limit(wanted) {
        Ok(files) => files,
        Err(error) => {
            warn!(%error, "limit of open files is unknown");
            return limit;
        }
    };
    let fit = fitting(limit, files);
    if fit < limit {
        warn!(limit, fit, files, "limit of open files allows fewer connections than configured");
    }
    fit
}

fn fitting(limit: usize, files: u64) -> usize {
    let room = files.saturating_sub(RESERVED_FILES).max(files / 2).max(1);
    limit.min(usize::try_from(room).unwrap_or(usize::MAX)).min(Semaphore::MAX_PERMITS)
}

enum Never {}

/// Takes connections for as long as it is polled.
async fn take_all(
    listener: &TcpListener,
    house: &Arc<House>,
    connections: &TaskTracker,
    slots: usize,
) -> Never {
    let slots = Arc::new(Semaphore::new(slots));
    let meters = &house.door.meters;
    let (mut full, mut failing) = (Said::default(), Said::default());
    loop {
        let slot = slot(&slots, meters, &mut full).await;
        let Some((stream, peer)) = accept(listener, meters, &mut failing).await else { continue };
        meters.accepted.increment(1);
        let house = Arc::clone(house);
        connections.spawn(async move {
            let _held = Held::new(slot, house.door.meters.connections.clone());
            let _ = stream.set_nodelay(true);
            connection::serve(house, stream, peer).await;
        });
    }
}

/// Waits until there is room for another connection; new ones stay in the backlog meanwhile.
async fn slot(slots: &Arc<Semaphore>, meters: &Meters, said: &mut Said) -> OwnedSemaphorePermit {
    if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
        return slot;
    }
    meters.full.set(1);
    if said.is_due() {
        warn!("connection limit is reached: new connections wait");
    }
    let slot = pin!(Arc::clone(slots).acquire_owned()).await;
    meters.full.set(0);
    slot.expect("nobody closes the semaphore")
}

async fn accept(
    listener: &TcpListener,
    meters: &Meters,
    said: &mut Said,
) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            meters.accept_errors.increment(1);
            rest(&error, said).await;
            None
        }
    }
}

/// Waits before the next accept when the trouble is ours and may last.
async fn rest(error: &io::Error, said: &mut Said) {
    if is_the_clients(error) {
        return;
    }
    if said.is_due() {
        warn!(%error, "connections can't be accepted at the moment");
    }
    sleep(REST).await;
}

/// Whether only that one connection failed.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// When something was last said.
#[derive(Default)]
struct Said(Option<Instant>);

impl Said {
    fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= SAY_EVERY);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

/// A connection's slot, counted.
struct Held {
    _slot: OwnedSemaphorePermit,
    gauge: metrics::Gauge,
}

impl Held {
    fn new(slot: OwnedSemaphorePermit, gauge: metrics::Gauge) -> Self {
        gauge.increment(1);
        Self { _slot: slot, gauge }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        assert_eq!(fitting(20_000, 1 << 20), 20_000);
        assert_eq!(fitting(20_000, 20_000), 19_488);
        assert_eq!(fitting(20_000, 1_024), 512);
        assert_eq!(fitting(20_000, 256), 128);
        assert_eq!(fitting(10, 256), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_accept_is_followed_by_a_rest_when_it_may_last() {
        let began = Instant::now();
        rest(&io::ErrorKind::ConnectionAborted.into(), &mut Said::default()).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        rest(&io::Error::other("too many open files"), &mut Said::default()).await;
        assert!(began.elapsed() >= REST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_trouble_is_said_now_and_then() {
        let mut said = Said::default();
        assert!(said.is_due());
        assert!(!said.is_due());
        sleep(SAY_EVERY).await;
        assert!(said.is_due());
    }
}
