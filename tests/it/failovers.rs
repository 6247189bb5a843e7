//! Stories about three replicas whose store fails over, or moves its slots, while meetings are created all the
//! time: no acknowledged meeting is sent elsewhere, and none lives twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bigblueswarm::config::{Config, RedisConfig, StoreConfig};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::store::{self, Store};
use futures_util::future::join_all;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::services::redis::{RedisCluster, RedisSentinels, RedisServer};
use crate::world::{Reply, T, World, plan};

/// So many clients create meetings, one after another.
const CLIENTS: usize = 12;
/// "Within 1 s", with some room for a busy machine.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// So long a client tries to create one meeting.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long meetings are created before and after what happens.
const CALM: Duration = Duration::from_secs(2);
/// Instances are swept so seldom that no sweep makes good in time what a failover lost.
const SWEEPS: Duration = Duration::from_secs(10);

/// What clients were told: a meeting and its internal id.
type Acknowledged = BTreeMap<String, String>;

/// Three replicas on the same instances and the same store.
async fn three(redis: &RedisConfig) -> [World; 3] {
    let store = || -> Arc<dyn Store> {
        let config = Config::with_secrets(Secret::new("s"), Secret::new("k"));
        let redis = StoreConfig::Redis(redis.clone());
        store::open(&redis, &config.deadlines).expect("a store")
    };
    let like = |instances| plan(instances).config(|c| c.health.sweep_interval = SWEEPS);
    let a = like(4).store(store()).start().await;
    let b = like(4).on(&a).store(store()).with_what_is_stored().start().await;
    let c = like(4).on(&a).store(store()).with_what_is_stored().start().await;
    [a, b, c]
}

/// Creates meetings all the time while this happens.
async fn storm<S: Send + 'static>(
    worlds: &[World; 3],
    happens: impl FnOnce() -> S + Send + 'static,
) -> (S, Acknowledged) {
    let happening = spawn_blocking(move || {
        thread::sleep(CALM);
        let service = happens();
        thread::sleep(CALM);
        service
    });
    let over = || happening.is_finished();
    let clients = (0..CLIENTS).map(async |client| {
        let mut told = Acknowledged::new();
        for n in 0.. {
            if over() {
                break;
            }
            let meeting = format!("m{client}-{n}");
            let id = create(worlds, client + n, &meeting).await;
            told.insert(meeting, id);
            sleep(Duration::from_millis(40)).await;
        }
        told
    });
    let told = join_all(clients).await.into_iter().flatten().collect();
    (happening.await.expect("no panic"), told)
}

/// Creates a meeting on two replicas at once, again until both have it.
async fn create(worlds: &[World; 3], turn: usize, meeting: &str) -> String {
    let began = Instant::now();
    for n in turn.. {
        let [one, other] = [n, n + 1].map(|n| &worlds[n % 3]);
        let (one, other) = tokio::join!(asked(one, meeting), asked(other, meeting));
        match (one, other) {
            (Some(id), Some(other)) => {
                assert_eq!(id, other, "{meeting} is two meetings");
                return id;
            }
            _ => assert!(began.elapsed() < PATIENCE, "{meeting} is not created"),
        }
        sleep(Duration::from_millis(100)).await;
    }
    unreachable!("it tries for ever")
}

/// The id of the meeting that was created, or none where that was refused in time.
async fn asked(world: &World, meeting: &str) -> Option<String> {
    let began = Instant::now();
    let reply = T.create(world, meeting).await;
    if reply.succeeded() {
        return Some(reply.value("internalMeetingID").to_owned());
    }
    assert!(began.elapsed() < REFUSED_WITHIN, "{meeting}: refused after {:?}", began.elapsed());
    reply.assert_failed(500, "internalError");
    None
}

/// Every acknowledged meeting is where it was said to be, for everyone, and nowhere else.
async fn check(worlds: &[World; 3], told: &Acknowledged) {
    assert!(told.len() > 50, "{}", told.len());
    let began = Instant::now();
    loop {
        let wrong = wrong(worlds, told).await;
        let Some(first) = wrong.first() else { break };
        // Copies of creates that nobody was told of are ended by sweeps.
        assert!(began.elapsed() < PATIENCE, "{} of {}, {first}", wrong.len(), told.len());
        assert!(!first.starts_with("misrouted"), "{} of {}, {first}", wrong.len(), told.len());
        sleep(Duration::from_secs(1)).await;
    }
}

