//! A round: every instance at once, and one answer for each tenant.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::list::{Kept, Wanted, fetch};
use super::remembered::Remembered;
use super::rooms::Rooms;
use crate::actors::lists::{Answers, Begun};
use crate::bbb::meetings::{Memo, merged};
use crate::domain::instance::{Instance, InstanceId, Member};
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
    let (mut asked, mut silent) = (JoinSet::new(), Vec::new());
    for (n, member) in roster.members().iter().enumerate() {
        let (world, instance) = (world.clone(), member.instance.clone());
        if !member.releases_meetings() {
            let wanted = wanted.clone();
            let last = memos.remove(&instance.id).unwrap_or_default();
            asked.spawn(async move { (n, ask(&world, &instance, &wanted, last, by).await) });
        } else if !member.lost_meetings() && !member.is_alias() {
            silent.push(instance.id.clone());
        }
    }
    let mut said = asked.join_all().await;
    said.sort_unstable_by_key(|(n, _)| *n); // the roster's order, whoever was first
    let (mut lists, mut memos) = (Vec::new(), Vec::new());
    for (_, answer) in said {
        match answer {
            Ok((list, memo)) => {
                memos.push((list.0.clone(), Arc::new(memo)));
                lists.push(list);
            }
            // What an alias would say the instance says that counts for it.
            Err(instance) if roster.get(&instance).is_some_and(Member::is_alias) => {}
            Err(instance) => silent.push(instance),
        }
    }
    world.actors.lists.remember(memos);
    let remembered = Remembered::of(world, silent, &wanted).await?;
    let ids: Vec<&InstanceId> = lists.iter().map(|(id, _)| id).collect();
    let mut answers = Answers::default();
    for (n, tenant) in wanted.iter().enumerate() {
        let silent: Vec<_> = remembered.of_tenant(tenant).collect();
        let is_silent = |key| silent.iter().any(|routes| routes.contains_key(&key));
        let of_tenant = lists.iter().map(|(_, kept)| &kept[n]);
        let mut rooms = Rooms::of(of_tenant, Some(is_silent).filter(|_| !silent.is_empty()));
        let stands_in = |id: &InstanceId, key| remembered.has_on(id, tenant, key);
        if !rooms.settle(world, tenant, &ids, stands_in).await {
            answers.insert(tenant.clone(), None);
            continue;
        }
        let rooms = &rooms;
        let listed = lists.iter().enumerate().flat_map(|(at, (_, kept))| match rooms.shows_all() {
            true => kept[n].all(),
            false => kept[n].pieces(|listed| rooms.shows(at, listed)),
        });
        let heard = lists.iter().enumerate().flat_map(|(at, (_, kept))| {
            kept[n].meetings().filter(move |listed| rooms.shows(at, listed))
        });
        let last = remembered.pieces(n, tenant, heard);
        answers.insert(tenant.clone(), last.map(|last| merged(listed.chain(last))));
    }
    Ok(answers)
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
