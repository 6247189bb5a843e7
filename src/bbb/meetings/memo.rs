//! What an instance's list held the last time: a meeting that stands there again with the same bytes was
//! checked and read then.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::Listed;

/// The most meetings of one list that are remembered.
const MOST: usize = 50_000;
/// So many of those that are expected next are compared: some may have gone.
const AHEAD: usize = 3;

/// The meetings of a list in their order, of each its length, a keyed fingerprint of its bytes, and what it says.
#[derive(Default)]
pub struct Memo {
    meetings: Vec<(usize, u64, Arc<Listed>)>,
    hasher: RandomState,
}

impl Memo {
    /// None of the same list, yet.
    pub(super) fn next(&self) -> Self {
        Self { meetings: Vec::with_capacity(self.meetings.len()), hasher: self.hasher.clone() }
    }

    /// Remembers a meeting, which was found to be well.
    pub(super) fn remember(&mut self, raw: &[u8], listed: Arc<Listed>) {
        if self.meetings.len() < MOST {
            self.meetings.push((raw.len(), self.hasher.hash_one(raw), listed));
        }
    }

    /// What stands at the start of this text, where a meeting may begin, and where; `from` says which is
    /// expected, and then which is next.
    pub(super) fn recall(
        &self,
        text: &str,
        from: &mut usize,
    ) -> Option<(Arc<Listed>, Range<usize>)> {
        let raw = text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes();
        let blanks = text.len() - raw.len();
        let ahead = self.meetings.iter().enumerate().skip(*from).take(AHEAD);
        for (n, (len, print, listed)) in ahead {
            if let Some(raw) = raw.get(..*len)
                && raw.starts_with(b"<meeting")
                && self.hasher.hash_one(raw) == *print
            {
                *from = n + 1;
                return Some((listed.clone(), blanks..blanks + len));
            }
        }
        None
    }
}
