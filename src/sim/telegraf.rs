//! Pushes figures as Telegraf does: line protocol, packed, with a token.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use influxdb_line_protocol::LineProtocolBuilder;
use reqwest::Client;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use super::client::CallError;
use super::figures::{Counts, Figures};
use super::server::SimServer;
use crate::domain::secret::Secret;
use crate::outside::clock::Clock;

/// A write that takes longer is left out.
const WRITE_WITHIN: Duration = Duration::from_secs(15);

/// One agent for several servers; in the field each server has its own.
#[derive(Clone)]
pub struct Telegraf {
    pub servers: Vec<SimServer>,
    /// `http://host:port` of what takes InfluxDB's writes.
    pub target: String,
    pub token: Secret,
    pub organization: String,
    pub bucket: String,
    web: Client,
}

impl Telegraf {
    /// An agent that writes to the organisation and the bucket `bigblueswarm`.
    pub fn new(servers: Vec<SimServer>, target: &str, token: &str) -> Self {
        // Where nobody chose a provider of TLS before, this one is taken; a second choice changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let name = || "bigblueswarm".to_owned();
        let (target, token) = (target.trim_end_matches('/').to_owned(), Secret::new(token));
        Self { servers, target, token, organization: name(), bucket: name(), web: Client::new() }
    }

    /// Pushes again and again; ends when dropped. A push that fails is left out, as Telegraf's next one brings more.
    pub async fn run(&self, every: Duration, clock: &dyn Clock) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.push(clock.wall()).await {
                debug!(%error, "simulated agent could not push");
            }
        }
    }

    /// Pushes the figures of every server that can be reached; an agent beside a dead server is dead too.
    pub async fn push(&self, at: SystemTime) -> Result<(), CallError> {
        let mut text = String::new();
        for server in self.servers.iter().filter(|server| server.reachable()) {
            text.push_str(&lines(&server.figures().await, &server.url(), at));
        }
        if text.is_empty() {
            return Ok(());
        }
        let url = format!(
            "{}/api/v2/write?org={}&bucket={}",
            self.target, self.organization, self.bucket
        );
        let body = packed(text.as_bytes()).map_err(|e| CallError::Broken(e.to_string()))?;
        let write = self.web.post(&url).headers(self.headers()).timeout(WRITE_WITHIN).body(body);
        let broken = |error: reqwest::Error| CallError::Broken(error.without_url().to_string());
        let reply = write.send().await.map_err(broken)?;
        reply.error_for_status().map(|_| ()).map_err(broken)
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        if let Ok(mut token) = HeaderValue::from_str(&format!("Token {}", self.token.reveal())) {
            token.set_sensitive(true);
            headers.insert(AUTHORIZATION, token);
        }
        headers
    }
}

fn packed(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text)?;
    packer.finish()
}

/// The figures of the server with this URL in line protocol.
pub fn lines(figures: &Figures, url: &str, at: SystemTime) -> String {
    let since_1970 = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX);
    let cpu = LineProtocolBuilder::new()
        .measurement("cpu")
        .tag("bigblueswarm_host", url)
        .tag("cpu", "cpu-total")
        .field("usage_system", figures.usage_system)
        .field("usage_user", figures.usage_user)
        .field("usage_idle", figures.usage_idle())
        .timestamp(at)
        .close_line();
    let mem = cpu
        .measurement("mem")
        .tag("bigblueswarm_host", url)
        .field("used_percent", figures.mem_used_percent)
        .timestamp(at)
        .close_line();
    let system = mem
        .measurement("system")
        .tag("bigblueswarm_host", url)
        .field("n_cpus", i64::from(figures.cores))
        .timestamp(at)
        .close_line();
    let mut text = system.build();
    text.extend(plugin("bigbluebutton", &figures.counts, url, at));
    for (tenant, counts) in &figures.by_tenant {
        text.extend(plugin(&format!("bigbluebutton:{tenant}"), counts, url, at));
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// One line as the BBB plugin writes it.
fn plugin(measurement: &str, counts: &Counts, url: &str, at: i64) -> Vec<u8> {
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    LineProtocolBuilder::new()
        .measurement(measurement)
        .tag("bigblueswarm_host", url)
        .field("meetings", whole(counts.meetings))
        .field("participants", whole(counts.participants))
        .field("listener_participants", whole(counts.listeners))
        .field("voice_participants", whole(counts.voices))
        .field("video_participants", whole(counts.videos))
        .field("active_recordings", whole(counts.recordings))
        .field("recordings", 0i64)
        .field("published_recordings", 0i64)
        .field("online", 1i64)
        .timestamp(at)
        .close_line()
        .build()
}
