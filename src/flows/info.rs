//! The calls that only look at one meeting: getMeetingInfo and isMeetingRunning.

use std::sync::Arc;

use bytes::Bytes;

use super::World;
use super::answer::{Answer, Start};
use super::naming::{MEETING, Name};
use super::refusal::Refusal;
use crate::actors::meetings::Home;
use crate::bbb::reply::NOT_RUNNING;
use crate::bbb::xml;
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::Tenant;

/// What its instance says of a meeting.
pub async fn get_meeting_info(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
) -> Result<Answer, Refusal> {
    let said = look(world, tenant, "getMeetingInfo", query).await?;
    let said = said.ok_or(Refusal::NotFound)?;
    Ok(world.restored(tenant, world.with_own_payloads(tenant, said).await))
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

/// What an instance said of a meeting.
enum Said {
    Of(Answer),
    /// It does not have it; with the words for that, if it was asked for it by the client's own name.
    Gone(Option<Answer>),
}

/// Asks the meeting's instance; `None` when there is no such meeting, or it is lost with its instance.
async fn look(
    world: &World,
    tenant: &Arc<Tenant>,
    call: &str,
    query: &str,
) -> Result<Option<Answer>, Refusal> {
    let meeting = super::meeting_id(query)?;
    let Some(mut home) = world.locate_answering(tenant, &meeting).await? else { return Ok(None) };
    let mut gone = None;
    for _ in 0..2 {
        match ask(world, tenant, call, query, &meeting, &home).await? {
            Said::Of(answer) => return Ok(Some(answer)),
            Said::Gone(answer) => gone = answer,
        }
        // The instance does not have it: another replica may know better.
        let Some(other) = world.not_there(&tenant.id, &home).await? else { break };
        let Some(other) = other.answering()? else { break };
        home = other;
    }
    Ok(gone)
}

async fn ask(
    world: &World,
    tenant: &Tenant,
    call: &str,
    query: &str,
    meeting: &MeetingId,
    home: &Home,
) -> Result<Said, Refusal> {
    let name = world.name(&tenant.id, meeting, home).await?;
    let Some(named) = name.in_query(query, MEETING) else { return Ok(Said::Gone(None)) };
    match world.pass_get(tenant, &home.instance, call, &named).await? {
        Start::Success(answer, start) => {
            if call != "getMeetingInfo" || speaks_of(tenant, meeting, home, &answer, &start) {
                return Ok(Said::Of(answer));
            }
        }
        Start::Failed(body, envelope) if envelope.failed_with("notFound") => {
            return Ok(Said::Gone(Some(Answer::said(body, envelope))));
        }
        Start::Failed(body, envelope) => return Ok(Said::Of(Answer::said(body, envelope))),
    }
    // It spoke of another meeting, of which nobody shall hear.
    let name = Box::pin(world.identify(&tenant.id, meeting, home)).await?;
    let Some(named) = name.in_query(query, MEETING) else { return Ok(Said::Gone(None)) };
    let expected = match &name {
        Name::Exactly(text) => Some(text.as_str()),
        Name::AsItIs | Name::Gone => None,
    };
    match world.pass_get(tenant, &home.instance, call, &named).await? {
        Start::Success(answer, start)
            if xml::internal_id(&start).as_deref() == expected && expected.is_some()
                || speaks_of(tenant, meeting, home, &answer, &start) =>
        {
            Ok(Said::Of(answer))
        }
        Start::Failed(body, envelope) => Ok(Said::Of(Answer::said(body, envelope))),
        Start::Success(..) => Err(Refusal::Internal("tell this meeting from another one")),
    }
}

/// Whether an answer is about the tenant's meeting at this home: it has the internal id that is known, else a name of
/// the meeting and the tenant's tag. Of an answer too large to be read whole only the internal id is looked at.
fn speaks_of(
    tenant: &Tenant,
    meeting: &MeetingId,
    home: &Home,
    answer: &Answer,
    start: &Bytes,
) -> bool {
    let sought = home.sought(&tenant.id, meeting);
    if sought.is_known_as(xml::internal_id(start).as_deref()) {
        return true;
    }
    let is_whole = matches!(answer, Answer::Passed(_));
    is_whole && xml::read(start).is_ok_and(|said| sought.is_it(&said.spoken()))
}
