//! The simulated BBB servers of a storm, the way to them, and what is seen of their meetings.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use bigblueswarm::bbb::query;
use bigblueswarm::determinism::Randomness;
use bigblueswarm::outside::servers::{Incoming, Outgoing, SendError, Servers};
use bigblueswarm::sim::{
    Ask, Fault, InternalIds, Lookup, SimServer, SimServers, SimSettings, Version,
};
use futures_util::future::join;
use http::header::LOCATION;
use http::{HeaderMap, Method};
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};

use crate::callbacks::Told;
use crate::engine::TURN;
use crate::history::What;
use crate::lies::{self, Lies};
use crate::plan::{Failing, ServerPlan};
use crate::replica::PATIENCE;
use crate::seen::{Because, Sight, changes};
use crate::shared::{Amid, Held, Phase, Process, Recorder, StormClock};

/// How often meetings are looked at that nobody asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So long after a join its user's browser comes.
const BROWSERS_COME: Duration = Duration::from_millis(400);

/// All servers.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) sims: Vec<SimServer>,
    servers: SimServers,
    recorder: Recorder,
    /// What each server was last seen to have.
    seen: Held<Vec<Sight>>,
    lies: Held<Vec<Lies>>,
    /// Where servers were told to tell of ends.
    pub(crate) told: Told,
    versions: Vec<Version>,
}

impl Fleet {
    pub(crate) fn start(plans: &[ServerPlan], seed: u64, recorder: &Recorder) -> Self {
        let start = |(n, plan): (usize, &ServerPlan)| {
            let origin = format!("http://s{n}.example.org");
            let settings = SimSettings::new(&origin, &format!("secret-of-s{n}-0123456789"));
            let lookup = match plan.version {
                Version::V2_5 => Lookup::ByExternalId,
                _ => Lookup::ByPrefix,
            };
            let settings = SimSettings { lookup, internal_ids: InternalIds::Hashed, ..settings };
            let settings = settings.version(plan.version).seed(seed * 100 + n as u64);
            let settings = settings.browsers_connect(BROWSERS_COME);
            SimServer::start(settings, Arc::new(StormClock::new(plan.wrong_by)))
        };
        let sims: Vec<SimServer> = plans.iter().enumerate().map(start).collect();
        let seen = Held::new(sims.iter().map(|_| Sight::new()).collect());
        let servers = SimServers::new(sims.clone());
        let lies = Held::new(vec![Lies::default(); sims.len()]);
        let versions = plans.iter().map(|plan| plan.version).collect();
        Self { sims, servers, recorder: recorder.clone(), seen, lies, versions, told: Told::new() }
    }

    /// Looks at all meetings, again and again.
    pub(crate) async fn keep_looking(self) {
        loop {
            sleep(LOOK_EVERY).await;
            for server in 0..self.sims.len() {
                self.look(server, Because::Call).await;
            }
        }
    }

    /// Notes what has changed on a server.
    async fn look(&self, server: usize, because: Because) {
        let meetings = self.sims[server].meetings().await;
        self.told.learn(&meetings);
        let changes = self.seen.with(|seen| changes(server, &mut seen[server], meetings, because));
        changes.into_iter().for_each(|what| self.recorder.note(what));
    }

    /// Makes a server fail in these ways, and in no others.
    pub(crate) async fn fail(&self, server: usize, ways: &[Failing]) {
        let faults = || self.sims[server].faults();
        self.lies.with(|lies| lies[server] = Lies::of(ways));
        faults().clear().await;
        for way in ways {
            match *way {
                Failing::Hangs => faults().set(Fault::Hang).await,
                Failing::Refuses | Failing::Crashes => faults().set(Fault::Refuse).await,
                Failing::Answers500 => faults().set(Fault::Internal).await,
                Failing::SlowCreate(by) => {
                    faults().on("create").set(Fault::Slow(Duration::from_millis(by))).await;
                }
                Failing::MuteCreate => faults().on("create").set(Fault::HangAfterWork).await,
                Failing::ShortLists | Failing::OtherInfos => {}
            }
        }
    }

    /// A server loses its meetings.
    pub(crate) async fn crash(&self, server: usize) {
        self.look(server, Because::Call).await;
        self.sims[server].forget_meetings().await;
        self.look(server, Because::Crash).await;
    }

