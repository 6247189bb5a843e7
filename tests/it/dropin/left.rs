//! What the predecessor left when it was stopped, and how it would read it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Json;
use axum::http::StatusCode;
use axum::routing::post;
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::client::{Reply, query_of};
use bigblueswarm::sim::{BbbClient, Recording, SimHandle, SimServer, SimSettings};
use redis::Commands;
use serde_json::{Map, Value};

use crate::program::{Home, Program};
use crate::services::redis::RedisServer;
use crate::world::Client;

const REDIS: &str = include_str!("fixture/redis.json");
const RECORDED: &str = include_str!("../recorded/predecessor-redis.json");
const INFLUX: &str = include_str!("../recorded/influxdb-2.7-balancer.json");
pub(super) const V1: &str = include_str!("fixture/v1.yml");
pub(super) const V2: &str = include_str!("fixture/v2.yml");
pub(super) const V3: &str = include_str!("fixture/v3.yml");

pub(super) const KEY: &str = "kgpqrTipM2yjcXwz5pOxBKViE9oNX76R";
const GLOBAL: &str = "0ol5t44UR21rrP0xL5ou7IBFumWF3GENebgW1RyTfbU";

/// Its tenants.
pub(super) const LB: Client = Client::of("lb.example.org:8090", GLOBAL);
pub(super) const B: Client = Client::of("b.example.org", "second-tenant-secret-0123456789abcdef");
pub(super) const FULL: Client = Client::of("full.example.org", "tenant-secret-0123456789");
pub(super) const SCHOOL: Client = Client::of("school.example.org", "12345678901234567890");
pub(super) const OLD: Client = Client::of("old.example.org", GLOBAL);
pub(super) const HAND: Client = Client::of("hand.example.org", "by-hand-0123456789");

/// How all its tenants create.
const CREATED: [(&str, &str); 3] = [("name", "Room"), ("attendeePW", "ap"), ("moderatorPW", "mp")];

/// Its meetings that still run: id, tenant, and the server's number from 1. One id is two tenants'; of one the key
/// names an instance that is not in the list.
pub(super) const MEETINGS: [(&str, Client, usize); 7] = [
    ("room-1", LB, 1),
    ("room 2/é", B, 1),
    ("lesson-7", FULL, 3),
    ("exam", SCHOOL, 2),
    ("shared", B, 2),
    ("shared", LB, 1),
    ("moved", LB, 2),
];

/// Its recordings: of which meeting, when, whose, and on which server.
pub(super) const RECORDINGS: [(&str, u64, Client, usize); 4] = [
    ("room-1", 1_700_000_000_000, LB, 1),
    ("room 2/é", 1_700_000_100_000, B, 2),
    ("lesson-7", 1_700_000_200_000, FULL, 3),
    ("exam", 1_700_000_300_000, SCHOOL, 2),
];

/// Redis, BBB servers and InfluxDB as it left them, and a home for its successor.
pub(super) struct Left {
    pub(super) redis: RedisServer,
    pub(super) sims: Vec<SimHandle>,
    pub(super) home: Home,
    influx: String,
}

impl Left {
    /// What the fixture says.
    pub(super) async fn behind() -> Self {
        let recorded: Value = serde_json::from_str(INFLUX).expect("a recording");
        let left = Self::of(REDIS, move |flux| {
            let mut queries = recorded["queries"].as_array().into_iter().flatten();
            let same = queries.find(|query| query["flux"] == flux)?;
            Some(same["body"].as_str()?.to_owned())
        })
        .await;
        for (meeting, tenant, n) in MEETINGS {
            left.create(meeting, tenant, n).await;
        }
        for (meeting, start, tenant, n) in RECORDINGS {
            let recording = Recording::new(meeting, start).of(tenant.host);
            left.sim(n).server.add_recording(recording).await;
        }
        left
    }

    /// What was recorded from it, without any meeting.
    pub(super) async fn as_recorded() -> Self {
        Self::of(RECORDED, |flux| Some(crate::influx::alike(flux))).await
    }

