//! Whose an event is: remembered, shown by the event itself, or asked of its instance. Never guessed from the
//! meeting's name alone, which two tenants may use one after the other on the same instance.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::Heard;
use crate::bbb::hooks::Event;
use crate::bbb::query;
use crate::domain::instance::Instance;
use crate::domain::meeting::InternalId;
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::answer::read;
use crate::flows::ask::{CallError, MOST_BYTES};
use crate::flows::recordings;

/// How long the instance may take to say whose a meeting is.
const ASK_WITHIN: Duration = Duration::from_secs(3);

/// Whose the event is; none when it is nobody's or nobody knows.
pub(super) async fn of(
    world: &World,
    instance: &Arc<Instance>,
    event: &Event,
) -> Result<Option<TenantId>, Heard> {
    let Some(internal) = &event.internal else { return Ok(None) };
    let known = |internal: &str| world.actors.hooks.owner(instance.id.clone(), internal.to_owned());
    let learn = |owner: &Option<TenantId>| {
        world.actors.hooks.learn(&instance.id, [(internal.clone(), owner.clone())]);
    };
    if let Some(shown) = &event.tenant {
        let owner = Some(TenantId::new(shown.as_str()));
        learn(&owner);
        return Ok(owner);
    }
    if let Some(owner) = known(internal).await.map_err(|_| Heard::Later)? {
        return Ok(owner);
    }
    // A breakout room is whose its parent is.
    if let Some(parent) = &event.parent
        && let Some(owner) = known(parent).await.map_err(|_| Heard::Later)?
    {
        learn(&owner);
        return Ok(owner);
    }
    // Its route knows it, also from before there was any hook.
    let routed = world.actors.meetings.owner(instance.id.clone(), InternalId::new(&**internal));
    if let Ok(Some(owner)) = routed.await {
        let owner = Some(owner);
        learn(&owner);
        return Ok(owner);
    }
    let asked = match event.is_about_recording() {
        true => None,
        false => meeting(world, instance, event, internal).await,
    };
    let owner = match asked {
        Some(owner) => owner,
        None => match recordings::owner(world, instance, internal).await {
            Some(owner) => owner,
            None => return Ok(None),
        },
    };
    learn(&owner);
    Ok(owner)
}

/// What the instance says of the meeting; none when it does not say, or speaks of a later one of that name.
async fn meeting(
    world: &World,
    instance: &Arc<Instance>,
    event: &Event,
    internal: &str,
) -> Option<Option<TenantId>> {
    // By its id another meeting may answer, and not every server takes an internal id.
    for name in event.external.as_deref().into_iter().chain([internal]) {
        let mut asked = String::new();
        query::append(&mut asked, "meetingID", name);
        let told = async {
            let answer = world.get(instance, "getMeetingInfo", &asked, ASK_WITHIN).await?;
            let (_, envelope) = read(answer, MOST_BYTES, ASK_WITHIN).await?;
            Ok::<_, CallError>(envelope)
        };
        match told.await {
            Ok(said) if said.success && said.internal_id.as_deref() == Some(internal) => {
                return Some(said.tenant.map(TenantId::new));
            }
            Ok(_) => {}
            Err(error) => {
                debug!(instance.id = %instance.id, %error, "no word about the meeting of an event");
            }
        }
    }
    None
}
