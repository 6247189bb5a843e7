//! A directory whose seats a story fills itself.

use tokio::sync::watch;

use crate::actors::callbacks::CallbacksHandle;
use crate::actors::directory::Directory;
use crate::actors::hooks::HooksHandle;
use crate::actors::lists::{ListsHandle, ListsMessage};
use crate::actors::meetings::{MeetingsHandle, MeetingsMessage};
use crate::actors::metrics::{MetricsHandle, MetricsMessage};
use crate::actors::recordings::RecordingsHandle;
use crate::actors::registry::{RegistryHandle, RegistryMessage};
use crate::actors::seat::{Seat, seat};
use crate::actors::settings::{SettingsHandle, SettingsMessage};
use crate::actors::tenants::{TenantsHandle, TenantsMessage};

/// The handles of these seats.
pub fn directory(
    settings: Seat<SettingsMessage>,
    tenants: Seat<TenantsMessage>,
    registry: Seat<RegistryMessage>,
    metrics: Seat<MetricsMessage>,
    meetings: Seat<MeetingsMessage>,
    lists: Seat<ListsMessage>,
) -> Directory {
    Directory {
        settings: SettingsHandle(settings),
        tenants: TenantsHandle(tenants),
        registry: RegistryHandle(registry),
        metrics: MetricsHandle(metrics),
        meetings: MeetingsHandle(meetings),
        lists: ListsHandle(lists),
        // Nobody sits there: who asks hears that it is down.
        recordings: RecordingsHandle(seat().1),
        callbacks: CallbacksHandle {
            seat: seat().1,
            sealer: watch::channel(None).1,
            wanted: watch::Sender::new(false),
        },
        hooks: HooksHandle { seat: seat().1, known: watch::channel(None).1 },
    }
}
