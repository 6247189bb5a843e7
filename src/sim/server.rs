//! A simulated server: one task owns its state, everybody else sends it work.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use http::Response;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::breakouts;
use super::crowd::Crowd;
use super::desk::{Deed, Desk};
use super::errand::{self, Elsewhere, Ledger, Outcome, Sockets};
use super::faults::{Book, Faults};
use super::figures::{Figures, measure};
use super::hooks::Hook;
use super::join;
use super::machine::{Ask, Machine, Times};
use super::meeting::Meeting;
use super::recording::Recording;
use super::seen::{Log, Seen};
use super::settings::SimSettings;
use crate::domain::instance::{BadInstanceUrl, Instance};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;
use crate::outside::clock::Clock;

/// So many requests wait for the owner before askers wait too.
const QUEUE: usize = 1024;
/// A socket follows a change of the door within this time.
const DOOR_WITHIN: Duration = Duration::from_secs(5);

/// What is due happens within this time even where the clock stands.
const SOON: Duration = Duration::from_millis(1);

/// No connection stood: the server did not see the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection refused")]
pub struct Refused;

type Work = Box<dyn FnOnce(&mut Desk, Times) + Send>;
/// The way by which a server's own requests go out, if there is one.
type Way = Option<Arc<dyn Elsewhere>>;

/// Whether a socket shall be open, and whether it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Door {
    /// A fault keeps everybody out.
    pub(super) barred: bool,
    /// There is a socket; without one it is reached in memory.
    pub(super) socket: bool,
    /// The socket shall be open.
    pub(super) wanted: bool,
    pub(super) open: bool,
}

impl Door {
    fn settled(&self) -> bool {
        self.open == (self.wanted && !self.barred)
    }
}

/// A simulated BBB server. Clones are the same server.
#[derive(Clone)]
pub struct SimServer {
    work: mpsc::Sender<Work>,
    origin: watch::Sender<String>,
    secret: Secret,
    door: watch::Sender<Door>,
    way: watch::Sender<Way>,
}

impl SimServer {
    /// Starts a server; it needs a runtime, and ends when its last clone is gone.
    pub fn start(settings: SimSettings, clock: Arc<dyn Clock>) -> Self {
        let (work, queue) = mpsc::channel(QUEUE);
        let (origin, secret) = (settings.origin.clone(), settings.secret.clone());
        let desk = Desk {
            machine: Machine::new(settings),
            faults: Book::default(),
            log: Log::default(),
            ledger: Ledger::default(),
        };
        let way = watch::Sender::new(None);
        tokio::spawn(own(desk, queue, clock, way.subscribe()));
        let (origin, door) = (watch::Sender::new(origin), watch::Sender::new(Door::default()));
        Self { work, origin, secret, door, way }
    }

    /// Where clients reach it: `scheme://host[:port]`.
    pub fn origin(&self) -> String {
        self.origin.borrow().clone()
    }

    /// The URL it is registered by.
    pub fn url(&self) -> String {
        format!("{}/bigbluebutton", *self.origin.borrow())
    }

    /// The secret its calls are signed with.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The server as the balancer knows it.
    pub fn instance(&self) -> Result<Instance, BadInstanceUrl> {
        Instance::new(&self.url(), self.secret.clone(), crate::bbb::checksum::Algorithm::Sha256)
    }

    /// Whether it can be reached: no fault keeps everybody out, and its socket, if it has one, is open.
    pub fn reachable(&self) -> bool {
        let door = *self.door.borrow();
        !door.barred && (door.wanted || !door.socket)
    }

    /// Takes a request. Waits as long as the server is told to, for ever if it hangs: the asker has the deadline.
    pub async fn handle(&self, ask: Ask) -> Result<Response<Body>, Refused> {
        match self.ask(move |desk, times| desk.receive(&ask, times)).await {
            Deed::Answer(reply) => Ok(reply),
            Deed::Late(by, reply) => {
                sleep(by).await;
                Ok(reply)
            }
            Deed::Never => pending().await,
            Deed::Refused => Err(Refused),
        }
    }

    /// Every request it saw, oldest first.
    pub async fn requests(&self) -> Vec<Seen> {
        self.ask(|desk, _| desk.log.all()).await
    }

    /// The requests of one call.
    pub async fn requests_of(&self, call: &str) -> Vec<Seen> {
        let all = self.requests().await;
        all.into_iter().filter(|seen| seen.call() == call).collect()
    }

    /// Forgets the requests.
    pub async fn clear_requests(&self) {
        self.ask(|desk, _| desk.log.clear()).await;
    }

    /// What goes wrong.
    pub fn faults(&self) -> Faults {
        Faults::of(self.clone())
    }

    /// All its meetings, those that were ended and linger too.
    pub async fn meetings(&self) -> Vec<Meeting> {
        let look = |desk: &mut Desk, times: Times| {
            desk.machine.advance(times);
            desk.machine.meetings.clone()
        };
        self.ask(look).await
    }

    /// The meeting of this id, if it lives.
    pub async fn meeting(&self, id: &str) -> Option<Meeting> {
        self.meetings().await.into_iter().find(|m| m.lives() && m.id == id)
    }

    /// Makes so many breakout rooms of a meeting, as a moderator does inside it; they inherit its metadata. Answers
    /// their ids, none when there is no such meeting.
    pub async fn make_breakouts(&self, id: &str, rooms: u64) -> Vec<String> {
        let id = id.to_owned();
        self.ask(move |desk, times| breakouts::make(&mut desk.machine, &id, rooms, times)).await
    }

