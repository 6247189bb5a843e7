//! The way to a simulated server over a loopback socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tracing::warn;

use super::machine::Ask;
use super::memory::MOST_BODY;
use super::server::{Door, SimServer};

/// A port that somebody else holds just now is tried again so often.
const BIND_TRIES: u32 = 50;
const BIND_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Connections at once; more wait to be accepted.
const MOST_CONNECTIONS: usize = 4_096;

/// A server on a socket. It stops listening when this is dropped.
pub struct SimHandle {
    /// The URL it is registered by, such as `http://127.0.0.1:4711/bigbluebutton`.
    pub url: String,
    pub address: SocketAddr,
    pub server: SimServer,
    task: JoinHandle<()>,
}

impl SimServer {
    /// Listens on a free loopback port; the server's origin is there from now on.
    pub async fn listen(&self) -> io::Result<SimHandle> {
        self.listen_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Listens on this address. A server has one socket at a time.
    pub async fn listen_on(&self, address: SocketAddr) -> io::Result<SimHandle> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        self.move_to(format!("http://{address}")).await;
        self.door().send_modify(|door| (door.socket, door.wanted, door.open) = (true, true, true));
        let task = tokio::spawn(keep(self.clone(), address, Some(listener)));
        Ok(SimHandle { url: self.url(), address, server: self.clone(), task })
    }
}

impl SimHandle {
    /// The secret its calls are signed with.
    pub fn secret(&self) -> &str {
        self.server.secret().reveal()
    }

    /// Closes the port and every connection at once, as a crash does; the memory stays.
    pub async fn stop(&self) {
        self.server.move_door(|door| door.wanted = false).await;
    }

    /// Opens the same port again.
    pub async fn start(&self) {
        self.server.move_door(|door| door.wanted = true).await;
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.task.abort();
        self.server
            .door()
            .send_modify(|door| *door = Door { barred: door.barred, ..Door::default() });
    }
}

/// Opens and closes the port as the door says.
async fn keep(server: SimServer, address: SocketAddr, mut first: Option<TcpListener>) {
    let mut door = server.door().subscribe();
    let opens = |door: &Door| door.wanted && !door.barred;
    loop {
        if door.wait_for(opens).await.is_err() {
            return;
        }
        let Some(listener) = bind(first.take(), address).await else { return };
        server.door().send_if_modified(|door| !std::mem::replace(&mut door.open, true));
        tokio::select! {
            () = serve(listener, &server) => {}
            _ = door.wait_for(|door| !opens(door)) => {}
        }
        server.door().send_if_modified(|door| std::mem::replace(&mut door.open, false));
    }
}

async fn bind(first: Option<TcpListener>, address: SocketAddr) -> Option<TcpListener> {
    if first.is_some() {
        return first;
    }
    for _ in 0..BIND_TRIES {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(_) => sleep(BIND_AGAIN_AFTER).await,
        }
    }
    warn!(%address, "simulated server got no port");
    None
}

/// Serves until dropped; every connection ends with it.
async fn serve(listener: TcpListener, server: &SimServer) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(talk(stream, server.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn talk(stream: TcpStream, server: SimServer) {
    let service = service_fn(move |request| answer(server.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // It ends with an error when the client leaves, or when the server is told to drop it.
    let _ = connection.await;
}

async fn answer(server: SimServer, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let body = to_bytes(Body::new(body), MOST_BODY).await.map_err(io::Error::other)?;
    let ask = Ask { method: parts.method, target, headers: parts.headers, body };
    server.handle(ask).await.map_err(io::Error::other)
}
