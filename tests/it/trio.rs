//! Rows of the acceptance table on three replicas of the built program behind HAProxy, on one Redis.

use std::collections::HashSet;
use std::time::Duration;

use bigblueswarm::sim::client::Web;
use bigblueswarm::sim::{BbbClient, SimHandle};
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::program::{Home, Program, servers, until};
use crate::replicas::{SOON, soon};
use crate::services::haproxy::HaProxy;
use crate::services::redis::RedisServer;
use crate::world::{Client, KEY, T, U};

/// Three replicas, and what is before and behind them.
struct Trio {
    redis: RedisServer,
    sims: Vec<SimHandle>,
    homes: Vec<Home>,
    replicas: Vec<Program>,
    proxy: HaProxy,
}

impl Trio {
    async fn start(instances: usize) -> Self {
        let redis = RedisServer::start();
        let sims = servers(instances).await;
        let homes: Vec<_> = (0..3).map(|_| Home::on_redis(&redis)).collect();
        let replicas = join_all(homes.iter().map(Home::start)).await;
        replicas[0].register(&sims).await;
        join_all(replicas.iter().map(Program::ready)).await;
        let addresses: Vec<_> = homes.iter().map(|home| home.address).collect();
        let proxy = HaProxy::start(&addresses).await;
        Self { redis, sims, homes, replicas, proxy }
    }

    /// A tenant's client of each replica by itself.
    fn clients(&self, tenant: Client) -> Vec<BbbClient> {
        self.replicas.iter().map(|replica| replica.client(tenant)).collect()
    }

    /// On which servers a meeting is, as their numbers from 1.
    async fn homes_of(&self, meeting: &str) -> Vec<usize> {
        let has = self.sims.iter().map(async |sim| sim.server.meeting(meeting).await.is_some());
        let has = join_all(has).await;
        has.iter().enumerate().filter(|(_, has)| **has).map(|(n, _)| n + 1).collect()
    }
}

/// Calls the admin surface of whichever replica is next.
async fn admin(proxy: &HaProxy, method: Method, path: &str, body: &str) -> u16 {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static(KEY));
    let path = format!("/admin/api/{path}");
    proxy.send(method, &path, headers, body).await.expect("an answer").status.as_u16()
}

fn list(sims: &[&SimHandle]) -> String {
    let urls: serde_json::Map<_, _> =
        sims.iter().map(|sim| (sim.url.clone(), json!(sim.secret()))).collect();
    json!({"kind": "InstanceList", "instances": urls}).to_string()
}

fn create(meeting: &str) -> String {
    format!("name=Room&meetingID={meeting}")
}

/// A client whose every call may be the first of its connection, so that the proxy turns with each.
fn fresh(proxy: &HaProxy, tenant: Client) -> BbbClient {
    proxy.client(tenant).through(Web::default().within(Duration::from_secs(30)))
}

