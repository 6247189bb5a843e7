//! Row O1: the program is killed again and again during creates; every acknowledged one is found.

use std::collections::HashMap;
use std::time::Duration;

use bigblueswarm::sim::client::{Reply, Web};
use bigblueswarm::sim::{BbbClient, SimHandle};
use futures_util::future::join_all;
use rand::RngExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::program::{Home, PATIENTLY, Program, servers};
use crate::services::redis::RedisServer;
use crate::world::T;

const KILLS: usize = 20;
const CLIENTS: usize = 50;
/// So many creates are acknowledged in each life at least, be the machine as busy as it may.
const A_LIFE: usize = 10;

/// An acknowledged create: the meeting, and what the answer called it.
struct Made {
    meeting: String,
    internal: String,
}

/// Creates meeting after meeting. One that was not acknowledged is created again, as front ends do.
async fn creates(
    client: usize,
    home: &Home,
    stop: watch::Receiver<bool>,
    acknowledged: &watch::Sender<usize>,
) -> Vec<Made> {
    let caller = BbbClient::new(&format!("http://{}/bigbluebutton", home.address), T.secret);
    let caller = caller.host(T.host).through(Web::default().within(Duration::from_secs(30)));
    let mut made = Vec::new();
    for n in 0.. {
        let meeting = format!("m-{client}-{n}");
        let query = format!("name=Room&meetingID={meeting}");
        let began = Instant::now();
        let internal = loop {
            let reply = caller.get("create", &query).await;
            if let Some(reply) = reply.ok().filter(|reply| reply.succeeded()) {
                break reply.value("internalMeetingID").expect("an id");
            }
            assert!(began.elapsed() < PATIENTLY, "{meeting} is never created");
            sleep(Duration::from_millis(10)).await;
        };
        made.push(Made { meeting, internal });
        acknowledged.send_modify(|count| *count += 1);
        if *stop.borrow() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    made
}

/// Kills the program at random moments of the storm; the last one is left running.
async fn kill_again_and_again(
    home: &Home,
    mut program: Program,
    acknowledged: &watch::Sender<usize>,
) -> Program {
    let mut acknowledged = acknowledged.subscribe();
    for _ in 0..KILLS {
        let enough = *acknowledged.borrow() + A_LIFE;
        let lives = timeout(PATIENTLY, acknowledged.wait_for(|&count| count >= enough));
        lives.await.expect("creates are acknowledged").expect("there are clients");
        sleep(Duration::from_millis(rand::rng().random_range(0..400))).await;
        program.kill();
        program = home.start().await;
    }
    program
}

async fn every_acknowledged_create_is_found(home: Home) {
    let sims = servers(3).await;
    let program = home.start().await;
    program.register(&sims).await;
    program.ready().await;
    let stop = watch::Sender::new(false);
    let acknowledged = watch::Sender::new(0);
    let clients = (0..CLIENTS).map(|n| creates(n, &home, stop.subscribe(), &acknowledged));
    let storm = join_all(clients);
    let killing = async {
        let program = kill_again_and_again(&home, program, &acknowledged).await;
        stop.send_replace(true);
        program
    };
    let (made, program) = tokio::join!(storm, killing);
    let made: Vec<Made> = made.into_iter().flatten().collect();
    assert!(made.len() >= KILLS * A_LIFE, "only {} creates", made.len());
    program.ready().await;
    let client = program.client(T);
    let whereabouts = whereabouts(&sims).await;
    for part in made.chunks(32) {
        join_all(part.iter().map(async |Made { meeting, internal }| {
            let home = whereabouts.get(internal).unwrap_or_else(|| panic!("{meeting} is gone"));
            let query = format!("meetingID={meeting}");
            let info = known(&client, "getMeetingInfo", &query).await;
            let told = info.value("internalMeetingID");
            assert_eq!(told.as_ref(), Some(internal), "{meeting}: {}", info.text());
            let query = format!("fullName=Ada&meetingID={meeting}&role=VIEWER");
            let join = known(&client, "join", &query).await;
            let to = join.location().unwrap_or_default();
            assert!(to.starts_with(home.as_str()), "{meeting} is on {home}, not at {to}");
        }))
        .await;
    }
    assert_one_copy_each(&sims, &made).await;
}

/// The answer, once it is no 5xx: on a busy machine it may not be known at once. What is told as gone fails the story.
async fn known(client: &BbbClient, call: &str, query: &str) -> Reply {
    let began = Instant::now();
    loop {
        let reply = client.get(call, query).await.expect("an answer");
        if !reply.status.is_server_error() || began.elapsed() > PATIENTLY {
            return reply;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// On which server each meeting is, by its internal id.
async fn whereabouts(sims: &[SimHandle]) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for sim in sims {
        for meeting in sim.server.meetings().await.into_iter().filter(|m| m.lives()) {
            found.insert(meeting.internal_id, sim.server.origin());
        }
    }
    found
}

/// A copy that a create left where it was given up is ended by a sweep; none may stay.
async fn assert_one_copy_each(sims: &[SimHandle], made: &[Made]) {
    let began = Instant::now();
    loop {
        let mut copies: HashMap<String, usize> = HashMap::new();
        for sim in sims {
            for meeting in sim.server.meetings().await.into_iter().filter(|m| m.lives()) {
                *copies.entry(meeting.id).or_default() += 1;
            }
        }
        let wrong = made.iter().filter(|made| copies.get(&made.meeting) != Some(&1)).count();
        if wrong == 0 {
            return;
        }
        assert!(began.elapsed() < PATIENTLY, "{wrong} meetings are not on one server alone");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_every_acknowledged_create_outlives_kill_9_on_the_embedded_store() {
    every_acknowledged_create_is_found(Home::new("")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o1_every_acknowledged_create_outlives_kill_9_on_redis() {
    let redis = RedisServer::start();
    every_acknowledged_create_is_found(Home::on_redis(&redis)).await;
}
