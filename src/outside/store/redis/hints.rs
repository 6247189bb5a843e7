//! The predecessor's `meeting:ID` keys: written so that it can be put back, never read as truth.

use tracing::debug;

use crate::domain::instance::InstanceId;
use crate::domain::meeting::MeetingId;
use crate::outside::store::StoreError;

use super::keys;
use super::link::Link;

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
    let (key, url) = (keys::hint(meeting), instance.as_str());
    let mut asked = redis::pipe();
    if lives {
        asked.cmd("SET").arg(key).arg(url).ignore();
    } else {
        asked.cmd("EVAL").arg(DELETE_IF).arg(1).arg(key).arg(url).ignore();
    }
    if let Err(e) = link.send::<()>(&asked).await {
        debug!(meeting.id = %meeting, error = %e, "the predecessor's key was not written");
    }
}
