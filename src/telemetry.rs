//! The log: how much, in which form, and where to.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use tracing::error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

const OURS: &str = "bigblueswarm";

/// The least severe messages that are logged, in the predecessor's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Panic,
    Fatal,
    Error,
    #[value(alias = "warning")]
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// How to log.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    pub level: Level,
    /// A file that is appended to; otherwise standard error.
    pub path: Option<PathBuf>,
    /// Otherwise text on a terminal and JSON elsewhere.
    pub format: Option<Format>,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log file {}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("RUST_LOG: {0}")]
    Filter(String),
    #[error("log: {0}")]
    Started(Box<dyn std::error::Error + Send + Sync>),
}

/// Starts logging, panics included. Once in a process.
pub fn start(logs: &Logs) -> Result<(), TelemetryError> {
    let refinement = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = EnvFilter::builder().parse(directives(logs.level, &refinement));
    let filter = filter.map_err(|error| TelemetryError::Filter(error.to_string()))?;
    let terminal = logs.path.is_none() && std::io::stderr().is_terminal();
    // What can't be written is not said on standard error, which may be on the same full disk: that would end the program.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(writer(logs)?);
    match logs.format.unwrap_or(if terminal { Format::Text } else { Format::Json }) {
        Format::Text => builder.with_ansi(terminal).try_init(),
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
    }
    .map_err(TelemetryError::Started)?;
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(at, why = panic.payload_as_str().unwrap_or_default(), "panic");
    }));
    Ok(())
}

fn writer(logs: &Logs) -> Result<BoxMakeWriter, TelemetryError> {
    let Some(path) = &logs.path else { return Ok(BoxMakeWriter::new(std::io::stderr)) };
    let file = OpenOptions::new().append(true).create(true).open(path);
    let file = file.map_err(|error| TelemetryError::File { path: path.clone(), error })?;
    Ok(BoxMakeWriter::new(Arc::new(file)))
}

/// Libraries stay at info, as some show what they send in finer levels; `RUST_LOG` may still ask for it.
/// ractor's spans around actors say nothing that our messages do not, and each message would enter two.
fn directives(level: Level, refinement: &str) -> String {
    let ours = match level {
        Level::Panic | Level::Fatal | Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let mut all = format!(
        "{},ractor={},{OURS}={ours}",
        ours.min(LevelFilter::INFO),
        ours.min(LevelFilter::WARN)
    );
    for directive in refinement.split(',').filter(|directive| !directive.trim().is_empty()) {
        all += &format!(",{directive}");
        if directive.trim().parse::<LevelFilter>().is_ok() {
            all += &format!(",{OURS}={}", directive.trim());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(level: Level, refinement: &str, expected: &str) {
        let directives = directives(level, refinement);
        assert_eq!(directives, expected);
        assert!(EnvFilter::builder().parse(&directives).is_ok(), "{directives}");
    }

    #[test]
    fn libraries_are_quieter_than_we_are() {
        check(Level::Fatal, "", "error,ractor=error,bigblueswarm=error");
        check(Level::Info, "", "info,ractor=warn,bigblueswarm=info");
        check(Level::Trace, "", "info,ractor=warn,bigblueswarm=trace");
    }

    #[test]
    fn rust_log_refines() {
        check(Level::Info, "hyper=debug", "info,ractor=warn,bigblueswarm=info,hyper=debug");
        check(Level::Warn, "debug", "warn,ractor=warn,bigblueswarm=warn,debug,bigblueswarm=debug");
    }
}