    /// A browser follows a redirect to a server; where it is sent then, if the server says so in time.
    pub(crate) async fn visit(&self, url: &str) -> Option<String> {
        let (server, path) = self.sims.iter().enumerate().find_map(|(n, sim)| {
            url.strip_prefix(&sim.origin()).map(|path| (n, path.to_owned()))
        })?;
        let ask = Ask {
            method: Method::GET,
            target: path,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let asked = timeout(PATIENCE, self.sims[server].handle(ask));
        let answer = join(asked, self.look(server, Because::Call)).await.0.ok()?.ok()?;
        let location = answer.headers().get(LOCATION)?.to_str().ok()?;
        answer.status().is_redirection().then(|| location.to_owned())
    }

    fn number(&self, origin: &str) -> Option<usize> {
        self.sims.iter().position(|sim| sim.origin() == origin)
    }
}

impl Failing {
    /// Whether probes fail.
    pub(crate) fn silences(self) -> bool {
        matches!(self, Self::Hangs | Self::Refuses | Self::Answers500 | Self::Crashes)
    }
}

/// The way of one process to the servers.
pub(crate) struct Way {
    pub(crate) fleet: Fleet,
    pub(crate) replica: usize,
    pub(crate) process: Process,
    /// Where what has reached a server goes on, whatever becomes of the process.
    pub(crate) world: Handle,
    pub(crate) randomness: Randomness,
}

impl Way {
    async fn trip(&self) {
        self.way().await;
    }

    /// How long something is under way.
    fn way(&self) -> impl Future<Output = ()> + Send + 'static {
        let long = self.randomness.within(0.000_5..=0.008);
        async move { sleep(Duration::from_secs_f64(long)).await }
    }

    /// A call that changes nothing.
    async fn look(&self, mut request: Outgoing, call: &str) -> Result<Incoming, SendError> {
        let fleet = &self.fleet;
        let server = fleet.number(&request.instance.origin);
        let target = request.target.clone();
        let lies = server.map(|server| fleet.lies.with(|lies| lies[server])).unwrap_or_default();
        if let Some(server) = server.filter(|_| lies.other_infos && call == "getMeetingInfo") {
            let (_, asked) = request.target.split_once('?').unwrap_or_default();
            let other = lies::another(&fleet.sims[server], fleet.versions[server], asked).await;
            request.target = other.unwrap_or(request.target);
        }
        let is_other = request.target != target;
        let (instance, within) = (request.instance.clone(), request.first_byte_within);
        let mut answer = fleet.servers.send(request).await?;
        // The other meeting may just have ended: that says nothing of the one that is asked for.
        if is_other {
            let (is_one, same) = lies::is_an_info(answer).await;
            let (_, query) = target.split_once('?').unwrap_or_default();
            let itself = Outgoing::get(instance, "getMeetingInfo", query, within);
            answer = if is_one { same } else { fleet.servers.send(itself).await? };
        }
        Ok(match lies.short_lists && call == "getMeetings" {
            true => lies::shortened(answer).await,
            false => answer,
        })
    }
}

#[async_trait]
impl Servers for Way {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError> {
        let (path, asked) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let call = path.rsplit('/').next().unwrap_or_default().to_owned();
        let server = self.fleet.number(&request.instance.origin);
        let changes = matches!(&*call, "create" | "join" | "end");
        let Some(server) = server.filter(|_| changes) else {
            self.trip().await;
            let answer = self.look(request, &call).await;
            self.trip().await;
            return answer;
        };
        let ends = (call == "end").then(|| query::value(asked, "meetingID").unwrap_or_default());
        let (ends, replica) = (ends.map(|id| id.into_owned()), self.replica);
        let (fleet, way) = (self.fleet.clone(), self.way());
        // By the world: what was sent arrives and goes on, whatever becomes of the asker, and what was seen before it was
        // stopped is no news when it goes on. The look stands right behind the request in the server's queue.
        let both = async move {
            way.await;
            let because = if ends.is_some() { Because::End } else { Because::Call };
            if let Some(id) = ends {
                fleet.recorder.note(What::EndSent { replica, server, id });
                fleet.look(server, Because::Call).await;
            }
            join(fleet.servers.send(request), fleet.look(server, because)).await.0
        };
        let lost = |error: JoinError| Err(SendError::Unanswered(error.to_string()));
        let answer = self.world.spawn(both).await.unwrap_or_else(lost);
        self.process.is_amid(Amid::Server);
        if self.process.phase() == Phase::Asleep {
            sleep(TURN * 2).await;
        }
        self.trip().await;
        answer
    }
}
