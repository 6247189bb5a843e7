//! Which meetings there are on the servers, and which of them is a room's home.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::Room;

/// Servers whose failures are so close to each other, in milliseconds, may seem to have failed all the while.
const TOGETHER: u64 = 10_000;

/// A meeting on a server.
pub(super) struct Meeting {
    pub(super) room: Room,
    pub(super) server: usize,
    pub(super) internal: String,
    pub(super) born_at: u64,
    /// The event by which it is known.
    pub(super) born: usize,
    /// The event by which a client first heard of it.
    pub(super) acknowledged: Option<usize>,
    /// Another one of the room was acknowledged later.
    pub(super) superseded: bool,
    /// A client asked for its end.
    pub(super) ending: bool,
    pub(super) people: usize,
    /// The event since which there are people in it.
    pub(super) peopled: usize,
    pub(super) gone: Option<usize>,
}

impl Meeting {
    pub(super) fn lives(&self) -> bool {
        self.gone.is_none()
    }

    /// Whether it is the one that clients know.
    pub(super) fn is_home(&self) -> bool {
        self.acknowledged.is_some() && !self.superseded
    }
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { internal, room, server, people, .. } = self;
        write!(f, "{internal} of {room} on s{server} with {people} people")
    }
}

/// From when until when a server failed, in milliseconds, and how many faults it has now.
#[derive(Default)]
struct Silences {
    spans: Vec<(u64, Option<u64>)>,
    faults: usize,
}

/// All meetings, and how long servers failed.
#[derive(Default)]
pub(super) struct Meetings {
    pub(super) all: Vec<Meeting>,
    by_name: BTreeMap<(usize, String), usize>,
    silences: BTreeMap<usize, Silences>,
    pub(super) released: BTreeSet<usize>,
    /// Until when a server's lists left something out; not yet over without that.
    short: BTreeMap<usize, Option<u64>>,
}

impl Meetings {
    pub(super) fn born(
        &mut self,
        server: usize,
        room: &Room,
        internal: &str,
        (born, at): (usize, u64),
    ) {
        self.by_name.insert((server, internal.to_owned()), self.all.len());
        self.all.push(Meeting {
            room: room.clone(),
            server,
            internal: internal.to_owned(),
            born_at: at,
            born,
            acknowledged: None,
            superseded: false,
            ending: false,
            people: 0,
            peopled: 0,
            gone: None,
        });
    }

    pub(super) fn find(&self, server: usize, internal: &str) -> Option<usize> {
        self.by_name.get(&(server, internal.to_owned())).copied()
    }

    /// The meeting of this internal id; of several, one of the room that lives.
    pub(super) fn called(&self, internal: &str, room: &Room) -> Option<usize> {
        let named = self.all.iter().enumerate().filter(|(_, m)| m.internal == internal);
        named.max_by_key(|(_, m)| (m.room == *room, m.lives(), m.is_home())).map(|(n, _)| n)
    }

    /// The meeting that clients of the room know, if it lives.
    pub(super) fn home(&self, room: &Room) -> Option<usize> {
        self.all.iter().position(|m| m.room == *room && m.is_home() && m.lives())
    }

    pub(super) fn rooms(&self, tenant: &str) -> BTreeSet<Room> {
        let of_tenant = self.all.iter().filter(|m| m.room.tenant == tenant && m.lives());
        of_tenant.map(|m| m.room.clone()).collect()
    }

    pub(super) fn silent(&mut self, server: usize, on: bool, at: u64) {
        let Silences { spans, faults } = self.silences.entry(server).or_default();
        if on {
            *faults += 1;
            match spans.last_mut() {
                _ if *faults > 1 => {}
                Some((_, end)) if end.is_some_and(|end| at - end < TOGETHER) => *end = None,
                _ => spans.push((at, None)),
            }
        } else {
            *faults = faults.saturating_sub(1);
            if *faults == 0
                && let Some((_, end)) = spans.last_mut()
            {
                *end = Some(at);
            }
        }
    }

    pub(super) fn short(&mut self, server: usize, on: bool, at: u64) {
        self.short.insert(server, (!on).then_some(at));
    }

    /// Whether this server's lists left something out then or since.
    pub(super) fn was_short(&self, server: usize, since: u64) -> bool {
        self.short.get(&server).is_some_and(|until| until.is_none_or(|until| until >= since))
    }

    /// Since when this server works; now, if it does not.
    pub(super) fn works_since(&self, server: usize, now: u64) -> u64 {
        let last = self.silences.get(&server).and_then(|silences| silences.spans.last());
        last.map_or(0, |(_, end)| end.unwrap_or(now))
    }

    /// How long its server failed at a stretch in the meeting's life, in milliseconds.
    pub(super) fn silence(&self, meeting: &Meeting, now: u64) -> u64 {
        let Some(Silences { spans, .. }) = self.silences.get(&meeting.server) else { return 0 };
        let in_its_life =
            spans.iter().filter(|(_, end)| end.is_none_or(|end| end > meeting.born_at));
        in_its_life.map(|(start, end)| end.unwrap_or(now) - start).max().unwrap_or(0)
    }
}
