//! Where a configuration comes from, and the way from its text to a [`Config`].

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::consul::Consul;
use super::draft::Draft;
use super::fault::Faults;
use super::part::{Part, kept};
use super::sheet::{Environment, Raw, Sheet};
use super::{Config, rules};

const LARGEST: u64 = 1 << 20;

/// A sound configuration, and what its author should know.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub config: Config,
    pub warnings: Vec<String>,
    /// The texts it was read from; what is missing of them at the next reading keeps its last one.
    pub parts: Vec<Part>,
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is one, and it is wrong.
    #[error(transparent)]
    Faulty(#[from] Faults),
    /// Its source does not answer now; it may do later.
    #[error("{0}: {1}")]
    Away(String, String),
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigSource {
    File(PathBuf),
    Consul(Consul),
    /// Made by the program itself, such as the demo's; reading it again gives the same.
    Given(Box<Config>),
}

impl ConfigSource {
    /// The source that `-config` names.
    pub fn named(name: &str, environment: &Environment) -> Result<Self, Faults> {
        match name.strip_prefix("consul:") {
            Some(url) => Ok(Self::Consul(Consul::named(url)?.with(environment))),
            None => Ok(Self::File(PathBuf::from(name))),
        }
    }

    /// The predecessor's place under the home directory.
    pub fn in_home(home: &Path) -> Self {
        Self::File(home.join(".bigblueswarm/bigblueswarm.yaml"))
    }

    /// Reads and checks everything; blocks while it reads.
    pub fn load(&self, environment: &Environment) -> Result<Parsed, LoadError> {
        self.load_after(environment, &[])
    }

    /// The same after these texts were read before: a key of Consul that was deleted keeps its last value.
    pub fn load_after(
        &self,
        environment: &Environment,
        before: &[Part],
    ) -> Result<Parsed, LoadError> {
        match self {
            Self::File(path) => Ok(file(path, environment)?),
            Self::Consul(consul) => consul_now(consul, environment, before),
            Self::Given(config) => {
                let config = (**config).clone();
                Ok(Parsed { config, warnings: Vec::new(), parts: Vec::new() })
            }
        }
    }
}

fn file(path: &Path, environment: &Environment) -> Result<Parsed, Faults> {
    let file = path.display().to_string();
    let bytes = read(path).map_err(|what| Faults::of_file(&file, what))?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&file, &text, environment),
        Err(_) => Err(Faults::of_file(&file, "is not text in UTF-8")),
    }
}

/// Asks Consul on a small runtime of its own, since loading blocks.
fn consul_now(
    consul: &Consul,
    environment: &Environment,
    before: &[Part],
) -> Result<Parsed, LoadError> {
    let away = |why: String| LoadError::Away(consul.name(), why);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| away(error.to_string()))?;
    let held = runtime.block_on(consul.read()).map_err(away)?;
    let (parts, warnings) = kept(before, held.parts);
    let mut parsed = parse_parts(&consul.name(), parts, environment)?;
    parsed.warnings.extend(warnings);
    Ok(parsed)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| format!("can't be read: {e}"))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| format!("can't be read: {e}"))?;
    if bytes.len() as u64 > LARGEST { Err("is larger than 1 MiB".into()) } else { Ok(bytes) }
}

/// The variables of this process that may be ours.
pub fn environment() -> Environment {
    let ours = std::env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    });
    let is_ours = |name: &str| name.starts_with("BBS_") || name.starts_with("CONSUL_");
    ours.filter(|(name, _)| is_ours(name)).collect()
}

/// Checks a text, which `file` names in faults, with what the environment says instead.
pub fn parse(file: &str, text: &str, environment: &Environment) -> Result<Parsed, Faults> {
    parse_parts(file, vec![Part::whole(file, text)], environment)
}

fn parse_parts(name: &str, parts: Vec<Part>, environment: &Environment) -> Result<Parsed, Faults> {
    let mut sheet = Sheet::read(name, &parts, environment);
    let mut draft = Draft::new();
    fill(&mut sheet, &mut draft);
    rules::check(&mut sheet, &mut draft);
    if sheet.faults.is_empty() {
        return Ok(Parsed { config: draft.close(), warnings: sheet.warnings, parts });
    }
    sheet.faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
    Err(Faults(sheet.faults))
}

fn fill(sheet: &mut Sheet, draft: &mut Draft) {
    let mut wrong = Vec::new();
    for (path, given) in &sheet.given {
        let field = given.key.field;
        let read = match &given.raw {
            Raw::One(text) => field.read(draft, text),
            Raw::Many(texts) => field.read_list(draft, texts),
            Raw::Named(entries) => field.read_map(draft, entries),
        };
        match (read, &given.raw) {
            (Err(what), _) => wrong.push((path.clone(), what)),
            (Ok(()), Raw::One(text)) if field.is_duration() && field.show(draft) != *text => {
                draft.config.written.0.insert(path.clone(), text.clone());
            }
            (Ok(()), _) => {}
        }
    }
    for (path, what) in wrong {
        sheet.fault_at(&path, what);
    }
}
