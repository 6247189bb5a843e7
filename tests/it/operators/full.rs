//! A store that answers and takes no writes is named by `/readyz`, the log and the metrics, until it takes them again.

use std::process::{Command, Stdio};

use bigblueswarm::sim::SimHandle;

use crate::program::{Home, Program, servers, until};
use crate::services::redis::RedisServer;
use crate::world::T;

/// What `/readyz` says of the store.
async fn said(program: &Program) -> String {
    let (status, body) = program.readiness().await;
    assert_eq!(status, 200, "{body}");
    let degraded = body["degraded"].as_array().expect("a list");
    let of_store = degraded.iter().filter(|part| part["part"] == "store");
    of_store.filter_map(|part| part["why"].as_str()).collect()
}

async fn is_writable(program: &Program) -> bool {
    let metrics = program.get("/metrics").await.expect("an answer").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("bigblueswarm_store_writable "));
    line.expect("a gauge") == "1"
}

/// It is named that the store takes no writes, for this reason.
async fn is_named(program: &Program, why: &str) {
    until(why, async || said(program).await.contains(why)).await;
    until("counted", async || !is_writable(program).await).await;
}

async fn is_well(program: &Program) {
    until("well again", async || said(program).await.is_empty()).await;
    until("counted", async || is_writable(program).await).await;
}

async fn ready(home: &Home, command: Command) -> (Program, Vec<SimHandle>) {
    let sims = servers(1).await;
    let program = home.run(command).await;
    program.register(&sims).await;
    program.ready().await;
    is_well(&program).await;
    (program, sims)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_takes_no_writes_is_named() {
    let redis = RedisServer::start();
    let home = Home::on_redis(&redis);
    let (program, _sims) = ready(&home, home.command("-config config.yml")).await;
    let set = |name: &str, value: &str| {
        let set = ["SET", name, value];
        redis::cmd("CONFIG").arg(&set).exec(&mut redis.connection()).expect("set");
    };
    for (name, bad, good, why) in
        [("maxmemory", "1", "0", "OOM"), ("min-replicas-to-write", "1", "0", "NOREPLICAS")]
    {
        set(name, bad);
        is_named(&program, why).await;
        set(name, good);
        is_well(&program).await;
    }
    let replica = |of: &str, port: &str| {
        redis::cmd("REPLICAOF").arg(&[of, port]).exec(&mut redis.connection()).expect("set");
    };
    replica("127.0.0.1", "1");
    is_named(&program, "read only").await;
    replica("NO", "ONE");
    is_well(&program).await;
    assert_eq!(home.said().matches("the store takes no writes").count(), 3, "{}", home.said());
}

/// The file must not grow beyond this, as if the disk were full; without a number it may.
fn limit(program: &Program, bytes: Option<u64>) {
    let most = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let limit = format!("--fsize={most}:unlimited");
    let pid = program.id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(done.expect("prlimit can be run").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named() {
    let home = Home::new("");
    // Who outgrows the limit gets an error instead of a signal.
    let plain = home.command("-config config.yml");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" -config config.yml"]);
    command.arg(plain.get_program()).current_dir(home.path(""));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (program, _sims) = ready(&home, command).await;
    let client = program.client(T);
    // What is there can be written, and the file can't grow: creates fail, a tiny record finds room.
    let size = std::fs::metadata(home.path("state.redb")).expect("a file").len();
    limit(&program, Some(size));
    let mut made = 0;
    until("a create fails", async || {
        made += 1;
        let name = "x".repeat(200);
        let create = format!("name=Room&meetingID={name}{made}");
        client.get("create", &create).await.expect("an answer");
        said(&program).await.contains("too large")
    })
    .await;
    until("counted", async || !is_writable(&program).await).await;
    limit(&program, None);
    is_well(&program).await;
    // Nothing can be written at all.
    limit(&program, Some(1));
    is_named(&program, "too large").await;
    limit(&program, None);
    is_well(&program).await;
}
