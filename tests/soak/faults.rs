//! Faults, as they are done to the real parts and come to their end.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use bigblueswarm::sim::Fault as SimFault;
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use crate::gate::Passage;
use crate::ground::{ANY, Ground, insist};
use crate::history::What;
use crate::plan::{Fault, Part, REPLICAS, Trouble};
use crate::services::redis::{RedisSentinels, RedisServer, until};

/// So long after the Sentinels have named another master, balancers have surely found it.
const FOUND_WITHIN: Duration = Duration::from_secs(3);
/// Sentinels turn an old master that is back into a replica within this.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);

/// Runs all faults, those of one part one after the other.
pub(crate) async fn run(ground: &Ground, began: Instant, faults: &[Fault]) {
    let parts: BTreeMap<Part, Mutex<()>> =
        faults.iter().map(|fault| (fault.what.part(), Mutex::new(()))).collect();
    let runs = faults.iter().map(async |fault| {
        sleep_until(began + Duration::from_millis(fault.at)).await;
        let _alone = parts[&fault.what.part()].lock().await;
        note(ground, fault, true);
        one(ground, fault).await;
        note(ground, fault, false);
    });
    join_all(runs).await;
}

fn note(ground: &Ground, fault: &Fault, on: bool) {
    let (fault, words) = (fault.number, fault.to_string());
    ground.recorder.note(What::Fault { fault, on, words });
}

async fn one(ground: &Ground, fault: &Fault) {
    let lasts = Duration::from_millis(fault.lasts);
    match fault.what.part() {
        Part::Replicas => of_replica(ground, fault.what, lasts).await,
        Part::Redis => of_redis(ground, fault.what, lasts).await,
        Part::Metrics => of_metrics(ground, fault.what, lasts).await,
        Part::Proxy => {
            ground.proxy.lock().await.stop();
            sleep(lasts).await;
            ground.proxy.lock().await.start_again().await;
        }
        Part::Admin => of_admin(ground, fault.what, lasts).await,
        Part::Server(server) => {
            silent(ground, fault, true);
            of_server(ground, server, fault.what, lasts).await;
            silent(ground, fault, false);
        }
    }
}

async fn of_replica(ground: &Ground, what: Trouble, lasts: Duration) {
    match what {
        Trouble::ReplicaKilled(n) => {
            ground.replicas[n].kill().await;
            sleep(lasts).await;
            ground.replicas[n].start_again().await;
        }
        Trouble::ReplicaStopped(n) => {
            ground.replicas[n].signal("-STOP").await;
            sleep(lasts).await;
            ground.replicas[n].signal("-CONT").await;
        }
        Trouble::ReplicaCutOff(n) => cut_off(ground, n, Passage::Stuck, lasts).await,
        Trouble::ReplicaRefused(n) => cut_off(ground, n, Passage::Closed, lasts).await,
        _ => {}
    }
}

async fn cut_off(ground: &Ground, replica: usize, passage: Passage, lasts: Duration) {
    cut(ground, [replica, ANY], true);
    ground.replicas[replica].turn(passage);
    sleep(lasts).await;
    ground.replicas[replica].turn(Passage::Open);
    cut(ground, [replica, ANY], false);
}

fn cut(ground: &Ground, replicas: impl IntoIterator<Item = usize>, on: bool) {
    for replica in replicas {
        ground.recorder.note(What::Cut { replica, on });
    }
}

/// Nobody reaches the store from now on, or all do again.
fn store_away(ground: &Ground, on: bool) {
    cut(ground, (0..REPLICAS).chain([ANY]), on);
}

async fn of_redis(ground: &Ground, what: Trouble, lasts: Duration) {
    match what {
        Trouble::MasterKilled => master_killed(ground, lasts).await,
        Trouble::MasterStopped => master_stopped(ground, lasts).await,
        Trouble::FollowerKilled => {
            let place = ground.with_redis(|redis| kill(redis, 1 - master(redis))).await;
            sleep(lasts).await;
            ground.with_redis(move |redis| start_again(redis, place)).await;
        }
        Trouble::FollowerStopped => {
            let place = ground.with_redis(|redis| pause(redis, 1 - master(redis))).await;
            sleep(lasts).await;
            ground.with_redis(move |redis| resume(redis, place)).await;
        }
        Trouble::DiskFull => {
            let place = ground.with_redis(|redis| lose_disk(redis)).await;
            sleep(lasts).await;
            ground.with_redis(move |redis| find_disk(&redis.servers[place])).await;
        }
        Trouble::SentinelKilled(n) => {
            ground.with_redis(move |redis| redis.sentinels[n].stop()).await;
            sleep(lasts).await;
            ground.with_redis(move |redis| redis.sentinels[n].start_again()).await;
        }
        Trouble::SentinelStopped(n) => {
            ground.with_redis(move |redis| redis.sentinels[n].pause()).await;
            sleep(lasts).await;
            ground.with_redis(move |redis| redis.sentinels[n].resume()).await;
        }
        _ => {}
    }
    ground.with_redis(|redis| whole(redis)).await;
}

async fn master_killed(ground: &Ground, lasts: Duration) {
    let began = Instant::now();
    store_away(ground, true);
    let place = ground.with_redis(|redis| kill(redis, master(redis))).await;
    ground.with_redis(move |redis| redis.until_named(1 - place)).await;
    sleep(FOUND_WITHIN).await;
    store_away(ground, false);
    sleep_until(began + lasts).await;
    ground.with_redis(move |redis| start_again(redis, place)).await;
}

