//! `serve`: configuration, log, then the program itself.

use std::time::Duration;

use tracing::{error, warn};

use super::{Exit, Flags, Surroundings, complain, runtime};
use crate::app::{self, ServeError};
use crate::config::{ConfigSource, Environment, Faults, LoadError, Parsed};
use crate::telemetry;

/// Between two looks at a source that is away.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// What still runs when all is drained is not waited for any longer.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

pub(super) fn run(flags: &Flags, around: &Surroundings) -> Exit {
    let loaded = flags.source(around).and_then(|source| {
        let parsed = once_there(&source, &around.environment)?;
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

/// The configuration; one whose source is away is waited for, as a service that comes up later must
/// not end us. SIGTERM ends the waiting, as nothing was begun yet.
fn once_there(source: &ConfigSource, environment: &Environment) -> Result<Parsed, Faults> {
    let mut said = false;
    loop {
        match source.load(environment) {
            Ok(parsed) => return Ok(parsed),
            Err(LoadError::Faulty(faults)) => return Err(faults),
            Err(away @ LoadError::Away(..)) => {
                if !std::mem::replace(&mut said, true) {
                    complain(&format!("{away}; waiting for it"));
                }
                std::thread::sleep(AGAIN_AFTER);
            }
        }
    }
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
