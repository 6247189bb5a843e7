//! How often parts may be started again, and how long to wait before it.

use std::collections::VecDeque;
use std::time::Duration;

use super::moment::Moment;

const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Shorter than any asker's deadline, and short enough that a budget can be used up within its time.
const LONGEST_WAIT: Duration = Duration::from_millis(800);

/// Counts restarts and says how long to wait before the next one.
#[derive(Debug)]
pub struct RestartBudget {
    most: usize,
    within: Duration,
    recent: VecDeque<Moment>,
}

impl RestartBudget {
    /// Allows `most` restarts within any stretch of this length.
    pub fn new(most: usize, within: Duration) -> Self {
        Self { most, within, recent: VecDeque::new() }
    }

    /// Spends one restart; the wait doubles with each recent one, up to a bound. `None` means the budget
    /// is used up.
    pub fn spend(&mut self, now: Moment) -> Option<Duration> {
        self.recent.retain(|&at| now.since(at) < self.within);
        if self.recent.len() == self.most {
            return None;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.recent.len().min(16));
        self.recent.push_back(now);
        Some(wait.min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_the_budget_is_used_up() {
        let mut budget = RestartBudget::new(3, Duration::from_secs(60));
        let mut spend = |secs| budget.spend(Moment(Duration::from_secs(secs)));
        assert_eq!(spend(1), Some(Duration::from_millis(100)));
        assert_eq!(spend(2), Some(Duration::from_millis(200)));
        assert_eq!(spend(3), Some(Duration::from_millis(400)));
        assert_eq!(spend(4), None);
        assert_eq!(spend(100), Some(Duration::from_millis(100)));
    }

    #[test]
    fn what_ends_again_and_again_uses_the_budget_up_in_time() {
        let mut budget = RestartBudget::new(10, Duration::from_secs(60));
        let mut now = Duration::ZERO;
        while let Some(wait) = budget.spend(Moment(now)) {
            now += wait;
        }
        assert_eq!(now, Duration::from_millis(100 + 200 + 400 + 7 * 800));
    }
}
