//! A Consul agent of its own for each test.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bigblueswarm::sim::client::{Reply, Web};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::built::program;
use super::redis::Certificates;
use super::{free_port, free_ports, signal};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running agent, which forgets everything when it stops. Killed on drop.
pub(crate) struct Consul {
    child: Option<Child>,
    directory: TempDir,
    ports: [u16; 3],
    token: Option<String>,
    web: Web,
}

impl Consul {
    pub(crate) async fn start() -> Self {
        Self::start_with("", None).await
    }

    /// An agent that refuses everybody without this token.
    pub(crate) async fn start_guarded(token: &str) -> Self {
        let rules = format!(
            "acl {{\n enabled = true\n default_policy = \"deny\"\n tokens {{\n  initial_management = \"{token}\"\n }}\n}}\n"
        );
        Self::start_with(&rules, Some(token)).await
    }

    /// An agent with a certificate; what is to be named as `-config` to reach it so.
    pub(crate) async fn start_with_tls(certificates: &Certificates) -> (Self, String) {
        let (port, path) = (free_port(), |name| certificates.path(name).display().to_string());
        let rules = format!(
            "ports {{\n https = {port}\n}}\ntls {{\n https {{\n  cert_file = \"{}\"\n  key_file = \"{}\"\n }}\n}}\n",
            path("server.pem"),
            path("server.key"),
        );
        (Self::start_with(&rules, None).await, format!("consul:https://127.0.0.1:{port}"))
    }

    async fn start_with(rules: &str, token: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a directory for consul");
        std::fs::write(directory.path().join("rules.hcl"), rules).expect("written");
        let token = token.map(str::to_owned);
        let mut consul =
            Self { child: None, directory, ports: free_ports(), token, web: Web::default() };
        consul.start_again().await;
        consul
    }

    /// What `-config` names.
    pub(crate) fn source(&self) -> String {
        format!("consul:{}", self.url())
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Starts it, on the same ports as before, with nothing in it.
    pub(crate) async fn start_again(&mut self) {
        let log = File::create(self.directory.path().join("log")).expect("a log");
        let mut command = Command::new(program("consul"));
        let [http, serf, server] = self.ports.map(|port| port.to_string());
        command.args(["agent", "-dev", "-bind", "127.0.0.1", "-log-level", "warn", "-node", "one"]);
        command.args(["-http-port", &http, "-serf-lan-port", &serf, "-server-port", &server]);
        command.args(["-serf-wan-port", "-1", "-dns-port", "-1", "-grpc-port", "-1"]);
        command.arg("-config-file").arg(self.directory.path().join("rules.hcl"));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        self.child = Some(command.spawn().expect("consul starts"));
        let began = Instant::now();
        while !self.is_ready().await {
            let log = || std::fs::read_to_string(self.directory.path().join("log"));
            assert!(began.elapsed() < READY_WITHIN, "consul is not ready: {:?}", log());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether it has a leader and takes values.
    async fn is_ready(&self) -> bool {
        let answer = self.ask(Method::PUT, "ready", "yes").await;
        answer.is_some_and(|answer| answer.text().trim() == "true")
    }

    /// Holds it: it accepts connections and answers nothing.
    pub(crate) fn pause(&self) {
        signal(self.child.as_ref().expect("it runs"), "-STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        signal(self.child.as_ref().expect("it runs"), "-CONT");
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    pub(crate) async fn put(&self, key: &str, value: &str) {
        let answer = self.ask(Method::PUT, &format!("configuration/{key}"), value).await;
        assert_eq!(answer.expect("an answer").text().trim(), "true", "{key}");
    }

    pub(crate) async fn delete(&self, key: &str) {
        let answer = self.ask(Method::DELETE, &format!("configuration/{key}"), "").await;
        assert_eq!(answer.expect("an answer").text().trim(), "true", "{key}");
    }

    async fn ask(&self, method: Method, key: &str, body: &str) -> Option<Reply> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert("x-consul-token", HeaderValue::from_str(token).expect("a header"));
        }
        let url = format!("{}/v1/kv/{key}", self.url());
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.web.send(method, &url, headers, body).await.ok()
    }
}

impl Drop for Consul {
    fn drop(&mut self) {
        self.stop();
    }
}
