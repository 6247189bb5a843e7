//! Where recordings are: what the recordings actor knows, else what the instances say.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::among;
use crate::actors::recordings::{Place, Recording};
use crate::determinism::HashMap;
use crate::domain::instance::{Health, Instance, InstanceId, Roster};
use crate::domain::tenant::{Tenant, TenantId};
use crate::flows::World;
use crate::flows::refusal::Refusal;

/// How long all instances together may take to say whether they have unknown recordings.
const SEARCH_WITHIN: Duration = Duration::from_secs(5);
/// Ids of one request, and their bytes together, about: they fit well into the head that an instance takes, and
/// their recordings into one page of most.
const IDS_AT_ONCE: usize = 50;
const BYTES_AT_ONCE: usize = 4_000;

/// An instance, and those of the ids that are there.
pub(super) type Share = (Arc<Instance>, Vec<String>);

/// The ids by requests.
pub(super) fn chunks(ids: &[String]) -> impl Iterator<Item = &[String]> {
    let mut rest = ids;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |id: &&String| {
            bytes += id.len() + 3;
            bytes <= BYTES_AT_ONCE
        };
        let count = rest.iter().take(IDS_AT_ONCE).take_while(fits).count().max(1);
        let (next, left) = rest.split_at_checked(count)?;
        rest = left;
        Some(next)
    })
}

/// Where the tenant's recordings of these ids are, by instance. Foreign and unknown ones are left out.
pub(super) async fn shares(
    world: &World,
    tenant: &Tenant,
    ids: Vec<String>,
) -> Result<Vec<Share>, Refusal> {
    let roster = world.actors.registry.roster().await?;
    if !roster.loaded {
        return Err(Refusal::Internal("load its state"));
    }
    let mut known = world.actors.recordings.find(ids.clone()).await?;
    let unknown: Vec<&String> = ids.iter().filter(|id| !known.contains_key(*id)).collect();
    let mut sure = true;
    if !unknown.is_empty() {
        let (found, all_heard) = search(world, &roster, &unknown).await?;
        known.extend(found);
        sure = all_heard;
    }
    let mut shares: Vec<Share> = Vec::new();
    for id in ids {
        let at = known
            .get(&id)
            .filter(|at| world.owns(tenant, at.tenant.as_ref().map(TenantId::as_str)));
        let Some(member) = at.and_then(|at| roster.get(&at.instance)) else { continue };
        match shares.iter_mut().find(|(there, _)| there.id == member.instance.id) {
            Some((_, ids)) => ids.push(id),
            None => shares.push((member.instance.clone(), vec![id])),
        }
    }
    // Clients forget what they are told is not there, so that is only said when it is known.
    if shares.is_empty() && !sure {
        return Err(Refusal::Internal("ask every server for its recordings"));
    }
    Ok(shares)
}

/// Asks every instance at once. Answers what was found, and whether an instance whose recordings
/// are not known could not be asked.
async fn search(
    world: &World,
    roster: &Roster,
    ids: &[&String],
) -> Result<(HashMap<String, Place>, bool), Refusal> {
    let by = Instant::now() + SEARCH_WITHIN;
    let asked = roster.servers().filter(|member| member.health != Health::Dead);
    let said = join_all(asked.map(|member| ask(world, &member.instance, ids, by))).await;
    let mut found = HashMap::default();
    let mut answered = Vec::new();
    for (instance, seen) in said.into_iter().flatten() {
        for Recording { id, tenant, .. } in &seen {
            let place = Place { instance: instance.clone(), tenant: tenant.clone() };
            found.insert(id.to_string(), place);
        }
        if !seen.is_empty() {
            world.actors.recordings.seen(instance.clone(), seen);
        }
        answered.push(instance);
    }
    let heard = world.actors.recordings.heard().await?;
    let is_known = |id: &InstanceId| heard.contains(id) || answered.contains(id);
    let sure = roster.servers().all(|member| is_known(&member.instance.id));
    Ok((found, sure))
}

/// Which of these ids an instance has, which the index learns; nothing when it does not say.
async fn ask(
    world: &World,
    instance: &Arc<Instance>,
    ids: &[&String],
    by: Instant,
) -> Option<(InstanceId, Vec<Recording>)> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
    let why = match timeout_at(by, among(world, instance, &ids)).await {
        Ok(Ok(said)) => {
            let seen = said.iter().map(|(recorded, raw)| Recording::of(recorded, raw)).collect();
            return Some((instance.id.clone(), seen));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    debug!(instance.id = %instance.id, %why, "no word about recordings");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_asked_for_in_requests_that_are_short_enough() {
        let sizes = |ids: &[String]| chunks(ids).map(<[String]>::len).collect::<Vec<_>>();
        let ids = |count, length| vec!["x".repeat(length); count];
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&ids(120, 54)), [50, 50, 20]);
        assert_eq!(sizes(&ids(5, 1_500)), [2, 2, 1]);
        assert_eq!(sizes(&ids(2, 9_000)), [1, 1]);
    }
}
