//! `check`: every fault of a configuration, or what is in force.

use super::{Exit, Flags, Surroundings, complain, say};
use crate::config::LoadError;

pub(super) fn run(flags: &Flags, around: &Surroundings) -> Exit {
    let source = flags.source(around).map_err(LoadError::from);
    let loaded = source.and_then(|source| source.load(&around.environment));
    match loaded {
        Ok(parsed) => {
            parsed.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
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
