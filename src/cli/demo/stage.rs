//! The stage: three simulated servers with an agent, a balancer, two tenants.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::day::Pace;
use super::screen::{Row, State};
use super::{RunningBalancer, StartBalancer};
use crate::config::{Config, LoadsConfig, StoreConfig};
use crate::domain::secret::Secret;
use crate::outside::clock::RuntimeClock;
use crate::sim::client::{Web, query_of};
use crate::sim::{BbbClient, Crowd, Figures, SimHandle, SimServer, SimSettings, Telegraf};

/// The servers' names and cores.
const SERVERS: [(&str, u32); 3] = [("bbb1", 4), ("bbb2", 8), ("bbb3", 16)];
/// The tenants' hosts.
const TENANTS: [&str; 2] = ["science.example.org", "arts.example.org"];
/// The balancer must be ready, or do what an admin asks, within this time.
const READY_WITHIN: Duration = Duration::from_secs(30);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);
const AGENT_EVERY: Duration = Duration::from_secs(1);
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A tenant of the demo.
pub(super) struct DemoTenant {
    pub(super) host: String,
    pub(super) client: BbbClient,
}

/// A simulated server of the demo.
pub(super) struct Post {
    pub(super) name: &'static str,
    pub(super) handle: SimHandle,
    drained: AtomicBool,
}

/// Everything a day is played with.
pub(super) struct Stage {
    pub(super) tenants: Vec<DemoTenant>,
    pub(super) posts: Vec<Post>,
    pub(super) web: Web,
    /// The balancer's origin.
    origin: String,
    admin_key: Secret,
}

/// What has to be cleared away afterwards.
pub(super) struct Backstage {
    balancer: Box<dyn RunningBalancer>,
    agent: JoinHandle<()>,
    store: TempDir,
}

impl Backstage {
    /// Ends the agent and the balancer, and removes what they kept.
    pub(super) async fn clear(self) {
        self.agent.abort();
        let _ = timeout(STOP_WITHIN, self.balancer.stop()).await;
        drop(self.store);
    }
}

