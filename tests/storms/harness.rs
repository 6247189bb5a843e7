//! What programs with a harness of their own have in common: how their tests run, and which commit they are of.

use std::process::{Command, ExitCode};

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

/// What was run, as git names it.
pub(crate) fn commit() -> String {
    let asked = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let told = asked.ok().filter(|told| told.status.success());
    let name = told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    name.unwrap_or_else(|| "unknown".into())
}
