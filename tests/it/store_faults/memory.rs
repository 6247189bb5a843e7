//! F7 and F9: how long memory may answer, and how long the store is doubted.

use bigblueswarm::sim::client::Web;
use bigblueswarm::sim::{BbbClient, Fault, SimHandle};

use super::*;
use crate::program::{Home, Program, servers};

/// For so long a replica is stopped.
const ASLEEP: Duration = Duration::from_secs(6);
/// `health.unknownFor` of the stories about doubt.
const UNKNOWN_FOR: Duration = Duration::from_secs(6);

fn create(room: &str) -> String {
    format!("name=Room&meetingID={room}")
}

/// Number, from 1, of the server on which the meeting was made.
async fn made_on(sims: &[SimHandle], meeting: &str) -> usize {
    for (n, sim) in sims.iter().enumerate() {
        if sim.server.meeting(meeting).await.is_some() {
            return n + 1;
        }
    }
    panic!("{meeting} is nowhere");
}

async fn set_instance(program: &Program, what: &str, sim: &SimHandle) {
    let path = format!("instances/{what}?url={}", sim.url);
    assert_eq!(program.admin(Method::POST, &path, "").await.status, 204);
}

/// Ends a room and opens it again on the other server; its new internal id.
async fn reopen(other: &Program, client: &BbbClient, sims: &[SimHandle], room: &str) -> String {
    let old = made_on(sims, room).await;
    let end = client.get("end", &format!("meetingID={room}")).await.expect("an answer");
    assert!(end.succeeded(), "{}", end.text());
    set_instance(other, "drain", &sims[old - 1]).await;
    let made = client.get("create", &create(room)).await.expect("an answer");
    assert!(made.succeeded(), "{}", made.text());
    set_instance(other, "enable", &sims[old - 1]).await;
    assert_eq!(made_on(sims, room).await, 3 - old);
    made.value("internalMeetingID").expect("an id")
}

/// Every call waits in a socket of the stopped process, and is answered by what is true when it goes on.
async fn f7_a_replica_that_slept_answers_nothing_from_before_without_reading_the_store<
    D: Deployment,
>() {
    let deployment = D::start();
    let sims = servers(2).await;
    let homes = [Home::new(&deployment.section()), Home::new(&deployment.section())];
    let [sleeper, other] = [homes[0].start().await, homes[1].start().await];
    sleeper.register(&sims).await;
    sleeper.ready().await;
    other.ready().await;
    let web = Web::default().within(Duration::from_secs(60));
    let client = |program: &Program| program.client(T).through(web.clone());
    let (slow, quick) = (client(&sleeper), client(&other));
    let rooms: Vec<_> = (0..4).map(|n| format!("room{n}")).collect();
    let join = |room: &str| format!("fullName=Ada&meetingID={room}&role=VIEWER");
    for room in &rooms {
        let made = slow.get("create", &create(room)).await.expect("an answer");
        assert!(made.succeeded(), "{}", made.text());
        assert!(slow.get("join", &join(room)).await.expect("an answer").location().is_some());
    }
    sleeper.signal("-STOP");
    let mut now = Vec::new();
    for room in &rooms {
        let id = reopen(&other, &quick, &sims, room).await;
        now.push((made_on(&sims, room).await, id));
    }
    let calls = (0..25 * rooms.len()).map(|n| (n / rooms.len(), n % rooms.len()));
    let calls = calls.map(|(n, room)| (n, &rooms[room], &now[room].1, &sims[now[room].0 - 1]));
    let asking = join_all(calls.map(async |(n, room, id, home)| match n % 5 {
        0 => {
            let info = slow.get("getMeetingInfo", &format!("meetingID={room}")).await;
            let info = info.expect("an answer");
            assert_eq!(info.value("internalMeetingID").as_ref(), Some(id), "{}", info.text());
        }
        1 => {
            let again = slow.get("create", &create(room)).await.expect("an answer");
            assert_eq!(again.value("internalMeetingID").as_ref(), Some(id), "{}", again.text());
        }
        _ => {
            let joined = slow.get("join", &join(room)).await.expect("an answer");
            let to = joined.location().unwrap_or_default();
            let origin = home.url.trim_end_matches("/bigbluebutton");
            assert!(to.starts_with(origin), "{room}: {to} {}", joined.text());
        }
    }));
    let waking = async {
        sleep(ASLEEP).await;
        sleeper.signal("-CONT");
    };
    tokio::join!(asking, waking);
}

/// While nothing is heard of what others change, the store is read.
async fn f7_a_replica_that_hears_nothing_reads_the_store<D: Deployment>() {
    let deployment = D::start();
    let a = first_replica(2, deployment.store()).await;
    let store = faulty_store::FaultyStore::new(deployment.store());
    let b = further_replica(&a, store.clone()).start().await;
    let rooms = rooms_known_to_both([&a, &b], 8).await;
    store.set(faulty_store::Link::Silent);
    sleep(deployment::LEASE_EXPIRED).await;
    for room in &rooms {
        let (home, id) = reopen_elsewhere(&a, room).await;
        set(&a, "enable", 3 - home).await;
        assert!(joins_on(T, &b, room, home).await, "{room}");
        assert_eq!(internal_id(&T.info(&b, room).await), id, "{room}");
    }
}

/// Which servers are asked for a meeting that is nowhere, as their numbers.
async fn asked(world: &World) -> Vec<usize> {
    for sim in &world.sims {
        sim.clear_requests().await;
    }
    if !matches!(T.info(world, "nowhere").await.key(), "notFound") {
        return vec![0];
    }
    let mut asked = Vec::new();
    for (n, sim) in world.sims.iter().enumerate() {
        if !sim.requests_of("getMeetingInfo").await.is_empty() {
            asked.push(n + 1);
        }
    }
    asked
}

async fn f9_only_who_was_not_swept_since_is_asked_and_not_for_ever<D: Deployment>() {
    let deployment = D::start();
    let doubting = |plan: Plan| plan.config(|config| config.health.unknown_for = UNKNOWN_FOR);
    let world = doubting(plan(3).config(quick)).store(deployment.store()).start().await;
    for fault in [Fault::ChecksumError, Fault::Hang] {
        within(PATIENTLY, "all is known", async || asked(&world).await.is_empty()).await;
        world.sims[2].faults().on("getMeetings").set(fault).await;
        deployment.flush();
        within(PATIENTLY, "in doubt", async || !asked(&world).await.is_empty()).await;
        within(PATIENTLY, "known of the others", async || asked(&world).await == [3]).await;
        within(PATIENTLY, "waited for long enough", async || asked(&world).await.is_empty()).await;
        world.sims[2].faults().clear().await;
        until_swept(&world, 3, 2).await;
    }
}

on_shared_stores! {
    f7_a_replica_that_slept_answers_nothing_from_before_without_reading_the_store
    f7_a_replica_that_hears_nothing_reads_the_store
    f9_only_who_was_not_swept_since_is_asked_and_not_for_ever
}
