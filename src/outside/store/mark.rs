//! Which state of the pool or of the tenants was read: whether the store has lost a newer one.

use std::collections::VecDeque;

/// A state of the instances, or of the tenants, as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Drawn anew whenever the store was emptied; empty before it was drawn.
    pub epoch: String,
    /// Counts changes.
    pub revision: i64,
    /// The epoch whose state was written again into this one; empty if none was.
    pub base: String,
}

/// What to do with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as new as what is known, or newer.
    Take,
    /// The store has lost what is known: that is written again.
    WriteAgain,
}

impl Mark {
    /// Whether one of us changed what is stored since it was `known`. What differs without that other hands have done.
    pub fn follows(&self, known: &Self) -> bool {
        match self.epoch == known.epoch {
            true => self.revision > known.revision,
            false => self.base == known.epoch,
        }
    }
}

/// The state that is known, and the epochs that led to it, as far as they were seen.
#[derive(Clone, Debug, Default)]
pub struct Known {
    mark: Option<Mark>,
    epochs: VecDeque<String>,
}

impl Known {
    /// So many epochs are remembered.
    const MOST: usize = 32;

    /// Which state it is; none before any was read.
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// This state is known from now on. It follows on the one before.
    pub fn take(&mut self, mark: Mark) {
        for epoch in [&mark.base, &mark.epoch] {
            if !epoch.is_empty() && !self.epochs.contains(epoch) {
                self.epochs.push_back(epoch.clone());
            }
        }
        while self.epochs.len() > Self::MOST {
            self.epochs.pop_front();
        }
        self.mark = Some(mark);
    }

    /// Compares what is stored with what is known; `empty`: nothing is stored.
    ///
    /// A store may come back as it was before it was emptied and written again: revisions go on over that.
    /// What an admin changed since the loss stands, and so does what was written into an emptied store by hand.
    /// Of two replicas that write again the one that knew more wins, whichever came first.
    pub fn judge(&self, stored: &Mark, empty: bool) -> Verdict {
        let Some(known) = self.mark().filter(|known| !known.epoch.is_empty()) else {
            return Verdict::Take;
        };
        let is_ours = |epoch: &String| *epoch == known.epoch || self.epochs.contains(epoch);
        let lost = if is_ours(&stored.epoch) || is_ours(&stored.base) {
            stored.revision < known.revision
        } else {
            empty && stored.revision == 0 && stored.base.is_empty()
        };
        if lost { Verdict::WriteAgain } else { Verdict::Take }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(epoch: &str, revision: i64, base: &str) -> Mark {
        Mark { epoch: epoch.into(), revision, base: base.into() }
    }

    #[track_caller]
    fn check(stored: Mark, empty: bool, again: bool) {
        let expected = if again { Verdict::WriteAgain } else { Verdict::Take };
        let mut known = Known::default();
        assert_eq!(known.judge(&stored, empty), Verdict::Take);
        known.take(Mark::default());
        assert_eq!(known.judge(&stored, empty), Verdict::Take);
        known.take(mark("e0", 6, ""));
        known.take(mark("e1", 7, ""));
        assert_eq!(known.judge(&stored, empty), expected, "{stored:?}");
    }

    #[test]
    fn what_is_known_is_written_again_only_where_the_store_has_lost_it() {
        check(mark("e1", 7, ""), false, false);
        check(mark("e1", 8, ""), false, false);
        check(mark("e1", 8, ""), true, false); // an admin took all away
        check(mark("e1", 6, ""), false, true); // an older state
        check(mark("e2", 0, ""), true, true); // emptied
        check(mark("", 0, ""), true, true);
        check(mark("e2", 0, ""), false, false); // and filled by hand
        check(mark("e2", 1, ""), true, false); // and changed by an admin
        check(mark("e2", 6, "e1"), false, true); // written again by who knew less
        check(mark("e2", 7, "e1"), false, false); // by who knew as much, or changed since
        check(mark("e3", 2, "e2"), false, false);
        check(mark("e0", 6, ""), false, true); // as it was before it was emptied
        check(mark("e0", 7, ""), false, false);
        check(mark("e2", 6, "e0"), false, true);
    }

    #[test]
    fn what_nobody_of_us_changed_follows_on_nothing() {
        let known = mark("e1", 7, "");
        let check = |stored: Mark, expected| assert_eq!(stored.follows(&known), expected);
        check(mark("e1", 7, ""), false);
        check(mark("e1", 8, ""), true);
        check(mark("e2", 7, "e1"), true);
        check(mark("e2", 0, ""), false);
        check(mark("e2", 3, ""), false);
    }
}
