//! Webhooks: the tenants' calls, the registrations at the instances, and the events that come from there.

mod event;
mod owner;
mod register;
mod watch;

pub use event::{Heard, Post, hear};
pub use watch::watch;

use std::sync::Arc;

use tracing::warn;

use super::World;
use super::answer::Answer;
use super::refusal::Refusal;
use crate::actors::hooks::{HookError, Made};
use crate::bbb::callback::Kind;
use crate::bbb::hooks::{self, Failure, HookFault};
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::Tenant;

/// Makes a hook; it is stored when this answers, and the instances hear of it at once.
pub async fn create(world: &World, tenant: &Arc<Tenant>, query: &str) -> Result<Answer, Refusal> {
    let wish = hooks::wish(query).map_err(|fault| match fault {
        HookFault::Query(fault) => Refusal::Query(fault),
        HookFault::NoUrl => Failure::NoUrl.into(),
        HookFault::BadUrl | HookFault::TooLong => {
            warn!(tenant.name = %tenant.id, why = %fault, "a webhook was not made");
            Failure::NotMade.into()
        }
    })?;
    if world.config.callbacks.base_url.is_none() {
        let why =
            "callbacks.baseUrl is not configured: instances would not know where to send events";
        warn!(tenant.name = %tenant.id, why, "a webhook was not made");
        world.actors.callbacks.want();
        return Err(Failure::NoBaseUrl.into());
    }
    match world.actors.hooks.create(tenant.id.clone(), wish).await {
        Ok(Made::New(hook)) => Ok(Answer::Own(hooks::created(&hook))),
        Ok(Made::Known(hook)) => Ok(Answer::Own(hooks::duplicate(&hook))),
        Err(error) => Err(failed(tenant, &error, "a webhook was not made", Failure::NotMade)),
    }
}

/// The tenant's hooks; with a meeting, those that get its events, refused when there is no such meeting.
pub async fn list(world: &World, tenant: &Arc<Tenant>, query: &str) -> Result<Answer, Refusal> {
    let meeting = hooks::meeting(query)?;
    let known = world.actors.hooks.known().ok_or_else(|| {
        let error = HookError::NotLoaded;
        failed(tenant, &error, "webhooks were not listed", Failure::NotListed)
    })?;
    let is_bound =
        |id: &String| known.of(&tenant.id).any(|hook| hook.wish.meeting.as_ref() == Some(id));
    // The service beside BBB lists nothing for a meeting that it does not know.
    if let Some(id) = meeting.as_ref().filter(|id| !is_bound(id))
        && world.locate(tenant, &MeetingId::new(id.as_str())).await?.is_none()
    {
        return Err(Failure::NotListed.into());
    }
    let shown = known.of(&tenant.id).map(|hook| &**hook).filter(|hook| {
        match (&meeting, &hook.wish.meeting) {
            (Some(asked), Some(bound)) => asked == bound,
            _ => true,
        }
    });
    Ok(Answer::Own(hooks::list(shown)))
}

/// Removes one of the tenant's hooks; it is gone from the store when this answers.
pub async fn destroy(world: &World, tenant: &Arc<Tenant>, query: &str) -> Result<Answer, Refusal> {
    let id = hooks::hook_id(query)?.ok_or(Failure::NoId)?.ok_or(Failure::Unknown)?;
    let known = world.actors.hooks.known();
    let name = known.as_ref().and_then(|hooks| Some(hooks.get(&tenant.id, id)?.name()));
    match world.actors.hooks.destroy(tenant.id.clone(), id).await {
        Ok(true) => {
            if let Some(name) = name {
                forget(world, tenant, name).await;
            }
            Ok(Answer::Own(hooks::REMOVED.to_owned()))
        }
        Ok(false) => Err(Failure::Unknown.into()),
        Err(error) => Err(failed(tenant, &error, "a webhook was not removed", Failure::NotRemoved)),
    }
}

/// What waits for a hook goes with it. What is left when the store is away just now is not sent either.
async fn forget(world: &World, tenant: &Tenant, name: String) {
    match world.actors.callbacks.forget(tenant.id.clone(), name).await {
        Ok(0) => {}
        Ok(gone) => {
            let labels = [("outcome", "unhooked"), ("kind", Kind::Hook.name())];
            metrics::counter!("bigblueswarm_callbacks_total", &labels).increment(gone);
        }
        Err(error) => {
            warn!(tenant.name = %tenant.id, %error, "the events of a webhook that is gone could not be dropped; they are not sent");
        }
    }
}

fn failed(tenant: &Tenant, error: &HookError, what: &'static str, failure: Failure) -> Refusal {
    warn!(tenant.name = %tenant.id, %error, "{what}");
    failure.into()
}
