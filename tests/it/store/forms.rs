//! The forms of Redis alone: encryption and users, failovers, slots that move.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bigblueswarm::config::{RedisConfig, RedisServers, Sentinels};
use bigblueswarm::domain::meeting::Route;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::store::peers::{Chore, Turn};
use bigblueswarm::outside::store::queue::{Lane, Wish};
use bigblueswarm::outside::store::redis::Redis;
use bigblueswarm::outside::store::{Claimed, Shelf, Stepped, Store, StoreError, Told};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::home::{DEADLINE, claim, claimed, instance, key, record, redis_in, take, tenant};
use crate::placement_rows::Log;
use crate::services::free_ports;
use crate::services::redis::{Certificates, MASTER, RedisCluster, RedisSentinels, RedisServer};

/// What README says of the user's rights.
const RIGHTS: &str = "on >right-secret resetkeys ~bigblueswarm:* ~instances:list ~tenant:* ~meeting:* ~recording:* \
                      resetchannels &bigblueswarm:* -@all +@read +@write +@transaction +@scripting +@pubsub \
                      +@connection -@dangerous +info +time";
/// So long a failover may take on a busy machine.
const FAILOVER: Duration = Duration::from_secs(30);

fn allow(server: &RedisServer, rights: &str) {
    let words: Vec<&str> = rights.split_whitespace().collect();
    let ask = [&["ACL", "SETUSER", "swarm"], &words[..]].concat();
    server.ask::<()>(&ask).expect("a user");
}

/// The next that is told, but that all was heard or that nobody answers.
async fn next(heard: &mut mpsc::Receiver<Told>) -> Option<Told> {
    let told = async {
        loop {
            match heard.recv().await {
                Some(Told::Heard(_) | Told::Away(_)) => {}
                told => return told,
            }
        }
    };
    timeout(DEADLINE, told).await.expect("in time")
}

/// Whether a meeting's route is said to have changed.
fn is_about(told: Option<&Told>, meeting: &str) -> bool {
    matches!(told, Some(Told::Route(about) | Told::Became(about, _)) if *about == key(meeting))
}

