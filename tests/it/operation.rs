//! Stories O2 to O7: how the built program starts, goes on when something is away, is told of changes, and ends.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::outside::store::embedded::Embedded;
use bigblueswarm::sim::client::Reply;
use bigblueswarm::sim::{Fault, SimHandle, Telegraf};
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::program::{Home, PATIENTLY, Program, TOKEN, ended, servers, until};
use crate::services::redis::RedisServer;
use crate::world::{Client, GLOBAL, KEY, T};

/// A client that is refused hears so within 1 s; with some room for a busy machine.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// A program that is ready, with so many servers and the tenants T and U.
async fn ready(home: &Home, count: usize) -> (Program, Vec<SimHandle>) {
    let sims = servers(count).await;
    let program = home.start().await;
    program.register(&sims).await;
    program.ready().await;
    (program, sims)
}

async fn create(program: &Program, meeting: &str) -> Reply {
    let query = format!("name=Room&meetingID={meeting}");
    program.client(T).get("create", &query).await.expect("an answer")
}

async fn info(program: &Program, meeting: &str) -> Reply {
    let query = format!("meetingID={meeting}");
    program.client(T).get("getMeetingInfo", &query).await.expect("an answer")
}

async fn join(program: &Program, meeting: &str) -> Reply {
    let query = format!("fullName=Ada&meetingID={meeting}&role=VIEWER");
    program.client(T).get("join", &query).await.expect("an answer")
}

#[track_caller]
fn assert_success(reply: &Reply) -> &Reply {
    assert!(reply.succeeded(), "{}: {}", reply.status, reply.text());
    reply
}

