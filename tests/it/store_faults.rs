//! Stories of the store faults F1 to F13, by which acknowledged meetings were once lost or split.
//!
//! Each story runs on every kind of store on which its fault can happen. `actors.md` lists them by fault and kind;
//! [`table`] compares that list with the tests of this program.

mod creates; // F1, F4: creates while a meeting ends, or without the store
mod deployment; // one Redis, Sentinels, a Cluster, and the faults of each
mod duplicates; // F3: which duplicates of a meeting are ended
mod embedded; // what a restored or an older file brings
mod faulty_store; // a replica's connection to its store that can fail
mod membership; // F5, F6, F8: instances that leave, are silent, or are not known everywhere
mod memory; // F7, F9: what memory may answer
mod pools; // F10: meeting pools
mod rollback; // F2, F13: a store that comes back with an older state
mod table; // the list in actors.md
mod writes; // F11: a store that takes no writes

use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::config::Config;
use bigblueswarm::domain::instance::{Health, InstanceId};
use bigblueswarm::outside::store::Store;
use bigblueswarm::sim::{Ask, Crowd, SimServer};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use self::deployment::Deployment;
use crate::program::within;
use crate::replicas::{joins_on, set};
use crate::world::{Plan, Reply, T, World, id, plan};

/// Time for what takes a failover, on a busy machine.
const PATIENTLY: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Runs each story on one Redis, behind Sentinels and in a Cluster.
macro_rules! on_shared_stores {
    ($($story:ident)*) => {
        crate::store::home::on_stores! {
            in_redis: crate::store_faults::deployment::SingleRedis,
            behind_sentinels: crate::store_faults::deployment::SentinelRedis,
            in_a_cluster: crate::store_faults::deployment::ClusterRedis;
            { $($story)* }
        }
    };
}
use on_shared_stores;

/// Health checks and sweeps follow each other quickly.
fn quick(config: &mut Config) {
    config.health.probe_interval = Duration::from_millis(400);
    config.health.probe_timeout = Duration::from_millis(400);
    config.health.sweep_interval = Duration::from_millis(400);
    config.balancer.poll_interval = Duration::from_millis(300);
}

/// The first replica, with this many instances.
async fn first_replica(instances: usize, store: Arc<dyn Store>) -> World {
    plan(instances).config(quick).store(store).start().await
}

/// A further replica, not started yet.
fn further_replica(first: &World, store: Arc<dyn Store>) -> Plan {
    plan(first.sims.len()).config(quick).on(first).store(store).with_what_is_stored()
}

/// Two replicas with these instances, each with its own connection to the store.
async fn two_replicas<D: Deployment>(deployment: &D, instances: usize) -> [World; 2] {
    let a = first_replica(instances, deployment.store()).await;
    let b = further_replica(&a, deployment.store()).start().await;
    [a, b]
}

/// Lets the store fail and waits until it works again, while other futures go on.
async fn while_blocked<D: Deployment>(
    mut deployment: D,
    happens: impl FnOnce(&mut D) + Send + 'static,
) -> D {
    let happening = spawn_blocking(move || {
        happens(&mut deployment);
        deployment
    });
    happening.await.expect("no panic")
}

fn internal_id(reply: &Reply) -> String {
    reply.assert_success().value("internalMeetingID").to_owned()
}

/// Number, from 1, of the only server that has the meeting.
async fn only_home(world: &World, meeting: &str) -> usize {
    let homes = world.homes(meeting).await;
    assert_eq!(homes.len(), 1, "{meeting} lives on {homes:?}");
    homes[0]
}

/// So many rooms that the first replica made and of which the other has heard.
async fn rooms_known_to_both([a, b]: [&World; 2], many: usize) -> Vec<String> {
    let rooms: Vec<_> = (0..many).map(|n| format!("room{n}")).collect();
    for room in &rooms {
        T.create(a, room).await.assert_success();
        let home = only_home(a, room).await;
        within(PATIENTLY, "known", async || joins_on(T, b, room, home).await).await;
    }
    rooms
}

