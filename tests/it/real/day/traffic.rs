//! The demo's acts, as calls through the proxy; each is counted in the phase in which it was sent.

use std::cell::RefCell;

use bigblueswarm::cli::demo::check::{Key, Turn, judge_list};
use bigblueswarm::cli::demo::day::{Act, Class, Pace, plan};
use bigblueswarm::sim::client::{CallError, Reply, Web, query_of};
use bigblueswarm::sim::{BbbClient, Role};
use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::ground::{Ground, OWNER, TENANTS, listed};
use super::ledger::Ledgers;
use super::table::Phase;

/// Everything that is sent, and what it came to.
pub(super) struct Traffic {
    caller: Caller,
    phases: RefCell<Vec<(Phase, Instant)>>,
}

/// Who sends the calls.
#[derive(Clone)]
struct Caller {
    clients: [BbbClient; 2],
    web: Web,
}

/// One call that ended.
struct Call {
    sent: Instant,
    ended: Instant,
    what: &'static str,
    key: Key,
    turn: Turn,
    came: Result<Came, String>,
}

enum Came {
    Created(String),
    /// What its instance says of a meeting: its internal id.
    Told(String),
    Listed(Vec<Key>),
    Done,
}

impl Traffic {
    pub(super) fn new(ground: &Ground) -> Self {
        let clients = TENANTS.map(|tenant| ground.proxy().client(tenant));
        let calm = (Phase::of("nothing"), Instant::now());
        Self { caller: Caller { clients, web: Web::default() }, phases: RefCell::new(vec![calm]) }
    }

    /// From now on calls are counted here.
    pub(super) fn begin(&self, phase: Phase) {
        self.phases.borrow_mut().push((phase, Instant::now()));
    }

    /// Changes the phase that runs.
    pub(super) fn change(&self, change: impl FnOnce(&mut Phase)) {
        let mut phases = self.phases.borrow_mut();
        change(&mut phases.last_mut().expect("there is a first one").0);
    }

    pub(super) fn phases(&self) -> Vec<Phase> {
        self.phases.borrow().iter().map(|(phase, _)| phase.clone()).collect()
    }

    /// Plays the day to its end.
    pub(super) async fn play(&self, pace: &Pace) -> Ledgers {
        let (mut ledgers, mut under_way, start) =
            (Ledgers::default(), JoinSet::new(), Instant::now());
        let (tell, mut told) = mpsc::unbounded_channel();
        // One server in the plan: servers have no troubles of their own here.
        for event in plan(7, pace, TENANTS.len(), 1) {
            loop {
                tokio::select! {
                    () = sleep_until(start + event.at) => break,
                    Some(call) = told.recv() => self.note(&mut ledgers, call),
                }
            }
            let turn = ledgers.ledger.take_turn();
            if let Act::Close(class) = &event.act {
                ledgers.closed(key_of(class), turn);
            }
            let (caller, tell) = (self.caller.clone(), tell.clone());
            under_way.spawn(async move { caller.perform(event.act, turn, &tell).await });
        }
        drop(tell);
        while let Some(call) = told.recv().await {
            self.note(&mut ledgers, call);
        }
        while let Some(done) = under_way.join_next().await {
            done.expect("every act ends");
        }
        ledgers
    }

    fn note(&self, ledgers: &mut Ledgers, call: Call) {
        let Call { sent, ended, what, key, turn, came } = call;
        let mut phases = self.phases.borrow_mut();
        let (phase, began) =
            phases.iter_mut().rev().find(|(_, began)| *began <= sent).expect("one");
        phase.calls += 1;
        let slowest = match what {
            "create" => &mut phase.slowest_create,
            _ => &mut phase.slowest_other,
        };
        *slowest = (*slowest).max(ended - sent);
        match came {
            Ok(Came::Created(internal)) => {
                phase.created += u64::from(ledgers.promised(&key).is_none());
                ledgers.acknowledged(key, turn, &internal);
            }
            Ok(Came::Told(internal)) => ledgers.told(&key, turn, &internal),
            Ok(Came::Listed(list)) => {
                ledgers.wrong.extend(judge_list(&key.tenant, &list.into_iter().collect()));
            }
            Ok(Came::Done) => {}
            Err(why) => {
                let (since, free) = match phase.is_of_the_store() {
                    true => (*began, false),
                    false => (sent, what == "create"),
                };
                let owed = free || what == "getMeetings" || ledgers.known(&key, since);
                if owed && !ledgers.ledger.closed_since(&key, turn) {
                    let Key { tenant, meeting } = key;
                    let (after, at) = ((ended - sent).as_secs_f64(), (sent - *began).as_secs_f64());
                    phase.broken.push(format!(
                        "{what} of {meeting} of {tenant} at {at:.2} s: {why} after {after:.2} s"
                    ));
                }
                *phase.refusals.entry(format!("{what} {why}")).or_default() += 1;
            }
        }
    }
}