/// What a program does with its store, all of it.
async fn works(store: &dyn Store) {
    store.ping().await.expect("it answers");
    claimed(store, "room", "t", &["a"]).await;
    store.set_instances(vec![record("a")]).await.expect("stored");
    assert_eq!(store.instances().await.expect("a list"), [record("a")]);
    let document = crate::world::T.document();
    store.put_tenant(document.clone()).await.expect("stored");
    assert_eq!(store.tenants().await.expect("tenants"), std::slice::from_ref(&document));
    assert!(store.delete_tenant(tenant(&document.spec.host)).await.expect("an answer"));
    assert_eq!(store.all_routes().await.expect("routes").len(), 1);
    store.shelve(Shelf::Hooks, vec![("1".into(), b"x".to_vec())]).await.expect("stored");
    assert_eq!(store.shelf(Shelf::Hooks).await.expect("records").len(), 1);
    store.callback_key([7; 32]).await.expect("a key");
    store.take_due(1, 2, Wish::any(Lane::Calls, 10, 1 << 20)).await.expect("an answer");
    let hold = Duration::from_secs(1);
    let turn = store.turn(Chore::Meetings, &instance("a"), hold).await.expect("a turn");
    assert!(matches!(turn, Turn::Mine(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_certificates_are_checked() {
    let certificates = Certificates::new();
    let [port] = free_ports();
    let options = certificates.options(port);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let _server = RedisServer::start_with(&options);
    let with = |host: &str, ca: Option<&str>| RedisConfig {
        tls: true,
        ca: ca.map(|name| certificates.path(name)),
        ..RedisConfig::at(format!("rediss://{host}:{port}"))
    };
    works(&redis_in(&with("127.0.0.1", Some("ca.pem")), DEADLINE)).await;
    let bare = RedisConfig {
        servers: RedisServers::One(format!("127.0.0.1:{port}")),
        ..with("127.0.0.1", Some("ca.pem"))
    };
    redis_in(&bare, DEADLINE).ping().await.expect("a bare address is encrypted by redis.tls");
    for (host, ca) in [("127.0.0.1", None), ("localhost", Some("ca.pem"))] {
        let refused = redis_in(&with(host, ca), DEADLINE).ping().await;
        assert!(matches!(refused, Err(StoreError::Away(_))), "{host}, {ca:?}: {refused:?}");
    }
    for file in ["server.key", "missing.pem"] {
        let refused = Redis::new(&with("127.0.0.1", Some(file)), DEADLINE).err();
        assert!(matches!(refused, Some(StoreError::BadAuthority(_))), "{file}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_only_the_rights_that_the_readme_names() {
    let server = RedisServer::start();
    allow(&server, RIGHTS);
    let user = |password| RedisConfig {
        username: Some("swarm".into()),
        password: Some(Secret::new(password)),
        ..RedisConfig::at(server.address())
    };
    let store = Arc::new(redis_in(&user("right-secret"), DEADLINE));
    works(&*store).await;
    let (tell, mut heard) = mpsc::channel(16);
    let follows = store.clone();
    let following = tokio::spawn(async move { follows.follow(tell).await });
    assert_eq!(next(&mut heard).await, Some(Told::Everything));
    claimed(&redis_in(&user("right-secret"), DEADLINE), "other", "t", &["a"]).await;
    let told = next(&mut heard).await;
    assert!(is_about(told.as_ref(), "other"), "{told:?}");
    following.abort();
    let refused = redis_in(&user("wrong-secret"), DEADLINE).ping().await.expect_err("refused");
    assert!(!refused.to_string().contains("wrong-secret"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_the_master_have_users_of_their_own_and_a_database() {
    let mut sentinels = RedisSentinels::start();
    for server in &sentinels.servers {
        allow(server, RIGHTS);
    }
    for sentinel in &sentinels.sentinels {
        let user = ["ACL", "SETUSER", "asker", "on", ">ask-secret", "-@all", "+sentinel|master"];
        sentinel.ask::<()>(&[&user[..], &["+@connection"]].concat()).expect("a user");
    }
    let addresses = sentinels.sentinels.iter().map(RedisServer::address).collect();
    let with = |password, database| RedisConfig {
        username: Some("swarm".into()),
        password: Some(Secret::new("right-secret")),
        database,
        ..RedisConfig::plain(RedisServers::Sentinels(Sentinels {
            addresses: Vec::clone(&addresses),
            master: MASTER.into(),
            username: Some("asker".into()),
            password: Some(Secret::new(password)),
        }))
    };
    let store = redis_in(&with("ask-secret", 3), DEADLINE);
    works(&store).await;
    assert!(store.all_routes().await.expect("routes").len() == 1);
    assert_eq!(redis_in(&with("ask-secret", 0), DEADLINE).all_routes().await.expect("routes"), []);
    let refused = redis_in(&with("other-secret", 3), DEADLINE).ping().await.expect_err("refused");
    assert!(!refused.to_string().contains("secret"), "{refused}");
    sentinels.fail_over();
    assert_eq!(store.all_routes().await.expect("routes").len(), 1, "after a failover");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_a_cluster_needs_only_three_rights_more() {
    let mut cluster = RedisCluster::start();
    let rights = format!("{RIGHTS} +cluster|slots +cluster|info +cluster|myid");
    cluster.nodes.iter().for_each(|node| allow(node, &rights));
    let config = RedisConfig {
        username: Some("swarm".into()),
        password: Some(Secret::new("right-secret")),
        ..cluster.config()
    };
    let store = redis_in(&config, DEADLINE);
    works(&store).await;
    let new = cluster.add();
    allow(&cluster.nodes[new], &rights);
    let (_, slot) = cluster.home_of(&format!("bigblueswarm:route:{{{}}}", key("room")));
    cluster.begin_to_move(slot, new);
    claimed(&store, "another", "t", &["a"]).await;
    cluster.end_to_move(slot, new);
    assert_eq!(store.all_routes().await.expect("routes").len(), 2);
}

/// Waits until claims are taken again.
async fn until_claimed(store: &dyn Store, meeting: &str) -> Route {
    let began = Instant::now();
    loop {
        match store.step(vec![claim(meeting, "t", &["a"])]).await.as_deref() {
            Ok([Stepped::Claimed(Claimed::New(route) | Claimed::Existing(route))]) => {
                return route.clone();
            }
            other => assert!(began.elapsed() < FAILOVER, "{other:?}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn homes(store: &dyn Store, meetings: &[String]) -> HashSet<String> {
    let keys = meetings.iter().map(|name| key(name)).collect();
    let records = store.routes(keys).await.expect("records");
    let found =
        meetings.iter().zip(records).filter(|(_, record)| record.contains_key(&tenant("t")));
    found.map(|(name, _)| name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_master_is_killed_its_replica_has_what_was_claimed_and_is_known_as_another() {
    let mut sentinels = RedisSentinels::start();
    let store = redis_in(&sentinels.config(), Duration::from_millis(900));
    let before = store.incarnation();
    let mut meetings: Vec<String> = Vec::new();
    for n in 0..50 {
        meetings.push(format!("m{n}"));
        claimed(&store, &meetings[n], "t", &["a"]).await;
    }
    sentinels.servers[0].stop();
    let began = Instant::now();
    let refused = store.ping().await;
    assert!(refused.is_err() && began.elapsed() < Duration::from_millis(1_500), "{refused:?}");
    until_claimed(&store, "after").await;
    assert_eq!(sentinels.named(), Some(1));
    assert_ne!(store.incarnation(), before, "its state may be an older one");
    assert_eq!(homes(&store, &meetings).await.len(), meetings.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_paused_is_not_used_when_it_goes_on_and_another_is_heard() {
    let sentinels = RedisSentinels::start();
    let store = Arc::new(redis_in(&sentinels.config(), Duration::from_millis(900)));
    let (tell, mut heard) = mpsc::channel(64);
    let follows = store.clone();
    let following = tokio::spawn(async move { follows.follow(tell).await });
    claimed(&*store, "before", "t", &["a"]).await;
    sentinels.servers[0].pause();
    until_claimed(&*store, "meanwhile").await;
    sentinels.servers[0].resume();
    // It takes itself for the master until a Sentinel has told it otherwise.
    for n in 0..50 {
        until_claimed(&*store, &format!("after{n}")).await;
    }
    let routes = store.all_routes().await.expect("routes").len();
    assert_eq!(routes, 52);
    // A change that another replica of ours makes is heard from the new one.
    while heard.try_recv().is_ok() {}
    let other = redis_in(&sentinels.config(), Duration::from_millis(900));
    let began = Instant::now();
    until_claimed(&other, "by another").await;
    loop {
        let told = next(&mut heard).await;
        if is_about(told.as_ref(), "by another") || told == Some(Told::Everything) {
            break;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    following.abort();
}

#[tokio::test]
async fn sentinels_that_are_gone_are_said_once_and_so_is_their_return() {
    let log = Log::start();
    let mut redis = RedisSentinels::start();
    let store = redis_in(&redis.config(), DEADLINE);
    claimed(&store, "before", "t", &["a"]).await;
    redis.servers[0].stop();
    redis.sentinels.iter_mut().for_each(RedisServer::stop);
    for _ in 0..20 {
        store.ping().await.expect_err("nobody is there");
    }
    let said = "no Sentinel names a master";
    assert_eq!(log.lines("WARN", said), 1, "{}", log.text());
    redis.servers[0].start_again();
    redis.sentinels.iter_mut().for_each(RedisServer::start_again);
    until_claimed(&store, "after").await;
    let said = "Sentinels name a master again";
    assert_eq!(log.lines("INFO", said), 1, "{}", log.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs_delays_claims_a_little_and_operators_hear_of_it() {
    let sentinels = RedisSentinels::start();
    let store = redis_in(&sentinels.config(), Duration::from_millis(900));
    claimed(&store, "quick", "t", &["a"]).await;
    assert_eq!(store.ailment(), None);
    sentinels.servers[1].pause();
    let began = Instant::now();
    claimed(&store, "slow", "t", &["a"]).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(1_500), "{took:?}");
    let ailment = store.ailment().expect("it is told");
    assert!(ailment.contains(&sentinels.servers[0].address()), "{ailment}");
    sentinels.servers[1].resume();
    claimed(&store, "quick again", "t", &["a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_are_followed_at_every_moment_and_are_no_reason_for_doubt() {
    let mut cluster = RedisCluster::start();
    let store = redis_in(&cluster.config(), Duration::from_secs(2));
    let first = claimed(&store, "room", "t", &["a"]).await;
    works_but_for_claims(&store).await;
    let before = store.incarnation();
    let new = cluster.add();
    let name = format!("bigblueswarm:route:{{{}}}", key("room"));
    let (home, slot) = cluster.home_of(&name);
    // Half moved: what is there is there, what is not goes to the new home.
    cluster.begin_to_move(slot, new);
    let again = take(&store, claim("room", "t", &["b"])).await;
    assert_eq!(again, Stepped::Claimed(Claimed::Existing(first.clone())));
    cluster.nodes[home].ask::<()>(&["SCRIPT", "FLUSH"]).expect("forgotten");
    let migrate =
        ["MIGRATE", "127.0.0.1", &cluster.nodes[new].port().to_string(), &name, "0", "5000"];
    cluster.nodes[home].ask::<()>(&migrate).expect("moved");
    let steps = vec![claim("room", "t", &["b"]), claim("other", "t", &["b"])];
    let answers = store.step(steps).await.expect("answers");
    assert_eq!(answers[0], Stepped::Claimed(Claimed::Existing(first.clone())));
    cluster.end_to_move(slot, new);
    let again = take(&store, claim("room", "t", &["b"])).await;
    assert_eq!(again, Stepped::Claimed(Claimed::Existing(first)));
    // The pool's slot, back and forth.
    let (home, slot) = cluster.home_of("bigblueswarm:{pool}:instances");
    for to in [new, home] {
        cluster.move_slot(slot, to);
        assert_eq!(store.instances().await.expect("a list"), [record("a")]);
        store.set_instances(vec![record("a")]).await.expect("stored");
    }
    assert_eq!(store.all_routes().await.expect("routes").len(), 2);
    assert_eq!(store.incarnation(), before, "nothing was lost");
}

async fn works_but_for_claims(store: &dyn Store) {
    store.set_instances(vec![record("a")]).await.expect("stored");
    store.put_tenant(crate::world::T.document()).await.expect("stored");
    assert_eq!(store.tenants().await.expect("tenants").len(), 1);
    store.callback_key([7; 32]).await.expect("a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_node_is_killed_its_replica_has_what_was_claimed_and_is_known_as_another() {
    let mut cluster = RedisCluster::with_replicas();
    let store = redis_in(&cluster.config(), Duration::from_millis(900));
    let meetings: Vec<String> = (0..60).map(|n| format!("m{n}")).collect();
    let claims = meetings.iter().map(|name| claim(name, "t", &["a"])).collect();
    assert_eq!(store.step(claims).await.expect("answers").len(), 60);
    assert_eq!(store.all_routes().await.expect("routes").len(), 60);
    let before = store.incarnation();
    cluster.nodes[0].stop();
    cluster.until_master(3);
    for n in 0..60 {
        until_claimed(&store, &format!("after{n}")).await;
    }
    assert_ne!(store.incarnation(), before, "its state may be an older one");
    assert_eq!(homes(&store, &meetings).await.len(), meetings.len());
    assert_eq!(store.all_routes().await.expect("routes").len(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_replicas_change_is_heard_through_the_cluster() {
    let cluster = RedisCluster::start();
    let store = Arc::new(redis_in(&cluster.config(), Duration::from_secs(2)));
    let (tell, mut heard) = mpsc::channel(64);
    let follows = store.clone();
    let following = tokio::spawn(async move { follows.follow(tell).await });
    assert_eq!(next(&mut heard).await, Some(Told::Everything));
    let other = redis_in(&cluster.config(), Duration::from_secs(2));
    for n in 0..20 {
        let name = format!("m{n}");
        claimed(&other, &name, "t", &["a"]).await;
        let told = next(&mut heard).await;
        assert!(is_about(told.as_ref(), &name), "{told:?}");
    }
    other.set_instances(vec![record("a")]).await.expect("stored");
    let told = next(&mut heard).await;
    assert_eq!(told, Some(Told::Instances));
    following.abort();
}
