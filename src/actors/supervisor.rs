//! Starts the actors in order, seats them, and restarts one that fails.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tracing::{error, warn};

use super::Subscriber;
use super::callbacks::{Callbacks, Carrier};
use super::directory::{Directory, Ushers};
use super::hooks::Hooks;
use super::lists::{Lists, ListsMessage};
use super::meetings::{Meetings, MeetingsMessage};
use super::metrics::{Metrics, MetricsMessage};
use super::recordings::{Recordings, RecordingsMessage};
use super::registry::{Registry, RegistryMessage};
use super::settings::Settings;
use super::tenants::{Tenants, TenantsMessage};
use crate::config::{Config, ConfigSource, Environment};
use crate::determinism::Randomness;
use crate::domain::instance::Roster;
use crate::domain::restart::RestartBudget;
use crate::outside::clock::Clock;
use crate::outside::loads::LoadSource;
use crate::outside::store::Store;

/// How long the actors may take to finish at the end of the program.
const FINISH_WITHIN: Duration = Duration::from_secs(10);
/// So many restarts, of all actors together, within a minute.
const MOST_RESTARTS: usize = 10;

/// The actors, in the order they start. None asks another: flows do the asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Lists,
    Recordings,
    Callbacks,
    Hooks,
    Meetings,
    Metrics,
    Tenants,
    Registry,
    Settings,
}

impl Role {
    /// Whoever is told something starts before the one who tells it.
    const START_ORDER: [Self; 9] = [
        Self::Lists,
        Self::Recordings,
        Self::Callbacks,
        Self::Hooks,
        Self::Meetings,
        Self::Metrics,
        Self::Tenants,
        Self::Registry,
        Self::Settings,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Lists => "lists",
            Self::Recordings => "recordings",
            Self::Callbacks => "callbacks",
            Self::Hooks => "hooks",
            Self::Meetings => "meetings",
            Self::Metrics => "metrics",
            Self::Tenants => "tenants",
            Self::Registry => "registry",
            Self::Settings => "settings",
        }
    }
}

/// What the supervisor can be told.
pub enum SupervisorMessage {
    /// Fill the role's seat again. Told by its own timer.
    Start(Role),
    /// A configuration came into force: actors that start from now on start with it. Told by the settings actor.
    Configure(Arc<Config>),
    /// The pool changed: actors that start from now on start with it. Told by the registry.
    Roster(Arc<Roster>),
}

/// Everything needed to start any actor, now or again later.
pub struct Supervisor {
    pub store: Arc<dyn Store>,
    pub loads: Arc<dyn LoadSource>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Randomness,
    /// Brings callbacks to their targets.
    pub carrier: Arc<dyn Carrier>,
    pub source: ConfigSource,
    pub environment: Environment,
    pub ushers: Ushers,
    pub directory: Directory,
}