    /// The browsers of all who have joined and not come yet connect now.
    pub async fn browsers_arrive(&self) {
        self.ask(|desk, times| join::connect(&mut desk.machine, |_| true, times)).await;
    }

    /// Sends a crowd to a meeting; `false` when there is no such meeting.
    pub async fn send_crowd(&self, id: &str, crowd: Crowd) -> bool {
        let id = id.to_owned();
        self.ask(move |desk, times| desk.machine.send_crowd(&id, crowd, times.now)).await
    }

    /// Has this recording from now on.
    pub async fn add_recording(&self, recording: Recording) {
        self.ask(move |desk, _| desk.machine.recordings.push(recording)).await;
    }

    /// All its recordings, in any state.
    pub async fn recordings(&self) -> Vec<Recording> {
        self.ask(|desk, _| desk.machine.recordings.clone()).await
    }

    /// Loses every meeting, as a machine that starts again does. Answers those that lived.
    pub async fn forget_meetings(&self) -> Vec<Meeting> {
        let mut lost = self.ask(|desk, _| std::mem::take(&mut desk.machine.meetings)).await;
        lost.retain(Meeting::lives);
        lost
    }

    /// Its own requests go there from now on. Without this they go out over sockets if it listens on one, else
    /// nowhere.
    pub fn calls_out(&self, way: impl Elsewhere) {
        self.way.send_replace(Some(Arc::new(way)));
    }

    /// How its own requests ended, oldest first; those that are still tried are not among them.
    pub async fn outcomes(&self) -> Vec<Outcome> {
        self.ask(|desk, _| desk.ledger.all()).await
    }

    /// The hooks that are registered.
    pub async fn hooks(&self) -> Vec<Hook> {
        self.ask(|desk, _| desk.machine.hooks.clone()).await
    }

    /// Loses every hook, as the service beside BBB does when its store is emptied.
    pub async fn forget_hooks(&self) {
        self.ask(|desk, _| desk.machine.hooks.clear()).await;
    }

    /// Processor, memory and counts as they are now.
    pub async fn figures(&self) -> Figures {
        let look = |desk: &mut Desk, times: Times| {
            desk.machine.advance(times);
            measure(&desk.machine)
        };
        self.ask(look).await
    }

    /// Changes the faults; on a socket, waits until its door is as it shall be.
    pub(super) async fn change_faults(&self, change: impl FnOnce(&mut Book) + Send + 'static) {
        let changed = move |desk: &mut Desk, _| {
            change(&mut desk.faults);
            desk.faults.closes_the_door()
        };
        let barred = self.ask(changed).await;
        self.move_door(|door| door.barred = barred).await;
    }

    /// Changes what the door shall be and waits until it is so. A socket that can't follow says so when it starts.
    pub(super) async fn move_door(&self, change: impl FnOnce(&mut Door)) {
        self.door.send_modify(change);
        let mut door = self.door.subscribe();
        let _ = timeout(DOOR_WITHIN, door.wait_for(Door::settled)).await;
    }

    pub(super) fn door(&self) -> &watch::Sender<Door> {
        &self.door
    }

    /// The server is reached there from now on.
    pub(super) async fn move_to(&self, origin: String) {
        self.way.send_if_modified(|way| {
            let opened = if way.is_none() { Sockets::open() } else { None };
            opened.map(|sockets| *way = Some(Arc::new(sockets))).is_some()
        });
        self.origin.send_replace(origin.clone());
        self.ask(move |desk, _| desk.machine.settings.origin = origin).await;
    }

    async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Desk, Times) -> R + Send + 'static,
    ) -> R {
        let (reply_to, answer) = oneshot::channel();
        let work: Work = Box::new(move |desk, times| {
            let _ = reply_to.send(question(desk, times));
        });
        let sent = self.work.send(work).await;
        match (sent, answer.await) {
            (Ok(()), Ok(answer)) => answer,
            // The owner is gone only when the runtime is: nothing more happens here either.
            _ => pending().await,
        }
    }
}

/// Works off what it is sent, and lets happen what happens by itself, until nobody can send any more.
async fn own(
    mut desk: Desk,
    mut queue: mpsc::Receiver<Work>,
    clock: Arc<dyn Clock>,
    way: watch::Receiver<Way>,
) {
    let mut errands = JoinSet::new();
    loop {
        let next = desk.machine.next(clock.now());
        tokio::select! {
            biased;
            work = queue.recv() => match work {
                Some(work) => work(&mut desk, times(&*clock)),
                None => return,
            },
            Some(outcome) = errands.join_next() => {
                if let Ok(outcome) = outcome {
                    desk.machine.settled(&outcome);
                    desk.ledger.note(outcome);
                }
            }
            () = until(next, &*clock) => desk.machine.advance(times(&*clock)),
        }
        for errand in desk.machine.outbox.drain(..) {
            errands.spawn(errand::run(errand, way.borrow().clone()));
        }
    }
}

fn times(clock: &dyn Clock) -> Times {
    let since_1970 = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Times { now: clock.now(), wall }
}

/// Waits for a moment, for ever if there is none; a moment that has passed comes soon.
async fn until(moment: Option<Moment>, clock: &dyn Clock) {
    match moment {
        Some(moment) => sleep(moment.since(clock.now()).max(SOON)).await,
        None => pending().await,
    }
}
