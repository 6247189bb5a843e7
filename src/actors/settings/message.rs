//! What the settings actor hears, and the handle its askers hold.

use std::sync::Arc;
use std::time::Duration;

use ractor::RpcReplyPort;

use crate::actors::seat::{AskError, Seat};
use crate::config::{Config, Parsed};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const RELOAD_WITHIN: Duration = Duration::from_secs(10);

/// What the settings actor can be told and asked.
pub enum SettingsMessage {
    /// The configuration that is in force. Asked by the admin surface.
    Current { reply_to: RpcReplyPort<Arc<Config>> },
    /// Read the configuration again. Asked on SIGHUP. Answers what changed, or why the old one stays.
    Reload { reply_to: RpcReplyPort<Result<Vec<String>, String>> },
    /// Reading ended, well or not. Told by the actor's own task.
    Read {
        result: Result<Box<Parsed>, String>,
        reply_to: RpcReplyPort<Result<Vec<String>, String>>,
    },
    /// Ends the actor with a panic, for tests of the supervisor.
    #[cfg(feature = "test-util")]
    Crash,
}

/// The settings actor as its callers see it.
#[derive(Clone)]
pub struct SettingsHandle(pub(crate) Seat<SettingsMessage>);

impl SettingsHandle {
    /// The configuration that is in force.
    pub async fn current(&self) -> Result<Arc<Config>, AskError> {
        self.0.ask(ANSWER_WITHIN, |reply_to| SettingsMessage::Current { reply_to }).await
    }

    /// Reads the configuration again: what changed (a line each, without secrets), or why nothing did.
    pub async fn reload(&self) -> Result<Result<Vec<String>, String>, AskError> {
        self.0.ask(RELOAD_WITHIN, |reply_to| SettingsMessage::Reload { reply_to }).await
    }
}
