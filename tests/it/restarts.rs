//! Stories about actors that end: callers notice a short wait, and a program that can't go on says so.

use std::future::pending;
use std::time::Duration;

use bigblueswarm::actors::supervisor::Role;
use bigblueswarm::app::ServeError;
use bigblueswarm::domain::instance::{Health, Roster};
use bigblueswarm::sim::Fault;
use futures_util::future::join_all;
use http::Method;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{KEY, Reply, T, World, id, plan};

const ROLES: [Role; 7] = [
    Role::Lists,
    Role::Hooks,
    Role::Meetings,
    Role::Metrics,
    Role::Tenants,
    Role::Registry,
    Role::Settings,
];

/// How long a client may wait while an actor starts again.
const SHORT: Duration = Duration::from_millis(900);

fn crash(world: &World, role: Role) {
    world.swarm.world.actors.crash(role);
}

/// One of each call, for a meeting that lives and for new ones; what each was and its answer.
async fn one_of_each(world: &World, n: usize) -> Vec<(&'static str, Reply)> {
    let (new, known) = (format!("new-{n}"), "known");
    let running = T.call(world, "isMeetingRunning", "meetingID=known");
    let (create, again, info, join, list, running, admin) = tokio::join!(
        T.create(world, &new),
        T.create(world, known),
        T.info(world, known),
        T.join(world, known),
        T.call(world, "getMeetings", ""),
        running,
        world.admin(Method::GET, "/admin/api/instances", ""),
    );
    vec![
        ("create", create),
        ("create again", again),
        ("getMeetingInfo", info),
        ("join", join),
        ("getMeetings", list),
        ("isMeetingRunning", running),
        ("admin", admin),
    ]
}

#[track_caller]
fn assert_good(role: Role, replies: &[(&str, Reply)], world: &World) {
    for (call, reply) in replies {
        let good = match *call {
            "join" => reply.location.as_ref().is_some_and(|to| to.contains("s1.example.org")),
            "getMeetings" => reply.succeeded() && reply.body.contains("<meetingID>known<"),
            "admin" => world.sims.iter().all(|sim| reply.body.contains(&sim.url())),
            _ => reply.succeeded(),
        };
        assert!(good, "{role:?}, {call}: {reply:?}");
    }
}

async fn survives(role: Role) {
    let world = plan(3).start().await;
    T.create(&world, "known").await.assert_success();
    assert_eq!(world.homes("known").await, [1]);
    for sim in &world.sims {
        for call in ["create", "getMeetingInfo", "getMeetings"] {
            sim.faults().on(call).set(Fault::Slow(Duration::from_millis(20))).await;
        }
    }
    for round in 0..3 {
        crash(&world, role);
        sleep(Duration::from_millis(1)).await;
        // Clients come at every moment around the actor's death and its return.
        let clients = (0..25).map(async |n: usize| {
            sleep(Duration::from_millis(8 * n as u64)).await;
            let began = Instant::now();
            let replies = one_of_each(&world, 100 * round + n).await;
            assert!(began.elapsed() < SHORT, "{role:?}: a client waited {:?}", began.elapsed());
            assert_good(role, &replies, &world);
        });
        join_all(clients).await;
        for n in 0..25 {
            let meeting = format!("new-{}", 100 * round + n);
            assert_eq!(world.homes(&meeting).await.len(), 1, "{role:?}: {meeting}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn clients_notice_no_more_than_a_short_wait_when_an_actor_ends_under_load() {
    for role in ROLES {
        survives(role).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_dies_with_its_actor_is_refused_and_may_be_asked_again() {
    for role in ROLES {
        let world = plan(3).start().await;
        T.create(&world, "known").await.assert_success();
        crash(&world, role);
        // These reach the mailbox behind what ends the actor.
        for (call, reply) in one_of_each(&world, 0).await {
            let refused = reply.status == 500 && reply.key() == "internalError";
            let admin = call == "admin" && (reply.status == 503 || reply.status == 200);
            let redirected = reply.location.is_some();
            assert!(
                refused || admin || redirected || reply.succeeded(),
                "{role:?}, {call}: {reply:?}"
            );
        }
        let again = one_of_each(&world, 0).await;
        assert_good(role, &again, &world);
        assert_eq!(world.homes("new-0").await.len(), 1, "{role:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_instances_outlives_their_registry() {
    let world = plan(3).start().await;
    world.sims[0].faults().set(Fault::Refuse).await;
    let health =
        |roster: &Roster, n: usize| roster.get(&id(&world.sims[n])).expect("a member").health;
    world.until(|roster| health(roster, 0) == Health::Dead).await;
    crash(&world, Role::Registry);
    sleep(Duration::from_millis(1)).await;
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    assert_eq!((health(&roster, 0), health(&roster, 1)), (Health::Dead, Health::Up));
    sleep(Duration::from_millis(500)).await;
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    assert_eq!((health(&roster, 0), health(&roster, 1)), (Health::Dead, Health::Up));
    T.create(&world, "m1").await.assert_success();
    assert_eq!(world.sims[0].requests_of("create").await.len(), 0, "no create tries a dead one");
    world.sims[0].faults().clear().await;
    world.until(|roster| health(roster, 0) == Health::Up).await;
}

#[tokio::test(start_paused = true)]
async fn last_known_lists_outlive_the_registry() {
    let world = plan(2).start().await;
    T.create(&world, "known").await.assert_success();
    sleep(Duration::from_secs(15)).await;
    crash(&world, Role::Registry);
    sleep(Duration::from_secs(1)).await;
    world.sims[0].faults().on("getMeetings").set(Fault::Internal).await;
    let listed = T.call(&world, "getMeetings", "").await;
    assert!(listed.assert_success().body.contains("<meetingID>known<"), "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_keeps_ending_ends_the_program_within_a_minute() {
    for role in [Role::Meetings, Role::Lists] {
        let World { swarm, folder, .. } = plan(1).start().await;
        let actors = swarm.world.actors.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let began = Instant::now();
        let crashing = async {
            loop {
                actors.crash(role);
                sleep(Duration::from_millis(10)).await;
            }
        };
        let serving = timeout(Duration::from_secs(120), swarm.serve(listener, pending()));
        let ended = tokio::select! {
            ended = serving => ended.expect("it ends"),
            () = crashing => unreachable!("it has no end"),
        };
        assert!(matches!(ended, Err(ServeError::Fault(_))), "{role:?}: {ended:?}");
        assert!(began.elapsed() < Duration::from_secs(60), "{role:?}: {:?}", began.elapsed());
        drop(folder);
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_ends_now_and_then_ends_nothing() {
    let world = plan(1).start().await;
    let actors = world.swarm.world.actors.clone();
    for n in 0..60 {
        actors.crash(ROLES[n % ROLES.len()]);
        sleep(Duration::from_secs(8)).await;
        T.create(&world, &format!("m{n}")).await.assert_success();
    }
    let shown = world.admin(Method::GET, "/admin/api/instances", "").await;
    assert!(shown.status == 200 && !shown.body.contains(KEY), "{shown:?}");
}
