//! Row X3: a copy is ended, and no meeting that its id could mean as well.

use bigblueswarm::bbb::checksum::Algorithm;

use super::*;
use crate::world::{T, U};

/// A meeting id whose SHA-1 starts so.
fn hashing_to(start: &str) -> String {
    let mut ids = (0..).map(|n| format!("lesson-{n}"));
    ids.find(|id| sha1_hex(id).starts_with(start)).expect("one of many")
}

/// A create that a server gets without us, marked as the tenant's.
pub(crate) async fn behind_our_back(sim: &SimServer, of: Client, query: &str) {
    let query = query::tagged(query, of.host);
    let signed = query::signed(&query, "create", sim.secret().reveal(), Algorithm::Sha256);
    let ask = Ask::get(format!("/bigbluebutton/api/create?{signed}"));
    assert_eq!(sim.handle(ask).await.expect("an answer").status(), 200);
}

#[tokio::test(start_paused = true)]
async fn x3_a_copy_of_room_12_is_ended_and_not_the_meeting_whose_internal_id_begins_with_12() {
    for kind in KINDS {
        let world = kind.pool(2).start().await;
        let other = hashing_to("12");
        create(&world, U, &other).await.assert_success();
        assert_eq!(world.homes(&other).await, [1]);
        world.loads.say(
            [(crate::world::id(&world.sims[1]), crate::world::load(5.0, 5.0))]
                .into_iter()
                .collect(),
        );
        world.refreshed().await;
        create(&world, T, "12").await.assert_success();
        assert_eq!(world.homes("12").await, [2]);
        // Made at another time: what is made in the same millisecond has the same internal id.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        behind_our_back(&world.sims[0], T, "name=Room&meetingID=12").await;
        assert_eq!(world.homes("12").await, [1, 2]);
        tokio::time::sleep(SWEPT * 2).await;
        assert_eq!(world.homes(&other).await, [1], "{kind:?}: U's meeting was ended");
        assert_eq!(world.homes("12").await, [2], "{kind:?}: the copy is still there");
        assert_own(&T.info(&world, "12").await, T, "12", kind);
    }
}
