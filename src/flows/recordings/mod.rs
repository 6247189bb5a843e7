//! Recordings: listed from all instances, changed where they are, and looked after.

mod change;
mod find;
mod list;
mod owner;
mod pages;
mod tracks;
mod watch;

pub use change::change;
pub use list::get_recordings;
pub use owner::owner;
pub use tracks::{get_tracks, put_track};
pub use watch::watch;

use super::World;
use super::refusal::Refusal;
use crate::actors::recordings::Seen;
use crate::bbb::call::Call;
use crate::bbb::query;
use crate::bbb::recordings::Recorded;
use crate::domain::tenant::{Tenant, TenantId};

/// Refuses a call that lacks a parameter, in BBB's words and order. BBB looks for them before it
/// verifies the checksum.
pub fn required(call: Call, query: &str) -> Result<(), Refusal> {
    let missing = |name: &str| query::value(query, name).is_none_or(|value| value.is_empty());
    match call {
        Call::GetRecordings => Ok(()),
        Call::PutRecordingTextTrack => {
            let name = ["recordID", "kind", "lang"].into_iter().find(|name| missing(name));
            name.map_or(Ok(()), |name| Err(Refusal::NoTrackParameter(name)))
        }
        _ if missing("recordID") => Err(Refusal::NoRecordId),
        Call::PublishRecordings if missing("publish") => Err(Refusal::NoPublish),
        _ => Ok(()),
    }
}

impl World {
    /// Whether recordings without a tag are this tenant's.
    fn owns_untagged(&self, tenant: &Tenant) -> bool {
        self.config.recordings.untagged_tenant.as_deref() == Some(tenant.id.as_str())
    }

    /// Whether a recording with this tag is this tenant's.
    fn owns(&self, tenant: &Tenant, tag: Option<&str>) -> bool {
        match tag {
            Some(tag) => tag == tenant.id.as_str(),
            None => self.owns_untagged(tenant),
        }
    }
}

fn seen(recorded: &Recorded) -> Seen {
    let tenant = recorded.tenant.as_deref().map(TenantId::new);
    Seen { id: recorded.record_id.clone(), tenant }
}
