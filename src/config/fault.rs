//! What is wrong with a configuration, in words that name the place and never a value.

use std::fmt;

/// One thing that is wrong. Values are never quoted: any of them may be a secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, or `environment`.
    pub file: String,
    /// Counted from 1; none when it is not about a line.
    pub line: Option<usize>,
    /// Such as `balancer.cpuLimit`, or the name of a variable; may be empty.
    pub key: String,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Everything that is wrong with a configuration, one line each when shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// A single fault of a whole file.
    pub(crate) fn of_file(file: &str, what: impl Into<String>) -> Self {
        Self(vec![Fault { file: file.into(), line: None, key: String::new(), what: what.into() }])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
