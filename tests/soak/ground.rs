//! Everything that runs. All of it stops when this is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bigblueswarm::sim::client::Web;
use bigblueswarm::sim::{BbbClient, Version};
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::front::Front;
use crate::gate::{Gate, Passage};
use crate::history::What;
use crate::plan::REPLICAS;
use crate::program::{Home, Program};
use crate::services::haproxy::HaProxy;
use crate::services::influxd::{BUCKET, DATABASE_TOKEN, Influxd};
use crate::services::redis::{MASTER, RedisSentinels, RedisServer};
use crate::services::telegraf::Telegraf;
use crate::shared::Recorder;
use crate::world::{Client, KEY, T, U};

pub(crate) const TENANTS: [Client; 2] = [T, U];
/// What stands for a replica in the history where the proxy chooses it.
pub(crate) const ANY: usize = REPLICAS;
/// Clients give up after this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long meetings of a dead server count as not known, shorter than usual so that a soak sees the end of it often.
pub(crate) const UNKNOWN_FOR: Duration = Duration::from_secs(30);
/// How many meetings U may have.
pub(crate) const POOL: u32 = 5;
const ADMIN_TRIES_AGAIN_AFTER: Duration = Duration::from_secs(1);
const VERSIONS: [Version; 4] = Version::ALL;

pub(crate) struct Ground {
    pub(crate) recorder: Recorder,
    pub(crate) proxy: Mutex<HaProxy>,
    proxy_url: String,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) agents: Vec<Mutex<Option<Telegraf>>>,
    pub(crate) influxd: Mutex<Influxd>,
    pub(crate) fronts: Vec<Front>,
    pub(crate) redis: Arc<Mutex<RedisSentinels>>,
    web: Web,
    ops: AtomicU64,
}

/// A balancer, and its own ways to Redis and the Sentinels.
pub(crate) struct Replica {
    pub(crate) home: Home,
    pub(crate) program: Mutex<Option<Program>>,
    gates: Vec<Gate>,
}

impl Ground {
    pub(crate) async fn open() -> Self {
        let recorder = Recorder::start();
        let redis = spawn_blocking(redis).await.expect("Redis runs");
        let influxd = Influxd::start().await;
        let starts = VERSIONS.iter().enumerate().map(|(n, v)| Front::start(n, *v, &recorder));
        let fronts = join_all(starts).await;
        let section = influxd.section(DATABASE_TOKEN, BUCKET);
        let starts = (0..REPLICAS).map(|_| Replica::start(&redis, &section));
        let replicas = join_all(starts).await;
        let addresses: Vec<_> = replicas.iter().map(|replica| replica.home.address).collect();
        register(&replicas[0], &fronts).await;
        bound_pool(&replicas[0]).await;
        let proxy = HaProxy::start(&addresses).await;
        let beside = |front: &Front| Mutex::new(Some(agent(front, &influxd)));
        let agents = fronts.iter().map(beside).collect();
        let (influxd, redis) = (Mutex::new(influxd), Arc::new(Mutex::new(redis)));
        let web = Web::default().within(PATIENCE);
        let (proxy_url, proxy) = (proxy.url("/bigbluebutton"), Mutex::new(proxy));
        let ground = Self {
            recorder,
            proxy,
            proxy_url,
            replicas,
            agents,
            influxd,
            fronts,
            redis,
            web,
            ops: AtomicU64::new(0),
        };
        ground.ready().await;
        ground
    }

    /// Waits until all replicas are ready.
    pub(crate) async fn ready(&self) {
        for replica in &self.replicas {
            replica.program.lock().await.as_ref().expect("it runs").ready().await;
        }
    }

    /// A tenant's client of one replica, or of the proxy.
    pub(crate) fn client(&self, tenant: Client, replica: usize) -> BbbClient {
        let replica = self.replicas.get(replica);
        let url = replica.map(|replica| format!("http://{}/bigbluebutton", replica.home.address));
        let client = BbbClient::new(url.as_ref().unwrap_or(&self.proxy_url), tenant.secret);
        client.host(tenant.host).through(self.web.clone())
    }

    /// The URL by which a server is listed.
    pub(crate) fn url_of(&self, server: usize) -> String {
        self.fronts[server].view.sim.url()
    }

    /// A list of all servers but one.
    pub(crate) fn list_without(&self, left_out: Option<usize>) -> String {
        let listed = self.fronts.iter().enumerate().filter(|(n, _)| Some(*n) != left_out);
        let urls: serde_json::Map<_, _> = listed
            .map(|(_, front)| &front.view.sim)
            .map(|sim| (sim.url(), json!(sim.secret().reveal())))
            .collect();
        json!({"kind": "InstanceList", "instances": urls}).to_string()
    }

