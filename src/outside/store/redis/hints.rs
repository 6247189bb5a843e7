//! The predecessor's `meeting:ID` and `recording:ID` keys: written so that it can be put back, never read as truth.

use redis::{Cmd, Value};
use tracing::debug;

use crate::domain::instance::InstanceId;
use crate::domain::meeting::MeetingId;
use crate::outside::store::{RecordingHint, StoreError};

use super::keys;
use super::link::{Batch, Link, PART};

/// Deletes the key if it still names this instance. EVAL, since it is short and not frequent.
const DELETE_IF: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

pub(super) async fn read(
    link: &Link,
    meeting: &MeetingId,
) -> Result<Option<InstanceId>, StoreError> {
    let mut asked = redis::pipe();
    asked.cmd("GET").arg(keys::hint(meeting));
    let (url,): (Option<String>,) = link.send(&asked).await?;
    Ok(url.filter(|url| !url.is_empty()).map(InstanceId::new))
}

pub(super) async fn write(link: &Link, meeting: &MeetingId, instance: &InstanceId, lives: bool) {
    let mut asked = redis::pipe();
    asked.add_command(hint(keys::hint(meeting), instance, lives)).ignore();
    if let Err(e) = link.send::<()>(&asked).await {
        debug!(meeting.id = %meeting, error = %e, "the predecessor's key was not written");
    }
}

/// The same for recordings, so many in one pipeline; the first that fails is the last that is tried.
pub(super) async fn write_recordings(link: &Link, hints: &[RecordingHint]) {
    for part in hints.chunks(PART) {
        let hint = |(id, instance, lives): &RecordingHint| {
            hint(keys::recording_hint(id), instance, *lives)
        };
        let asked: Vec<Cmd> = part.iter().map(hint).collect();
        if let Err(e) = link.each::<Value>(&asked, Batch::default()).await {
            return debug!(error = %e, "the predecessor's keys of recordings were not written");
        }
    }
}

fn hint(key: String, instance: &InstanceId, lives: bool) -> Cmd {
    let url = instance.as_str();
    let mut asked = if lives { redis::cmd("SET") } else { redis::cmd("EVAL") };
    if lives {
        asked.arg(key).arg(url);
    } else {
        asked.arg(DELETE_IF).arg(1).arg(key).arg(url);
    }
    asked
}
