//! Changes of instances and tenants that count only in the state they were made from, so that nobody
//! overwrites what another has changed, or fills a store that has lost its state with a part of it.

use redis::Pipeline;

use crate::outside::store::StoreError;
use crate::outside::store::mark::Mark;
use crate::outside::store::record::json;

use super::keys;
use super::link::Link;
use super::pool::OWN_COUNT_FOR_SECONDS;

/// Sent whole (EVAL): admins are not frequent.
const SCRIPT: &str = include_str!("guarded.lua");

/// What is changed, and from which state.
pub(super) struct Guarded<'a> {
    pub(super) sender: &'a str,
    /// `instances` or `tenants`.
    pub(super) what: &'a str,
    pub(super) from: &'a Mark,
    /// Whether others may have changed something since.
    pub(super) exactly: bool,
    /// What was known, if that is written again.
    pub(super) again: Option<&'a Mark>,
}

/// A command and its arguments; the first of these is a key.
pub(super) type Words = Vec<String>;

impl Guarded<'_> {
    /// The new state, and what the last command answered; none when the state was another.
    pub(super) async fn run(
        &self,
        link: &Link,
        commands: &[Words],
    ) -> Result<Option<(Mark, String)>, StoreError> {
        let mut asked = redis::pipe();
        self.add(&mut asked, commands);
        let (words,): (Vec<String>,) = link.write(&asked).await?;
        let mut words = words.into_iter();
        let (Some(epoch), Some(revision), Some(base)) = (words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        let revision = revision.parse().map_err(|_| unreadable())?;
        Ok(Some((Mark { epoch, revision, base }, words.next().unwrap_or_default())))
    }

    fn add(&self, asked: &mut Pipeline, commands: &[Words]) {
        let mut changed: Vec<&str> =
            commands.iter().filter_map(|words| words.get(1)).map(String::as_str).collect();
        changed.sort_unstable();
        changed.dedup();
        asked.cmd("EVAL").arg(SCRIPT).arg(4 + changed.len());
        asked.arg(keys::EPOCH).arg(keys::REVISIONS).arg(keys::BASES);
        asked.arg(keys::own_revisions(self.sender)).arg(changed);
        asked.arg(self.what).arg(&self.from.epoch).arg(self.from.revision);
        asked.arg(if self.exactly { "exactly" } else { "at least" });
        asked.arg(format!("{:016x}", rand::random::<u64>()));
        let (revision, base) = self.again.map_or((String::new(), ""), |known| {
            (known.revision.to_string(), known.epoch.as_str())
        });
        asked.arg(revision).arg(base).arg(OWN_COUNT_FOR_SECONDS);
        asked.arg(keys::CHANNEL).arg(format!("{} {}", self.sender, self.what));
        asked.arg(json(&commands));
    }
}

/// Adds the questions for a mark to a pipeline.
pub(super) fn ask_mark(asked: &mut Pipeline, what: &str) {
    asked.cmd("GET").arg(keys::EPOCH);
    asked.cmd("HGET").arg(keys::REVISIONS).arg(what);
    asked.cmd("HGET").arg(keys::BASES).arg(what);
}

/// The answers to these questions.
pub(super) type Asked = (Option<String>, Option<i64>, Option<String>);

pub(super) fn mark((epoch, revision, base): Asked) -> Mark {
    let (epoch, revision) = (epoch.unwrap_or_default(), revision.unwrap_or_default());
    Mark { epoch, revision, base: base.unwrap_or_default() }
}

pub(super) fn words(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn unreadable() -> StoreError {
    StoreError::Unreadable("a revision is no number".into())
}