async fn slow(sims: &[SimHandle], call: &str, by: Duration) {
    for sim in sims {
        sim.server.faults().on(call).set(Fault::Slow(by)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o2_on_sigterm_running_requests_end_and_no_new_one_is_taken() {
    let home = Home::new("deadlines:\n  drain: 20s\n");
    let (mut program, sims) = ready(&home, 2).await;
    assert_success(&create(&program, "known").await);
    slow(&sims, "getMeetingInfo", Duration::from_secs(3)).await;
    slow(&sims, "create", Duration::from_secs(3)).await;
    let _idle = TcpStream::connect(program.address).expect("a connection");
    let mut half = tokio::net::TcpStream::connect(program.address).await.expect("a connection");
    half.write_all(b"GET /readyz HTTP/1.1\r\nHost: a.example.org\r\n").await.expect("sent");
    let stopping = async {
        sleep(Duration::from_millis(1_000)).await;
        program.signal("-TERM");
        let refused = async || TcpStream::connect(program.address).is_err();
        until("the listener closes", refused).await;
        // Whoever has begun to ask before is told that it is the end.
        half.write_all(b"\r\n").await.expect("sent");
        let mut answer = String::new();
        let reading = timeout(PATIENTLY, half.read_to_string(&mut answer));
        reading.await.expect("in time").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains(r#""ready":false,"draining":true"#), "{answer}");
        Instant::now()
    };
    let creates = join_all((0..5).map(async |n| create(&program, &format!("m{n}")).await));
    let infos = join_all((0..5).map(async |_| info(&program, "known").await));
    let (creates, infos, closed) = tokio::join!(creates, infos, stopping);
    for reply in creates.iter().chain(&infos) {
        assert_success(reply);
    }
    assert_eq!(program.ended().await, Some(0), "{}", home.said());
    assert!(closed.elapsed() < Duration::from_secs(20), "{:?}", closed.elapsed());
    for sim in &sims {
        sim.server.faults().clear().await;
    }
    let again = home.start().await;
    for n in 0..5 {
        assert_success(&info(&again, &format!("m{n}")).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o2_what_does_not_end_within_the_drain_time_is_cut_and_the_program_ends_well() {
    let home = Home::new("deadlines:\n  drain: 1s\n");
    let (mut program, sims) = ready(&home, 1).await;
    assert_success(&create(&program, "known").await);
    slow(&sims, "getMeetingInfo", Duration::from_secs(9)).await;
    let client = program.client(T);
    let long = tokio::spawn(async move { client.get("getMeetingInfo", "meetingID=known").await });
    sleep(Duration::from_millis(500)).await;
    program.signal("-TERM");
    let began = Instant::now();
    assert_eq!(program.ended().await, Some(0), "{}", home.said());
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    assert!(long.await.expect("a task").is_err(), "it was cut");
}

/// What goes on while the store is away, and what is refused.
async fn without_its_store(program: &Program, sims: &[SimHandle], tag: &str) {
    let began = Instant::now();
    let mut refused = Vec::new();
    while began.elapsed() < Duration::from_secs(4) {
        for n in 0..3 {
            let known = format!("known-{n}");
            let asked = Instant::now();
            assert_success(&info(program, &known).await);
            assert!(join(program, &known).await.location().is_some());
            let again = create(program, &known).await;
            assert_eq!(assert_success(&again).key().as_deref(), Some("duplicateWarning"));
            assert!(
                asked.elapsed() < AT_ONCE,
                "known ones wait for nothing: {:?}",
                asked.elapsed()
            );
        }
        let news = (0..5).map(async |n| {
            let new = format!("new-{tag}-{}-{n}", refused.len());
            let asked = Instant::now();
            let reply = create(program, &new).await;
            let (status, key) = (reply.status.as_u16(), reply.key());
            assert_eq!((status, key.as_deref()), (500, Some("internalError")), "{}", reply.text());
            assert!(asked.elapsed() < AT_ONCE, "refused after {:?}", asked.elapsed());
            new
        });
        let news = join_all(news).await;
        refused.extend(news);
        until("the store is named as away", async || {
            let (status, body) = program.readiness().await;
            assert_eq!(status, 200, "{body}");
            let degraded = body["degraded"].as_array().expect("a list");
            degraded.iter().any(|one| one["part"] == "store")
        })
        .await;
    }
    assert!(refused.len() >= 10, "only {} were tried", refused.len());
    for sim in sims {
        let asked = sim.server.requests_of("create").await;
        let placed = asked.iter().filter_map(|seen| seen.value("meetingID"));
        let placed: Vec<_> = placed.filter(|id| refused.contains(id)).collect();
        assert_eq!(placed, Vec::<String>::new(), "placed without a claim");
    }
}

/// All is as it was, and new meetings are taken again.
async fn well_again(program: &Program, sims: &[SimHandle], tag: &str) {
    let taken = async || create(program, &format!("new-{tag}-0-0")).await.succeeded();
    until("new meetings are taken", taken).await;
    let mut all: Vec<_> = (0..3).map(|n| format!("known-{n}")).collect();
    for n in 0..5 {
        all.push(format!("new-{tag}-0-{n}"));
        assert_success(&create(program, &all[all.len() - 1]).await);
    }
    for meeting in &all {
        assert_success(&info(program, meeting).await);
        let mut homes = Vec::new();
        for sim in sims {
            homes.extend(sim.server.meeting(meeting).await.map(|_| sim.server.origin()));
        }
        assert_eq!(homes.len(), 1, "{meeting}");
        let to = join(program, meeting).await;
        assert!(to.location().is_some_and(|to| to.starts_with(&homes[0])), "{meeting}");
    }
    until("nothing is degraded", async || {
        let (_, body) = program.readiness().await;
        !body["degraded"].to_string().contains("store")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o3_while_redis_is_away_known_meetings_go_on_and_new_ones_are_refused_at_once() {
    let mut redis = RedisServer::start_appending();
    let home = Home::on_redis(&redis);
    let (program, sims) = ready(&home, 3).await;
    for n in 0..3 {
        assert_success(&create(&program, &format!("known-{n}")).await);
    }
    redis.pause();
    without_its_store(&program, &sims, "paused").await;
    redis.resume();
    well_again(&program, &sims, "paused").await;
    redis.stop();
    without_its_store(&program, &sims, "stopped").await;
    redis.start_again();
    well_again(&program, &sims, "stopped").await;
}

#[tokio::test]
async fn o4_a_faulty_configuration_is_told_whole_and_no_port_is_opened() {
    // Somebody listens there already: whoever opens the port would say so.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let begin = format!(
        "port: {port}\nhttp:\n  address: 127.0.0.1\nbigblueswarm:\n  secret: {GLOBAL}\nadmin:\n  apiKey: {KEY}\n"
    );
    let check = async |more: &str, expected: &[&str]| {
        let home = Home::new("");
        home.write(&format!("{begin}{more}"));
        let mut child = home.command("-config config.yml").spawn().expect("started");
        assert_eq!(ended(&mut child).await, Some(64), "{more}: {}", home.said());
        let said = home.said();
        let told: Vec<_> = said.lines().collect();
        assert_eq!(told.len(), expected.len(), "{more}: {said}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{more}: {told}");
        }
        assert!(!home.path("state.redb").exists() && !home.path("data").exists());
        assert!(!said.contains(GLOBAL) && !said.contains(KEY), "{said}");
    };
    check("balancer:\n  cpuLimits: 3\n", &["config.yml:9: balancer.cpuLimits: unknown key"]).await;
    check("limits:\n  requests: many\n", &["config.yml:9: limits.requests: "]).await;
    check("deadlines:\n  list: 3 fortnights\n", &["config.yml:9: deadlines.list: "]).await;
    check(
        "influxdb:\n  address: not a url\n  token: t\n  organization: o\n  bucket: b\n",
        &["config.yml:9: influxdb.address: "],
    )
    .await;
    check(
        "limits:\n  requests: many\nhealth:\n  probeInterval: soon\n  colour: red\n",
        &[
            "config.yml:9: limits.requests: ",
            "config.yml:11: health.probeInterval: ",
            "config.yml:12: health.colour: unknown key",
        ],
    )
    .await;
    let home = Home::new("");
    home.write(&begin);
    let mut child = home.command("-config config.yml").spawn().expect("started");
    assert_eq!(ended(&mut child).await, Some(64), "{}", home.said());
    assert!(home.said().contains("can't listen"), "{}", home.said());
}

/// A tenant without a secret of its own.
const PLAIN: Client = Client::of("plain.example.org", GLOBAL);
const TURNED: Client = Client::of("plain.example.org", "turned-secret-0123456789");

#[tokio::test(flavor = "multi_thread")]
async fn o5_on_sighup_what_changed_takes_effect_and_what_is_invalid_changes_nothing() {
    let home = Home::new("balancer:\n  pollInterval: 200ms\n");
    let (program, sims) = ready(&home, 1).await;
    let document = json!({"kind": "Tenant", "spec": {"host": PLAIN.host}, "instances": []});
    let posted = program.admin(Method::POST, "tenants", &document.to_string()).await;
    assert_eq!(posted.status, 201, "{}", posted.text());
    let agents = sims.iter().map(|sim| sim.server.clone()).collect();
    let agent = Telegraf::new(agents, &program.url(""), TOKEN);
    let clock = RuntimeClock::start();
    let pushing = agent.run(Duration::from_millis(200), &clock);
    let story = async {
        let plain = async |client: Client| {
            program.client(client).get("getMeetings", "").await.expect("an answer").succeeded()
        };
        assert!(plain(PLAIN).await && !plain(TURNED).await);
        assert_success(&create(&program, "before").await);

        const NEW_KEY: &str = "another-admin-key-0123456789";
        let written = home.written(TURNED.secret, NEW_KEY);
        home.write(&written.replace("balancer:\n", "balancer:\n  memLimit: 0.01\n"));
        program.signal("-HUP");
        until("the new key opens", async || {
            program.admin_by(NEW_KEY, Method::GET, "instances", "").await.status == 200
        })
        .await;
        assert_eq!(program.admin(Method::GET, "instances", "").await.status, 401);
        until("the new secret counts", async || plain(TURNED).await).await;
        assert!(!plain(PLAIN).await, "and the old one does not");
        let mut tried = 0;
        until("the new limit counts", async || {
            tried += 1;
            let refused = create(&program, &format!("over-the-limit-{tried}")).await;
            refused.key().as_deref() == Some("noInstanceFound")
        })
        .await;
        assert_success(&create(&program, "before").await);
        let said = home.said();
        for key in ["bigblueswarm.secret", "admin.apiKey", "balancer.memLimit"] {
            let line =
                said.lines().find(|l| l.contains("configuration changed") && l.contains(key));
            assert!(line.is_some(), "{key}: {said}");
        }
        for secret in [GLOBAL, KEY, NEW_KEY, TURNED.secret] {
            assert!(!said.contains(secret), "{said}");
        }

        home.write(
            &written.replace("balancer:\n", "balancer:\n  memLimit: 90\n  cpuLimit: some\n"),
        );
        program.signal("-HUP");
        until("the refusal is said", async || {
            home.said().lines().any(|line| {
                line.contains("the old one stays") && line.contains("balancer.cpuLimit")
            })
        })
        .await;
        let refused = create(&program, "still-over").await;
        assert_eq!(refused.key().as_deref(), Some("noInstanceFound"), "{}", refused.text());
        let open = program.admin_by(NEW_KEY, Method::GET, "instances", "").await;
        assert_eq!(open.status, 200);

        home.write(&written);
        program.signal("-HUP");
        until("the old limit is back", async || create(&program, "after").await.succeeded()).await;
    };
    tokio::select! {
        () = story => {}
        () = pushing => unreachable!("it pushes for ever"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o6_wrong_admin_keys_are_refused_then_slowed_down_and_the_right_one_passes() {
    let home = Home::new("");
    let (program, _sims) = ready(&home, 1).await;
    let by = async |key: &str| program.admin_by(key, Method::GET, "instances", "").await;
    for key in [&KEY.to_uppercase(), "wrong", &KEY[1..], "Basic a2V5"] {
        let reply = by(key).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (401, 0), "{key}");
    }
    assert_eq!(program.get("/admin/api/instances").await.expect("an answer").status, 401);
    let mut last = by("wrong").await;
    for _ in 0..10 {
        last = by("wrong").await;
    }
    assert_eq!(last.status, 429);
    assert!(last.headers.contains_key("retry-after"));
    assert_eq!(by(KEY).await.status, 200);
    assert_eq!(by(&format!("Bearer {KEY}")).await.status, 200);
    let metrics = program.get("/metrics").await.expect("an answer").text();
    let counted = |reason: &str| {
        let name = format!("bigblueswarm_admin_refused_total{{reason=\"{reason}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default()
    };
    assert!(counted("key") >= 10 && counted("limit") >= 1, "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn o7_it_is_ready_once_every_instance_was_heard_or_is_dead() {
    let home = Home::new("");
    let (program, sims) = ready(&home, 3).await;
    program.kill();
    sims[0].server.faults().on("getMeetings").set(Fault::Internal).await;
    sims[1].stop().await;
    let program = home.start().await;
    assert_eq!(program.get("/healthz").await.expect("an answer").status, 200);
    until("only the instance that is not heard is missing", async || {
        let (status, body) = program.readiness().await;
        let reasons = body["reasons"].as_array().cloned().unwrap_or_default();
        let missing = reasons.first().and_then(|why| why.as_str()).unwrap_or_default();
        assert!(status == 503 && body["ready"] == json!(false), "{body}");
        reasons.len() == 1 && missing.contains(&sims[0].url)
    })
    .await;
    sims[0].server.faults().clear().await;
    program.ready().await;
    let (_, body) = program.readiness().await;
    assert_eq!(body["reasons"], json!([]));
    assert!(body["degraded"].to_string().contains(&sims[1].url), "the dead one is named: {body}");
    sims[0].stop().await;
    sims[2].stop().await;
    until("all are dead", async || {
        program.readiness().await.1["degraded"].to_string().matches("is dead").count() == 3
    })
    .await;
    assert_eq!(program.readiness().await.0, 200, "once ready, only draining ends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_file_ends_with_69_and_says_why() {
    let home = Home::new("");
    let first = home.start().await;
    let mut second = home.command("-config config.yml");
    let mut second = second.env("BBS_PORT", "1").spawn().expect("started");
    let began = Instant::now();
    assert_eq!(ended(&mut second).await, Some(69), "{}", home.said());
    assert!(began.elapsed() >= Duration::from_secs(2), "it may become free");
    let said = home.said();
    assert!(said.contains("state.redb") && said.contains("in use by another process"), "{said}");
    assert_eq!(said.matches("waiting up to 2s for it").count(), 1, "{said}");
    assert_eq!(first.get("/healthz").await.expect("an answer").status, 200);
    first.kill();
    let third = home.start().await;
    assert_eq!(third.get("/healthz").await.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_the_moment_of_a_kill_waits_until_the_killed_one_is_gone() {
    let home = Home::new("");
    let (program, sims) = ready(&home, 1).await;
    assert_success(&create(&program, "known").await);
    let mut killed = vec![program];
    for _ in 0..10 {
        // The dead one is not waited for: its file and its port may be taken still.
        killed[killed.len() - 1].signal("-KILL");
        let again = home.start().await;
        let answers = async || again.get("/bigbluebutton/api").await.is_ok_and(|r| r.succeeded());
        until("the new one answers", answers).await;
        killed.push(again);
    }
    assert_success(&info(&killed[killed.len() - 1], "known").await);
    drop(sims);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_free_in_time_is_taken() {
    let home = Home::new("");
    let deadline = Duration::from_secs(1);
    let held = Embedded::open(&home.path("state.redb"), deadline).expect("it opens");
    let starting = home.start();
    let freed = async {
        until("it waits", async || home.said().contains("waiting up to 2s for it")).await;
        drop(held);
    };
    let (program, ()) = tokio::join!(starting, freed);
    assert_eq!(program.get("/healthz").await.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_of_the_predecessor_start_it() {
    for line in [
        "-config config.yml -log.level debug -log.path bbs.log",
        "--config=config.yml --log.level=warn -sentry.dsn https://key@host/1 -sentry.rates 0.5",
        "serve -config config.yml",
    ] {
        let home = Home::new("");
        let mut program = home.start_with(line).await;
        let root = program.get("/bigbluebutton/api").await.expect("an answer");
        assert_success(&root);
        program.signal("-INT");
        assert_eq!(program.ended().await, Some(0), "{line}");
        assert_eq!(home.path("bbs.log").exists(), line.contains("bbs.log"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verb_health_says_by_its_exit_code_whether_the_program_lives_and_is_ready() {
    let redis = RedisServer::start();
    redis.pause();
    let home = Home::on_redis(&redis);
    let ask = |line: &str| {
        let ended = home.command(line).output().expect("it runs").status.code();
        (ended, home.said())
    };
    assert_eq!(ask("health -config config.yml").0, Some(1));
    assert_eq!(ask("health").0, Some(64));
    let program = home.start().await;
    assert_eq!(ask("health -config config.yml").0, Some(0));
    let url = program.url("/");
    let (code, said) = ask(&format!("health --ready --url {url}"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("answered 503 Service Unavailable\n- "), "{said}");
    redis.resume();
    program.ready().await;
    assert_eq!(ask(&format!("health --ready --url {url}")).0, Some(0));
    program.signal("-STOP");
    let (code, said) = ask("health --timeout 1 -config config.yml");
    program.signal("-CONT");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("did not answer within 1 s"), "{said}");
}
