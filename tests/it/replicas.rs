//! Stories about two programs that share their state in a real Redis.

mod again;
mod caches;
mod doubt;
mod health;
mod lease;
mod placements;
mod sweeps;
mod unknown;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::config::{Config, RedisConfig, StoreConfig};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::store::{self, Shelf, Store};
use bigblueswarm::sim::{Ask, Fault, Recording, SimServer, SimServers, SimSettings};
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::program::within;
use crate::services::redis::RedisServer;
use crate::store::predecessor;
use crate::world::{Client, GLOBAL, T, U, World, plan};

/// "Within 1 s", with some room for a busy machine.
pub(crate) const SOON: Duration = Duration::from_millis(1_500);

/// A replica's own connections to the server.
pub(crate) fn shared(redis: &RedisServer) -> Arc<dyn Store> {
    let config = Config::with_secrets(Secret::new("s"), Secret::new("k"));
    let redis = StoreConfig::Redis(RedisConfig::at(redis.address()));
    store::open(&redis, &config.deadlines).expect("a store")
}

/// Two replicas on the same instances.
struct Pair {
    redis: RedisServer,
    a: World,
    b: World,
}

impl Pair {
    async fn start(instances: usize) -> Self {
        let redis = RedisServer::start();
        let a = plan(instances).store(shared(&redis)).start().await;
        let b = plan(instances).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
        Self { redis, a, b }
    }
}

/// Waits until this is so; it has to be soon.
pub(crate) async fn soon(what: &str, is_so: impl AsyncFnMut() -> bool) {
    within(SOON, what, is_so).await;
}

