//! Row X1: T names its meetings so that servers take the names for a meeting of U.

use super::*;
use crate::world::{T, U};

const LESSON: &str = "lesson";

/// Names that mean U's meeting to a server that takes an id for the start of an internal one.
fn names(internal: &str) -> Vec<String> {
    let hash = sha1_hex(LESSON);
    let mut names: Vec<String> =
        [&hash[..2], &hash[..8], &hash, &format!("{hash}-"), internal].map(str::to_owned).into();
    names.extend([&internal[..2], &internal[..12], &format!(" {}", &hash[..6])].map(str::to_owned));
    names
}

async fn assert_untouched(world: &World, kind: Kind, name: &str) {
    let [lesson] = &living(world, U).await[..] else { panic!("{kind:?}: {name:?} ended U's") };
    assert_eq!(lesson.joined, 0, "{kind:?}: somebody joined U's meeting by {name:?}");
    assert_own(&U.info(world, LESSON).await, U, LESSON, kind);
}

/// T tries every name, without a meeting of its own and then with one.
async fn nothing_of_u_is_reached(kind: Kind, learnt: bool) {
    let world = kind.pool(1).start().await;
    let made = create(&world, U, LESSON).await;
    let internal = made.assert_success().value("internalMeetingID").to_owned();
    if learnt {
        tokio::time::sleep(SWEPT).await;
    }
    for name in names(&internal) {
        for (call, reply) in use_it(&world, kind, T, &name, &[U]).await {
            let refused = !reply.succeeded() || reply.value("running") == "false";
            assert!(refused, "{kind:?}: {call} of {name:?}: {reply:?}");
        }
        T.end(&world, &value(&name)).await.assert_failed(200, "notFound");
        assert_untouched(&world, kind, &name).await;
        let own = create(&world, T, &name).await;
        if !own.succeeded() {
            assert!(!own.body.contains(&mark(U)), "{own:?}");
            continue;
        }
        let replies = use_it(&world, kind, T, &name, &[U]).await;
        assert_own(&replies[0].1, T, name.trim(), kind);
        let mine = living(&world, T).await;
        assert_eq!(mine.len(), 1, "{kind:?}: {name:?}");
        assert_eq!(mine[0].joined, 2, "{kind:?}: {name:?}");
        if learnt {
            tokio::time::sleep(SWEPT).await;
            assert_own(&T.info(&world, &value(&name)).await, T, name.trim(), kind);
        }
        T.end(&world, &value(&name)).await.assert_success();
        assert!(living(&world, T).await.is_empty(), "{kind:?}: {name:?}");
        assert_untouched(&world, kind, &name).await;
        let gone = T.info(&world, &value(&name)).await;
        assert!(!gone.succeeded(), "{kind:?}: {gone:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn x1_whatever_t_calls_its_meetings_nothing_of_us_is_shown_joined_written_to_or_ended() {
    for kind in KINDS {
        nothing_of_u_is_reached(kind, false).await;
        nothing_of_u_is_reached(kind, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn x1_a_meeting_that_comes_later_is_no_more_reached_than_one_that_was_there_first() {
    for kind in KINDS {
        let world = kind.pool(2).start().await;
        let hash = sha1_hex(LESSON);
        for name in [&hash[..2], &hash[..5], &hash] {
            create(&world, T, name).await.assert_success();
        }
        create(&world, U, LESSON).await.assert_success();
        assert_own(&U.info(&world, LESSON).await, U, LESSON, kind);
        for name in [&hash[..2], &hash[..5], &hash] {
            let replies = use_it(&world, kind, T, name, &[U]).await;
            assert_own(&replies[0].1, T, name, kind);
            T.end(&world, name).await.assert_success();
            assert_untouched(&world, kind, name).await;
        }
    }
}
