//! `init`: a commented configuration with secrets of its own, and files for the operator's verbs.

mod files;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rand::RngExt;
use rand::distr::Alphanumeric;

use super::files::place;
use super::{Exit, Flags, Surroundings, complain, say, web};
use crate::config::ConfigSource;

const DEFAULTS: &str = include_str!("../../../config/default.yml");
const HEADER: &str = "\
# Written by `bigblueswarm init`. Keep it to yourself: it holds secrets.
# Lines that begin with # show further keys with their defaults.
";
const SECRET_LETTERS: usize = 43;

/// What `init` can be told.
#[derive(Clone, Debug, Args)]
pub(super) struct InitArgs {
    /// Replace a file that is there, with its secrets
    #[arg(long, global = true)]
    force: bool,
    /// The URL by which BBB servers reach this balancer, such as `https://bbb.example.org`: callbacks and webhooks go
    /// through it (callbacks.baseUrl)
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[command(subcommand)]
    file: Option<files::InitFile>,
}

pub(super) fn run(args: &InitArgs, flags: &Flags, around: &Surroundings) -> Exit {
    if let Some(file) = &args.file {
        return files::run(file, args.force, around);
    }
    let written =
        flags.source(around).map_err(|faults| faults.to_string()).and_then(|source| match source {
            ConfigSource::File(path) => write(&path, args),
            ConfigSource::Consul(_) | ConfigSource::Given(_) => {
                Err("init writes a file: name one by --config".into())
            }
        });
    match written {
        Ok(path) => say(&next_steps(&path, flags.config.is_some(), args.base_url.as_deref())),
        Err(why) => {
            complain(&why);
            Exit::Wrong
        }
    }
}

fn write(path: &Path, args: &InitArgs) -> Result<PathBuf, String> {
    if let Some(url) = &args.base_url {
        web::base(url).map_err(|why| format!("--base-url: {url:?} {why}"))?;
    }
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} is there already; --force replaces it, with its secrets", path.display())
        }
        _ => format!("{} can't be written: {error}", path.display()),
    };
    let path = std::path::absolute(path).map_err(cannot)?;
    let text = text(&[secret(), secret(), secret()], &state_of(&path), args.base_url.as_deref());
    place(&path, &text, args.force).map_err(cannot)?;
    Ok(path)
}

/// Where a balancer of this configuration keeps its state: beside it, or where the unit and the packages have it.
fn state_of(configuration: &Path) -> PathBuf {
    if configuration.starts_with("/etc/bigblueswarm") {
        return PathBuf::from("/var/lib/bigblueswarm/bigblueswarm.redb");
    }
    configuration.parent().unwrap_or(Path::new("/")).join("data/bigblueswarm.redb")
}

fn secret() -> String {
    rand::rng().sample_iter(Alphanumeric).take(SECRET_LETTERS).map(char::from).collect()
}

/// The defaults as comments, but for what every installation sets for itself.
fn text(
    [secret, api_key, ingest_token]: &[String; 3],
    store: &Path,
    base_url: Option<&str>,
) -> String {
    let store = serde_json::Value::from(store.to_string_lossy());
    let base_url = base_url.map(serde_json::Value::from);
    let mut own = vec![
        ("  secret:", format!("  secret: {secret}")),
        ("  apiKey:", format!("  apiKey: {api_key}")),
        ("  ingestToken:", format!("  ingestToken: {ingest_token}")),
        ("  path: data/bigblueswarm.redb", format!("  path: {store}")),
    ];
    own.extend(base_url.iter().map(|url| ("  baseUrl:", format!("  baseUrl: {url}"))));
    let mut out = String::from(HEADER);
    let mut kept_section = false;
    for line in DEFAULTS.lines().skip(1) {
        if !line.starts_with(' ') {
            kept_section = matches!(line, "bigblueswarm:" | "admin:" | "store:")
                || line == "callbacks:" && base_url.is_some();
        }
        let filled = own
            .iter()
            .find_map(|(key, with)| line.strip_prefix(key).map(|rest| format!("{with}{rest}")));
        out += &match filled {
            Some(filled) => filled,
            None if line.is_empty()
                || line.starts_with('#')
                || line.trim_start() == line && kept_section =>
            {
                line.into()
            }
            None if kept_section => format!("  # {}", line.trim_start()),
            None => format!("# {line}"),
        };
        out.push('\n');
    }
    out
}

