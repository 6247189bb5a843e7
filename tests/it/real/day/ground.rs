//! The parts that the day runs on, and how each goes away and comes back.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bigblueswarm::cli::demo::check::{Evidence, Key, Ledger, Living};
use bigblueswarm::sim::SimHandle;
use bigblueswarm::sim::client::{Reply, query_of};
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::program::{Home, PATIENTLY, Program, servers, until};
use crate::real::plugin;
use crate::services::consul::Consul;
use crate::services::haproxy::HaProxy;
use crate::services::influxd::{BUCKET, DATABASE_TOKEN, Influxd};
use crate::services::redis::RedisServer;
use crate::services::telegraf::Telegraf;
use crate::world::{Client, GLOBAL, KEY, T, U};

pub(super) const TENANTS: [Client; 2] = [T, U];
/// The metadata by which the day itself knows whose meeting one is.
pub(super) const OWNER: &str = "day-owner";
const REPLICAS: usize = 3;
const SERVERS: usize = 3;

/// What goes away, and how.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    RedisHangs,
    RedisKilled,
    RedisLost,
    InfluxdHangs,
    InfluxdKilled,
    TelegrafKilled,
    ConsulHangs,
    ConsulKilled,
    BalancerKilled,
    BalancerHangs,
}

impl Part {
    pub(super) const ALL: [Self; 10] = [
        Self::RedisHangs,
        Self::InfluxdHangs,
        Self::ConsulHangs,
        Self::TelegrafKilled,
        Self::RedisKilled,
        Self::InfluxdKilled,
        Self::RedisLost,
        Self::ConsulKilled,
        Self::BalancerKilled,
        Self::BalancerHangs,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RedisHangs => "Redis (hangs)",
            Self::RedisKilled => "Redis (killed)",
            Self::RedisLost => "Redis (killed, comes back empty)",
            Self::InfluxdHangs => "InfluxDB (hangs)",
            Self::InfluxdKilled => "InfluxDB (killed)",
            Self::TelegrafKilled => "Telegraf (killed, on all servers)",
            Self::ConsulHangs => "Consul (hangs)",
            Self::ConsulKilled => "Consul (killed, comes back empty)",
            Self::BalancerKilled => "one of three balancers (killed)",
            Self::BalancerHangs => "one of three balancers (hangs)",
        }
    }
}

pub(super) struct Ground {
    proxy: HaProxy,
    replicas: Vec<Option<Program>>,
    homes: Vec<Home>,
    agents: Vec<Telegraf>,
    figures: Vec<String>,
    sims: Vec<SimHandle>,
    consul: Consul,
    influxd: Influxd,
    redis: RedisServer,
}

impl Ground {
    pub(super) async fn open() -> Self {
        let redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"]);
        let (influxd, consul) = tokio::join!(Influxd::start(), Consul::start());
        configure(&consul, &redis, &influxd).await;
        let sims = servers(SERVERS).await;
        let mut figures = Vec::new();
        for sim in &sims {
            figures.push(plugin::of_all(sim).await);
        }
        let homes: Vec<Home> = (0..REPLICAS).map(|_| Home::new("")).collect();
        let mut replicas = Vec::new();
        for home in &homes {
            replicas.push(Some(start(home, &consul).await));
        }
        let addresses: Vec<_> = homes.iter().map(|home| home.address).collect();
        replicas[0].as_ref().expect("it runs").register(&sims).await;
        let proxy = HaProxy::start(&addresses).await;
        let agents = Vec::new();
        let mut ground =
            Self { proxy, replicas, homes, agents, figures, sims, consul, influxd, redis };
        ground.start_agents();
        ground.well().await;
        ground
    }

    fn start_agents(&mut self) {
        let beside = |(sim, figures): (&SimHandle, &String)| {
            Telegraf::start_beside(&sim.url, figures, &self.influxd.url(), DATABASE_TOKEN)
        };
        self.agents = self.sims.iter().zip(&self.figures).map(beside).collect();
    }

    pub(super) fn proxy(&self) -> &HaProxy {
        &self.proxy
    }

    pub(super) fn replicas(&self) -> impl Iterator<Item = &Program> {
        self.replicas.iter().flatten()
    }

    pub(super) async fn take_away(&mut self, part: Part) {
        match part {
            Part::RedisHangs => self.redis.pause(),
            Part::RedisKilled => self.redis.stop(),
            Part::RedisLost => self.redis.stop_and_forget(),
            Part::InfluxdHangs => self.influxd.pause(),
            Part::InfluxdKilled => self.influxd.stop(),
            Part::TelegrafKilled => self.agents.clear(),
            Part::ConsulHangs => self.consul.pause(),
            Part::ConsulKilled => self.consul.stop(),
            Part::BalancerKilled => self.replicas[1].take().expect("it runs").kill(),
            Part::BalancerHangs => self.replicas[2].as_ref().expect("it runs").signal("-STOP"),
        }
    }

    pub(super) async fn give_back(&mut self, part: Part) {
        match part {
            Part::RedisHangs => self.redis.resume(),
            Part::RedisKilled | Part::RedisLost => self.redis.start_again(),
            Part::InfluxdHangs => self.influxd.resume(),
            Part::InfluxdKilled => self.influxd.start_again().await,
            Part::TelegrafKilled => self.start_agents(),
            Part::ConsulHangs => self.consul.resume(),
            Part::ConsulKilled => {
                self.consul.start_again().await;
                configure(&self.consul, &self.redis, &self.influxd).await;
            }
            Part::BalancerKilled => {
                self.replicas[1] = Some(start(&self.homes[1], &self.consul).await);
            }
            Part::BalancerHangs => self.replicas[2].as_ref().expect("it runs").signal("-CONT"),
        }
    }

