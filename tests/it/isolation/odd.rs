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
