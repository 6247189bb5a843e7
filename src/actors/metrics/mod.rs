//! The metrics actor: owns the newest load reading.

mod message;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

pub use message::*;
pub use state::MetricsState;
use state::Turn;

use super::{answer, settle};
use crate::config::Config;
use crate::domain::instance::Roster;
use crate::outside::clock::Clock;
use crate::outside::loads::{LoadError, LoadSource};

/// So long after a reading the next one begins at the earliest, whatever the news.
const PAUSE: Duration = Duration::from_millis(250);

/// The metrics actor as the runtime sees it.
///
/// Reads every `balancer.pollInterval`, measured from the end of the last reading, one at a time, each
/// in a task that is given up after four fifths of that interval and 8 seconds at most. Reads sooner while instances
/// have no figures yet: when the source has news of one, else every second. Keeps the last good figures when a reading
/// fails.
pub struct Metrics {
    pub source: Arc<dyn LoadSource>,
    pub clock: Arc<dyn Clock>,
}

impl Actor for Metrics {
    type Msg = MetricsMessage;
    type State = MetricsState;
    /// What is in force, and the pool as it was told last.
    type Arguments = (Arc<Config>, Arc<Roster>);

    async fn pre_start(
        &self,
        myself: ActorRef<MetricsMessage>,
        (config, roster): (Arc<Config>, Arc<Roster>),
    ) -> Result<MetricsState, ActorProcessingErr> {
        myself.cast(MetricsMessage::Refresh)?;
        let mut state = MetricsState::new(&config, self.clock.now());
        state.take_roster(&roster, self.clock.now());
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<MetricsMessage>,
        message: MetricsMessage,
        state: &mut MetricsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            MetricsMessage::Current { reply_to } => answer(reply_to, state.reading()),
            MetricsMessage::Roster(roster) => {
                if state.take_roster(&roster, self.clock.now()) {
                    state.wake();
                }
            }
            MetricsMessage::Refresh => {
                if state.begin() {
                    self.read(myself, state);
                }
            }
            MetricsMessage::Read(reading) => {
                match state.end(reading, self.clock.now()) {
                    Turn::Fails => warn!(
                        error = state.failed(),
                        "load figures can't be read; the last ones stand"
                    ),
                    Turn::Recovers => info!("load figures are read again"),
                    Turn::Same => {}
                }
                self.wait(myself, state);
            }
            MetricsMessage::Configure(config) => state.configure(&config),
            #[cfg(feature = "test-util")]
            MetricsMessage::Crash => panic!("told to crash"),
        }
        Ok(())
    }
}

impl Metrics {
    /// Has the next reading begin when its time has come, or when there is news; it ends with that.
    fn wait(&self, myself: ActorRef<MetricsMessage>, state: &MetricsState) {
        let (source, woken) = (self.source.clone(), state.woken());
        let wait = state.wait(self.clock.now());
        tokio::spawn(async move {
            let news = async {
                tokio::select! {
                    biased;
                    () = source.news() => {}
                    () = woken.notified() => {}
                }
            };
            let pause = wait.min(PAUSE);
            sleep(pause).await;
            let _ = timeout(wait - pause, news).await;
            let _ = myself.cast(MetricsMessage::Refresh);
        });
    }

    /// Reads in a task, so the mailbox stays free; the next refresh is set when this one ends.
    fn read(&self, myself: ActorRef<MetricsMessage>, state: &MetricsState) {
        let (source, view) = (self.source.clone(), state.view());
        let limit = view.within;
        tokio::spawn(async move {
            let reading = settle(async move { timeout(limit, source.read(view)).await }).await;
            let reading = match reading {
                Ok(Ok(reading)) => reading,
                Ok(Err(_)) => Err(LoadError(format!("no reading within {limit:?}"))),
                Err(_) => Err(LoadError("reading panicked".into())),
            };
            let _ = myself.cast(MetricsMessage::Read(reading));
        });
    }
}