async fn master_stopped(ground: &Ground, lasts: Duration) {
    store_away(ground, true);
    let place = ground.with_redis(|redis| pause(redis, master(redis))).await;
    sleep(lasts).await;
    ground.with_redis(move |redis| resume(redis, place)).await;
    ground.with_redis(|redis| master(redis)).await;
    sleep(FOUND_WITHIN).await;
    store_away(ground, false);
}

/// The place of the master, once all Sentinels name it and it says that it is.
fn master(redis: &RedisSentinels) -> usize {
    let mut found = None;
    until("there is a master", || {
        let says = |place: &usize| redis.servers[*place].says("replication", "role:master");
        found = redis.named().filter(says);
        found.is_some()
    });
    found.expect("a master")
}

fn kill(redis: &mut RedisSentinels, place: usize) -> usize {
    redis.servers[place].stop();
    place
}

fn start_again(redis: &mut RedisSentinels, place: usize) {
    redis.servers[place].start_again();
    insist(&redis.servers[place]);
}

fn pause(redis: &RedisSentinels, place: usize) -> usize {
    redis.servers[place].pause();
    place
}

fn resume(redis: &RedisSentinels, place: usize) {
    redis.servers[place].resume();
}

/// Waits until the Sentinels have made one server the master and the other its replica.
fn whole(redis: &RedisSentinels) {
    let by = Instant::now() + WHOLE_WITHIN;
    loop {
        let other = &redis.servers[1 - master(redis)];
        if other.says("replication", "master_link_status:up") {
            return;
        }
        assert!(Instant::now() < by, "the old master does not follow within {WHOLE_WITHIN:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

/// Snapshots fail on the master from now on, and Redis refuses writes until one succeeds.
fn lose_disk(redis: &RedisSentinels) -> usize {
    let place = master(redis);
    let server = &redis.servers[place];
    // A snapshot is renamed to this, which fails where a folder stands.
    let _ = std::fs::remove_file(snapshot(server));
    std::fs::create_dir(snapshot(server)).expect("a folder");
    let config = ["CONFIG", "SET", "save", "86400 1000000"];
    server.ask::<()>(&config).expect("it is set");
    until("a snapshot fails", || saved(server, "err"));
    place
}

fn find_disk(server: &RedisServer) {
    std::fs::remove_dir(snapshot(server)).expect("it was there");
    until("a snapshot succeeds", || saved(server, "ok"));
    server.ask::<()>(&["CONFIG", "SET", "save", ""]).expect("it is set");
    let _ = std::fs::remove_file(snapshot(server));
}

fn saved(server: &RedisServer, how: &str) -> bool {
    // It is refused while another one is written.
    let _ = server.ask::<String>(&["BGSAVE"]);
    server.says("persistence", &format!("rdb_last_bgsave_status:{how}"))
}

fn snapshot(server: &RedisServer) -> String {
    let dir: Vec<String> = server.ask(&["CONFIG", "GET", "dir"]).expect("an answer");
    format!("{}/dump.rdb", dir[1])
}

async fn of_metrics(ground: &Ground, what: Trouble, lasts: Duration) {
    match what {
        Trouble::InfluxdKilled => {
            ground.influxd.lock().await.stop();
            sleep(lasts).await;
            ground.influxd.lock().await.start_again().await;
        }
        Trouble::InfluxdStopped => {
            ground.influxd.lock().await.pause();
            sleep(lasts).await;
            ground.influxd.lock().await.resume();
        }
        Trouble::TelegrafKilled(n) => {
            ground.agents[n].lock().await.take();
            sleep(lasts).await;
            ground.start_agent(n).await;
        }
        _ => {}
    }
}

async fn of_admin(ground: &Ground, what: Trouble, lasts: Duration) {
    match what {
        Trouble::ServerDrained(n) => {
            ground.administer(&format!("instances/drain?url={}", ground.url_of(n)), "").await;
            sleep(lasts).await;
            ground.administer(&format!("instances/enable?url={}", ground.url_of(n)), "").await;
        }
        Trouble::ServerRetired(n) => {
            ground.administer("instances", &ground.list_without(Some(n))).await;
            sleep(lasts).await;
            ground.administer("instances", &ground.list_without(None)).await;
        }
        _ => {}
    }
}

fn silent(ground: &Ground, fault: &Fault, on: bool) {
    if let Some(server) = fault.what.silences() {
        ground.recorder.note(What::Silent { server, fault: fault.number, on });
    }
}

async fn of_server(ground: &Ground, server: usize, what: Trouble, lasts: Duration) {
    let front = &ground.fronts[server];
    let faults = || front.view.sim.faults();
    match what {
        Trouble::ServerKilled(_) => {
            front.gate.turn(Passage::Closed);
            front.view.crash().await;
        }
        Trouble::ServerRefused(_) => front.gate.turn(Passage::Closed),
        Trouble::ServerStopped(_) => front.gate.turn(Passage::Stuck),
        Trouble::ServerSlow(_, by) => {
            faults().on("create").set(SimFault::Slow(Duration::from_millis(by))).await;
        }
        Trouble::ServerFails(_) => faults().set(SimFault::Internal).await,
        Trouble::ServerApart(_, replica) => {
            front.gate.set_apart(ground.replicas[replica].process().await);
        }
        _ => {}
    }
    sleep(lasts).await;
    faults().clear().await;
    front.gate.set_apart(None);
    front.gate.turn(Passage::Open);
}
