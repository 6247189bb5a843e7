//! All replicas of a storm on their store and servers.

use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::determinism::Randomness;
use bigblueswarm::domain::tenant::{TenantDocument, TenantSpec};
use bigblueswarm::outside::store::Store;
use tokio::time::{Instant, sleep};

use crate::callbacks::{Back, Front, op_of};
use crate::engine::Engines;
use crate::history::What;
use crate::plan::{Storm, T, U};
use crate::replica::{Ground, Replica};
use crate::servers::Fleet;
use crate::shared::{Held, Process, Recorder, StormClock};
use crate::store::{Hub, SimStore};
use crate::torn::TornFile;

/// So many meetings tenant U may have, where tenants have pools.
pub(crate) const POOL: u32 = 3;
/// A start or a restart is over within this.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// All replicas, and what they stand on.
pub(crate) struct Swarm {
    pub(crate) recorder: Recorder,
    pub(crate) fleet: Fleet,
    pub(crate) hub: Hub,
    randomness: Randomness,
    engines: Engines,
    front: Arc<Front>,
    replicas: Held<Vec<Option<Replica>>>,
    ops: Held<u64>,
    /// The file of the embedded store, where there is one.
    file: Option<TornFile>,
}

impl Swarm {
    /// Starts everything, and registers servers and tenants.
    pub(crate) async fn start(storm: &Storm, engines: Engines) -> Self {
        let recorder = Recorder::start();
        let randomness = Randomness::seeded(storm.seed);
        let fleet = Fleet::start(&storm.servers, storm.seed, &recorder);
        let (refused, of) = (Held::new(Vec::new()), (recorder.clone(), randomness.clone()));
        let front = Front { recorder: of.0, randomness: of.1, refused };
        let alone = storm.profile.is_alone();
        let swarm = Self {
            fleet,
            hub: Hub::new(storm.replicas, storm.counts_pools(), randomness.clone()),
            recorder,
            randomness,
            engines,
            front: Arc::new(front),
            replicas: Held::new((0..storm.replicas).map(|_| None).collect()),
            ops: Held::new(0),
            file: alone.then(TornFile::new),
        };
        for sim in &swarm.fleet.sims {
            let (told, replicas) = (swarm.fleet.told.clone(), swarm.replicas.clone());
            let (recorder, randomness) = (swarm.recorder.clone(), swarm.randomness.clone());
            sim.calls_out(Back { told, replicas, recorder, randomness });
        }
        for n in 0..storm.replicas {
            swarm.boot(n).await;
        }
        swarm.register(storm).await;
        swarm
    }

    /// Starts the program on this replica.
    pub(crate) async fn boot(&self, number: usize) {
        let clock = StormClock::new(number as i64 * 37 - 50);
        let (fleet, randomness) = (self.fleet.clone(), self.randomness.clone());
        let engines = self.engines.clone();
        let front = self.front.clone();
        let ground = Ground { number, fleet, clock, randomness, engines, front };
        let process = Process::new();
        let store: Arc<dyn Store> = match &self.file {
            Some(file) => file.open(),
            None => Arc::new(SimStore::new(&self.hub, number, &process)),
        };
        let replica = Replica::start(ground, process, store).await;
        self.replicas.with(|all| all[number] = Some(replica));
    }

    async fn register(&self, storm: &Storm) {
        let pool = storm.profile.is_hostile().then_some(POOL);
        for host in [T, U] {
            let meeting_pool = pool.filter(|_| host == U);
            let spec = TenantSpec { host: host.into(), meeting_pool, ..TenantSpec::default() };
            let (metadata, instances) = (Default::default(), Vec::new());
            let document = TenantDocument { kind: "Tenant".into(), spec, metadata, instances };
            let body = serde_json::to_string(&document).expect("a document");
            self.admin(0, "tenants", body).await;
        }
        self.admin(0, "instances", self.list(|_, url| Some(url))).await;
        let end = Instant::now() + READY_WITHIN;
        while !self.all_ready(storm.servers.len()).await {
            assert!(Instant::now() < end, "the swarm does not start");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The list of servers, each spelt as this has it, or without it.
    pub(crate) fn list(&self, spelt: impl Fn(usize, String) -> Option<String>) -> String {
        let servers =
            self.fleet.sims.iter().enumerate().filter_map(|(n, sim)| {
                Some((spelt(n, sim.url())?, sim.secret().reveal().to_owned()))
            });
        let servers: serde_json::Map<_, _> =
            servers.map(|(url, secret)| (url, secret.into())).collect();
        serde_json::json!({ "kind": "InstanceList", "instances": servers }).to_string()
    }

    /// Posts something at a replica as an admin does; what is refused or gets no answer is tried again.
    pub(crate) async fn admin(&self, replica: usize, path: &str, body: String) {
        for n in 0..20 {
            let at = (replica + n / 2) % self.count();
            let asked =
                self.replica(at, |replica| replica.admin(http::Method::POST, path, body.clone()));
            if let Some(asked) = asked.flatten()
                && asked.await.is_some_and(|reply| reply.status.is_success())
            {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn all_ready(&self, servers: usize) -> bool {
        for n in 0..self.count() {
            let ready = self.replica(n, |replica| replica.is_ready(servers));
            if let Some(ready) = ready
                && !ready.await
            {
                return false;
            }
        }
        true
    }

    pub(crate) fn count(&self) -> usize {
        self.replicas.with(|all| all.len())
    }

    /// Does something with a replica, if it runs.
    pub(crate) fn replica<R>(&self, n: usize, act: impl FnOnce(&Replica) -> R) -> Option<R> {
        self.replicas.with(|all| all[n].as_ref().map(act))
    }

    /// Whether a proxy calls this replica no more, as it does not answer.
    pub(crate) fn is_missed(&self, n: usize) -> bool {
        self.replica(n, |replica| replica.process.is_missed()).unwrap_or_default()
    }

    /// Kills a replica.
    pub(crate) async fn kill(&self, n: usize) {
        if let Some(replica) = self.replicas.with(|all| all[n].take()) {
            if let Some(file) = &self.file {
                file.crash(self.randomness.draw()).await;
            }
            replica.kill();
        }
    }

    pub(crate) fn next_op(&self) -> u64 {
        self.ops.with(|ops| {
            *ops += 1;
            *ops
        })
    }

    /// Notes whose callbacks admins see, waiting or dead.
    pub(crate) async fn note_owed(&self) {
        let asked =
            self.replica(0, |replica| replica.admin(http::Method::GET, "callbacks", String::new()));
        let Some(asked) = asked.flatten() else { return };
        let body = asked.await.map(|reply| reply.body).unwrap_or_default();
        let list: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let targets = list["callbacks"].as_array().into_iter().flatten();
        let ops = targets.filter_map(|listed| op_of(listed["target"].as_str()?));
        ops.for_each(|op| self.recorder.note(What::Owed { op }));
    }

    /// Notes how much is kept.
    pub(crate) fn note_kept(&self) {
        if self.file.is_none() {
            let routes = self.hub.state.with(|state| state.kept.routes.len());
            self.recorder.note(What::Kept { routes });
        }
    }
}
