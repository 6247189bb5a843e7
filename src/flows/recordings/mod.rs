//! Recordings: listed from all instances, changed where they are, and looked after.

mod change;
mod find;
mod list;
mod owner;
mod paged;
mod pages;
mod tracks;
mod watch;

pub use change::change;
pub use list::get_recordings;
pub use owner::owner;
pub use tracks::{get_tracks, put_track};
pub use watch::watch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::World;
use super::answer::BadAnswer;
use super::ask::CallError;
use super::refusal::Refusal;
use crate::actors::recordings::Recording;
use crate::bbb::call::Call;
use crate::bbb::query;
use crate::bbb::recordings::{Counted, Recorded, counted};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::tenant::Tenant;

/// How long an instance may take to say what became of recordings.
const LEARN_WITHIN: Duration = Duration::from_secs(2);

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
        let owner = self.config.recordings.untagged_tenant.as_deref();
        owner.is_some_and(|owner| owner == tenant.id.as_str() || *owner == *tenant.host)
    }

    /// Whether a recording with this tag is this tenant's.
    fn owns(&self, tenant: &Tenant, tag: Option<&str>) -> bool {
        match tag {
            Some(tag) => tag == tenant.id.as_str(),
            None => self.owns_untagged(tenant),
        }
    }
}

/// The recordings of these ids that an instance has, in any state, with their bytes; none when it can't be told
/// whether these are all.
async fn among(
    world: &World,
    instance: &Arc<Instance>,
    ids: &[String],
) -> Result<Vec<(Recorded, Bytes)>, CallError> {
    let mut said = pages::Gathered::default();
    for ids in find::chunks(ids) {
        let mut query = String::new();
        query::append(&mut query, "recordID", &ids.join(","));
        query::append(&mut query, "state", "any");
        let take = |page: pages::Page| {
            // An id asks for all that start with it.
            let exact = page.list.recordings.into_iter().filter(|r| ids.contains(&r.record_id));
            for recorded in exact {
                let raw = page.bytes.slice(recorded.span.clone());
                said.add(recorded, raw);
            }
            Ok(())
        };
        if !pages::each_page(world, instance, &query, take).await? {
            return Err(BadAnswer::Shifted.into());
        }
    }
    Ok(said.found)
}

/// How much an instance has in all, if it says so.
async fn look(world: &World, instance: &Arc<Instance>) -> Result<Option<Counted>, CallError> {
    let within = world.config.deadlines.first_byte;
    let page = pages::page(world, instance, "state=any", 0, 1, within).await?;
    Ok(counted(&page.list))
}

/// Learns what an instance has of these ids, such as after they were changed, or when it says that one is
/// ready. When it does not answer, it is swept at once.
async fn learn_all(world: &World, instance: &Arc<Instance>, ids: Vec<String>) {
    let recordings = &world.actors.recordings;
    match timeout(LEARN_WITHIN, among(world, instance, &ids)).await {
        Ok(Ok(said)) => {
            let seen = said.iter().map(|(recorded, raw)| Recording::of(recorded, raw)).collect();
            recordings.asked(instance.id.clone(), ids, seen);
        }
        _ => recordings.differs(instance.id.clone()),
    }
}

/// Learns of a recording that an instance says is ready, or has changed.
pub async fn learn(world: &World, instance: &InstanceId, id: &str) {
    let Ok(roster) = world.actors.registry.roster().await else { return };
    if let Some(member) = roster.get(instance) {
        learn_all(world, &member.instance, vec![id.to_owned()]).await;
    }
}
