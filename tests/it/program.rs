//! The built program as a process of its own, on simulated servers with sockets.

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::client::{CallError, Reply, Web};
use bigblueswarm::sim::{BbbClient, SimHandle, SimServer, SimSettings};
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::services::free_port;
use crate::services::redis::RedisServer;
use crate::world::{Client, GLOBAL, KEY, T, U};

/// Longer than anything that is expected to happen, also on a busy machine.
pub(crate) const PATIENTLY: Duration = Duration::from_secs(60);
pub(crate) const TOKEN: &str = "ingest-token-0123456789";

/// Where a program lives: its configuration, its state, its log, its port.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) address: SocketAddr,
    more: String,
}

impl Home {
    /// A home whose configuration has these further sections.
    pub(crate) fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Self { folder, address: free_address(), more: more.to_owned() };
        home.configure(GLOBAL, KEY);
        home
    }

    /// State in this server instead of a file.
    pub(crate) fn on_redis(redis: &RedisServer) -> Self {
        Self::new(&format!("redis:\n  address: {}\n", redis.address()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration with these secrets.
    pub(crate) fn written(&self, secret: &str, key: &str) -> String {
        let (port, more) = (self.address.port(), &self.more);
        let store = if more.contains("redis:") { "" } else { "store:\n  path: state.redb\n" };
        let health = if more.contains("health:") { "" } else { QUICK_HEALTH };
        format!(
            "port: {port}\nhttp:\n  address: 127.0.0.1\nbigblueswarm:\n  secret: {secret}\n\
             admin:\n  apiKey: {key}\n  ingestToken: {TOKEN}\n{health}{store}{more}"
        )
    }

    pub(crate) fn configure(&self, secret: &str, key: &str) {
        self.write(&self.written(secret, key));
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(self.path("config.yml"), text).expect("written");
    }

    /// The program as it would be started from a shell in this folder.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bigblueswarm"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.env_clear().env("HOME", self.folder.path()).stdin(Stdio::null());
        let said = OpenOptions::new().create(true).append(true).open(self.path("said"));
        let said: File = said.expect("a file");
        command.stdout(said.try_clone().expect("the same file")).stderr(said);
        command
    }

    /// Everything that all programs of this home said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.path("said")).unwrap_or_default()
    }

    /// Starts the program and waits until it listens.
    pub(crate) async fn start(&self) -> Program {
        self.start_with("-config config.yml").await
    }

    pub(crate) async fn start_with(&self, line: &str) -> Program {
        self.run(self.command(line)).await
    }

    /// Runs the command and waits until the program listens.
    pub(crate) async fn run(&self, mut command: Command) -> Program {
        let child = command.spawn().expect("started");
        let mut program = Program { child, address: self.address, web: Web::default() };
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = program.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{ended:?}: {}", self.said());
            assert!(began.elapsed() < PATIENTLY, "it does not listen: {}", self.said());
            sleep(Duration::from_millis(2)).await;
        }
        program
    }
}

/// What is slow by default goes faster, so that stories are short.
const QUICK_HEALTH: &str = "health:\n  probeInterval: 500ms\n  sweepInterval: 1s\n";

/// An address that was free just now.
pub(crate) fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A running program. Killed on drop.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    web: Web,
}

impl Program {
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args([signal, &pid]).status().expect("kill can be run");
        assert!(done.success(), "kill {signal} failed");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would, as far as a process can see.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// The code it ends with, by itself.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        ended(&mut self.child).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A tenant's client. All clients of one program share their connections.
    pub(crate) fn client(&self, tenant: Client) -> BbbClient {
        let client = BbbClient::new(&self.url("/bigbluebutton"), tenant.secret);
        client.host(tenant.host).through(self.web.clone())
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Reply, CallError> {
        self.web.send(Method::GET, &self.url(path), HeaderMap::new(), Bytes::new()).await
    }

    /// Calls the admin surface with this key.
    pub(crate) async fn admin_by(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(key).expect("a header"));
        let url = self.url(&format!("/admin/api/{path}"));
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.web.send(method, &url, headers, body).await.expect("an answer")
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: &str) -> Reply {
        self.admin_by(KEY, method, path, body).await
    }

    /// Status and body of `/readyz`.
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let reply = self.get("/readyz").await.expect("an answer");
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).expect("JSON"))
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        let began = Instant::now();
        loop {
            let (status, body) = self.readiness().await;
            if status == 200 {
                return;
            }
            assert!(began.elapsed() < PATIENTLY, "not ready: {body}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Registers these servers and the tenants T and U.
    pub(crate) async fn register(&self, sims: &[SimHandle]) {
        self.enlist(sims.iter().map(|sim| (sim.url.clone(), sim.secret().to_owned()))).await;
    }

    /// The same with URLs and secrets.
    pub(crate) async fn enlist(&self, servers: impl Iterator<Item = (String, String)>) {
        let urls: serde_json::Map<_, _> =
            servers.map(|(url, secret)| (url, json!(secret))).collect();
        let list = json!({"kind": "InstanceList", "instances": urls}).to_string();
        for tenant in [T, U] {
            let document = serde_json::to_string(&tenant.document()).expect("JSON");
            let reply = self.admin_when_loaded("tenants", &document).await;
            assert_eq!(reply.status, 201, "{}", reply.text());
        }
        let reply = self.admin_when_loaded("instances", &list).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    /// Posts as soon as the program has read its store.
    async fn admin_when_loaded(&self, path: &str, body: &str) -> Reply {
        let began = Instant::now();
        loop {
            let reply = self.admin(Method::POST, path, body).await;
            if reply.status != 503 || began.elapsed() > PATIENTLY {
                return reply;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until this is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    within(PATIENTLY, what, is_so).await;
}

/// Waits until this is so, no longer than that.
pub(crate) async fn within(most: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < most, "{what}: not within {most:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The code a process ends with, by itself.
pub(crate) async fn ended(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        assert!(began.elapsed() < PATIENTLY, "it does not end");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Simulated servers on sockets.
pub(crate) async fn servers(count: usize) -> Vec<SimHandle> {
    let clock = Arc::new(RuntimeClock::start());
    let listening = (1..=count).map(async |n| {
        let secret = format!("secret-of-s{n}-0123456789");
        let settings = SimSettings::new("http://unbound", &secret).seed(n as u64);
        SimServer::start(settings, clock.clone()).listen().await.expect("a socket")
    });
    join_all(listening).await
}
