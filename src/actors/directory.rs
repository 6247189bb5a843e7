//! Every actor's address, made before any actor runs.

use std::sync::Arc;

use tokio::sync::watch;

use super::callbacks::{CallbacksHandle, CallbacksMessage};
use super::hooks::{HooksHandle, HooksMessage};
use super::lists::{ListsHandle, ListsMessage};
use super::meetings::{MeetingsHandle, MeetingsMessage};
use super::metrics::{MetricsHandle, MetricsMessage};
use super::recordings::{RecordingsHandle, RecordingsMessage};
use super::registry::{RegistryHandle, RegistryMessage};
use super::seat::{Usher, seat};
use super::settings::{SettingsHandle, SettingsMessage};
use super::supervisor::Role;
use super::tenants::{TenantsHandle, TenantsMessage};
use crate::bbb::callback::Sealer;
use crate::domain::hook::Hooks;

/// Every actor as its callers see it, valid for ever.
#[derive(Clone)]
pub struct Directory {
    pub settings: SettingsHandle,
    pub tenants: TenantsHandle,
    pub registry: RegistryHandle,
    pub metrics: MetricsHandle,
    pub meetings: MeetingsHandle,
    pub lists: ListsHandle,
    pub recordings: RecordingsHandle,
    pub callbacks: CallbacksHandle,
    pub hooks: HooksHandle,
}

#[cfg(feature = "test-util")]
impl Directory {
    /// Ends the actor of this role with a panic, for tests of the supervisor.
    pub fn crash(&self, role: Role) {
        match role {
            Role::Settings => self.settings.0.tell(SettingsMessage::Crash),
            Role::Tenants => self.tenants.0.tell(TenantsMessage::Crash),
            Role::Registry => self.registry.0.tell(RegistryMessage::Crash),
            Role::Metrics => self.metrics.0.tell(MetricsMessage::Crash),
            Role::Meetings => self.meetings.0.tell(MeetingsMessage::Crash),
            Role::Lists => self.lists.0.tell(ListsMessage::Crash),
            Role::Recordings => self.recordings.0.tell(RecordingsMessage::Crash),
            Role::Callbacks => self.callbacks.seat.tell(CallbacksMessage::Crash),
            Role::Hooks => self.hooks.seat.tell(HooksMessage::Crash),
        }
    }
}

/// The right to fill every seat. Only the supervisor holds it.
pub struct Ushers {
    pub(super) settings: Usher<SettingsMessage>,
    pub(super) tenants: Usher<TenantsMessage>,
    pub(super) registry: Usher<RegistryMessage>,
    pub(super) metrics: Usher<MetricsMessage>,
    pub(super) meetings: Usher<MeetingsMessage>,
    pub(super) lists: Usher<ListsMessage>,
    pub(super) recordings: Usher<RecordingsMessage>,
    pub(super) callbacks: Usher<CallbacksMessage>,
    /// Where the callbacks actor writes what URLs are sealed with.
    pub(super) sealer: watch::Sender<Option<Arc<Sealer>>>,
    pub(super) hooks: Usher<HooksMessage>,
    /// Where the hooks actor writes what it knows.
    pub(super) known_hooks: watch::Sender<Option<Arc<Hooks>>>,
}

impl Ushers {
    pub(super) fn vacate(&self, role: Role) {
        match role {
            Role::Settings => self.settings.vacate(),
            Role::Tenants => self.tenants.vacate(),
            Role::Registry => self.registry.vacate(),
            Role::Metrics => self.metrics.vacate(),
            Role::Meetings => self.meetings.vacate(),
            Role::Lists => self.lists.vacate(),
            Role::Recordings => self.recordings.vacate(),
            Role::Callbacks => self.callbacks.vacate(),
            Role::Hooks => self.hooks.vacate(),
        }
    }
}

/// Vacant seats for all, with the right to fill them.
pub fn seats() -> (Ushers, Directory) {
    let (settings, settings_seat) = seat();
    let (tenants, tenants_seat) = seat();
    let (registry, registry_seat) = seat();
    let (metrics, metrics_seat) = seat();
    let (meetings, meetings_seat) = seat();
    let (lists, lists_seat) = seat();
    let (recordings, recordings_seat) = seat();
    let (callbacks, callbacks_seat) = seat();
    let (sealer, sealed) = watch::channel(None);
    let (hooks, hooks_seat) = seat();
    let (known_hooks, known) = watch::channel(None);
    let directory = Directory {
        settings: SettingsHandle(settings_seat),
        tenants: TenantsHandle(tenants_seat),
        registry: RegistryHandle(registry_seat),
        metrics: MetricsHandle(metrics_seat),
        meetings: MeetingsHandle(meetings_seat),
        lists: ListsHandle(lists_seat),
        recordings: RecordingsHandle(recordings_seat),
        callbacks: CallbacksHandle {
            seat: callbacks_seat,
            sealer: sealed,
            wanted: watch::Sender::new(false),
        },
        hooks: HooksHandle { seat: hooks_seat, known },
    };
    let ushers = Ushers {
        settings,
        tenants,
        registry,
        metrics,
        meetings,
        lists,
        recordings,
        callbacks,
        sealer,
        hooks,
        known_hooks,
    };
    (ushers, directory)
}
