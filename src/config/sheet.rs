//! What is written, by key, with the place of each; and what stands where no key is known.

use std::collections::{BTreeMap, HashMap};

use super::fault::Fault;
use super::field::Field;
use super::keys::{self, KEYS, Key};
use super::part::Part;
use super::yaml::{self, Node, Value};

/// Variables by name. Only those that begin with `BBS_` are looked at.
pub type Environment = BTreeMap<String, String>;

const PREFIX: &str = "BBS_";
const LONGEST_NAME: usize = 64;

/// A value as written.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    One(String),
    Many(Vec<String>),
    /// Names with a value each.
    Named(Vec<(String, String)>),
}

/// A key that was given a value.
pub(super) struct Given {
    pub(super) key: &'static Key,
    pub(super) raw: Raw,
    file: String,
    line: Option<usize>,
    name: String,
}

/// All that was written, and what was found wrong so far.
pub(super) struct Sheet {
    file: String,
    pub(super) given: BTreeMap<String, Given>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
    /// Whether the text ended in a fault, so that keys may be missing for that reason alone.
    pub(super) broken: bool,
    /// Where sections and keys stood first.
    seen: HashMap<String, Stood>,
}

/// Where something stood, and how it was spelt.
struct Stood {
    file: String,
    line: usize,
    spelling: String,
}

impl Sheet {
    /// Reads the texts, then what the environment says instead. `name` is the source of them all.
    pub(super) fn read(name: &str, parts: &[Part], environment: &Environment) -> Self {
        let mut sheet = Self {
            file: name.into(),
            given: BTreeMap::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
            broken: false,
            seen: HashMap::new(),
        };
        for part in parts {
            sheet.file.clone_from(&part.file);
            sheet.part(part);
        }
        sheet.file = name.into();
        sheet.overlay(environment);
        sheet
    }

    fn part(&mut self, part: &Part) {
        let tree = yaml::read(part.text.reveal());
        match (tree.root, &part.section) {
            (Some(node), Some(section)) => self.named(section, 1, node),
            (Some(Node { value: Value::Map(entries), .. }), None) => self.top(entries),
            (Some(Node { value: Value::Null, .. }), None) | (None, _) => {}
            (Some(node), None) => self.fault(node.line, "", "expected sections and keys"),
        }
        if let Some((line, what)) = tree.broken {
            self.broken = true;
            self.fault(line, "", what);
        }
    }

    /// Notes a fault at the place of a key, which may not have been written.
    pub(super) fn fault_at(&mut self, path: &str, what: impl Into<String>) {
        let fault = self.at(path, what.into());
        self.faults.push(fault);
    }

    /// Whether something is wrong with this key already.
    pub(super) fn is_faulty(&self, path: &str) -> bool {
        let name = self.given.get(path).map_or(path, |given| &given.name);
        self.faults.iter().any(|fault| fault.key == name)
    }

    /// Notes a warning at the place of a key.
    pub(super) fn warn_at(&mut self, path: &str, what: &str) {
        let warning = self.at(path, what.into()).to_string();
        self.warnings.push(warning);
    }

    fn at(&self, path: &str, what: String) -> Fault {
        if let Some(Given { file, line, name, .. }) = self.given.get(path) {
            return Fault { file: file.clone(), line: *line, key: name.clone(), what };
        }
        let section = path.split('.').next().unwrap_or(path);
        let stood = self.seen.get(path).or_else(|| self.seen.get(section));
        let (file, line) = stood.map_or((&self.file, 1), |stood| (&stood.file, stood.line));
        Fault { file: file.clone(), line: Some(line), key: path.into(), what }
    }

    fn fault(&mut self, line: usize, key: &str, what: impl Into<String>) {
        let fault =
            Fault { file: self.file.clone(), line: Some(line), key: key.into(), what: what.into() };
        self.faults.push(fault);
    }

    fn top(&mut self, entries: Vec<(Node, Node)>) {
        for (name, node) in entries {
            if let Some(written) = self.name(&name, "") {
                self.named(&written, name.line, node);
            }
        }
    }

    /// A section, or a key at the top.
    fn named(&mut self, written: &str, line: usize, node: Node) {
        if written == "postgres" {
            self.warnings.push(format!("{}:{line}: postgres: is not used and ignored", self.file));
        } else if let Some(section) = keys::section(written) {
            self.once(section.into(), written, line);
            self.section(section, node);
        } else {
            self.entry("", written, line, node);
        }
    }

    fn section(&mut self, section: &'static str, node: Node) {
        match node.value {
            Value::Map(entries) => {
                for (name, node) in entries {
                    if let Some(written) = self.name(&name, section) {
                        self.entry(section, &written, name.line, node);
                    }
                }
            }
            Value::Null => {}
            Value::Text(_) | Value::List(_) => {
                self.fault(node.line, section, "expected keys with values")
            }
        }
    }

