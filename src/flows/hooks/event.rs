//! An event that an instance posts: believed when it is signed, and passed on to the tenant whose meeting it is about.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use tracing::{debug, warn};

use super::owner;
use crate::actors::callbacks::CallbackError;
use crate::bbb::callback::{Escape, Kind, PATH, Restorer, Sealed, Sealer};
use crate::bbb::hooks::{self, Event, Form};
use crate::bbb::query;
use crate::domain::delivery::{Delivery, DeliveryId, Payload};
use crate::domain::hook::Hook;
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::secret::Secret;
use crate::flows::World;

/// What an instance posted.
pub struct Post<'a> {
    /// The last part of the path.
    pub token: &'a str,
    pub query: &'a str,
    /// The secret in its `Authorization`, if it bears one.
    pub bearer: Option<&'a str>,
    pub body: &'a [u8],
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is stored for delivery, or is nobody's here: it needs not come again.
    Taken,
    /// Not signed with the instance's secret.
    Unsigned,
    /// No such hook. It comes again: another replica may have made the hook just now.
    Unknown,
    /// It can't be read.
    Unreadable,
    /// It shall come again later.
    Later,
}

/// Takes an event.
pub async fn hear(world: &World, post: Post<'_>) -> Heard {
    let heard = match take(world, &post).await {
        Ok(what) => {
            count(what);
            Heard::Taken
        }
        Err(heard) => {
            count(match heard {
                Heard::Unsigned => "unsigned",
                Heard::Unknown => "unknown_hook",
                Heard::Unreadable => "unreadable",
                Heard::Later | Heard::Taken => "put_off",
            });
            heard
        }
    };
    debug!(?heard, "an event came");
    heard
}

fn count(outcome: &'static str) {
    metrics::counter!("bigblueswarm_hooks_events_total", "outcome" => outcome).increment(1);
}

/// Answers what became of an event that needs not come again.
async fn take(world: &World, post: &Post<'_>) -> Result<&'static str, Heard> {
    let sealer = world.actors.callbacks.sealer().ok_or(Heard::Later)?;
    let Some(Sealed::Hook { hook: name, instance }) = sealer.open(Kind::Hook, post.token) else {
        return Err(Heard::Unknown);
    };
    let roster = world.actors.registry.roster().await.map_err(|_| Heard::Later)?;
    let member = roster.get(&InstanceId::new(instance)).ok_or(Heard::Unknown)?;
    let body = std::str::from_utf8(post.body).map_err(|_| Heard::Unreadable)?;
    if !is_signed(world, &member.instance, post, body) {
        return Err(Heard::Unsigned);
    }
    let known = world.actors.hooks.known().ok_or(Heard::Later)?;
    let hook = known.named(&name).ok_or(Heard::Unknown)?;
    let form = Form::read(body).ok_or(Heard::Unreadable)?;
    let events = hooks::events(&form.event).ok_or(Heard::Unreadable)?;
    let (mine, whole) = mine(world, hook, &member.instance, events).await?;
    if mine.is_empty() {
        return Ok("dropped");
    }
    // One that is passed on whole keeps its bytes.
    let event = if whole { form.event } else { hooks::with(mine) };
    deliver(world, hook, sealer, post, event, form.timestamp).await
}

/// Whether the instance's secret signed this post: by a checksum over its URL and body, or as a bearer.
fn is_signed(world: &World, instance: &Instance, post: &Post<'_>, body: &str) -> bool {
    if instance.secret.is_empty() {
        return false;
    }
    if let Some(bearer) = post.bearer {
        return Secret::new(bearer) == instance.secret;
    }
    let Ok(Some(supplied)) = query::single(post.query, "checksum") else { return false };
    let base = world.config.callbacks.base_url.as_deref().unwrap_or_default();
    let url = [base.trim_end_matches('/'), PATH, Kind::Hook.name(), "/", post.token].concat();
    hooks::event_is_signed(&supplied, &url, body, instance.secret.reveal())
}

/// The events that are about this tenant's meetings and that its hook wants; and whether these are all.
async fn mine(
    world: &World,
    hook: &Hook,
    instance: &Arc<Instance>,
    events: Vec<Value>,
) -> Result<(Vec<Value>, bool), Heard> {
    let (tenant, all) = (hook.tenant(), events.len());
    let mut mine = Vec::new();
    for value in events {
        let event = Event::of(&value);
        // Whose it is is learnt from events too that nobody wants.
        match owner::of(world, instance, &event).await? {
            Some(owner) if owner == tenant => {
                if hook.wants(event.id.as_deref(), event.external.as_deref()) {
                    mine.push(value);
                }
            }
            Some(_) => count("of_another_tenant"),
            None => {
                count("of_nobody");
                debug!(instance.id = %instance.id, "an event of a meeting whose tenant is unknown is dropped");
            }
        }
    }
    let whole = mine.len() == all;
    Ok((mine, whole))
}

async fn deliver(
    world: &World,
    hook: &Hook,
    sealer: Arc<Sealer>,
    post: &Post<'_>,
    event: String,
    timestamp: String,
) -> Result<&'static str, Heard> {
    let tenant = hook.tenant();
    let restorer = Restorer::new(sealer, tenant.as_str(), Escape::Json);
    let event = match restorer.whole(event.as_bytes()) {
        Cow::Borrowed(_) => event,
        Cow::Owned(own) => String::from_utf8(own).map_err(|_| Heard::Unreadable)?,
    };
    let delivery = Delivery {
        id: DeliveryId::of(Kind::Hook, post.token, post.body),
        tenant,
        kind: Kind::Hook,
        target: hook.wish.url.clone(),
        query: None,
        hook: Some(hook.name()),
        payload: Payload::Event { event, timestamp },
    };
    match world.actors.callbacks.accept(delivery).await {
        Ok(_) => Ok("accepted"),
        // An instance that is refused drops the hook after a minute, and holds up all later events till then.
        Err(CallbackError::OverShare) => Ok("over_share"),
        Err(error) => {
            warn!(%error, "an event could not be taken; its instance sends it again");
            Err(Heard::Later)
        }
    }
}
