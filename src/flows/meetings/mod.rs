//! getMeetings: what every instance says, merged; those that do not answer count with what they said last.
//!
//! Who asks before a round over the instances begins shares it with all others, whatever the tenant. A round
//! begins when the one before it has ended, or after 250 ms: nobody gets a list from before the own question.

mod list; // one instance's list
mod remembered; // what stands in for an instance that does not answer
mod rooms; // which of a room's meetings is shown
mod round; // the lists of all

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use self::round::go_round;
use super::World;
use super::answer::Answer;
use super::refusal::Refusal;
use crate::actors::lists::{Answers, Begun, Round};
use crate::actors::settle;
use crate::determinism::HashSet;
use crate::domain::tenant::{Tenant, TenantId};

/// The longest that a round waits for the one before it, which a slow instance may hold up.
const GATHER: Duration = Duration::from_millis(250);

/// An instance does not answer, and not all of the tenant's meetings there are in its last list: a shorter list would
/// say that they are over.
const UNKNOWN: Refusal = Refusal::Internal("list all meetings: a server does not answer");

/// The tenant's meetings on all instances, each as its instance gave it.
pub async fn get_meetings(world: &World, tenant: &Arc<Tenant>) -> Result<Answer, Refusal> {
    let (asked, id) = (world.clone(), tenant.id.clone());
    // In a task of its own: a client that hangs up takes no round away from the others.
    let listed = settle(async move { listed(&asked, id).await }).await;
    let listed = listed.unwrap_or(Err(Refusal::Internal("list the meetings")))?;
    let listed = world.with_own_payloads(tenant, Answer::Merged(listed)).await;
    Ok(world.restored(tenant, listed))
}

async fn listed(world: &World, tenant: TenantId) -> Result<Vec<Bytes>, Refusal> {
    if let Ok(round) = world.actors.lists.join(tenant.clone()).await {
        let answers = round.answers.get_or_init(|| lead(world, &round)).await;
        if let Some(answer) = answers.as_ref().and_then(|answers| answers.get(&tenant)) {
            return answer.clone().ok_or(UNKNOWN);
        }
    }
    // The round came to nothing, or the actor is being started again: a round of one's own says why.
    let by = Instant::now() + world.config.deadlines.list;
    let alone = Begun { tenants: HashSet::from_iter([tenant.clone()]), ..Begun::default() };
    let mut answers = go_round(world, alone, by).await?;
    answers.remove(&tenant).flatten().ok_or(UNKNOWN)
}

/// Waits for the round's turn, begins it, and answers what came of it.
async fn lead(world: &World, round: &Arc<Round>) -> Option<Answers> {
    let _ = timeout(GATHER, round.turn.cancelled()).await;
    let _under_way = round.under_way();
    let begun = world.actors.lists.begin(round.clone()).await.ok()??;
    metrics::counter!("bigblueswarm_lists_rounds_total").increment(1);
    go_round(world, begun, round.asked_at + world.config.deadlines.list).await.ok()
}