    /// Posts to the admin surface of one balancer after the other until one does it.
    pub(crate) async fn administer(&self, path: &str, body: &str) {
        for n in 0.. {
            let address = self.replicas[n % REPLICAS].home.address;
            let url = format!("http://{address}/admin/api/{path}");
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(KEY))]);
            let body = Bytes::copy_from_slice(body.as_bytes());
            let reply = self.web.send(Method::POST, &url, headers, body).await;
            if reply.is_ok_and(|reply| reply.status.is_success()) {
                return;
            }
            sleep(ADMIN_TRIES_AGAIN_AFTER).await;
        }
    }

    /// What browsers use.
    pub(crate) fn web(&self) -> &Web {
        &self.web
    }

    /// The number of the next call.
    pub(crate) fn next_op(&self) -> u64 {
        self.ops.fetch_add(1, Ordering::Relaxed)
    }

    /// How many keys there are in Redis, if nothing is done to it just now.
    pub(crate) async fn keys(&self) -> Option<u64> {
        let redis = self.redis.clone().try_lock_owned().ok()?;
        let count = spawn_blocking(move || {
            let master =
                redis.servers.iter().find(|server| server.says("replication", "role:master"));
            master?.ask(&["DBSIZE"]).ok()
        });
        count.await.ok()?
    }

    /// Notes how many routes are kept.
    pub(crate) async fn note_kept(&self) {
        let count = |redis: &mut RedisSentinels| {
            let master = &redis.servers[redis.named().expect("a master")];
            master.ask::<Vec<String>>(&["KEYS", "bigblueswarm:route:{*}"]).expect("an answer").len()
        };
        let routes = self.with_redis(count).await;
        self.recorder.note(What::Kept { routes });
    }

    /// Does something with Redis and the Sentinels, which may take a while.
    pub(crate) async fn with_redis<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut RedisSentinels) -> R + Send + 'static,
    ) -> R {
        let redis = self.redis.clone();
        spawn_blocking(move || act(&mut redis.blocking_lock())).await.expect("Redis does it")
    }

    pub(crate) async fn start_agent(&self, server: usize) {
        let agent = agent(&self.fronts[server], &*self.influxd.lock().await);
        *self.agents[server].lock().await = Some(agent);
    }
}

impl Replica {
    async fn start(redis: &RedisSentinels, influxdb: &str) -> Self {
        let to = |server: &RedisServer| SocketAddr::from(([127, 0, 0, 1], server.port()));
        let servers: Vec<Gate> =
            redis.servers.iter().map(|server| Gate::to(to(server), Vec::new())).collect();
        let own = redis.servers.iter().map(RedisServer::port);
        let told = servers.iter().map(|gate| gate.address.port());
        let renamed: Vec<_> = own.zip(told).collect();
        let sentinels: Vec<Gate> =
            redis.sentinels.iter().map(|server| Gate::to(to(server), renamed.clone())).collect();
        let addresses: Vec<_> = sentinels.iter().map(|gate| gate.address.to_string()).collect();
        let home = Home::new(&format!(
            "balancer:\n  pollInterval: 2s\nhealth:\n  unknownFor: {}s\n\
             redis:\n  sentinels: [{}]\n  sentinelMaster: {MASTER}\n{influxdb}",
            UNKNOWN_FOR.as_secs(),
            addresses.join(", ")
        ));
        let program = Mutex::new(Some(home.start().await));
        Self { home, program, gates: servers.into_iter().chain(sentinels).collect() }
    }

    /// How it reaches Redis and the Sentinels from now on.
    pub(crate) fn turn(&self, passage: Passage) {
        self.gates.iter().for_each(|gate| gate.turn(passage));
    }

    pub(crate) async fn kill(&self) {
        self.program.lock().await.take().expect("it runs").kill();
    }

    pub(crate) async fn start_again(&self) {
        *self.program.lock().await = Some(self.home.start().await);
    }

    /// The number of its process, if it runs.
    pub(crate) async fn process(&self) -> Option<u32> {
        self.program.lock().await.as_ref().map(Program::id)
    }

    pub(crate) async fn signal(&self, signal: &str) {
        self.program.lock().await.as_ref().expect("it runs").signal(signal);
    }
}

/// A master and its replica as README says that they are to be set, and Sentinels.
fn redis() -> RedisSentinels {
    let redis = RedisSentinels::start();
    redis.servers.iter().for_each(insist);
    redis
}

/// It takes no writes without a replica that copies them.
pub(crate) fn insist(server: &RedisServer) {
    for (name, value) in [("min-replicas-to-write", "1"), ("min-replicas-max-lag", "10")] {
        server.ask::<()>(&["CONFIG", "SET", name, value]).expect("it is set");
    }
}

/// U may have fewer meetings than its front ends ask for.
async fn bound_pool(replica: &Replica) {
    let mut document = U.document();
    document.spec.meeting_pool = Some(POOL);
    let body = serde_json::to_string(&document).expect("JSON");
    let program = replica.program.lock().await;
    let reply = program.as_ref().expect("it runs").admin(Method::POST, "tenants", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

fn agent(front: &Front, influxd: &Influxd) -> Telegraf {
    Telegraf::start_beside(&front.view.sim.url(), &front.figures, &influxd.url(), DATABASE_TOKEN)
}

async fn register(replica: &Replica, fronts: &[Front]) {
    let program = replica.program.lock().await;
    let servers = fronts.iter().map(|front| &front.view.sim);
    let servers = servers.map(|sim| (sim.url(), sim.secret().reveal().to_owned()));
    program.as_ref().expect("it runs").enlist(servers).await;
}
