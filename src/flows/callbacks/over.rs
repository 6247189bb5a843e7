//! What a callback tells us ourselves: a meeting is over, a recording is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use crate::actors::meetings::Where;
use crate::domain::instance::Instance;
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::ask::{CHECK_WITHIN, Presence};
use crate::flows::recordings;

/// A meeting may linger on its instance for a moment; after these times a sweep will find it gone.
const LOOK_AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];

/// A meeting is said to be over: its instance is asked, and its route goes when that agrees.
pub(super) fn meeting(world: World, tenant: TenantId, meeting: MeetingId) {
    tokio::spawn(async move {
        for wait in LOOK_AFTER {
            sleep(wait).await;
            if released(&world, &tenant, &meeting).await {
                return;
            }
        }
    });
}

/// Whether there is no route any more. A meeting of that name that was made since stays.
async fn released(world: &World, tenant: &TenantId, meeting: &MeetingId) -> bool {
    let found = world.actors.meetings.find(tenant.clone(), meeting.clone()).await;
    let home = match found {
        Ok(Where::At(home)) => home,
        Ok(Where::Unknown { .. }) => return true,
        // Its route is being written: the next look finds it.
        Ok(Where::Seen(_)) | Err(_) => return false,
    };
    match world.presence(&home.instance, tenant, meeting, CHECK_WITHIN).await {
        Ok(Presence::None) => world.not_there(tenant, &home).await.is_ok(),
        Ok(Presence::Ours | Presence::Others) => false,
        Err(error) => {
            debug!(instance.id = %home.instance.id, %error, "no word about a meeting that is said to be over");
            false
        }
    }
}

/// A recording is said to be there: its instance is asked for it, so that it is known from now on.
pub(super) fn recording(world: World, instance: Arc<Instance>, id: String) {
    tokio::spawn(async move { recordings::learn(&world, &instance.id, &id).await });
}
