//! Cores that something will keep busy, at some times ahead.

use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

/// How far ahead an outlook looks: closely at first, while meetings fill, then as far as most last.
pub const AHEAD: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_secs(150),
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(20),
    Duration::from_mins(35),
    Duration::from_mins(55),
];

/// Cores at each time of [`AHEAD`], and how far off they may be. Outlooks of different meetings add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlook {
    pub mean: [f64; AHEAD.len()],
    /// The square of the standard deviation, in cores².
    pub variance: [f64; AHEAD.len()],
    /// Cores still to come by what meetings do in general; part of `mean`, not beside it.
    pub pending: f64,
    /// Cores still to come by what the rooms did the last time; part of `mean` too.
    pub history: f64,
}

impl Outlook {
    fn each(&mut self, other: &Self, of: impl Fn(&mut f64, f64)) {
        self.mean.iter_mut().zip(other.mean).for_each(|(to, from)| of(to, from));
        self.variance.iter_mut().zip(other.variance).for_each(|(to, from)| of(to, from));
        of(&mut self.pending, other.pending);
        of(&mut self.history, other.history);
    }
}

impl AddAssign<&Self> for Outlook {
    fn add_assign(&mut self, other: &Self) {
        self.each(other, |to, from| *to += from);
    }
}

impl SubAssign<&Self> for Outlook {
    /// What many additions left of roundings never makes it negative.
    fn sub_assign(&mut self, other: &Self) {
        self.each(other, |to, from| *to = (*to - from).max(0.0));
    }
}
