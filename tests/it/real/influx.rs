//! Figures from a real Telegraf, by a real InfluxDB or straight to us; and what happens when the database fails.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bigblueswarm::sim::{BbbClient, SimHandle};
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::plugin;
use crate::program::{Home, Program, TOKEN, servers, until};
use crate::services::influxd::{BUCKET, DATABASE_TOKEN, Influxd};
use crate::services::telegraf::Telegraf;
use crate::world::T;

const QUICK: &str =
    "balancer:\n  pollInterval: 500ms\n  cpuMetric: total\n  cpuLimit: 100\n  memLimit: 100\n";

async fn cluster(program: &Program) -> Vec<Value> {
    let reply = program.admin(Method::GET, "cluster", "").await;
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// What is shown for an instance.
async fn shown(program: &Program, url: &str) -> Value {
    let rows = cluster(program).await;
    rows.into_iter().find(|row| row["host"] == url).expect("the instance")
}

async fn is_degraded(program: &Program, part: &str) -> bool {
    let (status, body) = program.readiness().await;
    assert_eq!(status, 200, "{body}");
    body["degraded"].to_string().contains(part)
}

/// Creates a meeting; how long that took.
async fn create(client: &BbbClient, meeting: &str) -> Duration {
    let began = Instant::now();
    let reply = client.get("create", &format!("name=Room&meetingID={meeting}")).await;
    let reply = reply.expect("an answer");
    assert!(reply.succeeded(), "{}", reply.text());
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn telegraf_by_influxdb_and_straight_to_us_give_the_same_figures() {
    let influxd = Influxd::start().await;
    let sims = servers(1).await;
    let by_database = Home::new(&format!("{QUICK}{}", influxd.section(DATABASE_TOKEN, BUCKET)));
    let by_push = Home::new(QUICK);
    let (database, push) = (by_database.start().await, by_push.start().await);
    for program in [&database, &push] {
        program.register(&sims).await;
        program.ready().await;
    }
    for n in 0..3 {
        create(&database.client(T), &format!("room-{n}")).await;
    }
    let plugin = plugin::of_bbb(&sims[0]).await;
    let targets = [(influxd.url(), DATABASE_TOKEN), (push.url(""), TOKEN)];
    let mut telegraf = Telegraf::start(&sims[0].url, &plugin, &targets);
    for program in [&database, &push] {
        until("figures arrive", async || {
            let row = shown(program, &sims[0].url).await;
            row["mem"].as_f64() > Some(0.0) && row["meetings"] == 3
        })
        .await;
    }
    sleep(Duration::from_secs(3)).await;
    telegraf.stop(); // so that both have the same points
    let rows = async || (shown(&database, &sims[0].url).await, shown(&push, &sims[0].url).await);
    until("both show the same", async || {
        let (a, b) = rows().await;
        a == b && a["cpu"].as_f64() > Some(0.0)
    })
    .await;
    let (row, _) = rows().await;
    assert_eq!((&row["meetings"], &row["api_status"]), (&Value::from(3), &Value::from("Up")));
    assert!(!telegraf.said().contains("E!"), "{}", telegraf.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_or_lacks_its_bucket_is_said_and_creates_go_on() {
    let influxd = Influxd::start().await;
    let sims = servers(2).await;
    for (token, bucket, said) in
        [("wrong-token-0123456789", BUCKET, "unauthorized"), (DATABASE_TOKEN, "none", "none")]
    {
        let home = Home::new(&format!("{QUICK}{}", influxd.section(token, bucket)));
        let program = home.start().await;
        program.register(&sims).await;
        program.ready().await;
        until("it is said", async || home.said().contains(said)).await;
        assert!(is_degraded(&program, "metrics").await);
        let meeting = format!("room-{}", bucket.len());
        assert!(create(&program.client(T), &meeting).await < Duration::from_secs(5));
        assert!(!home.said().contains(token), "{}", home.said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stops_leaves_the_last_figures_and_comes_back() {
    let mut influxd = Influxd::start().await;
    let sims = servers(2).await;
    let home = Home::new(&format!("{QUICK}{}", influxd.section(DATABASE_TOKEN, BUCKET)));
    let program = home.start().await;
    program.register(&sims).await;
    program.ready().await;
    influxd.write(&points(&sims, |n| (80.0 - 40.0 * n as f64, 20.0), 0)).await;
    until("figures are read", async || shown(&program, &sims[0].url).await["mem"] == 20).await;
    influxd.stop();
    until("it is degraded", async || is_degraded(&program, "metrics").await).await;
    assert_eq!(shown(&program, &sims[0].url).await["mem"], 20);
    assert!(create(&program.client(T), "while-it-is-away").await < Duration::from_secs(5));
    assert!(
        sims[0].server.meeting("while-it-is-away").await.is_some(),
        "the least loaded of the last"
    );
    influxd.start_again().await;
    until("it recovers", async || !is_degraded(&program, "metrics").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_points_and_a_clock_that_is_ahead_do_not_mislead() {
    let influxd = Influxd::start().await;
    let sims = servers(2).await;
    let home = Home::new(&format!("{QUICK}{}", influxd.section(DATABASE_TOKEN, BUCKET)));
    let program = home.start().await;
    program.register(&sims).await;
    program.ready().await;
    // The second server's agent is an hour ahead: its points are none of now.
    influxd.write(&points(&sims[1..], |_| (10.0, 10.0), 3_600)).await;
    let now = seconds();
    for part in 0..20 {
        let text: String = (0..50_000)
            .map(|n| {
                let (host, cpu) = (n % 250, 10 + part);
                format!(
                    "cpu,bigblueswarm_host=http://h{host}.example.org/bigbluebutton,cpu=cpu-total usage_idle={cpu} {}\n",
                    now - (part * 200 + n / 250) % 280
                )
            })
            .collect();
        influxd.write(&text).await;
    }
    influxd.write(&points(&sims[..1], |_| (60.0, 30.0), 0)).await;
    until("figures are read", async || shown(&program, &sims[0].url).await["mem"] == 30).await;
    let ahead = shown(&program, &sims[1].url).await;
    assert_eq!((&ahead["cpu"], &ahead["mem"]), (&Value::from(0), &Value::from(0)));
    for n in 0..5 {
        assert!(create(&program.client(T), &format!("room-{n}")).await < Duration::from_secs(5));
        assert!(sims[0].server.meeting(&format!("room-{n}")).await.is_some(), "the measured one");
    }
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs() as i64
}

/// Idle processor and used memory in percent of each server, so many seconds ahead of now.
fn points(sims: &[SimHandle], figures: impl Fn(usize) -> (f64, f64), ahead: i64) -> String {
    let at = seconds() + ahead;
    let of = |(n, sim): (usize, &SimHandle)| {
        let ((idle, mem), url) = (figures(n), &sim.url);
        format!(
            "cpu,bigblueswarm_host={url},cpu=cpu-total usage_idle={idle} {at}\n\
             mem,bigblueswarm_host={url} used_percent={mem} {at}\n"
        )
    };
    sims.iter().enumerate().map(of).collect()
}
