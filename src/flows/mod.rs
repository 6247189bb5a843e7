//! One file per story a client can tell: which actors are asked, in which order.

pub mod answer;
pub mod ask;
pub mod body;
pub mod callbacks;
pub mod check;
pub mod configuration;
pub mod create;
pub mod documents;
pub mod end;
pub mod follow;
pub mod health;
pub mod hooks;
pub mod info;
pub mod join;
pub mod known;
pub mod locate;
pub mod meetings;
pub mod naming;
pub mod notices;
pub mod payload;
pub mod recordings;
pub mod refusal;
pub mod sessions;
pub mod sweeps;
pub mod tell;
pub mod writes;

use std::sync::Arc;

use tokio::sync::broadcast;

use self::payload::Payloads;
use self::refusal::Refusal;
use crate::actors::directory::Directory;
use crate::bbb::query;
use crate::config::{Config, HealthRules};
use crate::determinism::Randomness;
use crate::domain::instance::{InstanceId, InstanceMark};
use crate::domain::meeting::MeetingId;
use crate::outside::clock::Clock;
use crate::outside::servers::Servers;
use crate::outside::store::Store;
use crate::outside::store::peers::Chore;

/// So much of what other replicas did may wait to be heard of; what is missed is looked for.
pub const DONE_AHEAD: usize = 1_024;
/// So many instances may wait to be looked at; beyond that all are.
pub const DOUBTS_AHEAD: usize = 1_024;

/// Everything a story may ask: the actors, the BBB servers, the clock, and what was configured at the start.
#[derive(Clone)]
pub struct World {
    pub actors: Directory,
    pub servers: Arc<dyn Servers>,
    /// For liveness, the predecessor's hints and what replicas share; state is asked of its actor.
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Randomness,
    /// Passes on which chores other replicas did.
    pub done: broadcast::Sender<(Chore, InstanceMark)>,
    /// Passes on which instances gave a client no usable answer.
    pub doubted: broadcast::Sender<InstanceId>,
    /// Which LRS payloads of clients stand for those that instances show.
    pub payloads: Arc<Payloads>,
    /// As it was at the start; what can change while running is asked of the settings actor.
    pub config: Arc<Config>,
}

impl World {
    /// The largest answer that passes through unread.
    pub fn most_passed(&self) -> u64 {
        self.config.limits.answer_bytes as u64
    }

    /// The health rules in force; those of the start while the settings actor is away.
    pub async fn health_rules(&self) -> HealthRules {
        self.actors.settings.current().await.map_or(self.config.health, |config| config.health)
    }
}

/// The meeting that a query names.
pub fn meeting_id(query: &str) -> Result<MeetingId, Refusal> {
    let id = query::single(query, "meetingID")?.ok_or(Refusal::NoMeetingId)?;
    if id.is_empty() { Err(Refusal::EmptyMeetingId) } else { Ok(MeetingId::new(&*id)) }
}
