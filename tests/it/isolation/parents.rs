//! Row X21: what a breakout room's parent is named by, and when a parent means anything.

use super::*;
use crate::world::{T, U};

async fn room(world: &World, more: &str) -> Reply {
    T.call(world, "create", &format!("name=Room&meetingID=br&sequence=1&{more}")).await
}

#[tokio::test(start_paused = true)]
async fn x21_a_parent_means_nothing_without_is_breakout() {
    for parent in ["bbb-none", "nobody", "", "lesson", "a%20b"] {
        for more in ["", "&isBreakout=false", "&isBreakout="] {
            let world = plan(2).start().await;
            create(&world, U, "lesson").await.assert_success();
            let made = room(&world, &format!("parentMeetingID={parent}{more}")).await;
            made.assert_success();
            let seen = world.sims[0].requests_of("create").await;
            let sent = seen.last().and_then(|seen| seen.value("parentMeetingID"));
            assert_eq!(sent.as_deref(), Some(parent.replace("%20", " ").as_str()), "as it came");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn x21_a_parent_is_found_by_its_id_or_its_internal_id_and_is_no_other_meeting() {
    for kind in KINDS {
        let world = kind.pool(2).start().await;
        let other = create(&world, U, "lesson").await;
        let hash = other.assert_success().value("internalMeetingID")[..2].to_owned();
        for id in ["main", hash.as_str()] {
            let parent = create(&world, T, id).await;
            let internal = parent.assert_success().value("internalMeetingID").to_owned();
            for name in [id, internal.as_str()] {
                let made = room(&world, &format!("isBreakout=true&parentMeetingID={name}")).await;
                made.assert_success();
                let mine = living(&world, T).await;
                let room = mine.iter().find_map(|m| m.breakout.as_ref()).expect("a breakout room");
                assert_eq!(room.parent, internal, "{kind:?}: {name}");
                let rooms = world.sims.iter().map(async |sim| {
                    let all = sim.meetings().await;
                    all.iter().filter(|m| m.lives() && m.breakout.is_some()).count() > 0
                });
                let with: Vec<bool> = futures_util::future::join_all(rooms).await;
                let at: Vec<usize> =
                    (1..).zip(with).filter(|(_, has)| *has).map(|(n, _)| n).collect();
                assert_eq!(at, world.homes(id).await, "{kind:?}");
                T.end(&world, "br").await.assert_success();
            }
            T.end(&world, id).await.assert_success();
        }
        for foreign in ["lesson", other.value("internalMeetingID"), "nobody"] {
            let made = room(&world, &format!("isBreakout=true&parentMeetingID={foreign}")).await;
            made.assert_failed(200, "parentMeetingDoesNotExist");
        }
    }
}
