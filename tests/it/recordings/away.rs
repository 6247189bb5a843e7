//! Stories R7 and R8: recordings that are new, and those of instances that are away.

use std::time::Duration;

use bigblueswarm::actors::supervisor::Role;
use bigblueswarm::sim::Fault;

use super::{A_POLL, add, listed, meetings, of_t, of_u};
use crate::world::{T, plan};

#[tokio::test(start_paused = true)]
async fn r7_a_new_recording_is_found_before_the_next_poll() {
    let world = plan(2).start().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let published = add(&world, 2, of_t("a", 10)).await;
    let updated = add(&world, 1, of_t("b", 20)).await;
    let deleted = add(&world, 2, of_t("c", 30)).await;
    let publish = format!("recordID={published}&publish=false");
    T.call(&world, "publishRecordings", &publish).await.assert_success();
    T.call(&world, "updateRecordings", &format!("recordID={updated}&meta_x=1"))
        .await
        .assert_success();
    T.call(&world, "deleteRecordings", &format!("recordID={deleted}")).await.assert_success();
    assert_eq!(listed(&world, T, "").await, ["b", "a"]);
    let start_only = format!("recordID={}", &published[..41]);
    T.call(&world, "deleteRecordings", &start_only).await.assert_failed(200, "notFound");
    let asked = world.asked("getRecordings").await;
    T.call(&world, "publishRecordings", &publish).await.assert_success();
    let now = world.asked("getRecordings").await;
    assert_eq!(now, asked + 1, "nobody is asked for it, but its instance for what became of it");
}

#[tokio::test(start_paused = true)]
async fn r8_an_instance_that_is_away_loses_none_of_its_recordings() {
    let world = plan(2).start().await;
    for n in 0..130_u64 {
        add(&world, 2, of_t(&format!("m{n}"), 1_000 + n).with("n", &n.to_string())).await;
    }
    add(&world, 2, of_u("theirs", 5)).await;
    let here = add(&world, 1, of_t("here", 10)).await;
    let away = of_t("m7", 1_007).record_id;
    tokio::time::sleep(A_POLL).await;
    for fault in [Fault::Hang, Fault::Internal, Fault::Garbage, Fault::Refuse] {
        world.sims[1].faults().set(fault.clone()).await;
        let all = listed(&world, T, "").await;
        assert_eq!((all.len(), all[0].as_str()), (131, "m129"), "{fault:?}");
        let page = T.call(&world, "getRecordings", "limit=10&offset=125").await;
        assert_eq!((meetings(&page).len(), page.value("totalElements")), (6, "131"), "{fault:?}");
        assert_eq!(listed(&world, T, "meetingID=m7").await, ["m7"], "{fault:?}");
        assert_eq!(listed(&world, T, "meta_n=12%25").await.len(), 11, "{fault:?}");
        let gone =
            T.call(&world, "publishRecordings", &format!("recordID={away}&publish=false")).await;
        gone.assert_failed(500, "internalError");
        let both = format!("recordID={away},{here}&publish=true");
        T.call(&world, "publishRecordings", &both).await.assert_success();
        // Dead, and through a poll.
        tokio::time::sleep(A_POLL).await;
        assert_eq!(listed(&world, T, "").await.len(), 131, "{fault:?}");
        world.sims[1].faults().clear().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    T.call(&world, "deleteRecordings", &format!("recordID={away}")).await.assert_success();
    assert_eq!(listed(&world, T, "").await.len(), 130);
}

#[tokio::test(start_paused = true)]
async fn r8_what_was_deleted_or_unpublished_does_not_come_back_while_its_instance_is_away() {
    let world = plan(2).start().await;
    let deleted = add(&world, 2, of_t("a", 10)).await;
    let hidden = add(&world, 2, of_t("b", 20)).await;
    add(&world, 2, of_t("c", 30)).await;
    tokio::time::sleep(A_POLL).await;
    T.call(&world, "deleteRecordings", &format!("recordID={deleted}")).await.assert_success();
    let unpublish = format!("recordID={hidden}&publish=false");
    T.call(&world, "publishRecordings", &unpublish).await.assert_success();
    world.sims[1].faults().set(Fault::Refuse).await;
    assert_eq!(listed(&world, T, "state=published").await, ["c"]);
    let metrics = bigblueswarm::http::metrics::recorder().render();
    assert!(metrics.contains("bigblueswarm_recordings_lists_stale_total"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn r8_nothing_is_said_to_be_gone_that_could_not_be_asked_for() {
    let world = plan(2).start().await;
    let away = add(&world, 2, of_t("a", 10)).await;
    world.sims[1].faults().set(Fault::Refuse).await;
    let heard = plan(2).on(&world).store(world.store.clone()).start_unready().await;
    let delete = format!("recordID={away}");
    // At once, and when its meetings are given up: its recordings are not.
    for wait in [1, 150] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        T.call(&heard, "deleteRecordings", &delete).await.assert_failed(500, "internalError");
    }
    world.sims[1].faults().clear().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    T.call(&heard, "deleteRecordings", &delete).await.assert_success();
    T.call(&heard, "deleteRecordings", "recordID=nope").await.assert_failed(200, "notFound");
}

#[tokio::test(start_paused = true)]
async fn r8_the_actor_learns_all_again_after_a_crash() {
    let world = plan(2).start().await;
    let id = add(&world, 2, of_t("a", 10)).await;
    tokio::time::sleep(A_POLL).await;
    world.swarm.world.actors.crash(Role::Recordings);
    let reply = T.call(&world, "publishRecordings", &format!("recordID={id}&publish=true")).await;
    reply.assert_success();
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.sims[1].faults().set(Fault::Internal).await;
    assert_eq!(listed(&world, T, "").await, ["a"]);
}
