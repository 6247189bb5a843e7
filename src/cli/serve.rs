//! `serve`: configuration, log, then the program itself.

use std::time::Duration;

use tracing::{error, warn};

use super::{Exit, Flags, Surroundings, complain, runtime};
use crate::app::{self, ServeError};
use crate::config::{ConfigSource, Parsed};
use crate::telemetry;

/// What still runs when all is drained is not waited for any longer.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

pub(super) fn run(flags: &Flags, around: &Surroundings) -> Exit {
    let loaded = flags.source(around).and_then(|source| {
        let parsed = source.load(&around.environment)?;
        Ok((source, parsed))
    });
    let (source, parsed) = match loaded {
        Ok(loaded) => loaded,
        Err(faults) => {
            complain(&faults.to_string());
            return Exit::Wrong;
        }
    };
    if let Err(error) = telemetry::start(&flags.logs()) {
        complain(&error.to_string());
        return Exit::Wrong;
    }
    flags.warnings().iter().for_each(|warning| warn!("{warning}"));
    parsed.warnings.iter().for_each(|warning| warn!(warning, "configuration"));
    serve(parsed, source, around)
}

fn serve(parsed: Parsed, source: ConfigSource, around: &Surroundings) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "no threads to run on");
            return Exit::Fault;
        }
    };
    let served = runtime.block_on(app::serve(parsed.config, source, around.environment.clone()));
    runtime.shutdown_timeout(LEAVE_WITHIN);
    match served {
        Ok(()) => Exit::Done,
        Err(why) => {
            error!(error = %why, "the program ends");
            Exit::from(&why)
        }
    }
}

impl From<&ServeError> for Exit {
    fn from(error: &ServeError) -> Self {
        match error {
            ServeError::Configuration(_) => Self::Wrong,
            ServeError::Away(_) => Self::Away,
            ServeError::Fault(_) => Self::Fault,
        }
    }
}
