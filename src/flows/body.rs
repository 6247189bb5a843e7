//! A request body that streams to an instance and can be sent again to the next one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body_util::BodyExt;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::outside::servers::Outgoing;

/// Parts of a body on their way to an instance.
const PARTS_AHEAD: usize = 4;
/// How much is read from the temporary file at once.
const REPLAY_PART: usize = 64 * 1024;

type Part = Result<Bytes, io::Error>;

/// What a client's request had besides its URL.
#[derive(Debug)]
pub enum RequestBody {
    Nothing,
    /// Parameters; they are part of the query by now.
    Form,
    /// Documents or a file.
    Posted(Posted),
}

impl RequestBody {
    pub fn posted(&self) -> Option<&Posted> {
        match self {
            Self::Posted(posted) => Some(posted),
            Self::Nothing | Self::Form => None,
        }
    }
}

/// The body of a POST. One task owns the client's stream and a copy of what was read of it: in
/// memory up to a limit, in a temporary file beyond it.
#[derive(Debug)]
pub struct Posted {
    content_type: HeaderValue,
    attempts: mpsc::Sender<mpsc::Sender<Part>>,
    length: Option<u64>,
    /// When a part was given to an instance last.
    passed: watch::Receiver<Option<Instant>>,
}

impl Posted {
    /// Takes a client's body; `in_memory` is the most that is kept in memory for a second attempt.
    pub fn new(content_type: HeaderValue, body: Body, in_memory: usize) -> Self {
        use http_body::Body as _;
        let length = body.size_hint().exact();
        let (attempts, wanted) = mpsc::channel(1);
        let (passes, passed) = watch::channel(None);
        tokio::spawn(pump(body, Kept::new(in_memory, passes), wanted));
        Self { content_type, attempts, length, passed }
    }

    /// When an instance was given something of it last, if one was.
    pub fn passed_at(&self) -> Option<Instant> {
        *self.passed.borrow()
    }

    /// This request as a POST of the whole body.
    pub async fn carried_by(&self, request: Outgoing) -> Outgoing {
        let content_type = Some(self.content_type.clone());
        Outgoing { method: Method::POST, content_type, body: self.attempt().await, ..request }
    }

    /// The whole body from its start, as a stream. An earlier attempt's stream ends.
    async fn attempt(&self) -> Body {
        let (to, parts) = mpsc::channel(PARTS_AHEAD);
        // When the task is gone the stream ends at once, which the length tells from a good end.
        let _ = self.attempts.send(to).await;
        Body::new(Parts { parts, length: self.length })
    }
}

/// Serves attempts until the request is over: first what was kept, then what still comes.
async fn pump(mut body: Body, mut kept: Kept, mut wanted: mpsc::Receiver<mpsc::Sender<Part>>) {
    let mut ended = false;
    while let Some(to) = wanted.recv().await {
        if kept.replay(&to).await.is_err() {
            continue;
        }
        while !ended {
            // The instance's side is watched too: one that is gone frees the client's stream for the next.
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = to.closed() => break,
            };
            let part = match frame {
                None => {
                    ended = true;
                    break;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    let _ = to.send(Err(io::Error::other(error))).await;
                    return;
                }
            };
            if let Err(error) = kept.keep(part.clone()).await {
                let _ = to.send(Err(error)).await;
                return;
            }
            if to.send(Ok(part)).await.is_err() {
                break;
            }
            kept.passed();
        }
    }
}

/// What was read of a body so far.
struct Kept {
    parts: Vec<Bytes>,
    bytes: usize,
    most: usize,
    file: Option<File>,
    passes: watch::Sender<Option<Instant>>,
}

impl Kept {
    fn new(most: usize, passes: watch::Sender<Option<Instant>>) -> Self {
        Self { parts: Vec::new(), bytes: 0, most, file: None, passes }
    }

    fn passed(&self) {
        self.passes.send_replace(Some(Instant::now()));
    }

    async fn keep(&mut self, part: Bytes) -> io::Result<()> {
        if self.file.is_none() && self.bytes + part.len() <= self.most {
            self.bytes += part.len();
            self.parts.push(part);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let spool = crate::determinism::aside(tempfile::tempfile).await??;
                self.file.insert(File::from_std(spool))
            }
        };
        file.write_all(&part).await
    }

    /// Sends all that was kept; an error means that this attempt is over.
    async fn replay(&mut self, to: &mpsc::Sender<Part>) -> Result<(), ()> {
        for part in &self.parts {
            to.send(Ok(part.clone())).await.map_err(|_| ())?;
            self.passed();
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let done = replay_file(file, to, &self.passes).await;
        if let Err(Some(error)) = done {
            let _ = to.send(Err(error)).await;
            return Err(());
        }
        // What still comes is written behind what is there, wherever the reading stopped.
        file.seek(io::SeekFrom::End(0)).await.map_err(|_| ())?;
        done.map_err(|_| ())
    }
}

/// `Err(None)`: nobody takes the parts any more.
async fn replay_file(
    file: &mut File,
    to: &mpsc::Sender<Part>,
    passes: &watch::Sender<Option<Instant>>,
) -> Result<(), Option<io::Error>> {
    file.flush().await?;
    file.seek(io::SeekFrom::Start(0)).await?;
    loop {
        let mut part = vec![0; REPLAY_PART];
        let read = file.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        part.truncate(read);
        to.send(Ok(part.into())).await.map_err(|_| None)?;
        passes.send_replace(Some(Instant::now()));
    }
}

/// The stream of one attempt.
struct Parts {
    parts: mpsc::Receiver<Part>,
    length: Option<u64>,
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        let part = self.parts.poll_recv(context);
        part.map(|part| part.map(|part| part.map(http_body::Frame::data)))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_attempt_gets_the_same_bytes() {
        for in_memory in [0, 5, 1_000] {
            let sent: Vec<Bytes> = (0..40u8).map(|n| Bytes::from(vec![n; 7])).collect();
            let stream =
                futures_util::stream::iter(sent.clone().into_iter().map(Ok::<_, io::Error>));
            let posted = Posted::new(
                HeaderValue::from_static("application/xml"),
                Body::from_stream(stream),
                in_memory,
            );
            let mut first = posted.attempt().await;
            for _ in 0..3 {
                assert!(first.frame().await.is_some_and(|frame| frame.is_ok()));
            }
            drop(first);
            for _ in 0..2 {
                let body = posted.attempt().await.collect().await.map(|b| b.to_bytes());
                assert_eq!(body.ok(), Some(sent.concat().into()), "{in_memory} bytes in memory");
            }
        }
    }
}
