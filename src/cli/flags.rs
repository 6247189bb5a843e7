//! The flags that every verb takes, most of them the predecessor's.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::Surroundings;
use crate::config::{ConfigSource, Faults};
use crate::telemetry::{Format, Level, Logs};

const GO_FLAGS: [&str; 8] = [
    "config",
    "log.level",
    "log.path",
    "log.format",
    "sentry.dsn",
    "sentry.rates",
    "help",
    "version",
];

/// Where the configuration is, and where the log goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Configuration and log")]
pub struct Flags {
    /// The configuration: a file, or consul:http://HOST:8500 [default: $HOME/.bigblueswarm/bigblueswarm.yaml]
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<String>,
    /// The least severe messages to log [default: info]
    #[arg(long = "log.level", global = true, value_name = "LEVEL")]
    pub log_level: Option<Level>,
    /// Append the log to this file instead of standard error
    #[arg(long = "log.path", global = true, value_name = "FILE")]
    pub log_path: Option<PathBuf>,
    /// The form of the log [default: text on a terminal, else json]
    #[arg(long = "log.format", global = true, value_name = "FORMAT")]
    pub log_format: Option<Format>,
    #[arg(long = "sentry.dsn", global = true, hide = true)]
    sentry_dsn: Option<String>,
    #[arg(long = "sentry.rates", global = true, hide = true)]
    sentry_rates: Option<String>,
}

impl Flags {
    /// Where the configuration is read from.
    pub(super) fn source(&self, around: &Surroundings) -> Result<ConfigSource, Faults> {
        match (&self.config, &around.home) {
            (Some(name), _) => ConfigSource::named(name, &around.environment),
            (None, Some(home)) => Ok(ConfigSource::in_home(home)),
            (None, None) => {
                Err(Faults::of_file("-config", "is needed, as there is no home directory"))
            }
        }
    }

    pub(super) fn logs(&self) -> Logs {
        Logs {
            level: self.log_level.unwrap_or_default(),
            path: self.log_path.clone(),
            format: self.log_format,
        }
    }

    /// What was asked for and is not done.
    pub(super) fn warnings(&self) -> Vec<&'static str> {
        let sentry = self.sentry_dsn.is_some() || self.sentry_rates.is_some();
        sentry
            .then_some("-sentry.dsn and -sentry.rates do nothing: nothing is reported to Sentry")
            .into_iter()
            .collect()
    }
}

/// Turns `-config` into `--config`, as Go takes one dash for two.
pub(super) fn with_two_dashes(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut ended = false;
    let each = arguments.into_iter().map(|argument| {
        ended |= argument == "--";
        let go = argument.to_str().filter(|text| !ended && is_go_flag(text));
        go.map(|text| OsString::from(format!("-{text}"))).unwrap_or(argument)
    });
    each.collect()
}

fn is_go_flag(argument: &str) -> bool {
    let name = argument.strip_prefix('-').and_then(|flag| flag.split('=').next());
    name.is_some_and(|name| GO_FLAGS.contains(&name))
}
