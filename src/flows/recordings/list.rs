//! getRecordings: what every instance has, merged; those that do not answer count with what they had last.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::pages::{Page, each_page};
use crate::actors::lists::Packed;
use crate::actors::recordings::Last;
use crate::bbb::query;
use crate::bbb::recordings::{self, Filter, Recorded, merged, scan};
use crate::domain::instance::{Health, Instance, InstanceId};
use crate::domain::tenant::Tenant;
use crate::flows::World;
use crate::flows::answer::{Answer, BadAnswer};
use crate::flows::refusal::Refusal;

/// A recording that is asked for, with its bytes.
struct Found {
    id: String,
    start_time: u64,
    raw: Bytes,
}

impl Found {
    fn of(bytes: &Bytes, recorded: &Recorded) -> Self {
        let raw = bytes.slice(recorded.span.clone());
        Self { id: recorded.record_id.clone(), start_time: recorded.start_time, raw }
    }
}

/// The tenant's recordings on all instances, newest first, each as its instance gave it.
pub async fn get_recordings(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
) -> Result<Answer, Refusal> {
    let (filter, page) = (Filter::of(query)?, recordings::Page::of(query));
    let roster = world.actors.registry.roster().await?;
    if !roster.loaded {
        return Err(Refusal::Internal("load its state"));
    }
    let by = Instant::now() + world.config.deadlines.list;
    let (dead, asked): (Vec<_>, Vec<_>) =
        roster.members().iter().partition(|member| member.health == Health::Dead);
    let mut silent: Vec<InstanceId> = dead.iter().map(|m| m.instance.id.clone()).collect();
    let query = asked_of_instances(world, tenant, query);
    let said = asked.iter().map(|member| ask(world, tenant, &member.instance, &query, by));
    let mut found = Vec::new();
    for answer in join_all(said).await {
        match answer {
            Ok(list) => found.extend(list),
            Err(instance) => silent.push(instance),
        }
    }
    found.extend(last_known(world, tenant, filter, silent).await);
    Ok(world.restored(tenant, Answer::Merged(merge(found, page))))
}

/// What instances are asked: what the client asks, of this tenant only, and without the client's page.
fn asked_of_instances(world: &World, tenant: &Tenant, query: &str) -> String {
    let query = query::without(query, &["offset", "limit"]);
    match world.owns_untagged(tenant) {
        true => query::untagged(&query),
        false => query::tagged(&query, tenant.id.as_str()),
    }
}

/// The instance's recordings; or its id when it has none to give in time.
async fn ask(
    world: &World,
    tenant: &Tenant,
    instance: &Arc<Instance>,
    query: &str,
    by: Instant,
) -> Result<Vec<Found>, InstanceId> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let most = world.config.limits.answer_bytes;
    let take = |page: Page| {
        bytes += page.bytes.len();
        let ours = page.list.recordings.iter().filter(|r| world.owns(tenant, r.tenant.as_deref()));
        found.extend(ours.map(|recorded| Found::of(&page.bytes, recorded)));
        if bytes > most { Err(BadAnswer::TooLarge(most)) } else { Ok(()) }
    };
    let why = match timeout_at(by, each_page(world, instance, query, take)).await {
        Ok(Ok(_)) => return Ok(found),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    debug!(instance.id = %instance.id, %why, "an instance listed no recordings: its last ones stand in");
    Err(instance.id.clone())
}

/// What is asked for of what these instances had when they were last heard.
async fn last_known(
    world: &World,
    tenant: &Arc<Tenant>,
    filter: Filter,
    instances: Vec<InstanceId>,
) -> Vec<Found> {
    if instances.is_empty() {
        return Vec::new();
    }
    let silent = instances.len() as u64;
    metrics::counter!("bigblueswarm_recordings_lists_stale_total").increment(silent);
    let Ok(last) = world.actors.recordings.last(instances).await else { return Vec::new() };
    let (world, tenant) = (world.clone(), tenant.clone());
    let Last { pages, withdrawn } = last;
    let wanted = move |r: &Recorded| {
        world.owns(&tenant, r.tenant.as_deref())
            && filter.fits(r)
            && !withdrawn.contains(r.record_id.as_str())
    };
    let chosen = tokio::task::spawn_blocking(move || {
        let pages = pages.iter().flat_map(|pages| pages.iter());
        pages.flat_map(|page| choose(page, &wanted)).collect()
    });
    chosen.await.unwrap_or_default()
}

fn choose(page: &Packed, wanted: impl Fn(&Recorded) -> bool) -> Vec<Found> {
    let Some(bytes) = page.unpack().map(Bytes::from) else { return Vec::new() };
    let list = scan(&bytes).unwrap_or_default();
    let chosen = list.recordings.iter().filter(|recorded| wanted(recorded));
    // A copy, so that a few recordings do not keep whole pages in memory.
    let alone = |f: Found| Found { raw: Bytes::copy_from_slice(&f.raw), ..f };
    chosen.map(|recorded| alone(Found::of(&bytes, recorded))).collect()
}

/// The page that is asked for, or all, newest first; a recording that several instances have counts once.
fn merge(mut found: Vec<Found>, page: Option<recordings::Page>) -> Vec<u8> {
    let mut ids = HashSet::new();
    found.retain(|found| ids.insert(found.id.clone()));
    found.sort_by(|a, b| (Reverse(a.start_time), &a.id).cmp(&(Reverse(b.start_time), &b.id)));
    let raw = found.iter().map(|found| &*found.raw);
    match page {
        Some(page) => merged(raw.skip(page.offset).take(page.limit), Some(found.len())),
        None => merged(raw, None),
    }
}
