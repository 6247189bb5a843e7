//! Connections to instances: TCP or TLS, made within a deadline.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tower::timeout::TimeoutLayer;
use tower::util::{BoxCloneSyncService, Oneshot};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tracing::warn;

/// Finds out when a peer that vanished without a word is gone.
const KEEPALIVE: Duration = Duration::from_secs(30);

type Making = BoxCloneSyncService<Uri, Wire, BoxError>;

/// Makes connections. hyper's client clones it for every request, though few make one, so a clone
/// is no more than a count.
#[derive(Clone)]
pub(super) struct Connector(Arc<Making>);

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = BoxError;
    type Future = Oneshot<Making, Uri>;

    /// The service within is awaited by each call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Making::clone(&self.0).oneshot(to)
    }
}

/// Makes connections; name, TCP and TLS together take at most `within`.
pub(super) fn connector(tls: ClientConfig, within: Duration) -> Connector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    // Divided among the addresses of a name, so that one dead address is not the end.
    tcp.set_connect_timeout(Some(within));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let wired = ServiceBuilder::new()
        .map_response(Wire::new)
        .layer(TimeoutLayer::new(within))
        .service(https);
    Connector(Arc::new(BoxCloneSyncService::new(wired)))
}

/// Trusts what this system trusts, or Mozilla's list where the system has none, such as in a bare image.
pub(in crate::outside) fn public_trust() -> Result<ClientConfig, rustls::Error> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
    };
    let trusting = match builder()?.with_native_roots() {
        Ok(trusting) => trusting,
        Err(error) => {
            warn!(%error, "this system has no certificate roots: Mozilla's are trusted");
            builder()?.with_webpki_roots()
        }
    };
    Ok(trusting.with_no_client_auth())
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection that carries an [`Answered`] mark.
pub(super) struct Wire {
    stream: Stream,
    answered: Answered,
}

impl Wire {
    fn new(stream: Stream) -> Self {
        Self { stream, answered: Answered::default() }
    }
}

/// Whether an instance has answered on a connection before. If it has, a close without an answer is what
/// happens to idle connections; if not, the instance itself is to blame.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// The mark of the connection that this describes.
    pub(super) fn of(connected: &Connected) -> Option<Self> {
        let mut extras = http::Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.answered.clone())
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
