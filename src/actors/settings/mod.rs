//! The settings actor: owns the configuration that is in force.

mod message;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use ractor::concurrency::oneshot;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{Subscriber, answer, settle};
use crate::config::{Config, ConfigSource, Environment, Parsed, Part};
use crate::determinism::aside;

pub use message::*;

/// Shorter than the askers of a reload wait.
const READ_WITHIN: Duration = Duration::from_secs(8);
const MOST_WAITING: usize = 16;

type Outcome = Result<Vec<String>, String>;

/// The settings actor as the runtime sees it. It starts with the configuration that the program was
/// started with, and reads its source again at once, as it may have been restarted after a reload.
pub struct Settings {
    pub source: ConfigSource,
    /// What the environment says instead of the source.
    pub environment: Environment,
    pub subscribers: Vec<Subscriber<Arc<Config>>>,
}

/// What the settings actor remembers.
pub struct SettingsState {
    config: Arc<Config>,
    /// The texts that it was read from last, and what was remarked on them; none before the first reading.
    parts: Vec<Part>,
    remarks: Option<Vec<String>>,
    reading: bool,
    /// Who asked for a reload while one was running, and so may have changed the file since.
    waiting: VecDeque<RpcReplyPort<Outcome>>,
}

impl Actor for Settings {
    type Msg = SettingsMessage;
    type State = SettingsState;
    type Arguments = Arc<Config>;

    async fn pre_start(
        &self,
        myself: ActorRef<SettingsMessage>,
        config: Arc<Config>,
    ) -> Result<SettingsState, ActorProcessingErr> {
        let mut state = SettingsState {
            config,
            parts: Vec::new(),
            remarks: None,
            reading: false,
            waiting: VecDeque::new(),
        };
        let (nobody, _) = oneshot();
        self.start_reading(myself, &mut state, nobody.into());
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SettingsMessage>,
        message: SettingsMessage,
        state: &mut SettingsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SettingsMessage::Current { reply_to } => answer(reply_to, state.config.clone()),
            SettingsMessage::Reload { reply_to } if state.reading => state.wait(reply_to),
            SettingsMessage::Reload { reply_to } => self.start_reading(myself, state, reply_to),
            SettingsMessage::Read { result, reply_to } => {
                let outcome = result.map(|new| self.apply(state, *new));
                report(&outcome);
                answer(reply_to, outcome);
                state.reading = false;
                if let Some(next) = state.next() {
                    self.start_reading(myself, state, next);
                }
            }
            #[cfg(feature = "test-util")]
            SettingsMessage::Crash => panic!("a test asked for this"),
        }
        Ok(())
    }
}

impl Settings {
    /// Takes over what can change while running and tells it; answers a line for each changed key.
    fn apply(&self, state: &mut SettingsState, read: Parsed) -> Vec<String> {
        let Parsed { config: new, warnings, parts } = read;
        let changes = state.config.changes(&new);
        state.parts = parts;
        state.remark(warnings, !changes.is_empty());
        let now = state.config.reloaded(new);
        if now != *state.config {
            state.config = Arc::new(now);
            self.subscribers.iter().for_each(|tell| tell(state.config.clone()));
        }
        changes
    }

    /// Reads in a task, so the mailbox stays free.
    fn start_reading(
        &self,
        myself: ActorRef<SettingsMessage>,
        state: &mut SettingsState,
        reply_to: RpcReplyPort<Outcome>,
    ) {
        state.reading = true;
        let reading = read(self.source.clone(), self.environment.clone(), state.parts.clone());
        tokio::spawn(async move {
            let settled = settle(reading).await;
            let result = settled.unwrap_or_else(|_| Err("reading the configuration failed".into()));
            let _ = myself.cast(SettingsMessage::Read { result, reply_to });
        });
    }
}

impl SettingsState {
    /// Says what is worth a word and was not said already: at the start that was done for the first reading.
    fn remark(&mut self, warnings: Vec<String>, changed: bool) {
        let said = self.remarks.replace(warnings.clone());
        let said = said.unwrap_or_else(|| if changed { Vec::new() } else { warnings.clone() });
        let new = warnings.iter().filter(|warning| !said.contains(warning));
        new.for_each(|warning| warn!(warning, "configuration"));
    }

    fn wait(&mut self, reply_to: RpcReplyPort<Outcome>) {
        self.waiting.retain(|waiting| !waiting.is_closed());
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(reply_to);
        } else {
            answer(reply_to, Err("too many reloads are waiting".into()));
        }
    }

    fn next(&mut self) -> Option<RpcReplyPort<Outcome>> {
        std::iter::from_fn(|| self.waiting.pop_front()).find(|waiting| !waiting.is_closed())
    }
}

async fn read(
    source: ConfigSource,
    environment: Environment,
    before: Vec<Part>,
) -> Result<Box<Parsed>, String> {
    let work = aside(move || source.load_after(&environment, &before));
    let settled = timeout(READ_WITHIN, work).await;
    let settled =
        settled.map_err(|_| format!("no configuration was read within {READ_WITHIN:?}"))?;
    let loaded = settled.map_err(|_| "reading the configuration failed")?;
    let parsed = loaded.map_err(|error| error.to_string())?;
    Ok(Box::new(parsed))
}

fn report(outcome: &Outcome) {
    match outcome {
        Ok(changes) => {
            counter!("bigblueswarm_settings_reloads_total", "outcome" => "read").increment(1);
            changes.iter().for_each(|change| info!(change, "configuration changed"));
        }
        Err(faults) => {
            counter!("bigblueswarm_settings_reloads_total", "outcome" => "refused").increment(1);
            for fault in faults.lines() {
                warn!(fault, "configuration was refused; the old one stays");
            }
        }
    }
}
