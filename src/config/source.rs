//! Where a configuration comes from, and the way from its text to a [`Config`].

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::fault::Faults;
use super::sheet::{Environment, Raw, Sheet};
use super::{Config, rules};

const LARGEST: u64 = 1 << 20;

/// A sound configuration, and what its author should know.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub config: Config,
    pub warnings: Vec<String>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigSource {
    File(PathBuf),
    /// Made by the program itself, such as the demo's; reading it again gives the same.
    Given(Box<Config>),
}

impl ConfigSource {
    /// The source that `-config` names.
    pub fn named(name: &str) -> Result<Self, Faults> {
        if name.starts_with("consul:") {
            let what = "reading from Consul comes in a later release; name a file";
            return Err(Faults::of_file("-config", what));
        }
        Ok(Self::File(PathBuf::from(name)))
    }

    /// The predecessor's place under the home directory.
    pub fn in_home(home: &Path) -> Self {
        Self::File(home.join(".bigblueswarm/bigblueswarm.yaml"))
    }

    /// Reads and checks everything; blocks while it reads.
    pub fn load(&self, environment: &Environment) -> Result<Parsed, Faults> {
        let path = match self {
            Self::File(path) => path,
            Self::Given(config) => {
                return Ok(Parsed { config: (**config).clone(), warnings: Vec::new() });
            }
        };
        let file = path.display().to_string();
        let bytes = read(path).map_err(|what| Faults::of_file(&file, what))?;
        match String::from_utf8(bytes) {
            Ok(text) => parse(&file, &text, environment),
            Err(_) => Err(Faults::of_file(&file, "is not text in UTF-8")),
        }
    }
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
    ours.filter(|(name, _)| name.starts_with("BBS_")).collect()
}

/// Checks a text, which `file` names in faults, with what the environment says instead.
pub fn parse(file: &str, text: &str, environment: &Environment) -> Result<Parsed, Faults> {
    let mut sheet = Sheet::read(file, text, environment);
    let mut draft = Draft::new();
    fill(&mut sheet, &mut draft);
    rules::check(&mut sheet, &mut draft);
    if sheet.faults.is_empty() {
        return Ok(Parsed { config: draft.close(), warnings: sheet.warnings });
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
