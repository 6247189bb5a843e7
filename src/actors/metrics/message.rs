//! What the metrics actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use crate::actors::seat::{AskError, Seat};
use crate::config::Config;
use crate::domain::instance::Roster;
use crate::domain::load::LoadSnapshot;
use crate::outside::loads::LoadError;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What the metrics actor can be told and asked.
pub enum MetricsMessage {
    /// The newest good reading, and whether a later one failed. Asked by flows and the admin surface.
    Current { reply_to: RpcReplyPort<Reading> },
    /// The pool changed. Told by the registry.
    Roster(Arc<Roster>),
    /// Time to read again. Told by the actor's own timer.
    Refresh,
    /// A reading ended, well or not. Told by the actor's own task.
    Read(Result<LoadSnapshot, LoadError>),
    /// The configuration changed. Told by the settings actor.
    Configure(Arc<Config>),
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// The newest good figures.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub loads: Arc<LoadSnapshot>,
    /// Why the last attempt to read failed; none when it did not.
    pub failed: Option<Arc<str>>,
}

/// The metrics actor as its callers see it.
#[derive(Clone)]
pub struct MetricsHandle(pub(crate) Seat<MetricsMessage>);

impl MetricsHandle {
    /// The newest good reading.
    pub async fn current(&self) -> Result<Reading, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| MetricsMessage::Current { reply_to }).await
    }
}