fn key_of(class: &Class) -> Key {
    Key::new(TENANTS[class.tenant].host, &class.id)
}

type Tell = mpsc::UnboundedSender<Call>;

impl Caller {
    async fn perform(self, act: Act, turn: Turn, tell: &Tell) {
        match act {
            Act::Open(class) => self.create(&class, turn, tell).await,
            Act::Enter { class, name, role } => self.enter(&class, &name, role, turn, tell).await,
            Act::Close(class) => {
                self.call("end", &class, turn, tell, query_of(&[("meetingID", &class.id)])).await;
            }
            Act::Look { tenant, .. } => self.look(tenant, turn, tell).await,
            _ => {}
        }
    }

    /// As front ends do: create, send the browser to join, ask.
    async fn enter(&self, class: &Class, name: &str, role: Role, turn: Turn, tell: &Tell) {
        self.create(class, turn, tell).await;
        let query =
            query_of(&[("fullName", name), ("meetingID", &class.id), ("role", role.name())]);
        self.call("join", class, turn, tell, query).await;
        self.call("getMeetingInfo", class, turn, tell, query_of(&[("meetingID", &class.id)])).await;
    }

    async fn create(&self, class: &Class, turn: Turn, tell: &Tell) {
        let owner = format!("meta_{OWNER}");
        let host = TENANTS[class.tenant].host;
        let query = query_of(&[("name", &class.title), ("meetingID", &class.id), (&owner, host)]);
        self.call("create", class, turn, tell, query).await;
    }

    async fn call(
        &self,
        what: &'static str,
        class: &Class,
        turn: Turn,
        tell: &Tell,
        query: String,
    ) {
        let sent = Instant::now();
        let reply = self.clients[class.tenant].get(what, &query).await;
        let came = match (what, reply) {
            ("create", Ok(reply)) if reply.succeeded() => {
                Ok(Came::Created(reply.value("internalMeetingID").unwrap_or_default()))
            }
            ("getMeetingInfo", Ok(reply)) if reply.succeeded() => {
                Ok(Came::Told(reply.value("internalMeetingID").unwrap_or_default()))
            }
            ("join", Ok(reply)) => self.walk_in(reply).await,
            (_, reply) => succeeded(reply).map(|_| Came::Done),
        };
        let (ended, key) = (Instant::now(), key_of(class));
        let _ = tell.send(Call { sent, ended, what, key, turn, came });
    }

    /// What the browser does then: asks the server, and is sent to its client.
    async fn walk_in(&self, reply: Reply) -> Result<Came, String> {
        let Some(location) = reply.location().filter(|to| !to.contains("errors=")) else {
            return Err(told(&reply));
        };
        let reply = self.web.send(Method::GET, location, HeaderMap::new(), Bytes::new()).await;
        let reply = reply.map_err(|e| e.to_string())?;
        match reply.location() {
            Some(to) if to.contains("/html5client/") => Ok(Came::Done),
            _ => Err(format!("was not let in: {}", told(&reply))),
        }
    }

    async fn look(&self, tenant: usize, turn: Turn, tell: &Tell) {
        let sent = Instant::now();
        let came = succeeded(self.clients[tenant].get("getMeetings", "").await);
        let came = came.map(|reply| Came::Listed(listed(&reply)));
        let (ended, key) = (Instant::now(), Key::new(TENANTS[tenant].host, "any"));
        let _ = tell.send(Call { sent, ended, what: "getMeetings", key, turn, came });
    }
}

/// The reply if it says SUCCESS, else why not.
fn succeeded(reply: Result<Reply, CallError>) -> Result<Reply, String> {
    let reply = reply.map_err(|e| e.to_string())?;
    if reply.succeeded() { Ok(reply) } else { Err(told(&reply)) }
}

fn told(reply: &Reply) -> String {
    reply.key().unwrap_or_else(|| format!("HTTP {}", reply.status.as_u16()))
}