    /// What the balancers' `/readyz` names now, each part once.
    pub(super) async fn degraded(&self) -> String {
        let mut parts = BTreeSet::new();
        // The third may be the one that hangs.
        for replica in self.replicas().take(2) {
            let (_, body) = replica.readiness().await;
            let named = body["degraded"].as_array().into_iter().flatten();
            parts.extend(named.filter_map(|d| d["part"].as_str().map(str::to_owned)));
        }
        parts.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Waits until every balancer is ready and names nothing.
    pub(super) async fn well(&self) {
        let began = Instant::now();
        loop {
            let mut bad = Vec::new();
            for replica in self.replicas() {
                let (status, body) = replica.readiness().await;
                if status != 200 || body["degraded"] != serde_json::json!([]) {
                    bad.push(body);
                }
            }
            if bad.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENTLY, "it is not well: {bad:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What is where, and where this balancer sends people.
    pub(super) async fn evidence(&self, replica: &Program, ledger: &Ledger) -> Evidence {
        let mut evidence = Evidence::default();
        for sim in &self.sims {
            let all = sim.server.meetings().await.into_iter().filter(|m| m.lives());
            evidence.living.extend(all.map(|m| Living {
                server: sim.server.origin(),
                key: Key::new(m.meta(OWNER).unwrap_or_default(), &m.id),
                internal: m.internal_id,
            }));
        }
        for key in ledger.standing() {
            let query = query_of(&[
                ("fullName", "Inspector"),
                ("meetingID", &key.meeting),
                ("role", "VIEWER"),
            ]);
            let way = match replica.client(of(key)).get("join", &query).await {
                Ok(reply) => origin(&reply).ok_or_else(|| reply.text()),
                Err(error) => Err(error.to_string()),
            };
            evidence.routed.insert(key.clone(), way);
        }
        for tenant in TENANTS {
            let reply = replica.client(tenant).get("getMeetings", "").await.expect("an answer");
            let list = listed(&reply).into_iter().collect();
            evidence.lists.insert(tenant.host.to_owned(), list);
        }
        evidence
    }

    /// The meeting's internal id as this balancer tells it.
    pub(super) async fn internal_id(&self, replica: &Program, key: &Key) -> Option<String> {
        let query = query_of(&[("meetingID", &key.meeting)]);
        let reply = replica.client(of(key)).get("getMeetingInfo", &query).await.ok()?;
        reply.value("internalMeetingID")
    }

    /// After all that, a change in Consul still applies on every balancer.
    pub(super) async fn is_configured_by_consul(&self) {
        self.consul.put("balancer", "cpuMetric: total\ncpuLimit: 77\npollInterval: 1s\n").await;
        for replica in self.replicas() {
            until("the change applies", async || {
                let reply = replica.admin(Method::GET, "configurations", "").await;
                let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
                shown["balancer"]["cpuLimit"] == 77
            })
            .await;
        }
    }

    /// The last lines that each balancer logged.
    pub(super) fn said(&self) -> String {
        let last = |home: &Home| {
            let said = home.said();
            let lines: Vec<&str> = said.lines().rev().take(60).collect();
            lines.into_iter().rev().map(|line| format!("{line}\n")).collect::<String>()
        };
        self.homes
            .iter()
            .enumerate()
            .map(|(n, home)| format!("balancer {}:\n{}", n + 1, last(home)))
            .collect()
    }
}

async fn configure(consul: &Consul, redis: &RedisServer, influxd: &Influxd) {
    consul.put("bigblueswarm", &format!("secret: {GLOBAL}\n")).await;
    consul.put("admin", &format!("apiKey: {KEY}\n")).await;
    consul.put("balancer", "cpuMetric: total\ncpuLimit: 90\npollInterval: 1s\n").await;
    consul.put("health", "probeInterval: 2s\nsweepInterval: 3s\n").await;
    consul.put("redis", &format!("address: {}\n", redis.address())).await;
    let section = influxd.section(DATABASE_TOKEN, BUCKET);
    consul.put("influxdb", section.strip_prefix("influxdb:\n").expect("a section")).await;
}

async fn start(home: &Home, consul: &Consul) -> Program {
    let mut command = home.command(&format!("-config {}", consul.source()));
    command.env("BBS_PORT", home.address.port().to_string());
    command.env("BBS_HTTP_ADDRESS", "127.0.0.1");
    home.run(command).await
}

fn of(key: &Key) -> Client {
    TENANTS.into_iter().find(|tenant| tenant.host == key.tenant).expect("a tenant")
}

/// What a list holds, by the day's own mark.
pub(super) fn listed(reply: &Reply) -> Vec<Key> {
    let text =
        |record: &HashMap<String, String>, name| record.get(name).cloned().unwrap_or_default();
    let records = reply.records("meeting");
    records.iter().map(|r| Key { tenant: text(r, OWNER), meeting: text(r, "meetingID") }).collect()
}

/// `scheme://host:port` of where a reply sends.
fn origin(reply: &Reply) -> Option<String> {
    let to: http::Uri = reply.location().filter(|to| !to.contains("errors="))?.parse().ok()?;
    Some(format!("{}://{}", to.scheme_str()?, to.authority()?))
}
