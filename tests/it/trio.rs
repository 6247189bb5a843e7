//! Rows of the acceptance table on three replicas of the built program behind HAProxy, on one Redis.

use std::collections::HashSet;
use std::time::Duration;

use bigblueswarm::sim::client::Web;
use bigblueswarm::sim::{BbbClient, SimHandle};
use futures_util::future::join_all;

use crate::program::{Home, Program, servers, until};
use crate::services::haproxy::HaProxy;
use crate::services::redis::RedisServer;
use crate::world::{Client, T, U};

/// Three replicas, and what is before and behind them.
struct Trio {
    _redis: RedisServer,
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
        Self { _redis: redis, sims, homes, replicas, proxy }
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
