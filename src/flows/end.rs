//! End: the instance decides; the route goes only after it agreed.

use std::sync::Arc;

use tokio::time::timeout;

use super::World;
use super::answer::{Answer, BadAnswer, read};
use super::ask::{CallError, MOST_BYTES};
use super::refusal::Refusal;
use crate::actors::meetings::Home;
use crate::domain::meeting::RouteState;
use crate::domain::tenant::Tenant;

/// Ends a meeting on its instance.
pub async fn end(world: &World, tenant: &Arc<Tenant>, query: &str) -> Result<Answer, Refusal> {
    let meeting = super::meeting_id(query)?;
    let home = world.locate_answering(tenant, &meeting).await?;
    let mut home = home.ok_or(Refusal::NotFound)?;
    for _ in 0..2 {
        let within = world.info_within();
        let Some(named) = world.addressed(&tenant.id, &meeting, &home, query).await? else {
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
            ended(world, tenant, &home).await;
            return Ok(Answer::Passed(body));
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

/// Marks the route: the meeting lingers on its instance for a while and no longer counts.
async fn ended(world: &World, tenant: &Tenant, home: &Home) {
    let (id, to) = (tenant.id.clone(), RouteState::Ending);
    let marked = world.actors.meetings.set(id, home.key, home.version, to).await;
    if let Err(error) = marked {
        tracing::warn!(%error, "an ended meeting could not be marked; a sweep will find it gone");
    }
}
