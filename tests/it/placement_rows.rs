//! Stories P1 to P7: which instance takes a meeting, and how figures and admins change that.

use bigblueswarm::determinism::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::domain::load::Load;
use bigblueswarm::domain::moment::Moment;
use bigblueswarm::domain::placement::Policy;
use bigblueswarm::sim::SimServer;
use futures_util::future::join_all;
use http::Method;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::world::{Reply, T, World, id, load, plan};

/// Has every instance measured so, cpu and mem in percent, and lets the program read it.
async fn measure(world: &World, figures: &[(f64, f64)]) {
    let loads = figures.iter().map(|&(cpu, mem)| load(cpu, mem));
    world.loads.say(world.sims.iter().map(id).zip(loads).collect());
    world.refreshed().await;
}

async fn meetings_on(sim: &SimServer) -> usize {
    sim.meetings().await.iter().filter(|meeting| meeting.lives()).count()
}

async fn spread(world: &World) -> Vec<usize> {
    join_all(world.sims.iter().map(meetings_on)).await
}

/// Creates a meeting and says on which server it is.
async fn placed(world: &World, meeting: &str) -> usize {
    T.create(world, meeting).await.assert_success();
    let homes = world.homes(meeting).await;
    assert_eq!(homes.len(), 1, "{meeting} is on {homes:?}");
    homes[0]
}

#[tokio::test(start_paused = true)]
async fn p1_under_policy_seed_the_lowest_sum_of_cpu_and_mem_wins() {
    let world = plan(3).config(|c| c.balancer.policy = Policy::Seed).start().await;
    measure(&world, &[(20.0, 10.0), (5.0, 15.0), (8.0, 2.0)]).await;
    for n in 0..5 {
        assert_eq!(placed(&world, &format!("m{n}")).await, 3, "own placements count for nothing");
    }
    measure(&world, &[(20.0, 10.0), (5.0, 15.0), (28.0, 2.0)]).await;
    assert_eq!(placed(&world, "next").await, 2);
}

#[tokio::test(start_paused = true)]
async fn p2_an_instance_over_a_limit_is_passed_over() {
    let world = plan(3).config(|c| c.balancer.policy = Policy::Seed).start().await;
    measure(&world, &[(90.1, 1.0), (60.0, 50.0), (70.0, 60.0)]).await;
    assert_eq!(placed(&world, "cpu").await, 2);
    measure(&world, &[(90.0, 1.0), (60.0, 50.0), (70.0, 60.0)]).await;
    assert_eq!(placed(&world, "at-the-limit").await, 1);
    measure(&world, &[(1.0, 95.0), (60.0, 50.0), (70.0, 60.0)]).await;
    assert_eq!(placed(&world, "mem").await, 2);
}

