//! Why an instance's answer can't be used.

/// What is wrong with an answer. Shows nothing of what it holds, so it can be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlFault {
    #[error("has a document type declaration")]
    Doctype,
    #[error("refers to an unknown entity")]
    Entity,
    #[error("is nested too deeply")]
    TooDeep,
    #[error("has a root element other than response")]
    WrongRoot,
    #[error("has content outside its root element")]
    Outside,
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("ends too early")]
    Truncated,
    #[error("is not well-formed")]
    Malformed,
    #[error("has no returncode")]
    NoReturncode,
    /// The instance refuses: its message key, if it has one that is a plain word.
    #[error("says FAILED{}", .0.as_ref().map(|key| format!(": {key}")).unwrap_or_default())]
    Failed(Option<String>),
    #[error("has no list of meetings")]
    NoList,
    #[error("has no list of sessions")]
    NoSessions,
    #[error("lists a meeting without an ID")]
    NoMeetingId,
    #[error("has no list of recordings")]
    NoRecordings,
    #[error("has no list of hooks")]
    NoHooks,
    #[error("lists a recording without an ID")]
    NoRecordId,
}

impl XmlFault {
    /// A refusal with this key; a key that is not a plain word is left out.
    pub fn failed(key: Option<&str>) -> Self {
        let plain = |key: &&str| {
            key.len() <= 64 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ')
        };
        Self::Failed(key.filter(plain).map(str::to_owned))
    }
}
