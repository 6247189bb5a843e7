//! One attempt to bring a delivery to its target, signed with the secret that the tenant has now.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use http::StatusCode;

use super::sign::signed;
use crate::actors::callbacks::Carrier;
use crate::actors::tenants::FindError;
use crate::domain::delivery::{Attempt, Delivery, Payload};
use crate::domain::tenant::{Tenant, TenantId};
use crate::flows::World;
use crate::outside::targets::{TargetError, Targets};

/// Brings deliveries to tenants' servers.
pub struct Post {
    pub world: World,
    pub targets: Arc<dyn Targets>,
}

#[async_trait]
impl Carrier for Post {
    async fn carry(&self, delivery: Delivery) -> Attempt {
        let tenant = match self.tenant(&delivery.tenant).await {
            Ok(tenant) => tenant,
            Err(attempt) => return attempt,
        };
        if self.is_unhooked(&delivery) {
            return Attempt::Unsent("its webhook is gone".into());
        }
        let accepts = accepted(&delivery.payload);
        let wall = self.world.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Ok(call) = signed(delivery, &tenant, wall.as_secs()) else {
            return Attempt::Hopeless("it can't be signed".into());
        };
        match self.targets.send(call).await {
            Ok(status) if status.is_success() || accepts.contains(&status) => Attempt::Delivered,
            Ok(status) => Attempt::Failed(format!("HTTP status {}", status.as_u16())),
            Err(TargetError::Failed(why)) => Attempt::Failed(why),
            Err(TargetError::Refused(why)) => Attempt::Hopeless(why.into()),
        }
    }
}

impl Post {
    /// Whether it is an event whose webhook is not there: it was removed just now, or was made elsewhere and is not
    /// known here yet. So the event is not sent, and dropped only when its time is up.
    fn is_unhooked(&self, delivery: &Delivery) -> bool {
        let known = self.world.actors.hooks.known();
        let is_gone = |name: &String| known.is_some_and(|hooks| hooks.named(name).is_none());
        delivery.hook.as_ref().is_some_and(is_gone)
    }

    /// The tenant as it is now; without one nothing can be signed any more.
    async fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, Attempt> {
        match self.world.actors.tenants.identify(id.clone()).await {
            Ok(Ok(tenant)) => Ok(tenant),
            Ok(Err(FindError::Unknown)) => {
                Err(Attempt::Hopeless("there is no such tenant any more".into()))
            }
            Ok(Err(FindError::NotLoaded)) => {
                Err(Attempt::Unsent("the tenants are not loaded yet".into()))
            }
            Err(error) => Err(Attempt::Unsent(format!("the tenant is not known: {error}"))),
        }
    }
}

/// What else than success ends a delivery: a webhook that is refused, as BBB takes it; a recording
/// that nobody waits for.
fn accepted(payload: &Payload) -> &'static [StatusCode] {
    match payload {
        Payload::Event { .. } => &[StatusCode::UNAUTHORIZED],
        Payload::RecordingReady { .. } => &[StatusCode::GONE],
        Payload::Get | Payload::Analytics { .. } => &[],
    }
}
