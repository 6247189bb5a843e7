//! The whole program on simulated BBB servers, as one value: no sockets, and time as the story wants it.

use bigblueswarm::determinism::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bigblueswarm::app::{self, Parts, Swarm};
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::config::{Config, ConfigSource};
use bigblueswarm::domain::instance::{Health, InstanceId, Roster};
use bigblueswarm::domain::load::{Load, LoadSnapshot, TenantUsage};
use bigblueswarm::domain::moment::Moment;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::domain::tenant::{TenantDocument, TenantId, TenantSpec};
use bigblueswarm::outside::clock::{Clock, RuntimeClock};
use bigblueswarm::outside::loads::embedded::EmbeddedLoads;
use bigblueswarm::outside::loads::{LoadError, LoadSource, View};
use bigblueswarm::outside::servers::Servers;
use bigblueswarm::outside::store::Store;
use bigblueswarm::outside::store::embedded::Embedded;
use bigblueswarm::sim::{SimServer, SimServers, SimSettings};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::targets::ScriptedTargets;

/// The tenants of every story: host and secret.
pub(crate) const T: Client = Client::of("t.example.org", "secret-of-t-0123456789");
pub(crate) const U: Client = Client::of("u.example.org", "secret-of-u-0123456789");
/// The secret of tenants without one, and the admin key.
pub(crate) const GLOBAL: &str = "global-secret-0123456789";
pub(crate) const KEY: &str = "admin-key-0123456789";

/// A load source that says what the story wants. What a story gives as `newest` is the figures' age.
#[derive(Clone)]
pub(crate) struct ScriptedLoads {
    said: watch::Sender<Result<HashMap<InstanceId, Load>, String>>,
    tenants: watch::Sender<HashMap<TenantId, TenantUsage>>,
    clock: Arc<dyn Clock>,
}

impl ScriptedLoads {
    pub(crate) fn say(&self, loads: HashMap<InstanceId, Load>) {
        let _ = self.said.send_replace(Ok(loads));
    }

    /// What agents count by tenant, from the next reading on.
    pub(crate) fn say_tenants(&self, tenants: HashMap<TenantId, TenantUsage>) {
        self.tenants.send_replace(tenants);
    }

    pub(crate) fn fail(&self, why: &str) {
        let _ = self.said.send_replace(Err(why.into()));
    }
}

#[async_trait]
impl LoadSource for ScriptedLoads {
    async fn read(&self, _: View) -> Result<LoadSnapshot, LoadError> {
        let now = self.clock.now();
        let mut loads = self.said.borrow().clone().map_err(LoadError)?;
        let age = |load: &Load| load.newest.0;
        loads.values_mut().for_each(|load| load.newest = Moment(now.0.saturating_sub(age(load))));
        let tenants = self.tenants.borrow().clone();
        Ok(LoadSnapshot { read_at: Some(now), loads, tenants })
    }
}

/// What one story runs on.
pub(crate) struct World {
    pub(crate) sims: Vec<SimServer>,
    pub(crate) servers: SimServers,
    pub(crate) swarm: Swarm,
    pub(crate) loads: ScriptedLoads,
    pub(crate) targets: ScriptedTargets,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) folder: Arc<tempfile::TempDir>,
}

/// How a world is made.
pub(crate) struct Plan {
    instances: usize,
    config: Config,
    store: Option<Arc<dyn Store>>,
    servers: Option<(Vec<SimServer>, SimServers)>,
    targets: Option<ScriptedTargets>,
    /// Another way to the instances than memory.
    network: Option<Arc<dyn Servers>>,
    tenants: Vec<TenantDocument>,
    /// Whether the store is left as it is found.
    as_stored: bool,
    /// Whether figures are those that agents push.
    ingesting: bool,
}

/// A world of this many equal instances, S1 the least loaded, with tenants T and U.
pub(crate) fn plan(instances: usize) -> Plan {
    let config = Config::with_secrets(Secret::new(GLOBAL), Secret::new(KEY));
    let tenants = vec![T.document(), U.document()];
    Plan {
        instances,
        config,
        store: None,
        servers: None,
        targets: None,
        network: None,
        tenants,
        as_stored: false,
        ingesting: false,
    }
}

impl Plan {
    pub(crate) fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Another store than an embedded one of its own.
    pub(crate) fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The instances of another world: a replica, or a restart.
    pub(crate) fn on(self, other: &World) -> Self {
        let targets = Some(other.targets.clone());
        Self { targets, ..self.with_servers(other.sims.clone(), other.servers.clone()) }
    }

    /// The tenants' servers of another world.
    pub(crate) fn targets(self, targets: ScriptedTargets) -> Self {
        Self { targets: Some(targets), ..self }
    }

    /// These instances, on this network.
    pub(crate) fn with_servers(mut self, sims: Vec<SimServer>, servers: SimServers) -> Self {
        self.servers = Some((sims, servers));
        self
    }

