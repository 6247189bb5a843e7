//! A simulated BBB server on a socket behind a gate, and what is seen of its meetings: before and after each of its
//! answers, so that nobody learns of a meeting earlier than the history does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::telegraf::lines;
use bigblueswarm::sim::{Ask, InternalIds, Lookup, SimServer, SimSettings, Version};
use futures_util::future::join;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::gate::Gate;
use crate::seen::{Because, Sight, changes};
use crate::shared::Recorder;

/// How often meetings are looked at that nobody asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So long after a join its user's browser comes.
const BROWSERS_COME: Duration = Duration::from_millis(400);
const MOST_BODY: usize = 1 << 20;

/// A server, and the way to it.
pub(crate) struct Front {
    pub(crate) gate: Gate,
    pub(crate) view: View,
    /// Where Telegraf asks for its figures.
    pub(crate) figures: String,
    tasks: [JoinHandle<()>; 2],
}

/// A server as it is looked at.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) sim: SimServer,
    number: usize,
    seen: Arc<Mutex<Sight>>,
    recorder: Recorder,
}

impl Front {
    pub(crate) async fn start(number: usize, version: Version, recorder: &Recorder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address");
        let gate = Gate::to(own, Vec::new());
        let sim = SimServer::start(settings(number, version, gate.address), clock());
        let (seen, recorder) = (Arc::new(Mutex::new(Sight::new())), recorder.clone());
        let view = View { sim, number, seen, recorder };
        let routes = Router::new().fallback(answer).with_state(view.clone());
        let serving = async move {
            let served: io::Result<()> = axum::serve(listener, routes).await;
            served.expect("it serves");
        };
        let tasks = [tokio::spawn(serving), tokio::spawn(view.clone().keep_looking())];
        Self { gate, view, figures: format!("http://{own}/figures"), tasks }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn clock() -> Arc<RuntimeClock> {
    Arc::new(RuntimeClock::start())
}

fn settings(number: usize, version: Version, address: SocketAddr) -> SimSettings {
    let secret = format!("secret-of-s{number}-0123456789");
    let lookup = match version {
        Version::V2_5 => Lookup::ByExternalId,
        _ => Lookup::ByPrefix,
    };
    let settings = SimSettings::new(&format!("http://{address}"), &secret);
    let settings = SimSettings { lookup, internal_ids: InternalIds::Hashed, ..settings };
    settings.version(version).seed(number as u64).browsers_connect(BROWSERS_COME)
}

impl View {
    async fn keep_looking(self) {
        loop {
            sleep(LOOK_EVERY).await;
            self.look(&mut *self.seen.lock().await, Because::Call).await;
        }
    }

    /// Notes what has changed.
    async fn look(&self, seen: &mut Sight, because: Because) {
        let meetings = self.sim.meetings().await;
        let changes = changes(self.number, seen, meetings, because);
        changes.into_iter().for_each(|what| self.recorder.note(what));
    }

    /// It loses its meetings.
    pub(crate) async fn crash(&self) {
        let mut seen = self.seen.lock().await;
        self.look(&mut seen, Because::Call).await;
        self.sim.forget_meetings().await;
        self.look(&mut seen, Because::Crash).await;
    }

    /// Does what is asked. The look stands right behind it in the server's queue.
    async fn handle(self, ask: Ask, because: Because) -> Response {
        let mut seen = self.seen.lock().await;
        if because == Because::End {
            self.look(&mut seen, Because::Call).await;
        }
        let looked = async {
            self.look(&mut seen, because).await;
            drop(seen);
        };
        let (answer, ()) = join(self.sim.handle(ask), looked).await;
        answer.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
    }

    async fn figures(&self) -> Response {
        lines(&self.sim.figures().await, &self.sim.url(), SystemTime::now()).into_response()
    }
}

async fn answer(State(view): State<View>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/figures" {
        return view.figures().await;
    }
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let because = match parts.uri.path().rsplit('/').next() {
        Some("end") => Because::End,
        _ => Because::Call,
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let ask = Ask { method: parts.method, target, headers: parts.headers, body };
    // It is done also when the asker goes away.
    let done = tokio::spawn(view.handle(ask, because)).await;
    done.unwrap_or_else(|_| Response::new(Body::empty()))
}
