//! `check`: every fault of a configuration, or what is in force.

use super::{Exit, Flags, Surroundings, complain, say};
use crate::config::LoadError;

/// What lacks without it.
const NO_BASE_URL: &str = "callbacks.baseUrl: is not set: webhooks are refused, and recording-ready callbacks are signed \
                           with secrets that clients don't know; set it to the URL by which instances reach this balancer";

pub(super) fn run(flags: &Flags, around: &Surroundings) -> Exit {
    let source = flags.source(around).map_err(LoadError::from);
    let loaded = source.and_then(|source| source.load(&around.environment));
    match loaded {
        Ok(parsed) => {
            parsed.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
            if parsed.config.callbacks.base_url.is_none() {
                complain(&format!("warning: {NO_BASE_URL}"));
            }
            say(&parsed.config.to_masked_yaml())
        }
        Err(error) => {
            complain(&error.to_string());
            match error {
                LoadError::Faulty(_) => Exit::Wrong,
                LoadError::Away(..) => Exit::Away,
            }
        }
    }
}
