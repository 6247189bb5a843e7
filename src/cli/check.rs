//! `check`: every fault of a configuration, or what is in force.

use super::{Exit, Flags, Surroundings, complain, say};

pub(super) fn run(flags: &Flags, around: &Surroundings) -> Exit {
    let loaded = flags.source(around).and_then(|source| source.load(&around.environment));
    match loaded {
        Ok(parsed) => {
            parsed.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
            say(&parsed.config.to_masked_yaml())
        }
        Err(faults) => {
            complain(&faults.to_string());
            Exit::Wrong
        }
    }
}
