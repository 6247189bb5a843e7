//! The hostile pair over kill -9 and over replicas of the built program.

use bigblueswarm::sim::{BbbClient, SimHandle};

use super::*;
use crate::program::{Home, Program, servers, until};
use crate::services::redis::RedisServer;
use crate::world::{T, U};

const LESSON: &str = "lesson";

async fn made(client: &BbbClient, by: Client, meeting: &str) -> String {
    let mark = mark(by);
    let query = format!("name={mark}&meetingID={meeting}&meta_word={mark}");
    let reply = client.get("create", &query).await.expect("an answer");
    assert!(reply.succeeded(), "{meeting}: {}", reply.text());
    reply.value("internalMeetingID").expect("an id")
}

/// U's meeting and those that T names so that they could be it.
async fn hostile_pair(t: &BbbClient, u: &BbbClient) -> Vec<(String, String)> {
    let internal = made(u, U, LESSON).await;
    let hash = sha1_hex(LESSON);
    let mut all = Vec::new();
    for name in [&hash[..2], &hash[..8], &hash, &internal] {
        all.push((name.to_owned(), made(t, T, name).await));
    }
    all
}

async fn info(client: &BbbClient, meeting: &str) -> bigblueswarm::sim::client::Reply {
    client.get("getMeetingInfo", &format!("meetingID={meeting}")).await.expect("an answer")
}

/// Every meeting is known by its own id, to its own tenant.
async fn every_one_is_its_own(t: &BbbClient, u: &BbbClient, all: &[(String, String)]) {
    for (name, internal) in all {
        let said = info(t, name).await;
        assert_eq!(said.value("internalMeetingID").as_ref(), Some(internal), "{}", said.text());
        let query = format!("fullName=Ada&meetingID={name}&role=VIEWER");
        let join = t.get("join", &query).await.expect("an answer");
        let to = join.location().unwrap_or_default().to_owned();
        assert!(to.contains(internal), "{name} goes to {to}");
    }
    let lesson = info(u, LESSON).await;
    assert!(lesson.text().contains(&mark(U)) && !lesson.text().contains(&mark(T)));
}

async fn each_end_is_its_own(t: &BbbClient, all: &[(String, String)], sims: &[SimHandle]) {
    for (name, internal) in all {
        let ended = t.get("end", &format!("meetingID={name}")).await.expect("an answer");
        assert!(ended.succeeded(), "{name}: {}", ended.text());
        let mut left = Vec::new();
        for sim in sims {
            left.extend(sim.server.meetings().await.into_iter().filter(|m| m.lives()));
        }
        assert!(left.iter().all(|meeting| meeting.internal_id != *internal), "{name} lives");
        assert!(left.iter().any(|meeting| meeting.id == LESSON), "{name} ended U's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_after_kill_9_every_meeting_is_still_its_own() {
    let (home, sims) = (Home::new(""), servers(2).await);
    let program = home.start().await;
    program.register(&sims).await;
    program.ready().await;
    let all = hostile_pair(&program.client(T), &program.client(U)).await;
    program.kill();
    let program = home.start().await;
    program.ready().await;
    let (t, u) = (program.client(T), program.client(U));
    every_one_is_its_own(&t, &u, &all).await;
    each_end_is_its_own(&t, &all, &sims).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_on_every_replica_every_meeting_is_its_own() {
    let (redis, sims) = (RedisServer::start(), servers(2).await);
    let homes: Vec<_> = (0..2).map(|_| Home::on_redis(&redis)).collect();
    let (first, second) = (homes[0].start().await, homes[1].start().await);
    first.register(&sims).await;
    let both = [first, second];
    for program in &both {
        program.ready().await;
        until("the tenants are known", async || {
            !info(&program.client(T), "zz").await.text().contains("tenant")
        })
        .await;
    }
    let clients = |program: &Program| (program.client(T), program.client(U));
    let [(t1, u1), (t2, u2)] = both.each_ref().map(clients);
    let all = hostile_pair(&t1, &u2).await;
    every_one_is_its_own(&t2, &u1, &all).await;
    every_one_is_its_own(&t1, &u2, &all).await;
    // Named by its internal id, through the replica that did not make it.
    let (name, internal) = &all[0];
    assert_eq!(info(&t2, internal).await.value("meetingID").as_ref(), Some(name));
    assert!(!info(&u1, internal).await.succeeded());
    each_end_is_its_own(&t2, &all, &sims).await;
}
