//! The predecessor's `meeting:ID` and `recording:ID` keys: written so that it can be put back, never read as truth.
//! Each changes in one step with what it stands for: a meeting's with its route (`step.lua`), a recording's with its record.

use redis::Pipeline;

use crate::domain::instance::InstanceId;
use crate::domain::meeting::MeetingId;
use crate::outside::store::{RecordingsKept, StoreError};

use super::keys;
use super::link::Link;

/// Deletes a meeting's key if it still names this instance and no route leads there.
const FORGET: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for _, route in ipairs(redis.call('HVALS', KEYS[2])) do
  if cjson.decode(route).instance == ARGV[1] then return 0 end
end
return redis.call('DEL', KEYS[1])";

/// Deletes each of the keys that still names its instance. One of another type is left alone.
const DELETE_EACH: &str = "
for n, key in ipairs(KEYS) do
  if redis.pcall('GET', key) == ARGV[n] then redis.call('DEL', key) end
end";

/// Whether the predecessor's keys are written. Never in a cluster: there they are in other slots than ours, and
/// the predecessor can't speak to one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints {
    pub(super) kept: bool,
}

impl Hints {
    /// The second key of a step's script: the predecessor's for this meeting. None where the keys are not
    /// kept, or the meeting's id is not known as text.
    pub(super) fn of_meeting(self, meeting: Option<&MeetingId>) -> Option<String> {
        meeting.filter(|_| self.kept).map(keys::hint)
    }

    /// Adds the predecessor's keys to the transaction that changes our records of these recordings.
    pub(super) fn add_recordings(self, transaction: &mut Pipeline, changed: &RecordingsKept) {
        if !self.kept {
            return;
        }
        if !changed.named.is_empty() {
            transaction.cmd("MSET");
            for (id, instance) in &changed.named {
                transaction.arg(keys::recording_hint(id)).arg(instance.as_str());
            }
            transaction.ignore();
        }
        if !changed.unnamed.is_empty() {
            let (keys, instances): (Vec<_>, Vec<_>) = changed
                .unnamed
                .iter()
                .map(|(id, instance)| (keys::recording_hint(id), instance.as_str()))
                .unzip();
            transaction.cmd("EVAL").arg(DELETE_EACH).arg(keys.len()).arg(keys).arg(instances);
            transaction.ignore();
        }
    }
}

pub(super) async fn read(
    link: &Link,
    meeting: &MeetingId,
) -> Result<Option<InstanceId>, StoreError> {
    let mut asked = redis::pipe();
    asked.cmd("GET").arg(keys::hint(meeting));
    let (url,): (Option<String>,) = link.send(&asked).await?;
    Ok(url.filter(|url| !url.is_empty()).map(InstanceId::new))
}

pub(super) async fn forget(
    link: &Link,
    meeting: &MeetingId,
    instance: &InstanceId,
) -> Result<(), StoreError> {
    let mut asked = redis::pipe();
    asked.cmd("EVAL").arg(FORGET).arg(2).arg(keys::hint(meeting)).arg(keys::route(&meeting.key()));
    asked.arg(instance.as_str()).ignore();
    link.send(&asked).await
}