    fn entry(&mut self, section: &str, written: &str, line: usize, node: Node) {
        let Some(key) = keys::of(section).find(|key| key.is_spelt(written)) else {
            let path =
                if section.is_empty() { written.into() } else { format!("{section}.{written}") };
            return self.fault(line, &path, format!("unknown key{}", hint(section, written)));
        };
        let path = key.path();
        self.once(path.clone(), written, line);
        let raw = match raw(node.value, key.field.is_map()) {
            Ok(Some(raw)) => raw,
            Ok(None) => return,
            Err(what) => return self.fault(node.line, &path, what),
        };
        let given =
            Given { key, raw, file: self.file.clone(), line: Some(line), name: path.clone() };
        self.given.insert(path, given);
    }

    /// Faults a section or key that stood before, perhaps in its other spelling.
    fn once(&mut self, path: String, written: &str, line: usize) {
        let Some(first) = self.seen.get(&path) else {
            let stood = Stood { file: self.file.clone(), line, spelling: written.into() };
            self.seen.insert(path, stood);
            return;
        };
        let Stood { file, line: at, spelling } = first;
        let place = if *file == self.file { format!("on line {at}") } else { format!("in {file}") };
        let what = if spelling == written {
            format!("stands twice, first {place}")
        } else {
            format!("stands in both spellings, as {spelling} {place}: keep one")
        };
        self.fault(line, &path, what);
    }

    fn name(&mut self, node: &Node, section: &str) -> Option<String> {
        if let Value::Text(text) = &node.value {
            return Some(text.chars().take(LONGEST_NAME).collect());
        }
        self.fault(node.line, section, "expected the name of a key");
        None
    }

    fn overlay(&mut self, environment: &Environment) {
        for (name, value) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            let file = String::from("environment");
            let Some(key) = KEYS.iter().find(|key| key.variable() == *name) else {
                let names = KEYS.iter().map(Key::variable).collect::<Vec<_>>();
                let what = format!("no key has this variable{}", closest(name, &names));
                let warning = Fault { file, line: None, key: name.clone(), what };
                self.warnings.push(warning.to_string());
                continue;
            };
            if is_of_a_service(key, value) {
                let what = "is what Kubernetes says of a service named bbs, and not a port: it is passed over";
                let key = name.clone();
                self.warnings.push(Fault { file, line: None, key, what: what.into() }.to_string());
                continue;
            }
            let list = || {
                value
                    .split(',')
                    .map(|part| part.trim().into())
                    .filter(|part: &String| !part.is_empty())
            };
            let raw = if key.field.is_list() {
                Raw::Many(list().collect())
            } else if key.field.is_map() {
                // A URL may hold the sign too, a number can't.
                let split = |part: String| match part.rsplit_once('=') {
                    Some((name, value)) => (name.trim().into(), value.trim().into()),
                    None => (part, String::new()),
                };
                Raw::Named(list().map(split).collect())
            } else {
                Raw::One(value.clone())
            };
            self.given.insert(key.path(), Given { key, raw, file, line: None, name: name.clone() });
        }
    }
}

/// Whether a variable was set for containers beside a service of that name, as in `BBS_PORT=tcp://10.0.0.7:8080`.
fn is_of_a_service(key: &Key, value: &str) -> bool {
    matches!(key.field, Field::Port(_))
        && ["tcp://", "udp://", "sctp://"].iter().any(|start| value.starts_with(start))
}

fn raw(value: Value, is_map: bool) -> Result<Option<Raw>, &'static str> {
    let text = |node: Node| match node.value {
        Value::Text(text) => Some(text),
        _ => None,
    };
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(Raw::One(text))),
        Value::Map(entries) if is_map => {
            let texts = entries.into_iter().map(|(name, value)| Some((text(name)?, text(value)?)));
            let named = texts.collect::<Option<_>>().map(Raw::Named);
            named.map(Some).ok_or("expected a single value for each name")
        }
        Value::Map(_) => Err("expected a value, not further keys"),
        Value::List(items) => {
            let texts = items.into_iter().map(text).collect::<Option<_>>().map(Raw::Many);
            texts.map(Some).ok_or("expected a list of single values")
        }
    }
}

/// Where an unknown key may belong, or what may have been meant.
fn hint(section: &str, written: &str) -> String {
    let elsewhere = KEYS.iter().find(|key| key.section != section && key.is_spelt(written));
    let names: Vec<String> = if section.is_empty() {
        keys::sections().map(Into::into).chain(keys::of("").map(|key| key.name.into())).collect()
    } else {
        keys::of(section).map(|key| key.name.into()).collect()
    };
    let meant = closest(written, &names);
    match elsewhere {
        Some(key) if meant.is_empty() => format!("; it could be {}", key.path()),
        _ => meant,
    }
}

fn closest(written: &str, names: &[String]) -> String {
    let score = |name: &String| strsim::normalized_damerau_levenshtein(written, name);
    let best = names.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    best.filter(|name| score(name) > 0.6)
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}