    async fn of(
        keys: &str,
        influx: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let keys: Map<String, Value> = serde_json::from_str(keys).expect("keys");
        let listed = keys["instances:list"]["value"].clone();
        let secrets: BTreeMap<String, String> = serde_json::from_value(listed).expect("secrets");
        let clock = Arc::new(RuntimeClock::start());
        let mut sims = Vec::new();
        for (n, secret) in secrets.into_values().enumerate() {
            let settings = SimSettings::new("http://unbound", &secret).seed(n as u64 + 1);
            let sim = SimServer::start(settings, clock.clone());
            sims.push(sim.listen().await.expect("a socket"));
        }
        let names: Vec<_> = sims.iter().map(|sim| sim.url.clone()).collect();
        let influx = serve_flux(move |flux| Some(there(&names, &influx(flux)?))).await;
        let left = Self { redis: RedisServer::start(), sims, home: Home::new(""), influx };
        left.fill_redis(&keys);
        left
    }

    /// The server of this number, from 1.
    pub(super) fn sim(&self, n: usize) -> &SimHandle {
        &self.sims[n - 1]
    }

    /// A text of the fixture with the servers' own addresses.
    pub(super) fn there(&self, text: &str) -> String {
        let names: Vec<_> = self.sims.iter().map(|sim| sim.url.clone()).collect();
        there(&names, text)
    }

    fn fill_redis(&self, keys: &Map<String, Value>) {
        let mut connection = self.redis.connection();
        for (key, entry) in keys {
            match &entry["value"] {
                Value::String(text) => connection.set(key, self.there(text)).expect("set"),
                Value::Object(fields) => fields.iter().for_each(|(field, value)| {
                    let value = value.as_str().expect("text");
                    connection.hset(key, self.there(field), value).expect("set")
                }),
                other => panic!("{key}: {other}"),
            }
        }
    }

    /// A text of the fixture's Redis as it was filled in.
    pub(super) fn filled(&self, key: &str) -> String {
        let keys: Value = serde_json::from_str(REDIS).expect("a fixture");
        self.there(keys[key]["value"].as_str().expect("text"))
    }

    /// Makes a meeting as the predecessor did: signed by SHA-1, with the tenant's tag.
    async fn create(&self, meeting: &str, tenant: Client, n: usize) {
        let sim = self.sim(n);
        let client = BbbClient::new(&sim.url, sim.secret()).algorithm(Algorithm::Sha1);
        let mut pairs = vec![("meetingID", meeting)];
        pairs.extend(CREATED);
        let query = query::tagged(&query_of(&pairs), tenant.host);
        let reply = client.get("create", &query).await.expect("an answer");
        assert!(reply.succeeded(), "{}", reply.text());
    }

    /// A configuration of the fixture with the addresses of here.
    pub(super) fn configured(&self, text: &str) -> String {
        self.configured_at(&self.home, text)
    }

    fn configured_at(&self, home: &Home, text: &str) -> String {
        let port = home.address.port();
        text.replace("8090", &port.to_string())
            .replace("127.0.0.1:6379", &self.redis.address())
            .replace("http://127.0.0.1:8086", &self.influx)
    }

    /// Starts the built program on this configuration as the predecessor was started.
    pub(super) async fn start_on(&self, text: &str, line: &str) -> Program {
        self.start_at(&self.home, text, line).await
    }

    async fn start_at(&self, home: &Home, text: &str, line: &str) -> Program {
        home.write(&self.configured_at(home, text));
        let mut command = home.command(line);
        command.env("BBS_HTTP_ADDRESS", "127.0.0.1");
        // Slow by default, and no file of the predecessor can say otherwise.
        command.env("BBS_HEALTH_PROBE_INTERVAL", "500ms").env("BBS_HEALTH_SWEEP_INTERVAL", "1s");
        home.run(command).await
    }

    /// Starts it, and waits until it is ready.
    pub(super) async fn start(&self) -> Program {
        self.start_replica(&self.home).await
    }

    /// The same in another home: a replica.
    pub(super) async fn start_replica(&self, home: &Home) -> Program {
        let quick = V3.replace("PollInterval: 15m", "PollInterval: 1s");
        let program = self.start_at(home, &quick, "-config config.yml").await;
        program.ready().await;
        program
    }

