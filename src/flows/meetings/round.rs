//! A round: every instance at once, and one answer for each tenant.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::list::{Kept, Wanted, fetch};
use super::remembered::Remembered;
use crate::actors::lists::{Answers, Begun};
use crate::actors::meetings::Stray;
use crate::bbb::meetings::{Listed, Memo, merged};
use crate::determinism::HashMap;
use crate::domain::instance::{Instance, InstanceId, Member};
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
    let strays = world.actors.meetings.strays().await?;
    let answer = |(n, tenant): (usize, &TenantId)| {
        let is_stray = |instance: &InstanceId, listed: &Listed| {
            let meeting = MeetingId::new(listed.meeting_id.as_str());
            let (tenant, instance) = (tenant.clone(), instance.clone());
            !strays.is_empty() && strays.contains(&Stray { meeting, tenant, instance })
        };
        let once = Once::of(lists.iter().map(|(_, kept)| &kept[n]));
        let listed = lists.iter().enumerate().flat_map(|(at, (instance, kept))| {
            match strays.is_empty() && once.all {
                true => kept[n].all(),
                false => kept[n].pieces(|m| !is_stray(instance, m) && once.is_of(at, m)),
            }
        });
        let heard = lists.iter().flat_map(|(instance, kept)| {
            kept[n].meetings().filter(move |listed| !is_stray(instance, listed))
        });
        let last = remembered.pieces(n, tenant, heard);
        (tenant.clone(), last.map(|last| merged(listed.chain(last))))
    };
    Ok(wanted.iter().enumerate().map(answer).collect())
}

/// The list in which each meeting is shown: two lists of one server, such as by its name and by its address, have all in
/// common.
struct Once<'a> {
    first: HashMap<(&'a str, &'a str), usize>,
    /// Whether no meeting is in two lists.
    all: bool,
}

impl<'a> Once<'a> {
    fn of(lists: impl Iterator<Item = &'a Kept>) -> Self {
        let mut once = Self { first: HashMap::default(), all: true };
        for (at, kept) in lists.enumerate() {
            for id in kept.meetings().filter_map(named) {
                once.all &= *once.first.entry(id).or_insert(at) == at;
            }
        }
        once
    }

    /// Whether a meeting of the list at this place is shown there.
    fn is_of(&self, at: usize, listed: &Listed) -> bool {
        named(listed).is_none_or(|id| self.first.get(&id).is_none_or(|first| *first == at))
    }
}

/// What tells a meeting from all others of a tenant, if its instance has a name of its own for it.
fn named(listed: &Listed) -> Option<(&str, &str)> {
    let internal = listed.internal_id.as_deref().filter(|id| !id.is_empty())?;
    Some((&listed.meeting_id, internal))
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