/// Ends a room and opens it again on the other one of two servers, the first of which is drained from now on: number of its
/// server and its new internal id.
async fn reopen_elsewhere(world: &World, room: &str) -> (usize, String) {
    let old = only_home(world, room).await;
    T.end(world, room).await.assert_success();
    set(world, "drain", old).await;
    (3 - old, internal_id(&T.create(world, room).await))
}

/// Joins until the meeting's server takes the user in. Nobody is sent elsewhere or told that there is no such meeting.
async fn until_joined(world: &World, meeting: &str, home: usize) {
    within(PATIENTLY, "joined", async || {
        let reply = T.join(world, meeting).await;
        match &reply.location {
            Some(to) if to.starts_with(&world.sims[home - 1].origin()) => {}
            Some(to) => panic!("misled to {to}: {:?}", world.store.all_routes().await),
            None => drop(reply.assert_failed(200, "meetingUnavailable")),
        }
        reply.location.is_some()
    })
    .await;
}

/// How many meetings count for all tenants.
async fn meetings_counted(world: &World) -> u64 {
    let counts = world.swarm.world.actors.meetings.count().await.expect("counts");
    counts.by_tenant.values().map(|usage| usage.meetings).sum()
}

/// A class of 25 is in the meeting on this server.
async fn fill(world: &World, server: usize, meeting: &str) {
    let class = Crowd { users: 25, over: Duration::ZERO, stay: Duration::from_secs(100_000) };
    assert!(world.sims[server - 1].send_crowd(meeting, class).await, "{meeting} is not there");
}

/// T's meeting is made on a server without any balancer.
async fn behind_our_back(sim: &SimServer, meeting: &str) {
    let query = format!("name=Room&meetingID={meeting}&meta_bigblueswarm-tenant={}", T.host);
    let signed = query::signed(&query, "create", sim.secret().reveal(), Algorithm::Sha256);
    let ask = Ask::get(format!("/bigbluebutton/api/create?{signed}"));
    assert_eq!(sim.handle(ask).await.expect("an answer").status(), 200);
}

/// Posts a list of these servers only, by their numbers from 1.
async fn post_list(world: &World, servers: &[usize]) {
    let sims = servers.iter().map(|n| &world.sims[n - 1]);
    let urls: serde_json::Map<_, _> =
        sims.map(|sim| (sim.url(), json!(sim.secret().reveal()))).collect();
    let list = json!({"kind": "InstanceList", "instances": urls}).to_string();
    let reply = world.admin(Method::POST, "/admin/api/instances", &list).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

/// T may have this many meetings.
async fn set_pool(world: &World, most: u32) {
    let mut document = T.document();
    document.spec.meeting_pool = Some(most);
    let body = serde_json::to_string(&document).expect("JSON");
    assert_eq!(world.admin(Method::POST, "/admin/api/tenants", &body).await.status, 201);
}

/// What admins read of a server; nothing where it is not in the pool.
async fn state_of(world: &World, server: usize) -> Option<Value> {
    let reply = world.admin(Method::GET, "/admin/api/instances/state", "").await;
    let rows: Vec<Value> = serde_json::from_str(&reply.body).expect("JSON");
    rows.into_iter().find(|row| row["url"] == json!(world.sims[server - 1].url()))
}

async fn until_known(world: &World, server: usize, known: bool) {
    within(PATIENTLY, "the pool is told", async || {
        state_of(world, server).await.is_some() == known
    })
    .await;
}

async fn until_dead(world: &World, server: usize) {
    let id: InstanceId = id(&world.sims[server - 1]);
    within(PATIENTLY, "dead", async || {
        let roster = world.swarm.world.actors.registry.roster().await.expect("the pool");
        roster.get(&id).is_some_and(|member| member.health == Health::Dead)
    })
    .await;
}

/// Waits until a server was swept this many times more.
async fn until_swept(world: &World, server: usize, times: usize) {
    let sim = &world.sims[server - 1];
    let enough = sim.requests_of("getMeetings").await.len() + times;
    within(PATIENTLY, "swept", async || sim.requests_of("getMeetings").await.len() >= enough).await;
    sleep(POLL).await;
}
