//! Why a verb did not do what it was asked for.

use super::Exit;

/// What is printed, and how the program ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The usage is wrong, or what was asked for was refused.
    #[error("{0}")]
    Wrong(String),
    /// What was asked does not answer.
    #[error("{0}")]
    Away(String),
    /// Somebody's program is at fault: ours, or the balancer.
    #[error("{0}")]
    Fault(String),
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Wrong(_) => Self::Wrong,
            Failure::Away(_) => Self::Away,
            Failure::Fault(_) => Self::Fault,
        }
    }
}

/// Runs a verb to its end on this thread, and says why it failed if it did.
pub(super) fn finish(verb: impl Future<Output = Result<Exit, Failure>>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(verb),
        Err(error) => Err(Failure::Fault(format!("nothing to run on: {error}"))),
    };
    done.unwrap_or_else(|failure| {
        super::complain(&failure.to_string());
        Exit::from(&failure)
    })
}
