//! A way over TCP that can be cut: nothing passes and nobody is told, or the port is closed and everybody is.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use procfs::process::{FDInfo, FDTarget, Process};
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
    /// The process whose connections are stuck while others' are not.
    apart: watch::Sender<Option<u32>>,
    task: JoinHandle<()>,
}

impl Gate {
    /// An open way. In what the other side says, ports of Redis servers are renamed.
    pub(crate) fn to(target: SocketAddr, renamed: Renamed) -> Self {
        let (address, passage) = (free_address(), watch::Sender::new(Passage::Open));
        let names = renamed.into_iter().map(|(own, told)| (bulk(own), bulk(told))).collect();
        let apart = watch::Sender::new(None);
        let heard = Turns { passage: passage.subscribe(), apart: apart.subscribe() };
        let task = tokio::spawn(keep(address, Way { target, names }, heard));
        Self { address, passage, apart, task }
    }

    /// The connections of this process are stuck from now on, or all pass again.
    pub(crate) fn set_apart(&self, process: Option<u32>) {
        self.apart.send_replace(process);
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

/// What becomes of connections, as it changes.
#[derive(Clone)]
struct Turns {
    passage: watch::Receiver<Passage>,
    apart: watch::Receiver<Option<u32>>,
}

impl Turns {
    /// Waits until the connection of this client may pass something on. `false` when the gate is gone.
    async fn open(&mut self, client: SocketAddr) -> bool {
        loop {
            let apart = *self.apart.borrow_and_update();
            let is_open = *self.passage.borrow_and_update() == Passage::Open;
            if is_open && !apart.is_some_and(|process| is_of(client, process)) {
                return true;
            }
            let changed = tokio::select! {
                changed = self.passage.changed() => changed,
                changed = self.apart.changed() => changed,
            };
            if changed.is_err() {
                return false;
            }
        }
    }
}

/// Whether this end of a connection belongs to the process.
pub(crate) fn is_of(client: SocketAddr, process: u32) -> bool {
    let connections = procfs::net::tcp().unwrap_or_default();
    let Some(end) = connections.iter().find(|entry| entry.local_address == client) else {
        return false;
    };
    let process = i32::try_from(process).ok().and_then(|id| Process::new(id).ok());
    let files = process.and_then(|process| process.fd().ok());
    let is_it = |file: FDInfo| matches!(file.target, FDTarget::Socket(inode) if inode == end.inode);
    files.is_some_and(|mut files| files.any(|file| file.is_ok_and(is_it)))
}

async fn keep(address: SocketAddr, way: Way, heard: Turns) {
    let mut turns = heard.passage.clone();
    while turns.wait_for(|turn| *turn != Passage::Closed).await.is_ok() {
        let Ok(listener) = TcpListener::bind(address).await else {
            sleep(BIND_AGAIN_AFTER).await;
            continue;
        };
        tokio::select! {
            () = listen(listener, &way, &heard) => {}
            _ = turns.wait_for(|turn| *turn == Passage::Closed) => {}
        }
    }
}

/// Listens until dropped; every connection ends with it.
async fn listen(listener: TcpListener, way: &Way, heard: &Turns) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, from)) = listener.accept() => {
                connections.spawn(carry(client, from, way.clone(), heard.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes both ways until one side ends.
async fn carry(client: TcpStream, from: SocketAddr, way: Way, heard: Turns) {
    let Ok(server) = TcpStream::connect(way.target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pass(from_client, to_server, from, &[], heard.clone()) => {}
        () = pass(from_server, to_client, from, &way.names, heard) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    client: SocketAddr,
    names: &[(Bytes, Bytes)],
    mut turns: Turns,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or_default();
        if !turns.open(client).await || count == 0 {
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