async fn wrong(worlds: &[World; 3], told: &Acknowledged) -> Vec<String> {
    let mut wrong = Vec::new();
    for (meeting, id) in told {
        let homes = worlds[0].homes(meeting).await;
        for (n, world) in worlds.iter().enumerate() {
            let (info, join) = tokio::join!(T.info(world, meeting), T.join(world, meeting));
            let again = T.create(world, meeting).await;
            let is_it = |reply: &Reply| reply.value("internalMeetingID") == id;
            let joined = homes.iter().any(|home| {
                let origin = world.sims[home - 1].origin();
                join.location.as_ref().is_some_and(|to| to.starts_with(&origin))
            });
            if !is_it(&info) || !is_it(&again) || !joined {
                wrong.push(format!(
                    "misrouted: {meeting} ({id}) by {n}: {info:?} {again:?} {join:?}"
                ));
            }
        }
        if homes.len() != 1 {
            wrong.push(format!("split: {meeting} lives on {homes:?}"));
        }
    }
    wrong.sort_unstable();
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_sentinels_the_master_is_killed_under_a_create_storm() {
    let mut sentinels = RedisSentinels::start();
    let worlds = three(&sentinels.config()).await;
    let (_sentinels, told) = storm(&worlds, move || {
        sentinels.servers[0].stop();
        sentinels.until_named(1);
        sentinels
    })
    .await;
    check(&worlds, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_sentinels_the_master_is_paused_under_a_create_storm_and_goes_on_later() {
    let sentinels = RedisSentinels::start();
    let worlds = three(&sentinels.config()).await;
    let (_sentinels, told) = storm(&worlds, move || {
        sentinels.servers[0].pause();
        sentinels.until_named(1);
        thread::sleep(CALM);
        sentinels.servers[0].resume();
        thread::sleep(CALM);
        sentinels
    })
    .await;
    check(&worlds, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_cluster_slots_move_under_a_create_storm() {
    let mut cluster = RedisCluster::start();
    let worlds = three(&cluster.config()).await;
    let (cluster, told) = storm(&worlds, move || {
        let new = cluster.add();
        let (_, pool) = cluster.home_of("bigblueswarm:{pool}:instances");
        cluster.move_slot(pool, new);
        // A part of the slots of each, in turn, to a new master.
        let until = std::time::Instant::now() + CALM * 4;
        for slot in (0..16_384).step_by(13) {
            if std::time::Instant::now() > until {
                break;
            }
            cluster.move_slot((slot * 7) % 16_384, new);
        }
        cluster
    })
    .await;
    check(&worlds, &told).await;
    let moved: usize = cluster.nodes.last().expect("a node").ask(&["DBSIZE"]).expect("a count");
    assert!(moved > 0, "some meetings moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_cluster_a_master_is_killed_under_a_create_storm_and_its_replica_takes_over() {
    let mut cluster = RedisCluster::with_replicas();
    let worlds = three(&cluster.config()).await;
    let (_cluster, told) = storm(&worlds, move || {
        cluster.nodes[1].stop();
        cluster.until_master(4);
        cluster
    })
    .await;
    check(&worlds, &told).await;
}

/// So long a replica copies nothing before it takes over.
const BEHIND: Duration = Duration::from_millis(800);

/// Ends the connections to replicas: one that is paused would read later what it was sent.
fn lose_replicas(master: &RedisServer) {
    let ended: u64 = master.ask(&["CLIENT", "KILL", "TYPE", "replica"]).expect("an answer");
    assert!(ended > 0, "there was a replica");
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_sentinels_a_replica_that_is_behind_takes_over_under_a_create_storm() {
    let mut sentinels = RedisSentinels::start();
    let worlds = three(&sentinels.config()).await;
    let (_sentinels, told) = storm(&worlds, move || {
        sentinels.servers[1].pause();
        lose_replicas(&sentinels.servers[0]);
        thread::sleep(BEHIND);
        sentinels.servers[0].stop();
        sentinels.servers[1].resume();
        sentinels.until_named(1);
        sentinels
    })
    .await;
    check(&worlds, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_cluster_a_replica_that_is_behind_takes_over_under_a_create_storm() {
    let mut cluster = RedisCluster::with_replicas();
    let worlds = three(&cluster.config()).await;
    let (_cluster, told) = storm(&worlds, move || {
        cluster.nodes[4].pause();
        lose_replicas(&cluster.nodes[1]);
        thread::sleep(BEHIND);
        cluster.nodes[1].stop();
        cluster.nodes[4].resume();
        cluster.until_master(4);
        cluster
    })
    .await;
    check(&worlds, &told).await;
}
