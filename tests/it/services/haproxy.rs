//! An HAProxy of its own for each test, before balancers of the built program.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bigblueswarm::sim::BbbClient;
use bigblueswarm::sim::client::{CallError, Reply, Web};
use bytes::Bytes;
use http::{HeaderMap, Method};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::free_ports;
use crate::world::Client;

/// The file as it is given to users, which the tests change in its addresses only.
const GIVEN: &str = include_str!("../../../config/haproxy/haproxy.cfg");
const MISSING: &str = "haproxy is missing: apt-get install haproxy";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running proxy. Killed on drop.
pub(crate) struct HaProxy {
    child: Child,
    directory: TempDir,
    port: u16,
    web: Web,
}

impl HaProxy {
    /// Starts one before these balancers, and waits until it has found one of them ready.
    pub(crate) async fn start(balancers: &[SocketAddr]) -> Self {
        // Somebody else may take the free port before the proxy does.
        for _ in 0..5 {
            if let Some(proxy) = Self::try_start(balancers).await {
                return proxy;
            }
        }
        panic!("haproxy does not start");
    }

    async fn try_start(balancers: &[SocketAddr]) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory for haproxy");
        let [port] = free_ports();
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, written(port, balancers)).expect("written");
        let log = File::create(directory.path().join("log")).expect("a log");
        let mut command = haproxy();
        command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log")).stderr(log);
        let child = command.spawn().expect(MISSING);
        let mut proxy = Self { child, directory, port, web: Web::default() };
        let began = Instant::now();
        while proxy.get("/readyz").await.is_none_or(|reply| reply.status != 200) {
            if proxy.child.try_wait().expect("a child").is_some() {
                assert!(proxy.said().contains("cannot bind"), "{}", proxy.said());
                return None;
            }
            assert!(began.elapsed() < READY_WITHIN, "no balancer is ready: {}", proxy.said());
            sleep(Duration::from_millis(20)).await;
        }
        Some(proxy)
    }

    /// Kills it: every connection breaks.
    #[allow(dead_code, reason = "the soak kills it, and no story")]
    pub(crate) fn stop(&mut self) {
        self.child.kill().expect("haproxy can be killed");
        self.child.wait().expect("haproxy ends");
    }

    /// Starts it again on its port, and waits until it has found a balancer ready.
    #[allow(dead_code, reason = "the soak kills it, and no story")]
    pub(crate) async fn start_again(&mut self) {
        let log = File::options().append(true).open(self.directory.path().join("log"));
        let log = log.expect("a log");
        let mut command = haproxy();
        command.arg("-db").arg("-f").arg(self.directory.path().join("haproxy.cfg"));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        self.child = command.spawn().expect(MISSING);
        let began = Instant::now();
        while self.get("/readyz").await.is_none_or(|reply| reply.status != 200) {
            assert!(began.elapsed() < READY_WITHIN, "no balancer is ready: {}", self.said());
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A tenant's client, whose calls go to one balancer after another.
    pub(crate) fn client(&self, tenant: Client) -> BbbClient {
        let client = BbbClient::new(&self.url("/bigbluebutton"), tenant.secret);
        client.host(tenant.host).through(self.web.clone())
    }

    /// Gets a path of whichever balancer is next.
    pub(crate) async fn get(&self, path: &str) -> Option<Reply> {
        self.send(Method::GET, path, HeaderMap::new(), "").await.ok()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: &str,
    ) -> Result<Reply, CallError> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.web.send(method, &self.url(path), headers, body).await
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// The program, which Debian keeps where not everybody looks.
fn haproxy() -> Command {
    let mut command = Command::new("haproxy");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin"));
    command
}

/// The given file with these addresses.
fn written(port: u16, balancers: &[SocketAddr]) -> String {
    let given = GIVEN.replace("bind :80\n", &format!("bind 127.0.0.1:{port}\n"));
    let kept = given.lines().filter(|line| !line.trim_start().starts_with("server "));
    let mut text: String = kept.map(|line| format!("{line}\n")).collect();
    for (n, balancer) in balancers.iter().enumerate() {
        text += &format!("  server balancer{} {balancer}\n", n + 1);
    }
    text
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_file_for_users_is_one_that_haproxy_takes_as_it_is() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/haproxy/haproxy.cfg");
    let checked = haproxy().args(["-c", "-f", file]).output().expect(MISSING);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let warned = String::from_utf8_lossy(&checked.stderr).contains("WARNING");
    assert!(!warned, "{}", String::from_utf8_lossy(&checked.stderr));
}
