//! A round: every instance at once, and one answer for each tenant.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::list::{Kept, Wanted, fetch, stored};
use crate::actors::lists::{Answers, Begun};
use crate::actors::meetings::Stray;
use crate::bbb::meetings::{Memo, merged};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::refusal::Refusal;

/// What every instance lists of these tenants, asked until `by`. What was in the lists of the last round
/// comes along, and what is in these is kept for the next.
pub(super) async fn go_round(
    world: &World,
    Begun { tenants, mut memos }: Begun,
    by: Instant,
) -> Result<Answers, Refusal> {
    let roster = world.actors.registry.roster().await?;
    if !roster.loaded {
        return Err(Refusal::Internal("load its state"));
    }
    let wanted: Wanted = tenants.into_iter().collect();
    let mut asked = JoinSet::new();
    for (n, member) in roster.members().iter().enumerate() {
        if !member.releases_meetings() {
            let (world, instance) = (world.clone(), member.instance.clone());
            let wanted = wanted.clone();
            let last = memos.remove(&instance.id).unwrap_or_default();
            asked.spawn(async move { (n, ask(&world, &instance, &wanted, last, by).await) });
        }
    }
    let mut said = asked.join_all().await;
    said.sort_unstable_by_key(|(n, _)| *n); // the roster's order, whoever was first
    let (mut lists, mut silent, mut memos) = (Vec::new(), Vec::new(), Vec::new());
    for (_, answer) in said {
        match answer {
            Ok((list, memo)) => {
                memos.push((list.0.clone(), Arc::new(memo)));
                lists.push(list);
            }
            Err(instance) => silent.push(instance),
        }
    }
    world.actors.lists.remember(memos);
    lists.extend(last_known(world, silent, &wanted).await);
    let strays = world.actors.meetings.strays().await?;
    let answer = |(n, tenant): (usize, &TenantId)| {
        let pieces = lists.iter().flat_map(|(instance, kept)| {
            let is_stray = |meeting: &str| {
                let meeting = MeetingId::new(meeting);
                let (tenant, instance) = (tenant.clone(), instance.clone());
                strays.contains(&Stray { meeting, tenant, instance })
            };
            kept[n].pieces(!strays.is_empty(), is_stray)
        });
        (tenant.clone(), merged(pieces))
    };
    Ok(wanted.iter().enumerate().map(answer).collect())
}

/// An instance, and what it lists of each tenant.
type List = (InstanceId, Vec<Kept>);

/// The instance's list; or its id when it has none to give in time.
async fn ask(
    world: &World,
    instance: &Arc<Instance>,
    wanted: &Wanted,
    last: Arc<Memo>,
    by: Instant,
) -> Result<(List, Memo), InstanceId> {
    let why = match timeout_at(by, fetch(world, instance, wanted, last, by)).await {
        Ok(Ok((kept, memo))) => return Ok(((instance.id.clone(), kept), memo)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    metrics::counter!("bigblueswarm_lists_stale_total").increment(1);
    // The sweeps say so once, at a level that is seen; here it would be said for every list.
    debug!(instance.id = %instance.id, %why, "an instance gave no list: its last one stands in");
    Err(instance.id.clone())
}

/// What these instances listed when they were last heard.
async fn last_known(world: &World, instances: Vec<InstanceId>, wanted: &Wanted) -> Vec<List> {
    if instances.is_empty() {
        return Vec::new();
    }
    let Ok(last) = world.actors.lists.last(instances).await else { return Vec::new() };
    let wanted = wanted.clone();
    // Beside the runtime's own threads: they may be large.
    let read = tokio::task::spawn_blocking(move || {
        let lists = last.into_iter();
        lists.filter_map(|(id, list)| Some((id, stored(&list, &wanted)?))).collect()
    });
    read.await.unwrap_or_default()
}
