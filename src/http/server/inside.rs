//! A request that is inside: counted, admitted, and followed to the end of its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pulse::Pulse;

/// Operators get in while the door is closed for others, so many at once.
const OPERATORS: usize = 64;

/// Who may be inside: so many at once, and a few operators more.
pub(super) struct Admission {
    all: Arc<Semaphore>,
    operators: Arc<Semaphore>,
}

impl Admission {
    pub(super) fn new(requests: usize) -> Self {
        let all = Arc::new(Semaphore::new(requests.min(Semaphore::MAX_PERMITS)));
        Self { all, operators: Arc::new(Semaphore::new(OPERATORS)) }
    }

    /// A place inside for a request to this path, or none.
    pub(super) fn enter(&self, path: &str) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.all).try_acquire_owned().ok();
        if place.is_some() || !is_operators(path) {
            return place;
        }
        Arc::clone(&self.operators).try_acquire_owned().ok()
    }
}

fn is_operators(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics") || path.starts_with("/admin/")
}

/// Counts a request for as long as it is there.
pub(super) struct Inside {
    pulse: Arc<Pulse>,
    count: Arc<AtomicUsize>,
    gauge: Gauge,
    answering: bool,
    place: Option<OwnedSemaphorePermit>,
}

impl Inside {
    pub(super) fn begin(pulse: Arc<Pulse>, count: Arc<AtomicUsize>, gauge: Gauge) -> Self {
        pulse.begin();
        count.fetch_add(1, Relaxed);
        gauge.increment(1);
        Self { pulse, count, gauge, answering: false, place: None }
    }

    pub(super) fn admit(&mut self, place: OwnedSemaphorePermit) {
        self.place = Some(place);
    }

    /// From here on the answer's body stands for the request.
    pub(super) fn answer(mut self, body: AxumBody) -> Answer {
        self.pulse.answer();
        self.answering = true;
        Answer { inner: body, inside: self }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.pulse.end(self.answering);
        self.count.fetch_sub(1, Relaxed);
        self.gauge.decrement(1);
    }
}

/// An answer's body; its request is inside until this is gone.
pub(super) struct Answer {
    inner: AxumBody,
    inside: Inside,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if frame.is_ready() {
            self.inside.pulse.touch();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_get_in_when_the_house_is_full() {
        let door = Admission::new(1);
        let first = door.enter("/bigbluebutton/api/create");
        assert!(first.is_some());
        assert!(door.enter("/bigbluebutton/api/create").is_none());
        let many: Vec<_> = (0..OPERATORS).filter_map(|_| door.enter("/readyz")).collect();
        assert_eq!(many.len(), OPERATORS);
        assert!(door.enter("/admin/api/instances").is_none());
        drop(first);
        assert!(door.enter("/bigbluebutton/api/create").is_some());
    }
}