    /// Tenants and instances are those in the store; nothing is added.
    pub(crate) fn with_what_is_stored(mut self) -> Self {
        self.as_stored = true;
        self
    }

    /// Figures are those that agents push to it with this token.
    pub(crate) fn ingesting(mut self, token: &str) -> Self {
        self.config.admin.ingest_token = Some(Secret::new(token));
        self.ingesting = true;
        self
    }

    /// These instances.
    pub(crate) fn servers(mut self, sims: Vec<SimServer>) -> Self {
        let servers = SimServers::new(sims.clone());
        self.servers = Some((sims, servers));
        self
    }

    /// Instances are reached this way, and not in memory.
    pub(crate) fn network(mut self, network: Arc<dyn Servers>) -> Self {
        self.network = Some(network);
        self
    }

    pub(crate) fn tenant(mut self, document: TenantDocument) -> Self {
        self.tenants.retain(|known| known.spec.host != document.spec.host);
        self.tenants.push(document);
        self
    }

    /// Starts the program and waits until it is ready.
    pub(crate) async fn start(self) -> World {
        let world = self.start_unready().await;
        world.until(|roster| roster.all_accounted()).await;
        world
    }

    /// Starts the program; nothing is waited for but its list of instances.
    pub(crate) async fn start_unready(self) -> World {
        let as_stored = self.as_stored;
        let world = self.start_unlisted().await;
        world.until(|roster| roster.loaded).await;
        if !as_stored {
            world.register().await;
        }
        world
    }

    /// Starts the program and waits for nothing.
    pub(crate) async fn start_unlisted(self) -> World {
        let clock: Arc<dyn Clock> = Arc::new(RuntimeClock::start());
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let store = self.store.unwrap_or_else(|| {
            let path = folder.path().join("state.redb");
            Arc::new(Embedded::open(&path, self.config.deadlines.store).expect("a store"))
        });
        let (sims, servers) = self.servers.unwrap_or_else(|| {
            let sims: Vec<_> = (1..=self.instances)
                .map(|n| {
                    let origin = format!("http://s{n}.example.org");
                    let secret = format!("secret-of-s{n}-0123456789");
                    SimServer::start(SimSettings::new(&origin, &secret), clock.clone())
                })
                .collect();
            let servers = SimServers::new(sims.clone());
            (sims, servers)
        });
        let said = watch::channel(Ok(rising(&sims))).0;
        let tenants = watch::channel(HashMap::default()).0;
        let loads = ScriptedLoads { said, tenants, clock: clock.clone() };
        let added = (!self.as_stored).then_some(self.tenants);
        for tenant in added.into_iter().flatten() {
            store.put_tenant(tenant).await.expect("the store takes tenants");
        }
        let targets = self.targets.unwrap_or_else(ScriptedTargets::new);
        let view = View::of(&self.config.balancer);
        let ingest = self.ingesting.then(|| EmbeddedLoads::start(view, clock.clone()));
        let source: Arc<dyn LoadSource> = match &ingest {
            Some(pushed) => Arc::new(pushed.clone()),
            None => Arc::new(loads.clone()),
        };
        let parts = Parts {
            store: store.clone(),
            loads: source,
            ingest,
            servers: self.network.unwrap_or_else(|| Arc::new(servers.clone())),
            targets: Arc::new(targets.clone()),
            clock,
            randomness: Default::default(),
            source: ConfigSource::Given(Box::new(self.config.clone())),
            environment: Default::default(),
        };
        let swarm = app::start(self.config, parts).await.expect("the program starts");
        World { sims, servers, swarm, loads, targets, store, folder }
    }
}

/// Figures by which S1 is the least loaded, then S2, and so on.
pub(crate) fn rising(sims: &[SimServer]) -> HashMap<InstanceId, Load> {
    let percent = (1..).map(|n| 10.0 * f64::from(n));
    sims.iter().zip(percent).map(|(sim, cpu)| (id(sim), load(cpu, 20.0))).collect()
}

/// Measured figures of an eight-core instance.
pub(crate) fn load(cpu: f64, mem: f64) -> Load {
    Load { cpu: Some(cpu), mem: Some(mem), cores: Some(8.0), online: Some(true), ..Load::default() }
}

pub(crate) fn id(sim: &SimServer) -> InstanceId {
    InstanceId::new(sim.url())
}

impl World {
    /// Registers every simulated server, as an admin would.
    pub(crate) async fn register(&self) {
        let list = self.sims.iter().map(|sim| (sim.url(), sim.secret().clone())).collect();
        self.swarm.world.actors.registry.replace(list).await.expect("the list is taken");
    }

    /// How healthy this server is, by its number from 0.
    pub(crate) async fn health(&self, n: usize) -> Health {
        let roster = self.swarm.world.actors.registry.roster().await.expect("a roster");
        roster.get(&id(&self.sims[n])).expect("a member").health
    }

