//! People who come and go by a script.

use std::time::Duration;

/// So many people come evenly over a time, stay, and leave as evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    pub users: u32,
    pub over: Duration,
    pub stay: Duration,
}

impl Crowd {
    /// How many of them are there, so long after the first could come.
    pub fn present(&self, after: Duration) -> usize {
        let leaving = self.over + self.stay;
        let share = if after <= self.over {
            fraction(after, self.over)
        } else if after <= leaving {
            1.0
        } else {
            1.0 - fraction(after - leaving, self.over)
        };
        (f64::from(self.users) * share).round() as usize
    }
}

/// How much of `whole` has passed, from 0 to 1.
fn fraction(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 1.0 } else { (part.as_secs_f64() / whole.as_secs_f64()).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_comes_stays_and_leaves() {
        let secs = Duration::from_secs;
        let class = Crowd { users: 20, over: secs(10), stay: secs(60) };
        let check = |after, expected| assert_eq!(class.present(secs(after)), expected, "{after} s");
        check(0, 0);
        check(5, 10);
        check(10, 20);
        check(70, 20);
        check(75, 10);
        check(80, 0);
        check(1000, 0);
        let at_once = Crowd { users: 3, over: Duration::ZERO, stay: secs(1) };
        assert_eq!(at_once.present(Duration::ZERO), 3);
        assert_eq!(at_once.present(secs(2)), 0);
    }
}
