//! The way to simulated servers without sockets, so that stories run in paused time.

use std::collections::HashMap;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tokio::sync::watch;
use tokio::time::timeout;

use super::machine::Ask;
use super::server::SimServer;
use crate::outside::servers::{Incoming, Outgoing, SendError, Servers};

/// The largest body a server takes.
pub(super) const MOST_BODY: usize = 256 << 20;

/// Simulated servers by their origin.
#[derive(Clone)]
pub struct SimServers(watch::Sender<HashMap<String, SimServer>>);

impl SimServers {
    /// A network of these servers.
    pub fn new(servers: impl IntoIterator<Item = SimServer>) -> Self {
        let by_origin = servers.into_iter().map(|server| (server.origin(), server)).collect();
        Self(watch::Sender::new(by_origin))
    }

    /// Connects one more server.
    pub fn plug(&self, server: SimServer) {
        self.0.send_modify(|all| {
            all.insert(server.origin(), server);
        });
    }

    /// Has a server reached under another origin, too, such as an IP address.
    pub fn alias(&self, origin: &str, server: SimServer) {
        self.0.send_modify(|all| {
            all.insert(origin.to_owned(), server);
        });
    }

    /// Cuts a server off; it goes on without being reached.
    pub fn unplug(&self, origin: &str) {
        self.0.send_modify(|all| {
            all.remove(origin);
        });
    }

    /// The server of this origin.
    pub fn get(&self, origin: &str) -> Option<SimServer> {
        self.0.borrow().get(origin).cloned()
    }
}

#[async_trait]
impl Servers for SimServers {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError> {
        let unknown = || SendError::NotSent("no server of this name".to_owned());
        let server = self.get(&request.instance.origin).ok_or_else(unknown)?;
        let within = request.first_byte_within;
        match timeout(within, deliver(server, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(SendError::Unanswered("no first byte in time".to_owned())),
        }
    }
}

async fn deliver(server: SimServer, request: Outgoing) -> Result<Incoming, SendError> {
    let body = to_bytes(request.body, MOST_BODY).await;
    let body =
        body.map_err(|e| SendError::Unanswered(format!("the request's body broke off: {e}")))?;
    let mut headers = HeaderMap::new();
    if let Some(kind) = request.content_type {
        headers.insert(CONTENT_TYPE, kind);
    }
    let ask = Ask { method: request.method, target: request.target, headers, body };
    let reply = server.handle(ask).await.map_err(|e| SendError::NotSent(e.to_string()))?;
    let (parts, body): (_, Body) = reply.into_parts();
    Ok(Incoming { status: parts.status, headers: parts.headers, body })
}
