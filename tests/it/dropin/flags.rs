//! It starts as the predecessor did: with its flags, on its files of every version.

use http::Method;
use serde_json::Value;

use super::left::{KEY, LB, Left, V1, V2, V3, about, success};
use crate::program::{Program, until};

async fn in_force(program: &Program) -> Value {
    let reply = program.admin_by(KEY, Method::GET, "configurations", "").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// Each in another folder than the file's, as a service manager starts it.
#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_its_flags_starts_it() {
    let left = Left::behind().await;
    let path = left.home.path("config.yml");
    let path = path.to_str().expect("a path");
    for line in [
        "-config PATH",
        "--config PATH",
        "-config=PATH",
        "--config=PATH -log.level debug",
        "-log.level=warn -config PATH -log.path LOG",
        "-config PATH -sentry.dsn https://key@sentry.example.org/1 -sentry.rates 0.5",
        "--sentry.dsn= --log.level info -config PATH",
        "serve -config PATH",
    ] {
        let log = left.home.path("log");
        let line = line.replace("PATH", path).replace("LOG", log.to_str().expect("a path"));
        let program = left.start_on(V3, &line).await;
        success(about(&program, LB, "getMeetingInfo", "room-1").await);
    }
    assert!(left.home.path("log").exists());
    let said = left.home.said();
    assert!(said.contains("nothing is reported to Sentry"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_flag_it_reads_the_file_where_the_predecessor_looked_for_it() {
    let left = Left::behind().await;
    let folder = left.home.path(".bigblueswarm");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("bigblueswarm.yaml"), left.configured(V2)).expect("written");
    let program = left.home.run(left.home.command("")).await;
    success(about(&program, LB, "getMeetingInfo", "room-1").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_files_of_all_versions_mean_what_they_meant() {
    let left = Left::behind().await;
    for (file, interval, range, limits) in
        [(V1, "1m", "-5m", (100, 100)), (V2, "1h30m", "-5m", (90, 90)), (V3, "15m", "5m", (95, 90))]
    {
        let program = left.start_on(file, "-config config.yml").await;
        program.ready().await;
        let config = in_force(&program).await;
        assert_eq!(config["bigblueswarm"]["recordingsPollInterval"], interval);
        assert_eq!(config["balancer"]["metricsRange"], range);
        let (cpu, mem) = (&config["balancer"]["cpuLimit"], &config["balancer"]["memLimit"]);
        assert_eq!((cpu, mem), (&limits.0.into(), &limits.1.into()));
        assert_eq!(config["port"], left.home.address.port());
        assert_eq!(config["redis"]["address"], left.redis.address());
        assert_eq!(config["redis"]["keepPredecessorKeys"], true);
        assert_eq!(config["influxdb"]["bucket"], "bucket");
        // Measurements come from its InfluxDB.
        until("loads are read", async || {
            let cluster = program.admin_by(KEY, Method::GET, "cluster", "").await;
            let rows: Value = serde_json::from_slice(&cluster.body).expect("JSON");
            rows[0]["cpu"] != 0
        })
        .await;
        let path = format!("placement?tenant={}", LB.host);
        let explained = program.admin_by(KEY, Method::GET, &path, "").await;
        let explained: Value = serde_json::from_slice(&explained.body).expect("JSON");
        assert_eq!(explained["blind"], false);
        let best = explained["instances"][0]["instance"].as_str().map(str::to_owned);
        let new = format!("new-{interval}");
        success(about(&program, LB, "create", &new).await);
        let homes = left.homes(&new, LB).await;
        assert_eq!(homes.iter().map(|&n| left.sim(n).url.clone()).next(), best);
    }
    let said = left.home.said();
    assert!(said.contains("postgres: is not used and ignored"), "{said}");
    for secret in [KEY, LB.secret, "tok-tok-tok"] {
        assert!(!said.contains(secret), "a secret is in the log");
    }
}
