//! A client that costs little: requests written beforehand, over connections that are kept.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Outcome;

/// One connection, one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    received: BytesMut,
}

/// An answer: its status and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: BytesMut::with_capacity(16 * 1024) })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        let (status, head, length) = loop {
            if let Some(head) = head(&self.received)? {
                break head;
            }
            self.receive().await?;
        };
        while self.received.len() < head + length {
            self.receive().await?;
        }
        let mut whole = self.received.split_to(head + length);
        Ok(Answer { status, body: whole.split_off(head).freeze() })
    }

    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Status, size of the head, and size of the body; nothing while the head is not all there.
fn head(received: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let size = match response.parse(received).map_err(io::Error::other)? {
        httparse::Status::Complete(size) => size,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or_default();
    let length = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|h| std::str::from_utf8(h.value).ok()?.parse().ok());
    let length = length.or((status == 204).then_some(0));
    let length = length.ok_or_else(|| io::Error::other("an answer without its length"))?;
    Ok(Some((status, size, length)))
}

/// What one round of requests took.
pub(crate) struct Round {
    pub(crate) took: Duration,
    /// In microseconds.
    pub(crate) latency: Histogram<u64>,
}

/// Sends every request once over so many connections, and wants this status and text for each.
pub(crate) async fn round(
    address: &str,
    connections: usize,
    requests: Arc<Vec<Bytes>>,
    status: u16,
    text: &'static str,
) -> Outcome<Round> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    let began = Instant::now();
    for connection in open {
        clients.spawn(client(connection, requests.clone(), next.clone(), status, text));
    }
    let mut latency = Histogram::new(3)?;
    while let Some(done) = clients.join_next().await {
        latency.add(done??)?;
    }
    Ok(Round { took: began.elapsed(), latency })
}

async fn client(
    mut connection: Connection,
    requests: Arc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
    status: u16,
    text: &'static str,
) -> Outcome<Histogram<u64>> {
    let mut latency = Histogram::new(3)?;
    while let Some(request) = requests.get(next.fetch_add(1, Relaxed)) {
        let began = Instant::now();
        let answer = connection.exchange(request).await?;
        latency.record(u64::try_from(began.elapsed().as_micros())?)?;
        let found =
            text.is_empty() || answer.body.windows(text.len()).any(|w| w == text.as_bytes());
        if answer.status != status || !found {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("an answer was {} {body}", answer.status).into());
        }
    }
    Ok(latency)
}