    /// Waits until the pool is as wanted; a minute at most.
    pub(crate) async fn until(&self, wanted: impl Fn(&Roster) -> bool) {
        for _ in 0..1_200 {
            let roster = self.swarm.world.actors.registry.roster().await;
            if roster.is_ok_and(|roster| wanted(&roster)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the pool did not become as wanted");
    }

    /// Lets the program read its load source again.
    pub(crate) async fn refreshed(&self) {
        let wait = self.swarm.world.config.balancer.poll_interval + Duration::from_secs(1);
        tokio::time::sleep(wait).await;
    }

    /// Sends a request straight to the routes.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let answer = self.swarm.router.clone().oneshot(request).await.expect("routes answer");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let location = parts.headers.get(header::LOCATION);
        Reply {
            status: parts.status,
            kind: parts
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|v| v.to_str().ok())
                .map(Into::into),
            location: location.and_then(|v| v.to_str().ok()).map(Into::into),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Calls the admin surface with the right key.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "admin.example.org")
            .header(header::AUTHORIZATION, KEY)
            .body(Body::from(body.to_owned()));
        self.send(request.expect("a request")).await
    }

    /// The browsers of all who have joined connect: only then do people count.
    pub(crate) async fn browsers_arrive(&self) {
        for sim in &self.sims {
            sim.browsers_arrive().await;
        }
    }

    /// On which servers a meeting is, as their numbers from 1.
    pub(crate) async fn homes(&self, meeting: &str) -> Vec<usize> {
        let mut homes = Vec::new();
        for (n, sim) in self.sims.iter().enumerate() {
            if sim.meeting(meeting).await.is_some() {
                homes.push(n + 1);
            }
        }
        homes
    }

    /// How often all servers together got a call.
    pub(crate) async fn asked(&self, call: &str) -> usize {
        let mut asked = 0;
        for sim in &self.sims {
            asked += sim.requests_of(call).await.len();
        }
        asked
    }
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) kind: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn succeeded(&self) -> bool {
        self.status == StatusCode::OK && self.body.contains("<returncode>SUCCESS</returncode>")
    }

    /// The text of the first element of this name.
    pub(crate) fn value(&self, name: &str) -> &str {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let rest = self.body.split_once(&open).map_or("", |(_, rest)| rest);
        rest.split_once(&close).map_or("", |(value, _)| value)
    }

    pub(crate) fn key(&self) -> &str {
        self.value("messageKey")
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let is_json = self.kind.as_deref() == Some("application/json;charset=utf-8");
        assert!(is_json, "no JSON: {self:?}");
        serde_json::from_str(&self.body).expect("JSON")
    }

    #[track_caller]
    pub(crate) fn assert_success(&self) -> &Self {
        assert!(self.succeeded(), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn assert_failed(&self, status: u16, key: &str) -> &Self {
        let failed = self.body.contains("<returncode>FAILED</returncode>");
        assert!(failed && self.status == status && self.key() == key, "{key}: {self:?}");
        self
    }
}

/// A tenant's BBB client.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) host: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) algorithm: Algorithm,
}

impl Client {
    pub(crate) const fn of(host: &'static str, secret: &'static str) -> Self {
        Self { host, secret, algorithm: Algorithm::Sha256 }
    }

    pub(crate) fn document(&self) -> TenantDocument {
        let (host, secret) = (self.host.to_owned(), Some(self.secret.to_owned()));
        let spec = TenantSpec { host, secret, ..TenantSpec::default() };
        TenantDocument {
            kind: "Tenant".into(),
            spec,
            metadata: Default::default(),
            instances: Vec::new(),
        }
    }

    /// The path and signed query of a call.
    pub(crate) fn path(&self, call: &str, query: &str) -> String {
        let signed = query::signed(query, call, self.secret, self.algorithm);
        format!("/bigbluebutton/api/{call}?{signed}")
    }

    /// A request with everything but its body and headers of its own.
    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header(header::HOST, self.host)
    }

    pub(crate) async fn call(&self, world: &World, call: &str, query: &str) -> Reply {
        let request = self.request(Method::GET, &self.path(call, query)).body(Body::empty());
        world.send(request.expect("a request")).await
    }

    pub(crate) async fn create(&self, world: &World, meeting: &str) -> Reply {
        self.call(world, "create", &format!("name=Room&meetingID={meeting}")).await
    }

    pub(crate) async fn info(&self, world: &World, meeting: &str) -> Reply {
        self.call(world, "getMeetingInfo", &format!("meetingID={meeting}")).await
    }

    pub(crate) async fn join(&self, world: &World, meeting: &str) -> Reply {
        let query = format!("fullName=Ada&meetingID={meeting}&role=VIEWER");
        self.call(world, "join", &query).await
    }

    pub(crate) async fn end(&self, world: &World, meeting: &str) -> Reply {
        self.call(world, "end", &format!("meetingID={meeting}")).await
    }
}