#[tokio::test(flavor = "multi_thread")]
async fn m2_the_same_create_through_the_proxy_is_one_meeting_whichever_replica_answers() {
    let trio = Trio::start(3).await;
    for meeting in ["m1", "m2", "m3"] {
        let client = fresh(&trio.proxy, T);
        let creates = (0..50).map(async |_| {
            let reply = client.get("create", &create(meeting)).await.expect("an answer");
            assert!(reply.succeeded(), "{}", reply.text());
            reply.value("internalMeetingID").expect("an id")
        });
        let ids: HashSet<_> = join_all(creates).await.into_iter().collect();
        assert_eq!((ids.len(), trio.homes_of(meeting).await.len()), (1, 1), "{meeting}: {ids:?}");
        for client in trio.clients(T) {
            let again = client.get("create", &create(meeting)).await.expect("an answer");
            assert_eq!(again.key().as_deref(), Some("duplicateWarning"));
            assert!(ids.contains(&again.value("internalMeetingID").expect("an id")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_has_its_turn_and_the_host_stays_the_tenants() {
    let trio = Trio::start(2).await;
    let client = trio.proxy.client(U);
    for n in 0..6 {
        let made = client.get("create", &create(&format!("m{n}"))).await.expect("an answer");
        assert!(made.succeeded(), "{}", made.text());
    }
    let list = client.get("getMeetings", "").await.expect("an answer");
    assert_eq!(list.records("meeting").len(), 6, "{}", list.text());
    let other = trio.proxy.client(T).get("getMeetings", "").await.expect("an answer");
    assert_eq!(other.key().as_deref(), Some("noMeetings"), "{}", other.text());
    for (n, replica) in trio.replicas.iter().enumerate() {
        let metrics = replica.get("/metrics").await.expect("an answer").text();
        let served = metrics.lines().any(|line| line.contains("create") && !line.ends_with(" 0"));
        assert!(served, "replica {n} created nothing: {}", trio.proxy.said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_or_stopped_costs_no_request() {
    let mut trio = Trio::start(3).await;
    let client = trio.proxy.client(T);
    let mut made = 0;
    let mut creates = async |count: usize| {
        for _ in 0..count {
            made += 1;
            let reply = client.get("create", &create(&format!("m{made}"))).await;
            let reply = reply.expect("an answer");
            let (status, said) = (reply.status, trio.proxy.said());
            assert!(reply.succeeded(), "m{made}: {status} {} {said}", reply.text());
        }
    };
    creates(6).await;
    trio.replicas.remove(0).kill();
    creates(20).await;
    trio.replicas[0].signal("-TERM");
    creates(20).await;
    assert_eq!(trio.replicas[0].ended().await, Some(0));
    creates(20).await;
    for home in &trio.homes[..2] {
        trio.replicas.push(home.start().await);
    }
    until("all are back", async || {
        let ready = trio.replicas[1..].iter().map(async |r| r.readiness().await.0 == 200);
        join_all(ready).await.into_iter().all(|ready| ready)
    })
    .await;
    creates(20).await;
}

/// How many sweeps of its own a replica counts.
async fn own_sweeps(replica: &Program) -> u64 {
    let metrics = replica.get("/metrics").await.expect("an answer").text();
    let own =
        |line: &&str| line.starts_with("bigblueswarm_sweeps_total") && line.contains("\"us\"");
    let line = metrics.lines().find(own).and_then(|line| line.rsplit(' ').next());
    line.map_or(0, |count| count.parse().expect("a count"))
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_sweeping_replica_is_killed_another_sweeps_within_a_few_intervals() {
    let mut trio = Trio::start(1).await;
    let before = join_all(trio.replicas.iter().map(own_sweeps)).await;
    let mut sweeper = None;
    until("one sweeps", async || {
        let now = join_all(trio.replicas.iter().map(own_sweeps)).await;
        sweeper = now.iter().zip(&before).position(|(now, before)| *now >= before + 3);
        sweeper.is_some()
    })
    .await;
    trio.replicas.remove(sweeper.expect("a replica")).kill();
    trio.sims[0].server.clear_requests().await;
    let killed = Instant::now();
    until("another sweeps", async || {
        trio.sims[0].server.requests_of("getMeetings").await.len() >= 2
    })
    .await;
    // The turn of who was killed ends after an interval and a half; an interval here is a second.
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_what_an_admin_changes_through_the_proxy_counts_on_every_replica_within_a_second() {
    let trio = Trio::start(3).await;
    let (clients, mut made) = (trio.clients(T), 0);
    let set = async |what: &str, server: usize| {
        let path = format!("instances/{what}?url={}", trio.sims[server - 1].url);
        assert_eq!(admin(&trio.proxy, Method::POST, &path, "").await, 204);
    };
    // Whether new meetings of this replica go to no other servers than these.
    let mut only = async |replica: usize, servers: &[usize]| {
        for _ in 0..servers.len() * 2 {
            made += 1;
            let meeting = format!("m{made}");
            let reply = clients[replica].get("create", &create(&meeting)).await;
            let reply = reply.expect("an answer");
            // Before it hears that the first is back, the others are draining.
            let nobody = reply.key().as_deref() == Some("noInstanceFound");
            assert!(reply.succeeded() || nobody, "{}", reply.text());
            if nobody || !servers.contains(&trio.homes_of(&meeting).await[0]) {
                return false;
            }
        }
        true
    };
    set("drain", 1).await;
    for replica in 0..3 {
        soon("drained", async || only(replica, &[2, 3]).await).await;
    }
    set("enable", 1).await;
    set("disable", 2).await;
    for replica in 0..3 {
        soon("disabled", async || only(replica, &[1, 3]).await).await;
    }
    set("enable", 2).await;
    let two = list(&[&trio.sims[1], &trio.sims[2]]);
    assert_eq!(admin(&trio.proxy, Method::POST, "instances", &two).await, 201);
    for replica in 0..3 {
        soon("removed", async || only(replica, &[2, 3]).await).await;
    }
    for server in [2, 3] {
        set("drain", server).await;
    }
    let all: Vec<_> = trio.sims.iter().collect();
    assert_eq!(admin(&trio.proxy, Method::POST, "instances", &list(&all)).await, 201);
    for replica in 0..3 {
        soon("added", async || only(replica, &[1]).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_while_the_list_is_replaced_again_and_again_no_create_finds_half_of_it() {
    let trio = Trio::start(4).await;
    let client = fresh(&trio.proxy, T);
    let halves = [list(&[&trio.sims[0], &trio.sims[1]]), list(&[&trio.sims[2], &trio.sims[3]])];
    let replacing = async {
        for n in 0..20 {
            let half = &halves[n % 2];
            assert_eq!(admin(&trio.proxy, Method::POST, "instances", half).await, 201);
            sleep(Duration::from_millis(50)).await;
        }
    };
    let creating = join_all((0..8).map(async |n| {
        for m in 0..60 {
            let meeting = format!("m{n}-{m}");
            let reply = client.get("create", &create(&meeting)).await.expect("an answer");
            assert!(reply.succeeded(), "{meeting}: {}", reply.text());
            sleep(Duration::from_millis(10)).await;
        }
    }));
    tokio::join!(replacing, creating);
    for n in 0..8 {
        let meeting = format!("m{n}-59");
        assert_eq!(trio.homes_of(&meeting).await.len(), 1, "{meeting}");
        for client in trio.clients(T) {
            let info = client.get("getMeetingInfo", &format!("meetingID={meeting}")).await;
            assert!(info.expect("an answer").succeeded(), "{meeting}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o3_redis_is_down_for_ten_seconds_and_known_meetings_go_on_on_every_replica() {
    let mut trio = Trio::start(3).await;
    let client = fresh(&trio.proxy, T);
    let known: Vec<_> = (0..6).map(|n| format!("known{n}")).collect();
    for meeting in &known {
        assert!(client.get("create", &create(meeting)).await.expect("an answer").succeeded());
    }
    redis::cmd("SAVE").exec(&mut trio.redis.connection()).expect("saved");
    trio.redis.stop();
    let began = Instant::now();
    let mut refused = 0;
    while began.elapsed() < Duration::from_secs(10) {
        for meeting in &known {
            let join = format!("fullName=Ada&meetingID={meeting}&role=VIEWER");
            for client in trio.clients(T).iter().chain([&client]) {
                let joined = client.get("join", &join).await.expect("an answer");
                assert!(joined.location().is_some(), "{}", joined.text());
                let info = client.get("getMeetingInfo", &format!("meetingID={meeting}")).await;
                assert!(info.expect("an answer").succeeded(), "{meeting}");
            }
        }
        for client in trio.clients(T) {
            refused += 1;
            let asked = Instant::now();
            let reply = client.get("create", &create(&format!("new{refused}"))).await;
            let reply = reply.expect("an answer");
            assert_eq!(
                (reply.status.as_u16(), reply.key().as_deref()),
                (500, Some("internalError"))
            );
            assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        }
    }
    assert!(refused > 3, "{refused}");
    trio.redis.start_again();
    for (n, client) in trio.clients(T).iter().enumerate() {
        until("creates work", async || {
            let reply = client.get("create", &create(&format!("after{n}"))).await;
            reply.expect("an answer").succeeded()
        })
        .await;
    }
    for meeting in known.iter().chain(&["after0".to_owned(), "after1".into(), "after2".into()]) {
        assert_eq!(trio.homes_of(meeting).await.len(), 1, "{meeting}");
        for client in trio.clients(T) {
            let info = client.get("getMeetingInfo", &format!("meetingID={meeting}")).await;
            assert!(info.expect("an answer").succeeded(), "{meeting}");
        }
    }
    for n in 1..=refused {
        assert_eq!(trio.homes_of(&format!("new{n}")).await, [0; 0], "new{n} was refused");
    }
}
