//! Stories R8: what is known of recordings survives a restart.

use std::time::Duration;

use bigblueswarm::domain::instance::Health;
use bigblueswarm::outside::store::Shelf;
use bigblueswarm::sim::Fault;
use http::Method;
use tokio::time::sleep;

use super::{A_POLL, add, listed, meetings, of_t, of_u};
use crate::world::{T, U, World, id, plan};

/// The ids of the recordings that the store keeps.
async fn kept(world: &World) -> Vec<String> {
    let records = world.store.shelf(Shelf::Recordings).await.expect("a shelf");
    records.into_iter().map(|(id, _)| id).collect()
}

/// Waits until an instance is known to be dead.
async fn until_dead(world: &World, at: usize) {
    let id = id(&world.sims[at - 1]);
    world.until(|roster| roster.get(&id).is_some_and(|m| m.health == Health::Dead)).await;
}

#[tokio::test(start_paused = true)]
async fn r8_an_instance_that_is_away_over_a_restart_loses_none_of_its_recordings() {
    let mut world = plan(2).start().await;
    for n in 0..130_u64 {
        add(&world, 2, of_t(&format!("m{n}"), 1_000 + n).with("n", &n.to_string())).await;
    }
    add(&world, 2, of_u("theirs", 5)).await;
    let away = of_t("m7", 1_007).record_id;
    sleep(A_POLL).await;
    assert_eq!(kept(&world).await.len(), 131);
    world.sims[1].faults().set(Fault::Refuse).await;
    let again = plan(2).on(&world).store(world.store.clone()).with_what_is_stored();
    world.swarm.stop().await;
    let again = again.start_unready().await;
    for dead in [false, true] {
        if dead {
            until_dead(&again, 2).await;
        }
        assert_eq!(listed(&again, T, "").await.len(), 130, "dead: {dead}");
        assert_eq!(listed(&again, U, "").await, ["theirs"]);
        let page = T.call(&again, "getRecordings", "limit=10&offset=125").await;
        assert_eq!((meetings(&page).len(), page.value("totalElements")), (5, "130"));
        assert_eq!(listed(&again, T, "meetingID=m7").await, ["m7"]);
        assert_eq!(listed(&again, T, "meta_n=12%25&limit=50").await.len(), 11);
        let unpublish = format!("recordID={away}&publish=false");
        T.call(&again, "publishRecordings", &unpublish).await.assert_failed(500, "internalError");
        let tracks = T.call(&again, "getRecordingTextTracks", &format!("recordID={away}")).await;
        assert!(!tracks.body.contains("noRecordings"), "{tracks:?}");
    }
    world = again;
    world.sims[1].faults().clear().await;
    sleep(Duration::from_secs(60)).await;
    T.call(&world, "deleteRecordings", &format!("recordID={away}")).await.assert_success();
    assert_eq!(listed(&world, T, "").await.len(), 129);
}

#[tokio::test(start_paused = true)]
async fn r8_what_was_deleted_does_not_come_back_over_a_restart() {
    let world = plan(1).start().await;
    let deleted = add(&world, 1, of_t("a", 10)).await;
    add(&world, 1, of_t("b", 20)).await;
    sleep(A_POLL).await;
    T.call(&world, "deleteRecordings", &format!("recordID={deleted}")).await.assert_success();
    sleep(Duration::from_secs(1)).await;
    world.sims[0].faults().set(Fault::Refuse).await;
    let again = plan(1).on(&world).store(world.store.clone()).with_what_is_stored();
    world.swarm.stop().await;
    let again = again.start_unready().await;
    assert_eq!(listed(&again, T, "").await, ["b"]);
    assert_eq!(listed(&again, T, "limit=9").await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn r8_only_what_changed_is_written_and_what_left_the_pool_is_removed() {
    let world = plan(2).start().await;
    let stays = add(&world, 1, of_t("a", 10)).await;
    let leaves = add(&world, 2, of_t("b", 20)).await;
    sleep(A_POLL).await;
    let mut both = vec![stays.clone(), leaves];
    both.sort();
    assert_eq!(kept(&world).await, both);
    // Nothing changed: the record that we take away is not written again.
    world.store.unshelve(Shelf::Recordings, vec![stays.clone()]).await.expect("removed");
    sleep(A_POLL).await;
    assert!(!kept(&world).await.contains(&stays));
    let update = format!("recordID={stays}&meta_x=1");
    T.call(&world, "updateRecordings", &update).await.assert_success();
    sleep(Duration::from_secs(1)).await;
    assert!(kept(&world).await.contains(&stays));
    let one = format!("{{\"{}\":\"{}\"}}", world.sims[0].url(), world.sims[0].secret().reveal());
    let list = format!("{{\"kind\":\"InstanceList\",\"instances\":{one}}}");
    let reply = world.admin(Method::POST, "/admin/api/instances", &list).await;
    assert!(reply.status.is_success(), "{reply:?}");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(kept(&world).await, both, "taken out of the list, it keeps what it has");
    let forget = format!("/admin/api/instances/forget?url={}", world.sims[1].url());
    assert_eq!(world.admin(Method::POST, &forget, "").await.status, 200);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(kept(&world).await, [stays]);
    assert_eq!(listed(&world, T, "").await, ["a"]);
}
