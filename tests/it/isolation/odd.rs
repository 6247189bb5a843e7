//! Row X25: internal ids that are not made of the meeting's id, and ids that are listed otherwise than they were chosen.

use super::*;
use crate::world::{T, U};

#[tokio::test(start_paused = true)]
async fn x25_a_meeting_whose_internal_id_says_nothing_of_it_is_found_all_the_while() {
    for lookup in [Lookup::ByPrefix, Lookup::ByExternalId] {
        let kind = Kind(Version::V3_0, lookup, InternalIds::Drawn);
        let world = kind.pool(2).start().await;
        for meeting in ["room", "12", "cafe", "a  b   c"] {
            create(&world, T, meeting).await.assert_success();
            for _ in 0..4 {
                let replies = use_it(&world, kind, T, meeting, &[U]).await;
                for (call, reply) in &replies {
                    let good = reply.succeeded() || reply.location.is_some();
                    assert!(good, "{kind:?}: {call} of {meeting:?}: {reply:?}");
                }
                tokio::time::sleep(SWEPT).await;
            }
            let list = T.call(&world, "getMeetings", "").await;
            assert_eq!(list.body.matches("<meeting>").count(), 1, "{list:?}");
            T.end(&world, &value(meeting)).await.assert_success();
            assert!(living(&world, T).await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn x25_an_id_with_runs_of_blanks_is_one_meeting_however_it_is_listed() {
    for kind in KINDS {
        let world = kind.pool(2).start().await;
        let made = create(&world, T, "class  1   b").await;
        made.assert_success();
        for _ in 0..3 {
            tokio::time::sleep(SWEPT).await;
            let info = T.info(&world, "class++1+++b").await;
            assert_eq!(
                info.value("internalMeetingID"),
                made.value("internalMeetingID"),
                "{kind:?}"
            );
            let again = create(&world, T, "class  1   b").await;
            assert_eq!(again.key(), "duplicateWarning", "{kind:?}: {again:?}");
        }
        T.end(&world, "class++1+++b").await.assert_success();
        assert!(living(&world, T).await.is_empty());
    }
}

/// BBB 2.5 takes the id that a breakout room is created with as its internal id, and lists it under another one.
#[tokio::test(start_paused = true)]
async fn x25_a_breakout_room_that_the_api_made_on_bbb_2_5_is_found_all_the_while() {
    for lookup in [Lookup::ByPrefix, Lookup::ByExternalId] {
        let kind = Kind(Version::V2_5, lookup, InternalIds::Hashed);
        let world = kind.pool(2).start().await;
        create(&world, T, "main").await.assert_success();
        create(&world, U, "ro").await.assert_success();
        let mark = mark(T);
        let query = format!(
            "name={mark}&meetingID=room-x&meta_word={mark}&isBreakout=true&parentMeetingID=main&sequence=1"
        );
        T.call(&world, "create", &query).await.assert_success();
        for _ in 0..4 {
            let replies = use_it(&world, kind, T, "room-x", &[U]).await;
            for (call, reply) in replies.iter().filter(|(call, _)| *call != "sendChatMessage") {
                let good = reply.succeeded() || reply.location.is_some();
                assert!(good, "{kind:?}: {call}: {reply:?}");
            }
            assert!(replies[0].1.body.contains(&mark), "{kind:?}: {:?}", replies[0].1);
            let replies = use_it(&world, kind, U, "ro", &[T]).await;
            assert_own(&replies[0].1, U, "ro", kind);
            tokio::time::sleep(SWEPT).await;
        }
        T.end(&world, "room-x").await.assert_success();
        assert_eq!(living(&world, T).await.len(), 1, "{kind:?}");
        assert_eq!(living(&world, U).await.len(), 1, "{kind:?}");
    }
}

/// Nobody has seen yet that the room is there, and that its internal id begins as T's id.
#[tokio::test(start_paused = true)]
async fn x1_an_answer_about_another_meeting_is_not_passed_on_whatever_its_server_took_the_id_for() {
    let kind = Kind(Version::V2_5, Lookup::ByPrefix, InternalIds::Hashed);
    let world = kind.pool(1).start().await;
    create(&world, U, "main").await.assert_success();
    create(&world, T, "room").await.assert_success();
    let mark = mark(U);
    let query = format!(
        "name={mark}&meetingID=room-x&meta_word={mark}&isBreakout=true&parentMeetingID=main&sequence=1"
    );
    super::copies::behind_our_back(&world.sims[0], U, &query).await;
    assert_eq!(living(&world, U).await.len(), 2);
    assert_own(&T.info(&world, "room").await, T, "room", kind);
    tokio::time::sleep(SWEPT).await;
    let replies = use_it(&world, kind, T, "room", &[U]).await;
    assert_own(&replies[0].1, T, "room", kind);
    T.end(&world, "room").await.assert_success();
    assert_eq!(living(&world, U).await.len(), 2);
}
