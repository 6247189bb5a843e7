//! A small server for the stories, and clients that write raw bytes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path};
use axum::routing::{get, post};
use bigblueswarm::config::{Config, Deadlines, Limits};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::http::server::{Drained, serve};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything that is expected to happen, also on a busy machine.
pub(crate) const PATIENTLY: Duration = Duration::from_secs(30);

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The defaults, which a story changes.
pub(crate) fn rules() -> (Limits, Deadlines) {
    let config = Config::with_secrets(Secret::new("secret"), Secret::new("key"));
    (config.limits, config.deadlines)
}

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Drained>,
}

impl House {
    pub(crate) async fn open(change: impl FnOnce(&mut Limits, &mut Deadlines)) -> Self {
        let (mut limits, mut deadlines) = rules();
        change(&mut limits, &mut deadlines);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(listener, app(), &limits, &deadlines, stopped).await
        });
        Self { address, stop: Some(stop), serving }
    }

    pub(crate) fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn stopped(self) -> Drained {
        timeout(PATIENTLY, self.serving).await.unwrap().unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection that sent these bytes.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        stream
    }

    /// The whole answer to these bytes, until the server closes.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        read_all(self.send(bytes).await).await
    }

    pub(crate) async fn assert_serves(&self) {
        let answer = self.exchange(get_closing("/")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("served"), "{answer}");
    }
}

/// A GET after which the server closes.
pub(crate) fn get_closing(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example.org\r\nConnection: close\r\n\r\n")
}

pub(crate) fn get_staying(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example.org\r\n\r\n")
}

/// What comes until the connection ends, even by a reset.
pub(crate) async fn read_all(mut stream: impl AsyncRead + Unpin) -> String {
    let mut read = Vec::new();
    timeout(PATIENTLY, stream.read_to_end(&mut read)).await.expect("the server closes").ok();
    String::from_utf8_lossy(&read).into_owned()
}

/// What comes up to and with this text.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(text) {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "closed before {text}");
        }
    };
    timeout(PATIENTLY, reading).await.expect("the text comes");
    String::from_utf8_lossy(&read).into_owned()
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "served" }))
        .route("/healthz", get(|| async { "alive" }))
        .route("/slow/{ms}", get(slow))
        .route("/count", post(|body: Bytes| async move { format!("counted {}", body.len()) }))
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route("/host", get(host))
        .route("/stream", get(|| async { Body::from_stream(endless()) }))
        .route("/panic", get(broken))
}

async fn slow(Path(time): Path<u64>) -> &'static str {
    tokio::time::sleep(ms(time)).await;
    "slow but done"
}

async fn host(headers: HeaderMap) -> String {
    let hosts = headers.get_all("host").iter().map(|h| h.to_str().unwrap());
    hosts.collect::<Vec<_>>().join(",")
}

async fn broken() -> &'static str {
    panic!("this handler panics, as its story wants")
}

fn endless() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 16 * 1024])))
}
