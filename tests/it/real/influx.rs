//! Figures from a real Telegraf, by a real InfluxDB or straight to us; and what happens when the database fails.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bigblueswarm::sim::{BbbClient, SimHandle};
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::plugin;
use crate::program::{Home, Program, TOKEN, servers, until};
use crate::services::between::{Between, Harm};
use crate::services::influxd::{BUCKET, DATABASE_TOKEN, Influxd, section_at};
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
async fn v3s_own_files_are_read_by_either_processor_figure() {
    let influxd = Influxd::start().await;
    let sims = servers(1).await;
    let section = influxd.section(DATABASE_TOKEN, BUCKET);
    // As v3's guide has it, in its spelling; without cpuMetric its own figure counts.
    let v3 = "balancer:\n  metrics_range: -5m\n  cpu_limit: 100\n  mem_limit: 100\n";
    let as_v3 = Home::new(&format!("{v3}  pollInterval: 500ms\n{section}"));
    let total = Home::new(&format!("{QUICK}{section}"));
    let (as_v3, total) = (as_v3.start().await, total.start().await);
    for program in [&as_v3, &total] {
        program.register(&sims).await;
        program.ready().await;
    }
    create(&as_v3.client(T), "room").await;
    let plugin = plugin::lines_of_bbb(&sims[0].server).await;
    let mut telegraf = Telegraf::start_as_v3(&sims[0].url, &plugin, &influxd.url(), DATABASE_TOKEN);
    for program in [&as_v3, &total] {
        until("figures arrive", async || {
            let row = shown(program, &sims[0].url).await;
            row["mem"].as_f64() > Some(0.0)
                && row["cpu"].as_f64() > Some(0.0)
                && row["meetings"] == 1
        })
        .await;
    }
    telegraf.stop(); // so that both read the same points from now on
    until("both show the same memory, and different processors", async || {
        let (a, b) = (shown(&as_v3, &sims[0].url).await, shown(&total, &sims[0].url).await);
        a["mem"] == b["mem"] && a["cpu"].as_f64() < b["cpu"].as_f64()
    })
    .await;
    let usage = as_v3.admin(Method::GET, "usage", "").await;
    let usage: Value = serde_json::from_slice(&usage.body).expect("JSON");
    let of_t = usage.as_array().expect("a list").iter().find(|row| row["tenant"] == T.host);
    let measured = &of_t.expect("the tenant")["measured"];
    assert_eq!(measured, &serde_json::json!({"meetings": 1, "participants": 0}));
}

/// A balancer with this source of figures, ready, with these servers in its pool.
async fn started(section: &str, sims: &[SimHandle]) -> (Home, Program) {
    let home = Home::new(&format!("{QUICK}{section}"));
    let program = home.start().await;
    program.register(sims).await;
    program.ready().await;
    (home, program)
}

/// What is not the present: said, old figures stand, creates go on by them, and all is well afterwards.
async fn harmed(harm: Harm, said: &str) {
    let influxd = Influxd::start().await;
    let way = Between::start(&influxd.url()).await;
    let sims = servers(2).await;
    let section = section_at(&way.url, DATABASE_TOKEN, BUCKET);
    let (home, program) = started(&section, &sims).await;
    influxd.write(&points(&sims, |n| (80.0 - 65.0 * n as f64, 20.0), 0)).await;
    until("figures are read", async || shown(&program, &sims[0].url).await["mem"] == 20).await;
    way.does(harm);
    let why = async || program.readiness().await.1["degraded"].to_string();
    until("it is said", async || why().await.contains(said)).await;
    for n in 0..3 {
        assert!(create(&program.client(T), &format!("room-{n}")).await < Duration::from_secs(5));
        // By more than what the placements before it are expected to add.
        assert!(sims[0].server.meeting(&format!("room-{n}")).await.is_some(), "the least loaded");
    }
    assert_eq!(shown(&program, &sims[0].url).await["mem"], 20);
    until("its age is shown everywhere", async || {
        let state = program.admin(Method::GET, "instances/state", "").await;
        let state: Value = serde_json::from_slice(&state.body).expect("JSON");
        let metrics = program.get("/metrics").await.expect("an answer").text();
        let age = |line: &str| line.strip_prefix("bigblueswarm_metrics_age_seconds ")?.parse().ok();
        let why = why().await;
        state[0]["measured_ago"].as_u64() >= Some(2)
            && metrics.lines().find_map(age).is_some_and(|age: f64| age >= 2.0)
            && metrics.contains("bigblueswarm_metrics_stale 1")
            && why.contains("the newest figures are ")
            && !why.contains("are 0 s old")
    })
    .await;
    way.does(Harm::None);
    until("it recovers", async || !is_degraded(&program, "metrics").await).await;
    assert!(!home.said().contains(DATABASE_TOKEN), "{}", home.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_thirty_seconds_is_given_up_and_holds_up_nobody() {
    harmed(Harm::Late(Duration::from_secs(30)), "did not answer within").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_or_half_an_answer_is_said_and_believed_in_no_part() {
    harmed(Harm::Garbage, "can't be read").await;
    harmed(Harm::Half, "influxdb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mean_that_is_no_number_counts_as_not_measured() {
    let influxd = Influxd::start().await;
    let way = Between::start(&influxd.url()).await;
    let sims = servers(2).await;
    let section = section_at(&way.url, DATABASE_TOKEN, BUCKET);
    let (home, program) = started(&section, &sims).await;
    // Sums of the first one's points are larger than any float: its means are infinite.
    let (huge, url) = (f64::MAX / 1.5, &sims[0].url);
    let points_of = |at| {
        format!(
            "mem,bigblueswarm_host={url} used_percent={huge} {at}\ncpu,bigblueswarm_host={url},cpu=cpu-total usage_idle=-{huge} {at}\n"
        )
    };
    influxd.write(&(points_of(seconds() - 1) + &points_of(seconds()))).await;
    influxd.write(&points(&sims[1..], |_| (60.0, 30.0), 0)).await;
    until("figures are read", async || shown(&program, &sims[1].url).await["mem"] == 30).await;
    let infinite = shown(&program, url).await;
    assert_eq!((&infinite["cpu"], &infinite["mem"]), (&Value::from(0), &Value::from(0)));
    create(&program.client(T), "infinite").await;
    assert!(sims[1].server.meeting("infinite").await.is_some(), "the measured one");

    way.does(Harm::NoNumbers);
    until("nothing counts as measured", async || shown(&program, &sims[1].url).await["mem"] == 0)
        .await;
    assert!(create(&program.client(T), "nan").await < Duration::from_secs(5));
    way.does(Harm::None);
    until("figures are read again", async || shown(&program, &sims[1].url).await["mem"] == 30)
        .await;
    assert!(!home.said().contains("panic"), "{}", home.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_or_lacks_its_bucket_is_said_and_creates_go_on() {
    let influxd = Influxd::start().await;
    let sims = servers(2).await;
    for (token, bucket, said) in
        [("wrong-token-0123456789", BUCKET, "unauthorized"), (DATABASE_TOKEN, "none", "none")]
    {
        let (home, program) = started(&influxd.section(token, bucket), &sims).await;
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
    let (_home, program) = started(&influxd.section(DATABASE_TOKEN, BUCKET), &sims).await;
    influxd.write(&points(&sims, |n| (80.0 - 65.0 * n as f64, 20.0), 0)).await;
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
    let (_home, program) = started(&influxd.section(DATABASE_TOKEN, BUCKET), &sims).await;
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
