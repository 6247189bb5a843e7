//! The balancer: the real program with its tenants, its instances and their figures.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::Outcome;
use crate::client::Connection;
use crate::process::Running;
use crate::texts::{SECRET, TENANTS};

const KEY: &str = "key-of-the-benchmark-0123456789";
const TOKEN: &str = "token-of-the-benchmark-0123456789";

/// The program, in a folder of its own.
pub(crate) struct Swarm {
    pub(crate) process: Running,
    pub(crate) address: String,
    _folder: TempDir,
}

impl Swarm {
    /// Starts the program with the tenants and these instances, and waits until it knows so many meetings.
    pub(crate) async fn start(instances: &[String], more: &str, meetings: u64) -> Outcome<Self> {
        let mut swarm = Self::listening(more).await;
        for _ in 0..4 {
            if swarm.is_ok() {
                break;
            }
            swarm = Self::listening(more).await; // its port may have been taken meanwhile
        }
        let swarm = swarm?;
        swarm.set_up(instances).await?;
        swarm.until_known(meetings).await?;
        Ok(swarm)
    }

    async fn listening(more: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let config = config(folder.path(), port, more)?;
        let log = folder.path().join("log.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bigblueswarm"));
        command.arg("serve").arg("--config").arg(config).current_dir(folder.path());
        command.env_clear(); // variables are configuration too
        command.stderr(std::fs::File::create(&log)?).stdout(Stdio::null());
        let process = Running::start(&mut command)?;
        let mut swarm = Self { process, address: format!("127.0.0.1:{port}"), _folder: folder };
        match swarm.until_ready().await {
            Ok(()) => Ok(swarm),
            Err(why) => Err(format!("{why}: {}", std::fs::read_to_string(log)?).into()),
        }
    }

    async fn set_up(&self, instances: &[String]) -> Outcome {
        for (host, secret) in TENANTS {
            let tenant = json!({"kind": "Tenant", "spec": {"host": host, "secret": secret}});
            self.post("/admin/api/tenants", KEY, &tenant.to_string()).await?;
        }
        let urls = instances.iter().map(|address| url(address));
        let listed: serde_json::Map<_, _> = urls.map(|url| (url, json!(SECRET))).collect();
        let list = json!({"kind": "InstanceList", "instances": listed});
        self.post("/admin/api/instances", KEY, &list.to_string()).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let figures = instances.iter().map(|address| figures(&url(address), now));
        let token = format!("Token {TOKEN}");
        self.post("/api/v2/write?org=o&bucket=b", &token, &figures.collect::<String>()).await
    }

    async fn until_ready(&mut self) -> Outcome {
        for _ in 0..200 {
            if self.process.has_ended()? {
                return Err("the program has ended".into());
            }
            if let Ok(mut connection) = Connection::open(&self.address).await
                && connection.exchange(&request("GET", "/readyz", "a", "", "")).await?.status == 200
            {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err("the program did not become ready".into())
    }

    /// Waits until that many meetings were found on the instances.
    async fn until_known(&self, meetings: u64) -> Outcome {
        for _ in 0..600 {
            let mut connection = Connection::open(&self.address).await?;
            let asked = request("GET", "/admin/api/instances/state", "admin.example.org", KEY, "");
            let answer = connection.exchange(&asked).await?;
            let states: Value = serde_json::from_slice(&answer.body)?;
            let known =
                states.as_array().into_iter().flatten().filter_map(|s| s["meetings"].as_u64());
            if known.sum::<u64>() == meetings {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err("the program did not find all meetings".into())
    }

    async fn post(&self, path: &str, authorization: &str, body: &str) -> Outcome {
        let mut connection = Connection::open(&self.address).await?;
        let asked = request("POST", path, "admin.example.org", authorization, body);
        let answer = connection.exchange(&asked).await?;
        match answer.status {
            200..300 => Ok(()),
            status => {
                Err(format!("{path}: {status} {}", String::from_utf8_lossy(&answer.body)).into())
            }
        }
    }
}

/// The URL by which an instance is registered.
fn url(address: &str) -> String {
    format!("http://{address}/bigbluebutton")
}

/// A request as it goes over the wire.
pub(crate) fn request(
    method: &str,
    target: &str,
    host: &str,
    authorization: &str,
    body: &str,
) -> Bytes {
    let authorization = match authorization {
        "" => String::new(),
        key => format!("Authorization: {key}\r\n"),
    };
    let length = match body {
        "" => String::new(),
        body => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n{authorization}{length}\r\n{body}")
        .into()
}

/// What an agent beside an instance would push.
fn figures(url: &str, at: u128) -> String {
    format!(
        "cpu,bigblueswarm_host={url},cpu=cpu-total usage_idle=80,usage_system=10,usage_user=10 {at}\n\
         mem,bigblueswarm_host={url} used_percent=20 {at}\n\
         system,bigblueswarm_host={url} n_cpus=8i {at}\n"
    )
}

/// A port that was free a moment ago: the configuration wants to know it beforehand.
fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn config(folder: &Path, port: u16, more: &str) -> Outcome<std::path::PathBuf> {
    let path = folder.join("bigblueswarm.yml");
    let text = format!(
        "port: {port}\nbigblueswarm:\n  secret: secret-of-the-benchmark-0123456789\n\
         admin:\n  apiKey: {KEY}\n  ingestToken: {TOKEN}\nhttp:\n  address: 127.0.0.1\n\
         store:\n  path: {}\n{more}",
        folder.join("state.redb").display()
    );
    std::fs::write(&path, text)?;
    Ok(path)
}
