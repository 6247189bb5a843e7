//! Whose one recording is.

use std::sync::Arc;

use crate::bbb::query;
use crate::bbb::recordings::Recorded;
use crate::domain::instance::Instance;
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::answer::BadAnswer;

use super::pages::{Page, each_page};

/// Whose the recording of this id on this instance is: what is known, else what the instance says. None when
/// nobody knows it; within, none when it is nobody's.
pub async fn owner(world: &World, instance: &Arc<Instance>, id: &str) -> Option<Option<TenantId>> {
    let known = world.actors.recordings.find(vec![id.to_owned()]).await.ok()?;
    if let Some(place) = known.get(id).filter(|place| place.instance == instance.id) {
        return Some(world.or_untagged(place.tenant.clone()));
    }
    let mut asked = String::new();
    query::append(&mut asked, "recordID", id);
    query::append(&mut asked, "state", "any");
    let mut found = None;
    let take = |page: Page| {
        let exact = page.list.recordings.iter().find(|recorded| recorded.record_id == id);
        let tenant = |recorded: &Recorded| recorded.tenant.as_deref().map(TenantId::new);
        found = found.take().or(exact.map(tenant));
        Ok::<_, BadAnswer>(())
    };
    let told = each_page(world, instance, &asked, take);
    let told = tokio::time::timeout(world.config.deadlines.first_byte, told).await;
    told.ok()?.ok()?;
    found.map(|tenant| world.or_untagged(tenant))
}

impl World {
    /// The owner of a recording with this tag.
    fn or_untagged(&self, tag: Option<TenantId>) -> Option<TenantId> {
        let untagged = self.config.recordings.untagged_tenant.as_deref();
        tag.or_else(|| untagged.map(TenantId::new))
    }
}
