//! What is seen of a simulated server's meetings, from one look to the next.

use std::collections::BTreeMap;

use bigblueswarm::sim::Meeting;

use crate::history::{Exit, Room, What};

/// The parameter that says whose a meeting is.
const TAG: &str = "bigblueswarm-tenant";

/// A server's meetings that live, as they were last seen, by internal id.
pub(crate) type Sight = BTreeMap<String, Seen>;

/// A meeting as it was last seen.
pub(crate) struct Seen {
    people: usize,
    users: Vec<String>,
}

/// Why a server is looked at.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Because {
    Call,
    End,
    Crash,
}

/// What has changed on a server since it was looked at before.
pub(crate) fn changes(
    server: usize,
    sight: &mut Sight,
    meetings: Vec<Meeting>,
    because: Because,
) -> Vec<What> {
    let now: BTreeMap<String, Meeting> = meetings
        .into_iter()
        .filter(Meeting::lives)
        .map(|meeting| (meeting.internal_id.clone(), meeting))
        .collect();
    let mut before = std::mem::take(sight);
    let exit = match because {
        Because::Call => Exit::Expired,
        Because::End => Exit::Ended,
        Because::Crash => Exit::Crashed,
    };
    let gone = before.keys().filter(|internal| !now.contains_key(*internal));
    let gone = gone.map(|internal| What::Gone { server, internal: internal.clone(), exit });
    let mut changes: Vec<What> = gone.collect();
    for (internal, meeting) in now {
        let seen = compare(server, &meeting, before.remove(&internal), &mut changes);
        sight.insert(internal, seen);
    }
    changes
}

fn compare(server: usize, meeting: &Meeting, before: Option<Seen>, to: &mut Vec<What>) -> Seen {
    let internal = || meeting.internal_id.clone();
    if before.is_none() {
        let tenant = meeting.meta(TAG).unwrap_or_default().to_owned();
        let room = Room { tenant, id: meeting.id.clone() };
        to.push(What::Born { server, room, internal: internal() });
    }
    let before = before.unwrap_or(Seen { people: 0, users: Vec::new() });
    let users: Vec<String> = meeting.users.iter().map(|u| u.external_id.clone()).collect();
    let new = users.iter().filter(|user| !before.users.contains(user));
    let ops = new.filter_map(|user| user.strip_prefix("op-")?.parse().ok());
    to.extend(ops.map(|op| What::Joined { server, internal: internal(), op }));
    let people = meeting.present().count();
    if people != before.people {
        to.push(What::People { server, internal: internal(), people });
    }
    Seen { people, users }
}
