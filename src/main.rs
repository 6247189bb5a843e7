//! Arguments, configuration, telemetry, run, exit code: `cli` has them in this order.

use std::process::ExitCode;

use bigblueswarm::cli::{self, Exit, Surroundings};
use bigblueswarm::config;

/// Requests allocate on one thread and free on another, where the C library's allocator waits for locks.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let ended = std::panic::catch_unwind(|| {
        let around =
            Surroundings { environment: config::environment(), home: std::env::home_dir() };
        cli::main(std::env::args_os(), &around)
    });
    ended.unwrap_or(Exit::Fault).into()
}