    /// Redis as the predecessor would find it.
    pub(super) fn read(&self) -> Go {
        Go(self.redis.connection())
    }

    /// The URLs of the servers on which meetings of this id run, whosever they are.
    pub(super) async fn lives_on(&self, meeting: &str) -> Vec<String> {
        let mut urls = Vec::new();
        for sim in &self.sims {
            let found = sim.server.meeting(meeting).await;
            urls.extend(found.filter(|found| found.lives()).map(|_| sim.url.clone()));
        }
        urls
    }

    /// On which servers this tenant's meeting is, as their numbers from 1.
    pub(super) async fn homes(&self, meeting: &str, tenant: Client) -> Vec<usize> {
        let mut homes = Vec::new();
        for (n, sim) in self.sims.iter().enumerate() {
            let found = sim.server.meeting(meeting).await;
            let tag = ("bigblueswarm-tenant".to_owned(), tenant.host.to_owned());
            if found.is_some_and(|found| found.lives() && found.metadata.contains(&tag)) {
                homes.push(n + 1);
            }
        }
        homes
    }
}

fn there(names: &[String], text: &str) -> String {
    let numbered = names.iter().enumerate();
    numbered.fold(text.to_owned(), |text, (n, name)| {
        text.replace(&format!("http://bbb{}.example.org/bigbluebutton", n + 1), name)
    })
}

/// An InfluxDB that has these answers.
async fn serve_flux(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    let asked = async move |Json(asked): Json<Value>| {
        let body = answer(asked["query"].as_str().unwrap_or_default());
        body.ok_or(StatusCode::BAD_REQUEST)
    };
    let routes = axum::Router::new().route("/api/v2/query", post(asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

/// The server is looked at as the Go program does.
pub(super) struct Go(redis::Connection);

impl Go {
    /// `HGETALL instances:list`
    pub(super) fn instances(&mut self) -> BTreeMap<String, String> {
        self.0.hgetall("instances:list").expect("a hash")
    }

    /// `GET tenant:HOST`
    pub(super) fn tenant(&mut self, host: &str) -> Option<String> {
        self.0.get(format!("tenant:{host}")).expect("a text")
    }

    /// `GET meeting:ID`
    pub(super) fn meeting(&mut self, id: &str) -> Option<String> {
        self.0.get(format!("meeting:{id}")).expect("a text")
    }

    /// `GET recording:ID`
    pub(super) fn recording(&mut self, id: &str) -> Option<String> {
        self.0.get(format!("recording:{id}")).expect("a text")
    }

    /// Every key of the predecessor's with its type and TTL.
    pub(super) fn keys(&mut self) -> BTreeMap<String, (String, i64)> {
        let all: Vec<String> = self.0.keys("*").expect("keys");
        let its = ["instances:", "tenant:", "meeting:", "recording:"];
        let its = all.into_iter().filter(|key| its.iter().any(|prefix| key.starts_with(prefix)));
        its.map(|key| {
            let kind = redis::cmd("TYPE").arg(&key).query(&mut self.0).expect("a type");
            let ttl = self.0.ttl(&key).expect("a TTL");
            (key, (kind, ttl))
        })
        .collect()
    }
}

/// A tenant's client as it was used with the predecessor, which knew SHA-1 alone.
pub(super) async fn ask(program: &Program, tenant: Client, call: &str, query: &str) -> Reply {
    let client = program.client(tenant).algorithm(Algorithm::Sha1);
    client.get(call, query).await.expect("an answer")
}

/// The same about one meeting.
pub(super) async fn about(program: &Program, tenant: Client, call: &str, meeting: &str) -> Reply {
    let mut pairs = vec![("meetingID", meeting)];
    match call {
        "create" => pairs.extend(CREATED),
        "join" => pairs.extend([("fullName", "Ada"), ("password", "mp")]),
        "end" => pairs.push(("password", "mp")),
        _ => {}
    }
    ask(program, tenant, call, &query_of(&pairs)).await
}

#[track_caller]
pub(super) fn success(reply: Reply) -> Reply {
    assert!(reply.succeeded(), "{}: {}", reply.status, reply.text());
    reply
}
