//! What rooms did the last time: so many of them, the longest unused forgotten first.

use std::collections::BTreeSet;

use sha1::{Digest, Sha1};

use super::Habit;
use crate::determinism::HashMap;
use crate::domain::meeting::RouteKey;
use crate::domain::tenant::TenantId;

/// Names a tenant's room: SHA-1 of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey(pub [u8; 20]);

impl RoomKey {
    pub fn new(tenant: &TenantId, meeting: &RouteKey) -> Self {
        Self(Sha1::new().chain_update(meeting.0).chain_update(tenant.as_str()).finalize().into())
    }
}

/// Rooms that met before.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    known: HashMap<RoomKey, (Habit, u64)>,
    by_time: BTreeSet<(u64, RoomKey)>,
}

impl Rooms {
    pub fn get(&self, room: &RoomKey) -> Option<Habit> {
        self.known.get(room).map(|(habit, _)| *habit)
    }

    /// The same, and when it met last (seconds since 1970).
    pub fn kept(&self, room: &RoomKey) -> Option<(Habit, u64)> {
        self.known.get(room).copied()
    }

    pub fn keys(&self) -> impl Iterator<Item = &RoomKey> {
        self.known.keys()
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The room has met, and ended at that time (seconds since 1970): what is known of it now. Half is what it did
    /// before, so that one meeting that was out of the ordinary does not count alone.
    pub fn met(&mut self, room: RoomKey, habit: Habit, at: u64) -> Habit {
        let habit = match self.get(&room) {
            None => habit,
            Some(before) => Habit {
                peak: (before.peak + habit.peak) / 2.0,
                lasted: (before.lasted + habit.lasted) / 2,
            },
        };
        self.put(room, habit, at);
        habit
    }

    /// Takes over what was stored.
    pub fn put(&mut self, room: RoomKey, habit: Habit, at: u64) {
        if let Some((_, before)) = self.known.insert(room, (habit, at)) {
            self.by_time.remove(&(before, room));
        }
        self.by_time.insert((at, room));
    }

    /// Forgets what is more than that many, and who has not met since: the rooms that are known no more.
    pub fn forget(&mut self, most: usize, before: u64) -> Vec<RoomKey> {
        let mut gone = Vec::new();
        while let Some(&(at, room)) = self.by_time.first() {
            if at >= before && self.known.len() <= most {
                break;
            }
            self.by_time.pop_first();
            self.known.remove(&room);
            gone.push(room);
        }
        gone
    }
}
