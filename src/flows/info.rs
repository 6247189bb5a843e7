//! The calls that only look at one meeting: getMeetingInfo and isMeetingRunning.

use std::sync::Arc;

use super::World;
use super::answer::{Answer, Start};
use super::refusal::Refusal;
use crate::bbb::reply::NOT_RUNNING;
use crate::domain::tenant::Tenant;

/// What its instance says of a meeting.
pub async fn get_meeting_info(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
) -> Result<Answer, Refusal> {
    let said = look(world, tenant, "getMeetingInfo", query).await?;
    said.map(|said| world.restored(tenant, said)).ok_or(Refusal::NotFound)
}

/// Whether anyone is in a meeting; one that does not exist is not running.
pub async fn is_meeting_running(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
) -> Result<Answer, Refusal> {
    let said = look(world, tenant, "isMeetingRunning", query).await?;
    Ok(said.unwrap_or_else(|| Answer::Own(NOT_RUNNING.to_owned())))
}

/// Asks the meeting's instance; `None` when there is no such meeting, or it is lost with its instance.
async fn look(
    world: &World,
    tenant: &Arc<Tenant>,
    call: &str,
    query: &str,
) -> Result<Option<Answer>, Refusal> {
    let meeting = super::meeting_id(query)?;
    let Some(home) = world.locate_answering(tenant, &meeting).await? else { return Ok(None) };
    let (body, envelope) = match world.pass_get(&home.instance, call, query).await? {
        Start::Success(answer) => return Ok(Some(answer)),
        Start::Failed(body, envelope) => (body, envelope),
    };
    if !envelope.failed_with("notFound") {
        return Ok(Some(Answer::said(body, envelope)));
    }
    // The instance does not have it: another replica may know better.
    let other = match world.not_there(&tenant.id, &meeting, &home).await? {
        Some(other) => other.answering()?,
        None => None,
    };
    match other {
        Some(other) => Ok(Some(world.pass_get(&other.instance, call, query).await?.into())),
        None => Ok(Some(Answer::said(body, envelope))),
    }
}
