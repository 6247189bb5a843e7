//! Instances that were taken out of the list with something left on them.

use std::time::Duration;

use bigblueswarm::sim::{Fault, SimServer};
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::spelling::{begin, post, state};
use crate::recordings::{A_POLL, add, listed, of_t};
use crate::world::{Reply, T, World, plan};

/// Posts a list of these servers only.
async fn keep_only(world: &World, sims: &[&SimServer]) -> Value {
    let list: Vec<_> = sims.iter().map(|sim| (sim.url(), sim.secret().reveal())).collect();
    let reply = post(world, &list).await;
    assert_eq!(reply.status, 201);
    if reply.body.is_empty() { Value::Null } else { body(&reply) }
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).expect("JSON")
}

/// What the state says of a server; nothing where it does not name it.
pub(super) async fn row(world: &World, sim: &SimServer) -> Option<Value> {
    state(world).await.into_iter().find(|row| row["url"] == json!(sim.url()))
}

pub(super) async fn forget(world: &World, url: &str) -> Reply {
    world.admin(Method::POST, &format!("/admin/api/instances/forget?url={url}"), "").await
}

#[tokio::test(start_paused = true)]
async fn x7_a_silent_instance_that_was_taken_out_is_kept_with_its_meetings_until_seen_empty() {
    let world = plan(2).start().await;
    begin(&world).await;
    let [first, second] = [&world.sims[0], &world.sims[1]];
    let mine: Vec<_> = first.meetings().await;
    let internal = |id: &str| mine.iter().find(|m| m.id == id).map(|m| m.internal_id.clone());
    let ids: Vec<&str> =
        ["full", "empty", "third"].into_iter().filter(|id| internal(id).is_some()).collect();
    let said = keep_only(&world, &[second]).await;
    assert_eq!(said["retired"][0]["url"], json!(first.url()));
    assert_eq!(said["retired"][0]["meetings"], json!(mine.len()));
    first.faults().set(Fault::Hang).await;
    for _ in 0..6 {
        sleep(Duration::from_secs(10)).await;
        let row = row(&world, first).await.expect("shown while it is silent");
        assert_eq!((&row["retired"], &row["meetings"]), (&json!(true), &json!(mine.len())));
    }
    let silent = row(&world, first).await.expect("shown");
    assert!(silent["kept"].as_str().is_some_and(|why| why.contains("does not answer")), "{silent}");
    assert!(silent["silent_for"].as_u64().is_some_and(|s| (10..=60).contains(&s)), "{silent}");
    assert_eq!(silent["retired_for"], json!(60));
    first.faults().clear().await;
    sleep(Duration::from_secs(35)).await;
    for id in &ids {
        T.info(&world, id).await.assert_success();
        T.create(&world, id).await.assert_success();
        let copies = world.homes(id).await.len();
        let theirs = usize::from(*id == "full");
        assert_eq!(copies, 1 + theirs, "{id}: no second copy");
    }
    assert!(row(&world, first).await.is_some());
    first.forget_meetings().await;
    sleep(Duration::from_secs(45)).await;
    assert_eq!(row(&world, first).await, None, "it said that it is empty");
}

#[tokio::test(start_paused = true)]
async fn x8_recordings_of_an_instance_that_was_taken_out_do_not_vanish_unsaid() {
    let world = plan(2).start().await;
    add(&world, 1, of_t("a", 10)).await;
    let theirs = [add(&world, 2, of_t("b", 20)).await, add(&world, 2, of_t("c", 30)).await];
    sleep(A_POLL).await;
    let [first, second] = [&world.sims[0], &world.sims[1]];
    let said = keep_only(&world, &[first]).await;
    let left = json!([(second.url(), 0, 2)]);
    let told = &said["retired"][0];
    assert_eq!(json!([(&told["url"], &told["meetings"], &told["recordings"])]), left);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(listed(&world, T, "").await.len(), 3);
    let again = plan(2).on(&world).store(world.store.clone()).with_what_is_stored();
    world.swarm.stop().await;
    let world = again.start().await;
    let second = &world.sims[1];
    second.faults().set(Fault::Refuse).await;
    sleep(Duration::from_secs(120)).await;
    assert_eq!(listed(&world, T, "").await.len(), 3);
    let shown = row(&world, second).await.expect("shown while it has recordings");
    assert_eq!(shown["recordings"], json!(2));
    assert!(shown["kept"].as_str().is_some_and(|why| why.contains("recordings: 2")), "{shown}");
    second.faults().clear().await;
    sleep(Duration::from_secs(60)).await;
    let ids = theirs.join(",");
    T.call(&world, "deleteRecordings", &format!("recordID={ids}")).await.assert_success();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(row(&world, second).await, None, "nothing is left on it");
    assert_eq!(listed(&world, T, "").await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_admin_who_has_an_instance_forgotten_is_told_what_is_lost() {
    let world = plan(2).start().await;
    begin(&world).await;
    let [first, second] = [&world.sims[0], &world.sims[1]];
    let url = first.url();
    assert_eq!(forget(&world, &url).await.status, 409, "it is listed");
    assert_eq!(forget(&world, "http://nobody.example.org/b").await.status, 404);
    let meetings = first.meetings().await.len();
    keep_only(&world, &[second]).await;
    let lost = forget(&world, &format!("{url}/")).await;
    assert_eq!(lost.status, 200);
    assert_eq!(body(&lost)["meetings"], json!(meetings));
    assert_eq!(row(&world, first).await, None);
    assert_eq!(state(&world).await.len(), 1);
}
