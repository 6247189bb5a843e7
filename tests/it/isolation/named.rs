//! Clients name their own meetings by internal ids, as BBB lets them.

use super::*;
use crate::world::{T, U};

#[tokio::test(start_paused = true)]
async fn a_meeting_is_found_by_its_internal_id_by_its_own_tenant_alone() {
    for kind in KINDS {
        let world = kind.pool(2).start().await;
        let made = create(&world, T, "m1").await;
        let internal = made.assert_success().value("internalMeetingID").to_owned();
        create(&world, U, "m2").await.assert_success();
        for _ in 0..2 {
            let replies = use_it(&world, kind, T, &internal, &[U]).await;
            assert_own(&replies[0].1, T, "m1", kind);
            let too_old = |call: &str| kind.0 < Version::V3_0 && call == "sendChatMessage";
            for (call, reply) in replies.iter().filter(|(call, _)| !too_old(call)) {
                let good = reply.succeeded() || reply.location.is_some();
                assert!(good, "{kind:?}: {call}: {reply:?}");
            }
            for (call, reply) in use_it(&world, kind, U, &internal, &[T]).await {
                let refused = !reply.succeeded() || reply.value("running") == "false";
                assert!(refused, "{kind:?}: {call}: {reply:?}");
            }
            U.end(&world, &internal).await.assert_failed(200, "notFound");
            tokio::time::sleep(SWEPT).await;
        }
        T.end(&world, &internal).await.assert_success();
        assert!(living(&world, T).await.is_empty() && living(&world, U).await.len() == 1);
        T.info(&world, "m1").await.assert_failed(200, "notFound");
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_other_name_goes_out_as_it_came() {
    let world = plan(1).start().await;
    for id in ["room", "Room%2012", "AB", "0x12", "a-b", "g1", "1.2", "12_1"] {
        let query = format!("x=%2f&meetingID={id}&y=+");
        T.call(&world, "create", &format!("name=Room&{query}")).await.assert_success();
        tokio::time::sleep(SWEPT).await;
        for call in ["getMeetingInfo", "isMeetingRunning", "end"] {
            world.sims[0].clear_requests().await;
            T.call(&world, call, &query).await.assert_success();
            let seen = world.sims[0].requests_of(call).await;
            assert!(seen.len() == 1 && seen[0].query.starts_with(&format!("{query}&")), "{seen:?}");
        }
    }
}
