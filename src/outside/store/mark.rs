//! Which state of the pool or of the tenants was read: whether the store has lost a newer one.

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

    /// Compares what is stored with what is known; `empty`: nothing is stored.
    ///
    /// What an admin changed since the loss stands, and so does what was written into an emptied store by hand.
    /// Of two replicas that write again the one that knew more wins, whichever came first.
    pub fn judge(&self, known: Option<&Self>, empty: bool) -> Verdict {
        let Some(known) = known.filter(|known| !known.epoch.is_empty()) else {
            return Verdict::Take;
        };
        let lost = if self.epoch == known.epoch || self.base == known.epoch {
            self.revision < known.revision
        } else {
            empty && self.revision == 0 && self.base.is_empty()
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
        let known = mark("e1", 7, "");
        let expected = if again { Verdict::WriteAgain } else { Verdict::Take };
        assert_eq!(stored.judge(Some(&known), empty), expected, "{stored:?}");
        assert_eq!(stored.judge(None, empty), Verdict::Take);
        assert_eq!(stored.judge(Some(&Mark::default()), empty), Verdict::Take);
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
