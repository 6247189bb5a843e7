//! A request's body, bounded in size and time while it streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

/// A body may take so many times the deadline between two of its parts.
const PARTS: u32 = 20;

/// Why a request's body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    #[error("request body is too large")]
    TooLarge,
    #[error("request body did not arrive in time")]
    Stalled,
    #[error("request body broke off: {0}")]
    Broken(#[source] hyper::Error),
}

/// How much of a body is read, and how slowly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    /// Between two parts.
    pub(super) gap: Duration,
}

/// What became of a body, for whoever answers the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

const TOO_LARGE: u8 = 1;
const STALLED: u8 = 2;

impl Fate {
    pub(super) fn too_large(&self) -> bool {
        self.0.load(Relaxed) == TOO_LARGE
    }

    pub(super) fn stalled(&self) -> bool {
        self.0.load(Relaxed) == STALLED
    }
}

/// A body that ends with an error when it exceeds its bounds.
pub(super) struct Bounded {
    inner: Incoming,
    left: usize,
    gap: Duration,
    /// When all of it must be there.
    whole_by: Instant,
    timer: Pin<Box<Sleep>>,
    /// The timer runs for the part that is awaited now.
    waiting: bool,
    fate: Fate,
}

impl Bounded {
    pub(super) fn new(inner: Incoming, bounds: Bounds, fate: Fate) -> Self {
        let whole_by = Instant::now() + bounds.gap * PARTS;
        Self {
            inner,
            left: bounds.bytes,
            gap: bounds.gap,
            whole_by,
            timer: Box::pin(sleep_until(whole_by)),
            waiting: false,
            fate,
        }
    }

    fn took(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyFault> {
        self.waiting = false;
        let size = frame.data_ref().map_or(0, Bytes::len);
        let Some(left) = self.left.checked_sub(size) else {
            self.fate.0.store(TOO_LARGE, Relaxed);
            return Err(BodyFault::TooLarge);
        };
        self.left = left;
        Ok(frame)
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<BodyFault> {
        if !self.waiting {
            self.waiting = true;
            let by = (Instant::now() + self.gap).min(self.whole_by);
            self.timer.as_mut().reset(by);
        }
        ready!(self.timer.as_mut().poll(cx));
        self.fate.0.store(STALLED, Relaxed);
        Poll::Ready(BodyFault::Stalled)
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(this.took(frame))),
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(BodyFault::Broken(e)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => this.poll_late(cx).map(|fault| Some(Err(fault))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
