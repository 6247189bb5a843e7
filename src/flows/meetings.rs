//! getMeetings: what every instance says, merged; those that do not answer count with what they said last.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::World;
use super::answer::{Answer, whole};
use super::ask::CallError;
use super::refusal::Refusal;
use crate::actors::meetings::Stray;
use crate::bbb::meetings::{Listed, merged, scan};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::Tenant;

/// One instance's list: its bytes, and where its meetings stand in them.
struct List {
    instance: InstanceId,
    bytes: Bytes,
    meetings: Vec<Listed>,
}

/// The tenant's meetings on all instances, each as its instance gave it.
pub async fn get_meetings(world: &World, tenant: &Arc<Tenant>) -> Result<Answer, Refusal> {
    let roster = world.actors.registry.roster().await?;
    if !roster.loaded {
        return Err(Refusal::Internal("load its state"));
    }
    let by = Instant::now() + world.config.deadlines.list;
    let asked = roster.members().iter().filter(|member| !member.releases_meetings());
    let said = join_all(asked.map(|member| ask(world, &member.instance, by))).await;
    let mut lists = Vec::with_capacity(said.len());
    let mut silent = Vec::new();
    for answer in said {
        match answer {
            Ok(list) => lists.push(list),
            Err(instance) => silent.push(instance),
        }
    }
    lists.extend(last_known(world, silent).await);
    let strays = world.actors.meetings.strays().await?;
    Ok(world.restored(tenant, Answer::Merged(merge(&lists, tenant, &strays))))
}

/// The instance's list; or its id when it has none to give in time.
async fn ask(world: &World, instance: &Arc<Instance>, by: Instant) -> Result<List, InstanceId> {
    match timeout_at(by, list(world, instance, by)).await {
        Ok(Ok(list)) => Ok(list),
        Ok(Err(error)) => {
            failed(instance, &error.to_string());
            Err(instance.id.clone())
        }
        Err(_) => {
            failed(instance, "no answer in time");
            Err(instance.id.clone())
        }
    }
}

fn failed(instance: &Instance, why: &str) {
    metrics::counter!("bigblueswarm_lists_stale_total").increment(1);
    // The sweeps say so once, at a level that is seen; here it would be said for every list.
    debug!(instance.id = %instance.id, %why, "an instance gave no list: its last one stands in");
}

async fn list(world: &World, instance: &Arc<Instance>, by: Instant) -> Result<List, CallError> {
    let within = by.saturating_duration_since(Instant::now());
    let answer = world.get(instance, "getMeetings", "", within).await?;
    let bytes = whole(answer, world.config.limits.answer_bytes, within).await?;
    let meetings = scan(&bytes).map_err(super::answer::BadAnswer::from)?;
    Ok(List { instance: instance.id.clone(), bytes, meetings })
}

/// What these instances listed when they were last heard.
async fn last_known(world: &World, instances: Vec<InstanceId>) -> Vec<List> {
    if instances.is_empty() {
        return Vec::new();
    }
    let Ok(kept) = world.actors.lists.last(instances).await else { return Vec::new() };
    let lists = kept.into_iter().filter_map(|(instance, packed)| {
        let bytes: Bytes = packed.unpack()?.into();
        let meetings = scan(&bytes).ok()?;
        Some(List { instance, bytes, meetings })
    });
    lists.collect()
}

/// The tenant's meetings of all lists, without copies of meetings that live elsewhere.
fn merge(lists: &[List], tenant: &Tenant, strays: &HashSet<Stray>) -> Vec<u8> {
    let ours = lists.iter().flat_map(|list| {
        let ours = list.meetings.iter().filter(|meeting| {
            meeting.tenant.as_deref() == Some(tenant.id.as_str())
                && !is_stray(list, meeting, tenant, strays)
        });
        ours.map(|meeting| &list.bytes[meeting.span.clone()])
    });
    merged(ours)
}

fn is_stray(list: &List, meeting: &Listed, tenant: &Tenant, strays: &HashSet<Stray>) -> bool {
    !strays.is_empty()
        && strays.contains(&Stray {
            meeting: MeetingId::new(meeting.meeting_id.as_str()),
            tenant: tenant.id.clone(),
            instance: list.instance.clone(),
        })
}
