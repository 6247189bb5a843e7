//! A way over TCP that can be cut: nothing passes and nobody is told, or the port is closed and everybody is.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::program::free_address;

const BIND_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// They wait, as those for a process that is stopped, or behind a cut cable.
    Stuck,
    /// Nobody listens, and connections are reset.
    Closed,
}

/// Ports that are told for others: a server's own, and that of the gate to it.
pub(crate) type Renamed = Vec<(u16, u16)>;

/// A way to one address, for as long as it is kept.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    passage: watch::Sender<Passage>,
    task: JoinHandle<()>,
}

impl Gate {
    /// An open way. In what the other side says, ports of Redis servers are renamed.
    pub(crate) fn to(target: SocketAddr, renamed: Renamed) -> Self {
        let (address, passage) = (free_address(), watch::Sender::new(Passage::Open));
        let names = renamed.into_iter().map(|(own, told)| (bulk(own), bulk(told))).collect();
        let task = tokio::spawn(keep(address, Way { target, names }, passage.subscribe()));
        Self { address, passage, task }
    }

    pub(crate) fn turn(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Way {
    target: SocketAddr,
    names: Vec<(Bytes, Bytes)>,
}

/// A port as Redis tells it.
fn bulk(port: u16) -> Bytes {
    let digits = port.to_string();
    Bytes::from(format!("${}\r\n{digits}\r\n", digits.len()))
}

async fn keep(address: SocketAddr, way: Way, passage: watch::Receiver<Passage>) {
    let mut turns = passage.clone();
    while turns.wait_for(|turn| *turn != Passage::Closed).await.is_ok() {
        let Ok(listener) = TcpListener::bind(address).await else {
            sleep(BIND_AGAIN_AFTER).await;
            continue;
        };
        tokio::select! {
            () = listen(listener, &way, &passage) => {}
            _ = turns.wait_for(|turn| *turn == Passage::Closed) => {}
        }
    }
}

/// Listens until dropped; every connection ends with it.
async fn listen(listener: TcpListener, way: &Way, passage: &watch::Receiver<Passage>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(carry(client, way.clone(), passage.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes both ways until one side ends.
async fn carry(client: TcpStream, way: Way, passage: watch::Receiver<Passage>) {
    let Ok(server) = TcpStream::connect(way.target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pass(from_client, to_server, &[], passage.clone()) => {}
        () = pass(from_server, to_client, &way.names, passage) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    names: &[(Bytes, Bytes)],
    mut passage: watch::Receiver<Passage>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or_default();
        if passage.wait_for(|turn| *turn == Passage::Open).await.is_err() || count == 0 {
            return;
        }
        names.iter().for_each(|(own, told)| replace(&mut buffer[..count], own, told));
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Puts other words of the same length in place of these.
pub(crate) fn replace(bytes: &mut [u8], own: &[u8], told: &[u8]) {
    assert_eq!(own.len(), told.len(), "all ports have five digits");
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(own.len()).position(|window| window == own) {
        at += found;
        bytes[at..at + own.len()].copy_from_slice(told);
        at += own.len();
    }
}
