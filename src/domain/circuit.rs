//! How a target that fails is spared: it is left alone for a while that grows, and tried by one delivery then.

/// So many failures in a row close a target.
const FAILURES: u32 = 3;
/// The first pause, and the longest, in milliseconds.
const FIRST: u64 = 5_000;
const LONGEST: u64 = 60_000;

/// What is known of one target. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// Failures since something was delivered there.
    pub failures: u32,
    /// When the pause ends; 0 before the first one.
    pub until: u64,
}

impl Circuit {
    /// Notes that an attempt which began then has failed. Those that were under way together count as one
    /// once there is a pause.
    pub fn failed(&mut self, began: u64, now: u64) {
        if self.failures >= FAILURES && began < self.until {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            let pause = FIRST << (self.failures - FAILURES).min(8);
            self.until = now + pause.min(LONGEST);
        }
    }

    /// How many deliveries may be under way to the target at once, of `most` to one that works.
    pub fn allows(&self, now: u64, most: usize) -> usize {
        match self.failures {
            0..FAILURES => most,
            _ if now < self.until => 0,
            _ => 1,
        }
    }

    /// When the target is tried again, while it is left alone.
    pub fn paused_until(&self, now: u64) -> Option<u64> {
        (self.until > now).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_fails_is_left_alone_for_a_time_that_grows() {
        let (mut circuit, mut now, mut pauses) = (Circuit::default(), 1_000, Vec::new());
        for _ in 0..2 {
            circuit.failed(now, now);
            assert_eq!((circuit.allows(now, 4), circuit.paused_until(now)), (4, None));
        }
        for _ in 0..6 {
            circuit.failed(now, now);
            assert_eq!(circuit.allows(now, 4), 0);
            let until = circuit.paused_until(now).expect("a pause");
            pauses.push(until - now);
            now = until;
            assert_eq!((circuit.allows(now, 4), circuit.paused_until(now)), (1, None));
        }
        assert_eq!(pauses, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
    }

    #[test]
    fn attempts_that_failed_together_are_one_reason_to_pause() {
        let mut circuit = Circuit::default();
        (0..4).for_each(|_| circuit.failed(0, 10_000));
        assert_eq!((circuit.failures, circuit.until), (3, 15_000));
    }
}
