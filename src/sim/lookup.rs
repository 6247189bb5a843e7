//! Which meeting an id means. The one thing that differs between servers without being seen in any list.

use rand::RngExt;
use sha1::{Digest, Sha1};

use super::machine::Machine;
use super::params::Params;

/// How a server looks for the meeting that a call names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// As BBB since 2.6: the id is first taken as the start of an internal id, then as an external one.
    #[default]
    ByPrefix,
    /// As BBB before 2.6: by external ids alone; what starts an internal id makes it fail.
    ByExternalId,
}

/// What a server's internal ids are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InternalIds {
    /// `sha1(meetingID)-createTime`, as BBB makes them.
    #[default]
    Hashed,
    /// Chance, as a server that only speaks BBB's API may have them.
    Drawn,
}

/// The calls that look a meeting up.
const LOOK_UP: [&str; 6] =
    ["join", "end", "getMeetingInfo", "isMeetingRunning", "insertDocument", "sendChatMessage"];

impl Machine {
    /// The meeting that is not ended and has exactly this external id.
    pub(super) fn live(&self, id: &str) -> Option<usize> {
        self.meetings.iter().position(|m| m.lives() && m.id == id)
    }

    /// The meeting that a call means by this id; of several whose internal ids start with it, the oldest.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let lingering = || self.meetings.iter().rposition(|m| m.id == id);
        self.by_prefix(id).or_else(|| self.live(id)).or_else(lingering)
    }

    fn by_prefix(&self, id: &str) -> Option<usize> {
        let looks = self.settings.lookup == Lookup::ByPrefix;
        let starts = || self.meetings.iter().position(|m| m.internal_id.starts_with(id));
        looks.then(starts).flatten()
    }

    /// Whether the lookup itself fails, as before 2.6 on the start of an internal id.
    pub(super) fn stumbles(&self, call: &str, params: &Params) -> bool {
        let id = params.get("meetingID").unwrap_or_default();
        self.settings.lookup == Lookup::ByExternalId
            && LOOK_UP.contains(&call)
            && !id.is_empty()
            && !self.meetings.iter().any(|m| m.id == id)
            && self.meetings.iter().any(|m| m.internal_id.starts_with(id))
    }

    /// A new meeting's internal id for this moment, and the moment: a millisecond later when it is taken.
    pub(super) fn internal_id(&mut self, id: &str, mut wall: u64) -> (String, u64) {
        let start = match self.settings.internal_ids {
            InternalIds::Hashed => hex::encode(Sha1::digest(id.as_bytes())),
            InternalIds::Drawn => hex::encode(self.rng.random::<[u8; 20]>()),
        };
        loop {
            let internal = format!("{start}-{wall}");
            if !self.meetings.iter().any(|m| m.internal_id == internal) {
                return (internal, wall);
            }
            wall += 1;
        }
    }
}
