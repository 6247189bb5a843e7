//! End: the instance decides; the route goes only after it agreed.

use std::sync::Arc;

use tokio::time::timeout;
use tracing::warn;

use super::World;
use super::answer::{Answer, BadAnswer, read};
use super::ask::{CallError, MOST_BYTES};
use super::naming::{MEETING, Name};
use super::refusal::Refusal;
use crate::actors::meetings::{Home, Settled};
use crate::domain::meeting::{InternalId, RouteState};
use crate::domain::tenant::Tenant;

/// So often an ended meeting is marked whose route others change at the same time.
const MOST_MARKS: usize = 4;

/// Ends a meeting on its instance.
pub async fn end(world: &World, tenant: &Arc<Tenant>, query: &str) -> Result<Answer, Refusal> {
    let meeting = super::meeting_id(query)?;
    let home = world.locate_answering(tenant, &meeting).await?;
    let mut home = home.ok_or(Refusal::NotFound)?;
    for _ in 0..2 {
        let within = world.info_within();
        let name = world.name(&tenant.id, &meeting, &home).await?;
        let Some(named) = name.in_query(query, MEETING) else {
            home = elsewhere(world, tenant, &home).await?.ok_or(Refusal::NotFound)?;
            continue;
        };
        let asked = timeout(within, async {
            let answer = world.get(&home.instance, "end", &named, within).await?;
            Ok::<_, CallError>(read(answer, MOST_BYTES, within).await?)
        });
        let asked = asked.await.unwrap_or(Err(BadAnswer::Late.into()));
        let (body, envelope) =
            asked.map_err(|error| world.unreached(&tenant.id, &home.instance, "end", &error))?;
        if envelope.success {
            if let Name::Exactly(text) = &name {
                home.internal = Some(InternalId::new(text.as_str()));
            }
            match ended(world, tenant, &home).await? {
                None => return Ok(Answer::Passed(body)),
                // What ended was a copy: it lives elsewhere.
                Some(other) => {
                    home = other;
                    continue;
                }
            }
        }
        if !envelope.failed_with("notFound") {
            return Ok(Answer::said(body, envelope));
        }
        match elsewhere(world, tenant, &home).await? {
            Some(other) => home = other,
            None => return Ok(Answer::said(body, envelope)),
        }
    }
    Err(Refusal::NotFound)
}

/// Where the meeting lives after this home said that it does not have it; `None` when it is gone.
async fn elsewhere(world: &World, tenant: &Tenant, home: &Home) -> Result<Option<Home>, Refusal> {
    match world.not_there(&tenant.id, home).await? {
        Some(other) => Ok(other.answering()?),
        None => Ok(None),
    }
}

/// Marks the route: the meeting lingers on its instance for a while and no longer counts. Where the meeting lives if it is
/// another that has ended.
///
/// It is not known what has ended unless the store says so, or the instance was asked before.
async fn ended(world: &World, tenant: &Tenant, home: &Home) -> Result<Option<Home>, Refusal> {
    let mut version = home.version;
    for _ in 0..MOST_MARKS {
        let (id, to) = (tenant.id.clone(), RouteState::Ending);
        let other = match world.actors.meetings.set(id, home.key, version, to).await {
            Ok(Settled::Otherwise(other)) if other.state == RouteState::Confirmed => other,
            Ok(_) => return Ok(None),
            Err(error) if home.unproven => {
                warn!(%error, "an ended meeting could not be marked; a sweep will find it gone");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if other.instance.id != home.instance.id {
            return Ok(other.answering()?);
        }
        if home.internal.is_none() || other.internal != home.internal {
            return Ok(None); // a later meeting of the room
        }
        // Something was learnt of it meanwhile.
        version = other.version;
    }
    Ok(None)
}