#[tokio::test(start_paused = true)]
async fn p3_creates_between_two_refreshes_spread_evenly() {
    let world = plan(4).start().await;
    measure(&world, &[(10.0, 20.0); 4]).await;
    for n in 1..=40 {
        T.create(&world, &format!("m{n}")).await.assert_success();
        let spread = spread(&world).await;
        let (least, most) = (spread.iter().min(), spread.iter().max());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{spread:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p3_creates_at_the_same_instant_spread_evenly() {
    let world = plan(4).start().await;
    measure(&world, &[(10.0, 20.0); 4]).await;
    let names: Vec<_> = (0..40).map(|n| format!("m{n}")).collect();
    let replies = join_all(names.iter().map(|name| T.create(&world, name))).await;
    for reply in &replies {
        reply.assert_success();
    }
    assert_eq!(spread(&world).await, [10; 4]);
}

#[tokio::test(start_paused = true)]
async fn p4_an_instance_without_recent_figures_takes_nothing_while_others_have_them() {
    let world = plan(3).start().await;
    tokio::time::sleep(Duration::from_secs(600)).await; // no figure is older than the program
    let old = Load { newest: Moment(Duration::from_secs(301)), ..load(0.0, 0.0) };
    let loads =
        HashMap::from_iter([(id(&world.sims[1]), old), (id(&world.sims[2]), load(80.0, 80.0))]);
    world.loads.say(loads);
    world.refreshed().await;
    for n in 0..4 {
        assert_eq!(placed(&world, &format!("m{n}")).await, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn p4_without_any_figures_the_fewest_meetings_decide_and_the_log_warns() {
    let log = Log::start();
    let world = plan(3).config(|c| c.balancer.policy = Policy::Seed).start().await;
    for (meeting, figures) in [
        ("a1", [(1.0, 1.0), (9.0, 9.0), (9.0, 9.0)]),
        ("b1", [(1.0, 1.0), (9.0, 9.0), (9.0, 9.0)]),
        ("c1", [(9.0, 9.0), (1.0, 1.0), (9.0, 9.0)]),
    ] {
        measure(&world, &figures).await;
        T.create(&world, meeting).await.assert_success();
    }
    assert_eq!(spread(&world).await, [2, 1, 0]);
    assert!(!log.text().contains("no instance has measurements"));
    world.loads.say(HashMap::default());
    world.refreshed().await;
    let explained = explain(&world).await;
    assert_eq!(explained["blind"], json!(true));
    for n in 0..3 {
        T.create(&world, &format!("blind-{n}")).await.assert_success();
    }
    assert_eq!(spread(&world).await, [2; 3]);
    let warned = log.lines("WARN", "no instance has measurements");
    assert_eq!(warned, 1, "it is said now and then, not with every create");
    tokio::time::sleep(Duration::from_secs(60)).await;
    T.create(&world, "still-blind").await.assert_success();
    assert_eq!(log.lines("WARN", "no instance has measurements"), 2);
}

#[tokio::test(start_paused = true)]
async fn p5_when_figures_fail_the_last_ones_stand_with_our_own_placements() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let shown = || recorder.handle().render();
    let world = plan(3).start().await;
    measure(&world, &[(10.0, 20.0), (10.0, 20.0), (60.0, 20.0)]).await;
    let (status, well) = readiness(&world).await;
    assert_eq!((status, &well["degraded"]), (200, &json!([])));
    assert!(shown().contains("bigblueswarm_metrics_stale 0"), "{}", shown());

    world.loads.fail("the database is away");
    world.refreshed().await;
    for n in 0..10 {
        T.create(&world, &format!("m{n}")).await.assert_success();
    }
    assert_eq!(spread(&world).await, [5, 5, 0]);
    let (status, body) = readiness(&world).await;
    assert_eq!((status, &body["ready"]), (200, &json!(true)));
    assert_eq!(body["degraded"][0]["part"], "metrics", "{body}");
    assert!(shown().contains("bigblueswarm_metrics_stale 1"), "{}", shown());

    // Long after the last reading nothing is known any more: still ready, and placed by our own count.
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(spread(&world).await, [0; 3], "empty meetings have ended");
    for n in 0..6 {
        T.create(&world, &format!("blind-{n}")).await.assert_success();
    }
    assert_eq!(spread(&world).await, [2; 3]);
    assert_eq!(readiness(&world).await.0, 200);

    measure(&world, &[(60.0, 20.0), (60.0, 20.0), (10.0, 20.0)]).await;
    assert_eq!(placed(&world, "measured-again").await, 3);
    assert_eq!(readiness(&world).await.1["degraded"], json!([]));
    assert!(shown().contains("bigblueswarm_metrics_stale 0"), "{}", shown());
}

#[tokio::test(start_paused = true)]
async fn p6_what_an_admin_does_counts_for_the_next_request() {
    let world = plan(3).config(|c| c.balancer.policy = Policy::Seed).start().await;
    post_list(&world, &[2, 3]).await;
    assert_eq!(placed(&world, "before").await, 2);
    post_list(&world, &[1, 2, 3]).await;
    assert_eq!(placed(&world, "added").await, 1);

    set(&world, "drain", 1).await;
    assert_eq!(placed(&world, "drained").await, 2);
    T.create(&world, "added").await.assert_success();
    T.info(&world, "added").await.assert_success();
    assert_eq!(world.homes("added").await, [1], "a running meeting stays");

    set(&world, "enable", 1).await;
    assert_eq!(placed(&world, "enabled").await, 1);

    set(&world, "disable", 1).await;
    assert_eq!(placed(&world, "disabled").await, 2);
    T.info(&world, "enabled").await.assert_failed(200, "notFound");
    T.join(&world, "enabled").await.assert_failed(200, "meetingUnavailable");
    T.create(&world, "enabled").await.assert_success();
    let to = T.join(&world, "enabled").await.location;
    assert!(to.as_ref().is_some_and(|to| to.contains("s2.example.org")), "{to:?}");

    post_list(&world, &[1, 3]).await;
    assert_eq!(placed(&world, "removed").await, 3);
    T.info(&world, "drained").await.assert_success();
    for meeting in ["before", "drained", "disabled", "enabled"] {
        T.end(&world, meeting).await.assert_success();
    }
    // Empty, it is forgotten with its secret.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let state = world.admin(Method::GET, "/admin/api/instances/state", "").await;
    assert!(!state.body.contains(&world.sims[1].url()), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn p7_no_request_sees_half_a_list_while_lists_are_replaced() {
    const LISTS: [[usize; 2]; 3] = [[1, 2], [3, 4], [2, 5]];
    let world = plan(5).start().await;
    measure(&world, &[(10.0, 20.0); 5]).await;
    post_list(&world, &LISTS[0]).await;
    let in_force = tokio::sync::watch::Sender::new(vec![0]);
    let replacing = async {
        for n in 1..=100 {
            // Between posting and the answer either list may be in force.
            in_force.send_modify(|lists| lists.insert(0, n % 3));
            post_list(&world, &LISTS[n % 3]).await;
            in_force.send_modify(|lists| lists.truncate(1));
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    };
    let creating = async |client: usize| {
        for n in 0..40 {
            let meeting = format!("m-{client}-{n}");
            let mut lists = in_force.subscribe();
            let mut allowed: HashSet<usize> = lists.borrow().iter().copied().collect();
            let watching = async {
                while lists.changed().await.is_ok() {
                    allowed.extend(lists.borrow_and_update().iter());
                }
            };
            let reply = tokio::select! {
                biased;
                reply = T.create(&world, &meeting) => reply,
                () = watching => unreachable!("the sender lives"),
            };
            allowed.extend(in_force.borrow().iter());
            reply.assert_success();
            let homes = world.homes(&meeting).await;
            let listed = |home| allowed.iter().any(|&list| LISTS[list].contains(home));
            assert!(homes.len() == 1 && homes.iter().all(listed), "{homes:?} of {allowed:?}");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    let looking = async {
        for _ in 0..100 {
            let shown = world.admin(Method::GET, "/admin/api/instances", "").await;
            let shown: Vec<Value> = serde_json::from_str(&shown.body).expect("a list");
            let shown: HashSet<_> = shown.iter().filter_map(|one| one["url"].as_str()).collect();
            let whole = LISTS.map(|list| list.map(|n| world.sims[n - 1].url()));
            let is_whole = |list: &[String; 2]| {
                list.iter().map(String::as_str).collect::<HashSet<_>>() == shown
            };
            assert!(whole.iter().any(is_whole), "{shown:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(replacing, looking, join_all((0..8).map(creating)));
}

#[tokio::test(start_paused = true)]
async fn the_admin_surface_explains_each_instance() {
    let mut document = T.document();
    let world = plan(7).config(|c| c.balancer.policy = Policy::Seed).start().await;
    document.instances = world.sims[..6].iter().map(SimServer::url).collect();
    let document = serde_json::to_string(&document).expect("JSON");
    assert_eq!(world.admin(Method::POST, "/admin/api/tenants", &document).await.status, 201);
    let mut loads: HashMap<_, _> = world
        .sims
        .iter()
        .map(id)
        .zip([load(30.0, 20.0), load(10.0, 20.0), load(95.0, 1.0), load(1.0, 1.0)])
        .collect();
    loads.insert(id(&world.sims[5]), Load { online: Some(false), ..load(1.0, 1.0) });
    world.loads.say(loads);
    world.refreshed().await;
    set(&world, "drain", 4).await;
    let explained = explain(&world).await;
    assert_eq!((&explained["policy"], &explained["blind"]), (&json!("seed"), &json!(false)));
    let verdicts = explained["instances"].as_array().expect("verdicts");
    assert_eq!(verdicts.len(), 7);
    let of = |n: usize| {
        let url = world.sims[n - 1].url();
        verdicts.iter().find(|one| one["instance"] == url).expect("a verdict for each")
    };
    let check = |n: usize, rank: Option<u64>, why: &str| {
        let verdict = of(n);
        assert_eq!(verdict["rank"].as_u64(), rank, "S{n}: {verdict}");
        assert!(verdict["why"].as_str().is_some_and(|said| said.contains(why)), "S{n}: {verdict}");
    };
    check(2, Some(1), "cpu 10.0 % + mem 20.0 %");
    check(1, Some(2), "cpu 30.0 % + mem 20.0 %");
    check(3, None, "cpu 95.0 % is over the limit of 90 %");
    check(4, None, "draining");
    check(5, None, "no measurements, others have");
    check(6, None, "offline");
    check(7, None, "not in the tenant's pool");
    assert_eq!(placed(&world, "m1").await, 2, "and so it is done");
    let nobody = world.admin(Method::GET, "/admin/api/placement?tenant=nobody", "").await;
    assert_eq!(nobody.status, 404, "{nobody:?}");
}

async fn explain(world: &World) -> Value {
    let path = format!("/admin/api/placement?tenant={}", T.host);
    serde_json::from_str(&world.admin(Method::GET, &path, "").await.body).expect("JSON")
}

pub(crate) async fn readiness(world: &World) -> (u16, Value) {
    let request = http::Request::get("/readyz").body(axum::body::Body::empty());
    let Reply { status, body, .. } = world.send(request.expect("a request")).await;
    (status.as_u16(), serde_json::from_str(&body).expect("JSON"))
}

/// Posts a list of these servers.
async fn post_list(world: &World, servers: &[usize]) {
    let sims = servers.iter().map(|n| &world.sims[n - 1]);
    let urls: HashMap<_, _> = sims.map(|sim| (sim.url(), sim.secret().reveal())).collect();
    let list = json!({"kind": "InstanceList", "instances": urls}).to_string();
    let reply = world.admin(Method::POST, "/admin/api/instances", &list).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

async fn set(world: &World, what: &str, server: usize) {
    let path = format!("/admin/api/instances/{what}?url={}", world.sims[server - 1].url());
    let reply = world.admin(Method::POST, &path, "").await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

#[test]
fn a_log_hears_a_place_that_another_thread_came_to_first() {
    let log = Log::start();
    let say = || tracing::warn!("said by any thread");
    std::thread::spawn(say).join().expect("it says it");
    say();
    assert_eq!(log.lines("WARN", "said by any thread"), 1, "{}", log.text());
}

/// What this story's thread logs.
pub(crate) struct Log {
    file: NamedTempFile,
    _guard: tracing::subscriber::DefaultGuard,
    /// While there is one subscriber only, tracing asks that of the thread which comes first to a place that logs, and
    /// keeps the answer: another story's thread would silence the place for this one.
    _second: tracing::Dispatch,
}

impl Log {
    pub(crate) fn start() -> Self {
        let file = NamedTempFile::new().expect("a file");
        let writer: Arc<File> = Arc::new(file.reopen().expect("the same file"));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        let second =
            tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
        let guard = tracing::subscriber::set_default(subscriber);
        Self { file, _guard: guard, _second: second }
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.file.path()).expect("the log")
    }

    pub(crate) fn lines(&self, level: &str, what: &str) -> usize {
        self.text().lines().filter(|line| line.contains(level) && line.contains(what)).count()
    }
}
