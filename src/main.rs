//! Arguments, configuration, telemetry, run, exit code: `cli` has them in this order.

use std::process::ExitCode;

use bigblueswarm::cli::{self, Exit, Surroundings};
use bigblueswarm::config;

fn main() -> ExitCode {
    let ended = std::panic::catch_unwind(|| {
        let around =
            Surroundings { environment: config::environment(), home: std::env::home_dir() };
        cli::main(std::env::args_os(), &around)
    });
    ended.unwrap_or(Exit::Fault).into()
}