fn next_steps(path: &Path, is_named: bool, base_url: Option<&str>) -> String {
    let shown = path.display();
    let flag = if is_named { format!(" --config {shown}") } else { String::new() };
    let callbacks = match base_url {
        Some(_) => "",
        None => {
            "  5. Set callbacks.baseUrl to the URL by which those servers reach this one (or init --base-url URL):\n     \
             webhooks and recording-ready callbacks need it\n"
        }
    };
    format!(
        "\
Wrote {shown}; only you can read it, as it holds fresh secrets.

Next:
  1. bigblueswarm check{flag}      shows what is in force
  2. bigblueswarm serve{flag}      listens on port 8080
  3. Register your BigBlueButton servers and tenants at /admin/api, with admin.apiKey of that file:
     bigblueswarm init config --bbs http://127.0.0.1:8080 --key KEY, then bigblueswarm apply -f FILE
     (bbsctl does as well)
  4. Let Telegraf on each server write to this one: [[outputs.influxdb_v2]] with
     urls = [\"http://THIS-HOST:8080\"] and token = admin.ingestToken of that file
{callbacks}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment, StoreConfig, parse};
    use crate::domain::secret::Secret;

    fn written() -> String {
        text(
            &["a-secret-of-43-letters", "a-key-of-43-letters", "a-token-of-43-letters"]
                .map(Into::into),
            Path::new("/a: b/c"),
            None,
        )
    }

    fn expected() -> Config {
        let mut config = Config::with_secrets(
            Secret::new("a-secret-of-43-letters"),
            Secret::new("a-key-of-43-letters"),
        );
        config.admin.ingest_token = Some(Secret::new("a-token-of-43-letters"));
        config.store = StoreConfig::Embedded { path: "/a: b/c".into() };
        config
    }

    #[test]
    fn what_is_written_means_the_defaults_with_its_own_secrets() {
        let parsed = parse("c.yml", &written(), &Environment::new()).expect("sound");
        assert_eq!(parsed.config, expected());
        assert!(parsed.warnings.is_empty(), "{:?}", parsed.warnings);
    }

    /// Takes in every line that is a key in a comment.
    fn taken_in(line: &str) -> String {
        let word = line.trim_start_matches(['#', ' ']).split(' ').next().unwrap_or_default();
        let is_commented = line.trim_start().starts_with('#') && word.ends_with(':');
        line.replacen("# ", "", usize::from(is_commented)) + "\n"
    }

    #[test]
    fn what_is_commented_out_can_be_taken_in() {
        let all: String = written().lines().map(taken_in).collect();
        let parsed = parse("c.yml", &all, &Environment::new()).expect("sound");
        assert_eq!(parsed.config, expected());
        assert!(all.contains("\nbalancer:\n  policy: predictive # or seed"), "{all}");
    }

    #[test]
    fn state_is_kept_beside_the_configuration_unless_that_is_the_systems() {
        let check =
            |path: &str, expected: &str| assert_eq!(state_of(Path::new(path)), Path::new(expected));
        check("/home/ada/bbs.yml", "/home/ada/data/bigblueswarm.redb");
        check("/etc/bigblueswarm/b.yml", "/var/lib/bigblueswarm/bigblueswarm.redb");
    }

    #[test]
    fn no_two_secrets_are_alike() {
        let secrets: std::collections::HashSet<_> = (0..100).map(|_| secret()).collect();
        assert_eq!(secrets.len(), 100);
        assert!(secrets.iter().all(|secret| secret.len() == SECRET_LETTERS));
    }
}
