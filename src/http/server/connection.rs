//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::door::Door;
use super::pulse::{Patience, Pulse, Verdict, judge};
use crate::config::Limits;

/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 128;
/// hyper takes no smaller buffer.
const LEAST_BUFFER: usize = 8 * 1024;

pub(super) type Protocol = auto::Builder<TokioExecutor>;

/// HTTP/1.1 and HTTP/2 with prior knowledge, both within these limits.
pub(super) fn protocol(limits: &Limits) -> Protocol {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// What all connections share.
pub(super) struct House {
    pub(super) door: Door,
    pub(super) protocol: Protocol,
    pub(super) patience: Patience,
    /// Finish what is running, take nothing new.
    pub(super) drain: CancellationToken,
    /// End at once.
    pub(super) cut: CancellationToken,
}

/// What the house says to a connection.
enum Word {
    /// Finish what is running, take nothing new.
    Close,
    /// End at once.
    End,
}

/// Waits until a connection must close, or end. One that is `closing` already is only watched for its end.
async fn watch(house: &House, pulse: &Pulse, closing: bool) -> Word {
    let mut wait = house.patience.idle;
    loop {
        tokio::select! {
            biased;
            () = house.cut.cancelled() => return Word::End,
            () = house.drain.cancelled(), if !closing => return Word::Close,
            () = sleep(wait) => {}
        }
        match judge(pulse.look(closing), house.patience) {
            Verdict::Keep(time) => wait = time,
            Verdict::Close => return Word::Close,
            Verdict::DropIdle => {
                house.door.meters.dropped_idle.increment(1);
                return Word::End;
            }
            Verdict::DropStuck => {
                house.door.meters.dropped_stuck.increment(1);
                return Word::End;
            }
        }
    }
}

/// Serves a connection until it ends, rests too long, or the house closes.
pub(super) async fn serve(house: Arc<House>, stream: TcpStream, peer: SocketAddr) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let pulse = Arc::new(Pulse::new());
    let service = service_fn(|request| {
        let (house, pulse) = (Arc::clone(&house), Arc::clone(&pulse));
        async move { Ok::<_, Infallible>(house.door.enter(request, peer, pulse).await) }
    });
    let mut connection = pin!(house.protocol.serve_connection(TokioIo::new(stream), service));
    // A set polls its futures only when they are woken, which is rarely beside all that a connection is polled for.
    let mut watching = FuturesUnordered::from_iter([watch(&house, &pulse, false)]);
    loop {
        let word = tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(client.address = %peer, %error, "connection ended early");
                }
                return;
            }
            Some(word) = watching.next() => word,
        };
        match word {
            Word::End => return,
            Word::Close => {
                connection.as_mut().graceful_shutdown();
                pulse.touch();
                watching.push(watch(&house, &pulse, true));
            }
        }
    }
}
