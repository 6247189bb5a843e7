//! Which recordings a query asks for.

use sha1::{Digest, Sha1};

use super::{Recorded, TAG, ids};
use crate::bbb::query::{self, QueryFault};

/// What a filter looks at.
pub trait Described {
    fn record_id(&self) -> &str;
    fn state(&self) -> &str;
    /// Names and values.
    fn metadata(&self) -> impl Iterator<Item = (&str, &str)>;
}

impl Described for Recorded {
    fn record_id(&self) -> &str {
        &self.record_id
    }

    fn state(&self) -> &str {
        &self.state
    }

    fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Which recordings a query of getRecordings asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Starts of record ids; empty for all.
    prefixes: Vec<String>,
    /// `None` for any state.
    states: Option<Vec<String>>,
    metadata: Vec<(String, String)>,
}

impl Filter {
    /// Reads a query as BBB does: recordID wins over meetingID, and what is neither published nor
    /// unpublished is only shown when it is asked for.
    pub fn of(query: &str) -> Result<Self, QueryFault> {
        let (records, meetings) =
            (query::single(query, "recordID")?, query::single(query, "meetingID")?);
        let mut prefixes = ids(records.as_deref().unwrap_or_default());
        if prefixes.is_empty() {
            let meetings = ids(meetings.as_deref().unwrap_or_default());
            let hashed = |id: &String| hex::encode(Sha1::digest(id.as_bytes()));
            prefixes = meetings.iter().map(hashed).collect();
        }
        let mut states = ids(query::value(query, "state").as_deref().unwrap_or_default());
        if states.is_empty() {
            states = vec!["published".to_owned(), "unpublished".to_owned()];
        }
        let any = states.iter().any(|state| state == "any");
        let metadata = query::pairs(query).filter_map(|(name, value)| {
            let name = name.strip_prefix("meta_")?.to_lowercase();
            (name != TAG).then(|| (name, value.into_owned()))
        });
        let metadata = metadata.collect();
        Ok(Self { prefixes, states: (!any).then_some(states), metadata })
    }

    /// Starts of the record ids that are asked for; empty for all.
    pub fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// Whether a recording is asked for.
    pub fn fits(&self, recording: &impl Described) -> bool {
        let starts = |prefix: &String| recording.record_id().starts_with(prefix.as_str());
        let is_in = |states: &Vec<String>| states.iter().any(|s| s == recording.state());
        let has = |(name, wanted): &(String, String)| {
            let mut values = recording.metadata().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            values.any(|(_, value)| is_like(value, wanted))
        };
        self.states.as_ref().is_none_or(is_in)
            && (self.prefixes.is_empty() || self.prefixes.iter().any(starts))
            && self.metadata.iter().all(has)
    }
}

/// Whether a value is as wanted, where a `%` at either end stands for anything.
fn is_like(value: &str, wanted: &str) -> bool {
    match (wanted.strip_prefix('%'), wanted.strip_suffix('%')) {
        (Some(_), Some(_)) => value.contains(wanted.trim_matches('%')),
        (Some(end), None) => value.ends_with(end),
        (None, Some(start)) => value.starts_with(start),
        (None, None) => value == wanted,
    }
}
