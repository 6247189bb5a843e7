//! Tests of a program that has a harness of its own.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial, run};

/// Flags of a test binary whose value stands behind them.
const VALUED: [&str; 6] = ["--skip", "--test-threads", "--format", "--color", "--logfile", "-Z"];

/// Runs those that are asked for.
pub(crate) fn run_all(all: Vec<Trial>) -> ExitCode {
    let (filters, flags) = arguments();
    let arguments = Arguments::from_iter(flags);
    let wanted = |trial: &Trial| {
        filters.is_empty() || filters.iter().any(|filter| trial.name().contains(filter.as_str()))
    };
    run(&arguments, all.into_iter().filter(wanted).collect()).exit_code()
}

/// The filters, of which `cargo test` takes several, and everything else.
fn arguments() -> (Vec<String>, Vec<String>) {
    let mut all = std::env::args();
    let (mut filters, mut flags) = (Vec::new(), Vec::from_iter(all.next()));
    while let Some(argument) = all.next() {
        let has_value = VALUED.contains(&argument.as_str());
        let to = if argument.starts_with('-') { &mut flags } else { &mut filters };
        to.push(argument);
        if has_value {
            flags.extend(all.next());
        }
    }
    (filters, flags)
}

pub(crate) fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
