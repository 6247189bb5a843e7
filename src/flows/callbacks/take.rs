//! Taking a callback over from an instance: verified, stored, and only then answered.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;
use tracing::{debug, warn};

use super::over;
use super::urls::whole;
use crate::actors::callbacks::CallbackError;
use crate::actors::tenants::FindError;
use crate::bbb::callback::{Escape, Kind, Sealed};
use crate::bbb::jwt::{self, Claims, Hash};
use crate::bbb::query;
use crate::domain::delivery::{Delivery, DeliveryId, Payload};
use crate::domain::instance::Instance;
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::recordings;

/// What an instance sent.
pub struct Called<'a> {
    pub kind: Kind,
    /// The last part of the path.
    pub token: &'a str,
    pub query: Option<&'a str>,
    /// The token in its `Authorization`, if it bears one.
    pub bearer: Option<&'a str>,
    pub body: Bytes,
}

/// What becomes of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is stored, or there is nobody to tell.
    Accepted,
    /// The URL is none of ours, or the call is not signed by an instance.
    Unsigned,
    /// Its tenant is gone.
    Gone,
    /// It can't be read.
    Unreadable,
    /// There is no room, or something is away: it shall come again.
    Later,
}

impl Taken {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unsigned => "unsigned",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
            Self::Later => "put_off",
        }
    }
}

/// Takes a callback over.
pub async fn take(world: &World, called: Called<'_>) -> Taken {
    let kind = called.kind.name();
    let taken = match accept(world, called).await {
        Ok(()) => Taken::Accepted,
        Err(taken) => taken,
    };
    let labels = [("kind", kind), ("outcome", taken.name())];
    metrics::counter!("bigblueswarm_callbacks_calls_total", &labels).increment(1);
    debug!(kind, outcome = taken.name(), "a callback came");
    taken
}

async fn accept(world: &World, called: Called<'_>) -> Result<(), Taken> {
    let sealer = world.actors.callbacks.sealer().ok_or(Taken::Later)?;
    let Some(Sealed::Meeting { tenant, meeting, url, .. }) = sealer.open(called.kind, called.token)
    else {
        return Err(Taken::Unsigned);
    };
    let (tenant, meeting) = (TenantId::new(tenant), MeetingId::new(meeting));
    let (payload, from) = payload(world, &called, &tenant, &meeting).await?;
    exists(world, &tenant).await?;
    if !url.is_empty() {
        let sent = match called.kind {
            Kind::End | Kind::Ended => called.query.unwrap_or_default().as_bytes(),
            _ => &called.body,
        };
        let id = DeliveryId::of(called.kind, called.token, sent);
        let query = called.query.filter(|_| called.kind == Kind::End).map(Into::into);
        let (kind, tenant) = (called.kind, tenant.clone());
        let (target, hook, payload) = (url, None, payload.clone());
        let delivery = Delivery { id, tenant, kind, target, query, hook, payload };
        world.actors.callbacks.accept(delivery).await.map_err(|error| {
            use CallbackError::{Busy, Full, OverShare};
            if !matches!(error, Busy | Full | OverShare) {
                warn!(%error, "a callback could not be taken");
            }
            Taken::Later
        })?;
    }
    follow(world, called.kind, tenant, meeting, &payload, from);
    Ok(())
}

/// What else an instance's call tells: the meeting is over, or there is a recording.
fn follow(
    world: &World,
    kind: Kind,
    tenant: TenantId,
    meeting: MeetingId,
    payload: &Payload,
    from: Option<Arc<Instance>>,
) {
    match (kind, payload, from) {
        (Kind::End | Kind::Ended, ..) => over::meeting(world.clone(), tenant, meeting),
        (Kind::Recording, Payload::RecordingReady { claims }, Some(instance)) => {
            if let Some(id) = text(claims, "record_id") {
                over::recording(world.clone(), instance, id.to_owned());
            }
        }
        _ => {}
    }
}

/// The tenant must be there still; while tenants are not loaded, the instance shall come again.
async fn exists(world: &World, id: &TenantId) -> Result<(), Taken> {
    match world.actors.tenants.identify(id.clone()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(FindError::Unknown)) => Err(Taken::Gone),
        Ok(Err(FindError::NotLoaded)) | Err(_) => Err(Taken::Later),
    }
}

/// What is to be passed on, once the instance's signature was seen to be right; and whose it is.
async fn payload(
    world: &World,
    called: &Called<'_>,
    tenant: &TenantId,
    meeting: &MeetingId,
) -> Result<(Payload, Option<Arc<Instance>>), Taken> {
    match called.kind {
        // BBB does not sign these: that the URL is ours must do.
        Kind::End | Kind::Ended => Ok((Payload::Get, None)),
        Kind::Recording => {
            let form = std::str::from_utf8(&called.body).map_err(|_| Taken::Unreadable)?;
            let token = query::value(form, "signed_parameters").ok_or(Taken::Unsigned)?;
            let (claims, instance) = signed(world, Hash::Hs256, &token).await?;
            let is_own = text(&claims, "meeting_id") == Some(meeting.as_str());
            if !is_own && !is_inherited(world, &instance, tenant, &claims).await {
                return Err(Taken::Unsigned);
            }
            Ok((Payload::RecordingReady { claims }, Some(instance)))
        }
        Kind::Analytics => {
            let token = called.bearer.ok_or(Taken::Unsigned)?;
            let (claims, instance) = signed(world, Hash::Hs512, token).await?;
            if !claims.contains_key("exp") {
                return Err(Taken::Unsigned);
            }
            let read: About =
                serde_json::from_slice(&called.body).map_err(|_| Taken::Unreadable)?;
            let is_other = read.meeting_id.is_some_and(|id| id != meeting.as_str());
            // A breakout room's figures show whose they are by the URL that it has from its parent.
            if is_other && memmem::find(&called.body, called.token.as_bytes()).is_none() {
                return Err(Taken::Unsigned);
            }
            let restorer = world.restorer(tenant, Escape::Json).ok_or(Taken::Later)?;
            let body = whole(&restorer, called.body.clone());
            Ok((Payload::Analytics { body }, Some(instance)))
        }
        Kind::Hook => Err(Taken::Unsigned),
    }
}

/// Whether a recording of another meeting than the URL was made for is the tenant's all the same: breakout rooms that
/// are made inside BBB inherit their parent's URLs, and its tenant.
async fn is_inherited(
    world: &World,
    instance: &Arc<Instance>,
    tenant: &TenantId,
    claims: &Claims,
) -> bool {
    let Some(id) = text(claims, "record_id") else { return false };
    let owner = recordings::owner(world, instance, id).await;
    owner.flatten().is_some_and(|owner| owner == *tenant)
}

/// As much as is read of analytics.
#[derive(serde::Deserialize)]
struct About {
    #[serde(default)]
    meeting_id: Option<String>,
}

/// The claims of a token that an instance of the pool signed, be it retired; and which.
async fn signed(world: &World, hash: Hash, token: &str) -> Result<(Claims, Arc<Instance>), Taken> {
    let roster = world.actors.registry.roster().await.map_err(|_| Taken::Later)?;
    if !roster.loaded {
        return Err(Taken::Later);
    }
    let wall = world.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    roster
        .members()
        .iter()
        .find_map(|member| {
            let secret = member.instance.secret.reveal();
            let claims = jwt::verify(hash, token, secret, wall.as_secs()).ok()?;
            Some((claims, member.instance.clone()))
        })
        .ok_or(Taken::Unsigned)
}

fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}
