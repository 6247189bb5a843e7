//! An InfluxDB 2 of its own for each test.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bigblueswarm::sim::client::{Reply, Web};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::built::program;
use super::{free_ports, signal};

pub(crate) const ORGANIZATION: &str = "bigblueswarm";
pub(crate) const BUCKET: &str = "bucket";
/// Of the letters that InfluxDB's own tokens have.
pub(crate) const DATABASE_TOKEN: &str = "an-Influx_token-0123456789-of-86-letters_and_two_signs==";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running database. Killed on drop.
pub(crate) struct Influxd {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
    web: Web,
}

impl Influxd {
    /// Starts one and sets it up as the predecessor's guide does: organisation, bucket, token.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory for influxd");
        let [port] = free_ports();
        let web = Web::default().within(Duration::from_secs(60));
        let mut influxd = Self { child: None, directory, port, web };
        influxd.start_again().await;
        let setup = json!({
            "username": "admin", "password": "password", "token": DATABASE_TOKEN,
            "org": ORGANIZATION, "bucket": BUCKET, "retentionPeriodSeconds": 0,
        });
        let answer = influxd.send(Method::POST, "/api/v2/setup", &setup.to_string()).await;
        assert_eq!(answer.expect("an answer").status, 201);
        influxd
    }

    /// Starts it on the same port and data.
    pub(crate) async fn start_again(&mut self) {
        let path = |name: &str| self.directory.path().join(name);
        let log = File::create(path("log")).expect("a log");
        let mut command = Command::new(program("influxd"));
        command.arg("--bolt-path").arg(path("bolt")).arg("--engine-path").arg(path("engine"));
        command.arg("--sqlite-path").arg(path("sqlite"));
        command.arg("--http-bind-address").arg(format!("127.0.0.1:{}", self.port));
        command.args(["--reporting-disabled", "--log-level", "error"]).env("HOME", path(""));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        self.child = Some(command.spawn().expect("influxd starts"));
        let began = Instant::now();
        while self.send(Method::GET, "/health", "").await.is_none_or(|a| a.status != 200) {
            let log = || std::fs::read_to_string(path("log"));
            assert!(began.elapsed() < READY_WITHIN, "influxd is not ready: {:?}", log());
            sleep(Duration::from_millis(50)).await;
        }
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

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The section of a configuration that reads this bucket with this token.
    pub(crate) fn section(&self, token: &str, bucket: &str) -> String {
        section_at(&self.url(), token, bucket)
    }

    /// Writes points in line protocol, with times in seconds.
    pub(crate) async fn write(&self, lines: &str) {
        let path = format!("/api/v2/write?org={ORGANIZATION}&bucket={BUCKET}&precision=s");
        let answer = self.send(Method::POST, &path, lines).await.expect("an answer");
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Option<Reply> {
        let mut headers = HeaderMap::new();
        let token = HeaderValue::from_str(&format!("Token {DATABASE_TOKEN}")).expect("a header");
        headers.insert(AUTHORIZATION, token);
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.web.send(method, &format!("{}{path}", self.url()), headers, body).await.ok()
    }
}

/// The same by way of another URL.
pub(crate) fn section_at(url: &str, token: &str, bucket: &str) -> String {
    format!(
        "influxdb:\n  address: {url}\n  token: {token}\n  organization: {ORGANIZATION}\n  bucket: {bucket}\n"
    )
}

impl Drop for Influxd {
    fn drop(&mut self) {
        self.stop();
    }
}