pub(crate) async fn set(world: &World, what: &str, server: usize) {
    let path = format!("/admin/api/instances/{what}?url={}", world.sims[server - 1].url());
    let reply = world.admin(Method::POST, &path, "").await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

async fn post_list(world: &World, servers: &[usize]) {
    let sims = servers.iter().map(|n| &world.sims[n - 1]);
    let urls: Vec<_> = sims.map(|sim| (sim.url(), json!(sim.secret().reveal()))).collect();
    let urls: serde_json::Map<_, _> = urls.into_iter().collect();
    let list = json!({"kind": "InstanceList", "instances": urls}).to_string();
    let reply = world.admin(Method::POST, "/admin/api/instances", &list).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

pub(crate) async fn joins_on(client: Client, world: &World, meeting: &str, server: usize) -> bool {
    let to = client.join(world, meeting).await.location;
    to.is_some_and(|to| to.starts_with(&world.sims[server - 1].origin()))
}

#[tokio::test(flavor = "multi_thread")]
async fn m2_fifty_creates_at_the_same_instant_over_two_replicas_make_one_meeting() {
    let Pair { a, b, redis: _redis } = Pair::start(3).await;
    for meeting in ["m1", "m2", "m3"] {
        let creates = (0..50).map(|n| T.create(if n % 2 == 0 { &a } else { &b }, meeting));
        let replies = join_all(creates).await;
        let ids: HashSet<_> =
            replies.iter().map(|reply| reply.assert_success().value("internalMeetingID")).collect();
        assert_eq!(ids.len(), 1, "{meeting}: {ids:?}");
        assert_eq!(a.homes(meeting).await.len(), 1, "{meeting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m2_a_meeting_made_on_one_replica_is_found_on_the_other_at_once() {
    let Pair { a, b, redis: _redis } = Pair::start(3).await;
    for n in 0..20 {
        let (meeting, here, there) =
            if n % 2 == 0 { (format!("m{n}"), &a, &b) } else { (format!("m{n}"), &b, &a) };
        let made = T.create(here, &meeting).await;
        let home = a.homes(&meeting).await[0];
        assert!(joins_on(T, there, &meeting, home).await, "{meeting}");
        let info = T.info(there, &meeting).await;
        let id = made.assert_success().value("internalMeetingID");
        assert_eq!(info.assert_success().value("internalMeetingID"), id);
        let again = T.create(there, &meeting).await;
        assert_eq!(again.assert_success().key(), "duplicateWarning");
        assert_eq!(again.value("internalMeetingID"), id);
        T.end(there, &meeting).await.assert_success();
        U.info(there, &meeting).await.assert_failed(200, "notFound");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m11_claims_of_two_tenants_with_one_id_over_both_replicas_never_share_an_instance() {
    let Pair { a, b, redis: _redis } = Pair::start(3).await;
    let both = (0..20).map(async |n: usize| {
        let meeting = format!("x{n}");
        let (here, there) = if n.is_multiple_of(2) { (&a, &b) } else { (&b, &a) };
        let (t, u, t2, u2) = tokio::join!(
            T.create(here, &meeting),
            U.create(there, &meeting),
            T.create(there, &meeting),
            U.create(here, &meeting),
        );
        let (t, u) = (t.assert_success(), u.assert_success());
        assert_eq!(t.value("internalMeetingID"), t2.assert_success().value("internalMeetingID"));
        assert_eq!(u.value("internalMeetingID"), u2.assert_success().value("internalMeetingID"));
        assert_eq!(a.homes(&meeting).await.len(), 2, "{meeting}");
        for world in [&a, &b] {
            let (ours, theirs) = (T.info(world, &meeting).await, U.info(world, &meeting).await);
            assert!(ours.assert_success().body.contains(T.host), "{ours:?}");
            assert!(theirs.assert_success().body.contains(U.host), "{theirs:?}");
        }
    });
    join_all(both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_what_an_admin_changes_on_one_replica_counts_on_the_other_within_a_second() {
    let Pair { a, b, redis: _redis } = Pair::start(3).await;
    let mut made = 0;
    let mut home = async |world: &World| {
        made += 1;
        let meeting = format!("m{made}");
        T.create(world, &meeting).await.assert_success();
        world.homes(&meeting).await[0]
    };
    set(&a, "drain", 1).await;
    assert_eq!(home(&a).await, 2, "on this replica at once");
    soon("drained", async || home(&b).await == 2).await;
    set(&a, "enable", 1).await;
    soon("enabled", async || home(&b).await == 1).await;
    post_list(&b, &[2, 3]).await;
    soon("removed", async || home(&a).await == 2).await;
    post_list(&b, &[1, 2, 3]).await;
    soon("added", async || home(&a).await == 1).await;
    set(&b, "disable", 1).await;
    soon("disabled", async || home(&a).await == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_tenant_that_is_changed_on_one_replica_is_so_on_the_other_within_a_second() {
    const V: Client = Client::of("v.example.org", "secret-of-v-0123456789");
    const TURNED: Client = Client::of("v.example.org", "another-secret-of-v-0123");
    let Pair { a, b, redis: _redis } = Pair::start(1).await;
    let post = async |client: Client| {
        let document = serde_json::to_string(&client.document()).expect("JSON");
        assert_eq!(a.admin(Method::POST, "/admin/api/tenants", &document).await.status, 201);
    };
    V.create(&b, "m1").await.assert_failed(200, "tenantNotFound");
    post(V).await;
    soon("made", async || V.create(&b, "m1").await.succeeded()).await;
    post(TURNED).await;
    V.info(&a, "m1").await.assert_failed(200, "checksumError");
    soon("turned", async || TURNED.info(&b, "m1").await.succeeded()).await;
    V.info(&b, "m1").await.assert_failed(200, "checksumError");
    let gone = a.admin(Method::DELETE, "/admin/api/tenants/v.example.org", "").await;
    assert_eq!(gone.status, 204);
    soon("removed", async || TURNED.info(&b, "m1").await.key() == "tenantNotFound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_that_moved_on_one_replica_is_followed_by_the_other_within_a_second() {
    let Pair { a, b, redis: _redis } = Pair::start(3).await;
    let meetings: Vec<_> = (0..10).map(|n| format!("m{n}")).collect();
    for meeting in &meetings {
        T.create(&a, meeting).await.assert_success();
        let home = a.homes(meeting).await[0];
        assert!(joins_on(T, &b, meeting, home).await);
    }
    let there: Vec<_> = join_all(meetings.iter().map(|m| a.homes(m))).await;
    assert!(there.contains(&vec![1]), "{there:?}");
    set(&a, "disable", 1).await;
    for (meeting, _) in meetings.iter().zip(there).filter(|(_, home)| *home == [1]) {
        // The other replica asks all the while, so that its answers race with the change.
        let asking = async {
            loop {
                T.info(&b, meeting).await;
            }
        };
        let moving = async {
            T.create(&a, meeting).await.assert_success();
            let new = a.homes(meeting).await.into_iter().find(|&home| home != 1).expect("a home");
            soon(meeting, async || joins_on(T, &b, meeting, new).await).await;
            for _ in 0..20 {
                assert!(joins_on(T, &b, meeting, new).await, "{meeting} goes back");
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = moving => {}
            () = asking => unreachable!("it asks for ever"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_when_the_store_was_emptied_and_both_start_again_every_meeting_is_found() {
    let Pair { a, b, redis } = Pair::start(3).await;
    let meetings: Vec<_> = (0..6).map(|n| format!("m{n}")).collect();
    for meeting in &meetings {
        T.create(&a, meeting).await.assert_success();
    }
    U.create(&b, "m0").await.assert_success();
    let before = join_all(meetings.iter().map(|m| a.homes(m))).await;
    let World { swarm: swarm_a, sims, servers, .. } = a;
    swarm_a.stop().await;
    b.swarm.stop().await;
    redis::cmd("FLUSHALL").exec(&mut redis.connection()).expect("emptied");
    let again = || plan(3).with_servers(sims.clone(), servers.clone());
    for sim in &sims {
        sim.faults().on("getMeetings").set(Fault::Slow(Duration::from_secs(1))).await;
    }
    let (a, b) = tokio::join!(
        again().store(shared(&redis)).start_unready(),
        again().store(shared(&redis)).start_unready(),
    );
    // Asked before any sweep has ended, on both at once.
    let found = meetings.iter().map(async |meeting| {
        let (here, there) = tokio::join!(T.info(&a, meeting), T.create(&b, meeting));
        assert_eq!(there.assert_success().key(), "duplicateWarning", "{meeting}");
        let id = there.value("internalMeetingID");
        assert_eq!(here.assert_success().value("internalMeetingID"), id);
    });
    join_all(found).await;
    assert!(U.info(&b, "m0").await.assert_success().body.contains(U.host));
    let after = join_all(meetings.iter().map(|m| a.homes(m))).await;
    assert_eq!(after, before);
    assert!(T.join(&b, "m5").await.location.is_some());
    T.end(&a, "m5").await.assert_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_of_the_predecessor_is_found_by_its_key() {
    const TENANT: Client = Client::of("lb.example.org:8090", GLOBAL);
    let (redis, _) = predecessor::filled();
    let clock = Arc::new(bigblueswarm::outside::clock::RuntimeClock::start());
    let sims: Vec<_> = (1..=3)
        .map(|n| {
            let (origin, secret) =
                (format!("http://bbb{n}.example.org"), format!("secret-of-bbb{n}"));
            SimServer::start(SimSettings::new(&origin, &secret), clock.clone())
        })
        .collect();
    let servers = SimServers::new(sims.clone());
    let query = format!("name=Room&meetingID=room-1&meta_bigblueswarm-tenant={}", TENANT.host);
    let signed = query::signed(&query, "create", "secret-of-bbb1", Algorithm::Sha1);
    let ask = Ask::get(format!("/bigbluebutton/api/create?{signed}"));
    assert_eq!(sims[0].handle(ask).await.expect("an answer").status(), 200);
    assert!(sims[0].meeting("room-1").await.is_some());
    for sim in &sims {
        sim.faults().on("getMeetings").set(Fault::Hang).await; // no sweep helps
    }
    let world = plan(3)
        .with_servers(sims, servers)
        .store(shared(&redis))
        .with_what_is_stored()
        .start_unready()
        .await;
    assert!(joins_on(TENANT, &world, "room-1", 1).await);
    TENANT.info(&world, "room-1").await.assert_success();
    let asked = async |n: usize| world.sims[n - 1].requests_of("getMeetingInfo").await.len();
    assert_eq!((asked(2).await, asked(3).await), (0, 0), "only the one that the key names");
    let again = TENANT.create(&world, "room-1").await;
    assert_eq!(again.assert_success().key(), "duplicateWarning");
    // A key whose meeting is gone leads nowhere, and goes.
    TENANT.info(&world, "room-3").await.assert_failed(200, "notFound");
    TENANT.create(&world, "room-3").await.assert_success();
    let mut connection = redis.connection();
    let kept: Option<String> =
        redis::Commands::get(&mut connection, "meeting:room-1").expect("a key");
    assert_eq!(kept.as_deref(), Some("http://bbb1.example.org/bigbluebutton"), "it may go back");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_redis_comes_back_with_an_older_state_no_acknowledged_meeting_is_routed_elsewhere() {
    let Pair { a, b, mut redis } = Pair::start(3).await;
    redis::cmd("SAVE").exec(&mut redis.connection()).expect("saved");
    let meetings: Vec<_> = (0..12).map(|n| format!("m{n}")).collect();
    let mut ids = Vec::new();
    for meeting in &meetings {
        ids.push(
            T.create(&a, meeting).await.assert_success().value("internalMeetingID").to_owned(),
        );
    }
    redis.stop();
    redis.start_again(); // with instances and tenants, and none of these meetings
    let repeats = meetings.iter().zip(&ids).enumerate().map(async |(n, (meeting, id))| {
        let (here, there) = if n.is_multiple_of(2) { (&a, &b) } else { (&b, &a) };
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) {
            for world in [here, there] {
                let again = T.create(world, meeting).await;
                assert_eq!(again.assert_success().value("internalMeetingID"), id, "{meeting}");
                let info = T.info(world, meeting).await;
                assert_eq!(info.assert_success().value("internalMeetingID"), id, "{meeting}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    join_all(repeats).await;
    let homes = join_all(meetings.iter().map(|m| a.homes(m))).await;
    assert!(homes.iter().all(|homes| homes.len() == 1), "{homes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_replica_that_starts_later_knows_the_recordings_of_an_instance_that_is_away() {
    let (redis, made) = (RedisServer::start(), plan(2).start().await);
    let recording = Recording::new("away", 1).of(T.host);
    let key = format!("recording:{}", recording.record_id);
    made.sims[1].add_recording(recording).await;
    let a = plan(2).on(&made).store(shared(&redis)).start().await;
    let mut connection = redis.connection();
    let mut stored = async || {
        let records = a.store.shelf(Shelf::Recordings).await;
        let hint: Option<String> = redis::cmd("GET").arg(&key).query(&mut connection).ok();
        records.is_ok_and(|records| records.len() == 1) && hint == Some(made.sims[1].url())
    };
    let began = Instant::now();
    while !stored().await {
        assert!(began.elapsed() < Duration::from_secs(20), "the sweep is not stored");
        sleep(Duration::from_millis(50)).await;
    }
    made.sims[1].faults().set(Fault::Refuse).await;
    let b = plan(2).on(&made).store(shared(&redis)).with_what_is_stored().start_unready().await;
    for query in ["", "limit=10"] {
        let list = T.call(&b, "getRecordings", query).await;
        assert!(list.assert_success().body.contains("<meetingID>away</meetingID>"), "{list:?}");
    }
}
