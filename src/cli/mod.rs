//! The command line: one file for each verb, and what they share.

mod check;
pub mod demo;
mod exit;
mod failure;
mod files;
mod flags;
mod health;
mod import;
mod init;
mod operator;
mod play;
mod serve;
mod simulate;
mod table;
mod web;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Environment;

pub use exit::Exit;
pub use flags::Flags;

const ENDINGS: &str = "\
Without a verb it serves. The flags of v3 may have one dash or two: -config PATH, --config=PATH.
Each key of the configuration has a variable, such as BBS_PORT or BBS_ADMIN_API_KEY.

It ends with 0 when all is well, 3 when all stands already as it was asked for, 64 when the
configuration or the usage is wrong or the balancer refuses, 69 when something it needs is away,
70 when the fault is its own.";

/// A load balancer for BigBlueButton: many servers look like one, for many tenants
#[derive(Debug, Parser)]
#[command(name = "bigblueswarm", version, after_help = ENDINGS, args_override_self = true)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Balance (this is what happens without a verb)
    Serve,
    /// Try it out: a whole cluster of simulated servers, with nothing to install
    Demo(demo::DemoArgs),
    /// Run simulated BBB servers on loopback, to try a balancer against
    Simulate(simulate::SimulateArgs),
    /// Write a commented configuration with fresh secrets, or a file for the operator's verbs
    Init(init::InitArgs),
    /// Say everything that is wrong with a configuration, or what is in force, with secrets masked
    Check,
    /// Ask a running balancer whether it lives or is ready: 0 if so, else 1
    Health(health::HealthArgs),
    #[command(flatten)]
    Operator(operator::Verb),
    /// Take servers and tenants over from another balancer, into files to apply
    #[command(subcommand)]
    Import(import::Import),
    /// Print the completions of a shell, to be sourced by it
    Completions { shell: Shell },
    /// Print the manual page, in roff
    #[command(hide = true)]
    Manual,
    /// Print the version
    Version,
}

/// What a verb finds around it.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub environment: Environment,
    pub home: Option<PathBuf>,
}

/// Does what the arguments say; the first of them is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>, around: &Surroundings) -> Exit {
    let arguments = match Arguments::try_parse_from(flags::with_two_dashes(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Wrong } else { Exit::Done };
        }
    };
    let flags = arguments.flags;
    match arguments.verb.unwrap_or(Verb::Serve) {
        Verb::Serve => serve::run(&flags, around),
        Verb::Demo(args) => play::run(args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Init(args) => init::run(&args, &flags, around),
        Verb::Check => check::run(&flags, around),
        Verb::Health(args) => health::run(&args, &flags, around),
        Verb::Operator(verb) => operator::run(verb, around),
        Verb::Import(from) => import::run(&from),
        Verb::Completions { shell } => completions(shell),
        Verb::Manual => manual(),
        Verb::Version => say(&format!("bigblueswarm {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

/// The threads that everything asynchronous runs on.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "bigblueswarm", &mut script);
    say(&String::from_utf8_lossy(&script))
}

fn manual() -> Exit {
    let mut page = Vec::new();
    match clap_mangen::Man::new(Arguments::command()).render(&mut page) {
        Ok(()) => say(&String::from_utf8_lossy(&page)),
        Err(_) => Exit::Fault,
    }
}

/// Prints to standard output; a reader that has gone is no fault.
fn say(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Fault,
        _ => Exit::Done,
    }
}

/// Prints a line to standard error.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigSource;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words = std::iter::once("bigblueswarm").chain(line.split_whitespace());
        let arguments =
            Arguments::try_parse_from(flags::with_two_dashes(words.map(OsString::from)));
        let shown = match arguments {
            Ok(Arguments { flags, verb }) => {
                let verb = verb.map_or("serve".into(), |verb| format!("{verb:?}").to_lowercase());
                let config = flags.config.unwrap_or_default();
                let level = flags.log_level.map(|level| format!("{level:?}").to_lowercase());
                let path = flags.log_path.unwrap_or_default();
                format!("{verb} {config} {} {}", level.unwrap_or_default(), path.display())
            }
            Err(_) => "wrong".into(),
        };
        assert_eq!(shown.trim(), expected, "{line}");
    }

    #[test]
    fn the_flags_of_the_predecessor_mean_serve_in_every_spelling() {
        for line in [
            "-config c.yml",
            "--config c.yml",
            "-config=c.yml",
            "--config=c.yml",
            "serve -config c.yml",
        ] {
            check(line, "serve c.yml");
        }
        check("-config a.yml -config b.yml", "serve b.yml");
        check("", "serve");
        check("-config c -log.level debug -log.path l.log", "serve c debug l.log");
        check("--log.level=fatal --log.path=l.log serve", "serve  fatal l.log");
        check("serve -log.level=warning -config=c", "serve c warn");
        check("-config consul:http://127.0.0.1:8500", "serve consul:http://127.0.0.1:8500");
        check("-sentry.dsn https://key@host/1 -sentry.rates 0.5 -config c", "serve c");
        check("-log.level panic check", "check  panic");
    }

    #[test]
    fn without_a_flag_the_home_is_looked_in_and_without_a_home_the_flag_is_asked_for() {
        let flags = Arguments::try_parse_from(["bigblueswarm"]).expect("sound").flags;
        let home = Some(PathBuf::from("/home/ada"));
        let found = flags.source(&Surroundings { home, ..Surroundings::default() });
        let expected = PathBuf::from("/home/ada/.bigblueswarm/bigblueswarm.yaml");
        assert_eq!(found, Ok(ConfigSource::File(expected)));
        let asked = flags.source(&Surroundings::default()).expect_err("no home").to_string();
        assert!(asked.starts_with("-config: is needed"), "{asked}");
    }

    #[test]
    fn wrong_usage_is_wrong() {
        for line in
            ["-confg c", "-log.level loud", "sreve", "-config", "demo --port 70000", "completions"]
        {
            check(line, "wrong");
        }
    }
}