/// Who sits where, how many restarts are left, the configuration in force, and the pool as told last.
pub struct SupervisorState {
    children: Vec<(ActorId, Role)>,
    budget: RestartBudget,
    config: Arc<Config>,
    roster: Arc<Roster>,
}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = Arc<Config>;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        config: Arc<Config>,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let budget = RestartBudget::new(MOST_RESTARTS, Duration::from_secs(60));
        let (children, roster) = (Vec::new(), Arc::default());
        let mut state = SupervisorState { children, budget, config, roster };
        for role in Role::START_ORDER {
            let child = self.start(role, &myself, &state).await?;
            state.children.push((child, role));
        }
        Ok(state)
    }

    async fn post_stop(
        &self,
        myself: ActorRef<SupervisorMessage>,
        _: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        myself.drain_children_and_wait(Some(FINISH_WITHIN)).await;
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Configure(config) => state.config = config,
            SupervisorMessage::Roster(roster) => state.roster = roster,
            SupervisorMessage::Start(role) => {
                match self.start(role, &myself, state).await {
                    Ok(child) => {
                        state.children.push((child, role));
                        // The new occupant has missed what the registry told before.
                        self.directory.registry.publish();
                    }
                    Err(why) => self.again(role, why.to_string(), &myself, state),
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, why) = match event {
            SupervisionEvent::ActorFailed(cell, why) => (cell, why.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, why) => (cell, why.unwrap_or_default()),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        let Some(at) = state.children.iter().position(|(id, _)| *id == cell.get_id()) else {
            return Ok(());
        };
        let (_, role) = state.children.swap_remove(at);
        self.ushers.vacate(role);
        self.again(role, why, &myself, state);
        Ok(())
    }
}

impl Supervisor {
    async fn start(
        &self,
        role: Role,
        myself: &ActorRef<SupervisorMessage>,
        state: &SupervisorState,
    ) -> Result<ActorId, SpawnErr> {
        let (above, config) = (myself.get_cell(), state.config.clone());
        let roster = state.roster.clone();
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let ushers = &self.ushers;
        match role {
            Role::Lists => {
                let most_bytes = config.limits.known_lists_bytes;
                spawn(Lists { most_bytes }, (), above, |a| ushers.lists.place(a)).await
            }
            Role::Recordings => {
                // As much again as for the lists of meetings.
                let most_bytes = config.limits.known_lists_bytes;
                spawn(Recordings { most_bytes, store }, (), above, |a| ushers.recordings.place(a))
                    .await
            }
            Role::Hooks => {
                let known = ushers.known_hooks.clone();
                spawn(Hooks { store, known }, (), above, |a| ushers.hooks.place(a)).await
            }
            Role::Callbacks => {
                let (carrier, sealer) = (self.carrier.clone(), ushers.sealer.clone());
                let randomness = self.randomness.clone();
                let callbacks = Callbacks { store, clock, randomness, carrier, sealer };
                spawn(callbacks, config, above, |a| ushers.callbacks.place(a)).await
            }
            Role::Meetings => {
                let meetings = Meetings { store, clock, randomness: self.randomness.clone() };
                spawn(meetings, (config, roster), above, |a| ushers.meetings.place(a)).await
            }
            Role::Metrics => {
                let metrics = Metrics { source: self.loads.clone(), clock };
                spawn(metrics, (config, roster), above, |a| ushers.metrics.place(a)).await
            }
            Role::Tenants => {
                spawn(Tenants { store }, config, above, |a| ushers.tenants.place(a)).await
            }
            Role::Registry => {
                let subscribers = self.who_hears_of_the_pool(myself.clone());
                let registry = Registry { store, clock, subscribers };
                spawn(registry, (config, roster), above, |a| ushers.registry.place(a)).await
            }
            Role::Settings => {
                let subscribers = self.who_hears_of_settings(myself.clone());
                let (source, environment) = (self.source.clone(), self.environment.clone());
                let settings = Settings { source, environment, subscribers };
                spawn(settings, config, above, |a| ushers.settings.place(a)).await
            }
        }
    }

    fn who_hears_of_the_pool(
        &self,
        myself: ActorRef<SupervisorMessage>,
    ) -> Vec<Subscriber<Arc<Roster>>> {
        let Directory { meetings, metrics, lists, recordings, .. } = self.directory.clone();
        vec![
            Box::new(move |roster| metrics.0.tell(MetricsMessage::Roster(roster))),
            Box::new(move |roster| meetings.0.tell(MeetingsMessage::Roster(roster))),
            Box::new(move |roster| lists.0.tell(ListsMessage::Roster(roster))),
            Box::new(move |roster| recordings.0.tell(RecordingsMessage::Roster(roster))),
            Box::new(move |roster| {
                let _ = myself.cast(SupervisorMessage::Roster(roster));
            }),
        ]
    }

    fn who_hears_of_settings(
        &self,
        myself: ActorRef<SupervisorMessage>,
    ) -> Vec<Subscriber<Arc<Config>>> {
        let Directory { meetings, metrics, tenants, registry, .. } = self.directory.clone();
        vec![
            Box::new(move |config| meetings.0.tell(MeetingsMessage::Configure(config))),
            Box::new(move |config| metrics.0.tell(MetricsMessage::Configure(config))),
            Box::new(move |config| tenants.0.tell(TenantsMessage::Configure(config))),
            Box::new(move |config| registry.0.tell(RegistryMessage::Configure(config))),
            Box::new(move |config| {
                let _ = myself.cast(SupervisorMessage::Configure(config));
            }),
        ]
    }

    /// Starts the role again after a growing wait, until the budget is used up.
    fn again(
        &self,
        role: Role,
        why: String,
        myself: &ActorRef<SupervisorMessage>,
        state: &mut SupervisorState,
    ) {
        metrics::counter!("bigblueswarm_supervisor_restarts_total", "actor" => role.name())
            .increment(1);
        match state.budget.spend(self.clock.now()) {
            Some(wait) => {
                warn!(actor = role.name(), why, ?wait, "actor ended; it starts again");
                myself.send_after(wait, move || SupervisorMessage::Start(role));
            }
            None => {
                error!(actor = role.name(), why, "actors keep ending; the process stops");
                myself.stop(Some("restart budget used up".into()));
            }
        }
    }
}

/// Starts an actor under the supervisor and seats it.
async fn spawn<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    above: ActorCell,
    seat: impl FnOnce(ActorRef<A::Msg>),
) -> Result<ActorId, SpawnErr> {
    let (child, _) = Actor::spawn_linked(None, actor, arguments, above).await?;
    let id = child.get_id();
    seat(child);
    Ok(id)
}
