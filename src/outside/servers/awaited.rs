//! An answer's body as it arrives, each part within a deadline.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenOff {
    #[error("the next part did not come in time")]
    Late,
    #[error(transparent)]
    Lost(#[from] hyper::Error),
}

/// A body that ends with an error when a part takes too long. No timer runs for what is there
/// already, as small answers are.
pub(super) struct Awaited {
    inner: Incoming,
    gap: Duration,
    /// Runs while a part is awaited.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Awaited {
    pub(super) fn new(inner: Incoming, gap: Duration) -> Self {
        Self { inner, gap, timer: None }
    }
}

impl Body for Awaited {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.timer = None;
            return Poll::Ready(frame.map(|frame| Ok(frame?)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(this.gap)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(BrokenOff::Late)))
    }
}