impl Stage {
    /// Starts everything and waits until the balancer is ready.
    pub(super) async fn open(
        port: u16,
        pace: &Pace,
        starter: &dyn StartBalancer,
    ) -> anyhow::Result<(Arc<Self>, Backstage)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("port {port} can't be opened"))?;
        let origin = format!("http://{}", listener.local_addr()?);
        let store = tempfile::tempdir().context("no directory for the balancer's store")?;
        let posts = posts(pace).await?;
        let (admin_key, token) = (random_text(), random_text());
        let config = config(store.path(), &admin_key, &token);
        let balancer = starter.start(config, listener).await?;
        let servers: Vec<SimServer> = posts.iter().map(|post| post.handle.server.clone()).collect();
        let agent = Telegraf::new(servers, &origin, &token);
        let agent =
            tokio::spawn(async move { agent.run(AGENT_EVERY, &RuntimeClock::start()).await });
        let (tenants, documents) = tenants(&origin);
        let web = Web::default();
        let stage = Self { tenants, posts, web, origin, admin_key: Secret::new(admin_key) };
        let backstage = Backstage { balancer, agent, store };
        match stage.furnish(documents).await {
            Ok(()) => Ok((Arc::new(stage), backstage)),
            Err(error) => {
                backstage.clear().await;
                Err(error)
            }
        }
    }

    async fn furnish(&self, tenants: Vec<Value>) -> anyhow::Result<()> {
        self.post_instances().await?;
        for tenant in tenants {
            self.admin("tenants", &tenant).await?;
        }
        let ready = format!("{}/readyz", self.origin);
        self.insist(Method::GET, &ready, Bytes::new(), StatusCode::OK).await
    }

    /// A server takes no more meetings: it is missing from the list that is posted.
    pub(super) async fn drain(&self, server: usize) -> anyhow::Result<()> {
        self.posts[server].drained.store(true, Ordering::Relaxed);
        self.post_instances().await
    }

    /// It takes meetings again.
    pub(super) async fn restore(&self, server: usize) -> anyhow::Result<()> {
        self.posts[server].drained.store(false, Ordering::Relaxed);
        self.post_instances().await
    }

    async fn post_instances(&self) -> anyhow::Result<()> {
        let listed = self.posts.iter().filter(|post| !post.drained.load(Ordering::Relaxed));
        let secrets: serde_json::Map<String, Value> =
            listed.map(|post| (post.handle.url.clone(), json!(post.handle.secret()))).collect();
        self.admin("instances", &json!({ "kind": "InstanceList", "instances": secrets })).await
    }

    async fn admin(&self, path: &str, document: &Value) -> anyhow::Result<()> {
        let url = format!("{}/admin/api/{path}", self.origin);
        self.insist(Method::POST, &url, document.to_string().into(), StatusCode::CREATED).await
    }

    /// Asks until the answer is as expected; a balancer that starts says no at first.
    async fn insist(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        expected: StatusCode,
    ) -> anyhow::Result<()> {
        let by = Instant::now() + READY_WITHIN;
        loop {
            let reply =
                self.web.send(method.clone(), url, self.admin_headers(), body.clone()).await;
            let said = match reply {
                Ok(reply) if reply.status == expected => return Ok(()),
                Ok(reply) => format!("{} {}", reply.status, reply.text()),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= by {
                bail!("the balancer did not do what {method} {url} asks: {said}");
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    fn admin_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(mut key) = HeaderValue::from_str(self.admin_key.reveal()) {
            key.set_sensitive(true);
            headers.insert(AUTHORIZATION, key);
        }
        headers
    }

    /// Every server as it is drawn.
    pub(super) async fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for post in &self.posts {
            let mut figures = post.handle.server.figures().await;
            let state = match post.handle.server.reachable() {
                false => State::Down,
                true if post.drained.load(Ordering::Relaxed) => State::Draining,
                true => State::Up,
            };
            if state == State::Down {
                figures = Figures { cores: figures.cores, ..Figures::default() };
            }
            rows.push(Row { name: post.name, state, figures });
        }
        rows
    }

    /// Signed URLs and a command to try by hand. They hold checksums and the demo's own key: both are made for this run.
    pub(super) fn samples(&self) -> Vec<String> {
        let mut lines = vec![format!("BigBlueSwarm listens at {}. To try by hand:", self.origin)];
        for (n, tenant) in self.tenants.iter().enumerate() {
            let id = format!("by-hand-{n}");
            let create = query_of(&[("name", "By hand"), ("meetingID", &id)]);
            let join =
                |name, role| query_of(&[("fullName", name), ("meetingID", &id), ("role", role)]);
            lines.push(format!("  {}", tenant.host));
            for (what, call, query) in [
                ("create", "create", create),
                ("join as moderator", "join", join("Ada", "MODERATOR")),
                ("join as viewer", "join", join("Bo", "VIEWER")),
                ("list", "getMeetings", String::new()),
            ] {
                lines.push(format!("    {what:<17} {}", tenant.client.url(call, &query)));
            }
        }
        let key = self.admin_key.reveal();
        lines.push(format!(
            "  admin: curl -H 'Authorization: {key}' {}/admin/api/cluster",
            self.origin
        ));
        lines
    }
}

/// Many people come in without our doing, over so much of an hour, and stay until their meeting ends.
fn crowd(pace: &Pace) -> Crowd {
    Crowd { users: 15, over: pace.hour.mul_f64(0.4), stay: Duration::from_secs(24 * 3600) }
}

async fn posts(pace: &Pace) -> anyhow::Result<Vec<Post>> {
    let clock = Arc::new(RuntimeClock::start());
    let mut posts = Vec::new();
    for (n, (name, cores)) in SERVERS.into_iter().enumerate() {
        let settings = SimSettings::new("http://127.0.0.1", &random_text())
            .cores(cores)
            .seed(n as u64)
            .crowd(crowd(pace));
        let server = SimServer::start(settings, clock.clone());
        let handle = server.listen().await.context("no port for a simulated server")?;
        posts.push(Post { name, handle, drained: AtomicBool::new(false) });
    }
    Ok(posts)
}

/// The tenants, and the documents that make them.
fn tenants(origin: &str) -> (Vec<DemoTenant>, Vec<Value>) {
    let make = |host: &str| {
        let secret = random_text();
        let client = BbbClient::at_tenant(origin, host, &secret);
        let spec = json!({ "host": host, "secret": secret });
        let document = json!({ "kind": "Tenant", "spec": spec, "instances": [] });
        (DemoTenant { host: host.to_owned(), client }, document)
    };
    TENANTS.into_iter().map(make).unzip()
}

/// Everything by default, but quick to notice: the day is short.
fn config(store: &Path, admin_key: &str, token: &str) -> Config {
    let mut config = Config::with_secrets(Secret::new(random_text()), Secret::new(admin_key));
    config.admin.ingest_token = Some(Secret::new(token));
    config.store = StoreConfig::Embedded { path: store.join("demo.redb") };
    config.loads = LoadsConfig::Embedded;
    config.balancer.metrics_range = Duration::from_secs(10);
    config.balancer.aggregation_interval = Duration::from_secs(1);
    config.balancer.poll_interval = Duration::from_secs(1);
    config.health.probe_interval = Duration::from_millis(250);
    config.health.probe_timeout = Duration::from_secs(2);
    config.health.successes = 1;
    config.health.sweep_interval = Duration::from_millis(700);
    config
}

fn random_text() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}
