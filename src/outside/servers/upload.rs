//! A request's body on its way out, and how long an answer is waited for meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Whose turn it is, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// The instance's: it connects, takes what was given to it, or thinks about its answer.
    Instance(Instant),
    /// The asker's: the next part of the body has not arrived yet.
    Asker(Instant),
    /// Nobody's: the body failed.
    Broken,
}

/// Who let the other wait for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slow {
    Instance,
    Asker,
}

/// A body that tells whose turn it is.
pub(super) struct Upload {
    body: Body,
    turn: watch::Sender<Turn>,
}

impl Upload {
    /// Wraps a body; the instance has the first turn, as it has to accept the connection.
    pub(super) fn new(body: Body) -> (Self, watch::Receiver<Turn>) {
        let (turn, turns) = watch::channel(Turn::Instance(Instant::now()));
        (Self { body, turn }, turns)
    }

    fn turn(&self, next: Turn) {
        self.turn.send_if_modified(|turn| {
            // Being asked again does not give the asker more time.
            let same = matches!((&turn, next), (Turn::Asker(_), Turn::Asker(_)));
            if !same {
                *turn = next;
            }
            !same
        });
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.turn(match &polled {
            Poll::Pending => Turn::Asker(Instant::now()),
            Poll::Ready(Some(Err(_))) => Turn::Broken,
            Poll::Ready(_) => Turn::Instance(Instant::now()),
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Ends when an answer need not be waited for any longer: `within` after the instance got its turn, or `gap`
/// after the asker got its own. An upload that makes progress is so never cut, however long it takes.
pub(super) async fn patience(
    mut turns: watch::Receiver<Turn>,
    within: Duration,
    gap: Duration,
) -> Slow {
    loop {
        let (end, slow) = match *turns.borrow_and_update() {
            Turn::Instance(since) => (since + within, Slow::Instance),
            Turn::Asker(since) => (since + gap, Slow::Asker),
            // The connection is about to fail by itself.
            Turn::Broken => (Instant::now() + within, Slow::Asker),
        };
        tokio::select! {
            biased;
            // Without a sender the body is gone and the last turn stands.
            Ok(()) = turns.changed() => {}
            () = sleep_until(end) => return slow,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use http_body::Body as _;
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(4);
    const GAP: Duration = Duration::from_secs(30);

    /// A body whose parts arrive after these waits, taken as they come; who was slow, and when.
    async fn slow(waits: &[u64], closes: bool) -> (Slow, u64) {
        let (parts, arriving) = mpsc::channel(1);
        let arriving = futures_util::stream::unfold(arriving, |mut arriving| async {
            arriving.recv().await.map(|part: Result<Bytes, std::io::Error>| (part, arriving))
        });
        let (upload, turns) = Upload::new(Body::from_stream(arriving.boxed()));
        let start = Instant::now();
        tokio::spawn(upload.collect());
        let waits = waits.to_vec();
        tokio::spawn(async move {
            for wait in waits {
                tokio::time::sleep(Duration::from_secs(wait)).await;
                parts.send(Ok(Bytes::from_static(b"x"))).await.expect("the body is read");
            }
            if !closes {
                std::future::pending::<()>().await;
            }
        });
        let slow = patience(turns, WITHIN, GAP).await;
        (slow, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_makes_progress_is_never_cut() {
        assert_eq!(slow(&[29, 29, 29], true).await, (Slow::Instance, 87 + 4));
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_that_stops_sending_is_told_from_a_silent_instance() {
        assert_eq!(slow(&[1, 31], false).await, (Slow::Asker, 1 + 30));
        assert_eq!(slow(&[1, 2], false).await, (Slow::Asker, 3 + 30));
        assert_eq!(slow(&[], true).await, (Slow::Instance, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_takes_nothing_is_not_waited_for() {
        let (upload, turns) = Upload::new(Body::from("never taken"));
        let start = Instant::now();
        assert_eq!(patience(turns, WITHIN, GAP).await, Slow::Instance);
        assert_eq!(start.elapsed(), WITHIN);
        assert_eq!(upload.size_hint().exact(), Some(11));
    }
}
