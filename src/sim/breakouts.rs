//! Breakout rooms: those that a meeting makes inside, and the ids of those that old versions make by the API.

use http::{Method, StatusCode};
use sha1::{Digest, Sha1};

use super::events;
use super::machine::{Ask, Machine, Times};
use super::meeting::{Breakout, Meeting};
use super::params::Params;
use super::reply::{Reply, html};

/// Where a simulated server takes the wish of a moderator for rooms; BBB has no such call.
const WISH: &str = "/simulate/breakouts";
/// So many rooms can be made at once.
const MOST: u64 = 32;

/// Makes rooms of a meeting by `POST /simulate/breakouts?meetingID=…&rooms=…`; none for any other request.
pub(super) fn control(
    machine: &mut Machine,
    ask: &Ask,
    params: &Params,
    times: Times,
) -> Option<Reply> {
    if ask.path() != WISH || ask.method != Method::POST {
        return None;
    }
    let rooms = params.number("rooms").unwrap_or(1).clamp(1, MOST);
    let made = make(machine, params.get("meetingID").unwrap_or_default(), rooms, times);
    Some(match made.is_empty() {
        true => html(StatusCode::NOT_FOUND, "No such meeting"),
        false => html(StatusCode::OK, &made.join(" ")),
    })
}

/// Makes rooms of the meeting with this external id, as a moderator does inside it. Answers their external ids, none
/// when there is no such meeting.
pub(super) fn make(machine: &mut Machine, id: &str, rooms: u64, times: Times) -> Vec<String> {
    let Some(at) = machine.live(id) else { return Vec::new() };
    let parent = machine.meetings[at].clone();
    let first = machine.rooms_of(&parent).count() as u64 + 1;
    let mut made = Vec::new();
    for sequence in first..first + rooms {
        let room = room(machine, &parent, sequence, times);
        made.push(room.id.clone());
        events::meeting(machine, "meeting-created", &room, times);
        machine.meetings.push(room);
    }
    made
}

/// A room inherits what is its parent's: metadata with all callbacks, and where ends are told.
fn room(machine: &mut Machine, parent: &Meeting, sequence: u64, times: Times) -> Meeting {
    let start = &parent.internal_id;
    let breakout = Breakout { parent: start.clone(), sequence, free_join: false };
    let id = format!("{}-{}", sha1_of(&format!("{start}-{}-{sequence}", times.wall)), times.wall);
    let (internal_id, create_time) = machine.internal_id(&id, times.wall);
    Meeting {
        id,
        internal_id,
        create_time,
        name: format!("{} (Room {sequence})", parent.name),
        attendee_pw: machine.password(),
        moderator_pw: machine.password(),
        voice_bridge: format!("{}{sequence}", parent.voice_bridge),
        created_at: times.now,
        recording: false,
        breakout: Some(breakout),
        users: Vec::new(),
        has_user_joined: false,
        joined: 0,
        empty_since: Some(times.now),
        crowd: None,
        ..parent.clone()
    }
}

/// The meetingID that an old version gives to a room made by the API, whose own id becomes the internal one.
pub(super) fn external_id(room: &Breakout) -> String {
    let (start, time) = room.parent.split_once('-').unwrap_or((&room.parent, ""));
    format!("{}-{time}", sha1_of(&format!("{start}-{time}-{}", room.sequence)))
}

fn sha1_of(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}

impl Machine {
    /// The breakout rooms of a meeting.
    pub(super) fn rooms_of(&self, parent: &Meeting) -> impl Iterator<Item = &Meeting> {
        let id = parent.internal_id.clone();
        self.meetings.iter().filter(move |m| m.breakout.as_ref().is_some_and(|b| b.parent == id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_made_by_the_api_has_the_id_that_a_real_server_gave() {
        let room = Breakout { parent: "nope".into(), sequence: 1, free_join: false };
        assert_eq!(external_id(&room), "4a99cefcd4c5803edb93ed73e08b9ef3cac3890f-");
    }
}
