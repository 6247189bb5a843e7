//! How much harder than by default it is to place well, and how balancers are set.

use crate::domain::placement::{COMFORT, RISK};

/// What balancers know of a day, and of each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circumstances {
    /// Whether they know what a room did the last time.
    pub history: bool,
    /// How far meetings are from what the model says that they cost: the sigma of a factor of each meeting's own.
    pub cost_error: f64,
    /// So many share the creates by chance. Each hears of what the others placed by the next sweep alone.
    pub balancers: usize,
    /// `balancer.risk`.
    pub risk: f64,
    /// `balancer.comfort`, as a part.
    pub comfort: f64,
}

impl Default for Circumstances {
    fn default() -> Self {
        Self { history: true, cost_error: 0.0, balancers: 1, risk: RISK, comfort: COMFORT }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Day, Policy, Profile, run};
    use super::*;

    const SEED: u64 = 3;
    const PEAK: f64 = 0.65;

    fn day(circumstances: Circumstances) -> Day {
        Day::new(Profile::School, 5, PEAK, SEED, circumstances)
    }

    /// Whether each policy does as it does by default, on days that are made alike.
    #[track_caller]
    fn check(circumstances: Circumstances, same: &[Policy], other: &[Policy]) {
        let [plain, day] = [Circumstances::default(), circumstances].map(day);
        for &policy in same.iter().chain(other) {
            let summary = run(&day, policy, SEED, circumstances);
            let is_same = summary == run(&plain, policy, SEED, Circumstances::default());
            assert_eq!(is_same, same.contains(&policy), "{policy:?}");
        }
    }

    #[test]
    fn only_what_predicts_misses_the_past() {
        let without = Circumstances { history: false, ..Circumstances::default() };
        let others = Policy::ALL.into_iter().filter(|policy| *policy != Policy::Predictive);
        check(without, &others.collect::<Vec<_>>(), &[Policy::Predictive]);
    }

    #[test]
    fn balancers_that_do_not_hear_each_other_place_otherwise_where_they_count_on_what_they_did() {
        let four = Circumstances { balancers: 4, ..Circumstances::default() };
        let same = [Policy::Random, Policy::LeastParticipants, Policy::Oracle];
        check(four, &same, &[Policy::RoundRobin, Policy::Predictive]);
        let day = day(four);
        let again = || run(&day, Policy::Predictive, SEED, four);
        assert_eq!(again(), again(), "the same chance each time");
    }

    #[test]
    fn risk_and_comfort_change_what_predicts_alone() {
        let others = Policy::ALL.into_iter().filter(|policy| *policy != Policy::Predictive);
        let others: Vec<_> = others.collect();
        let default = Circumstances::default();
        check(Circumstances { risk: 0.0, ..default }, &others, &[Policy::Predictive]);
        check(Circumstances { comfort: 0.4, ..default }, &others, &[Policy::Predictive]);
    }

    #[test]
    fn when_costs_are_off_every_policy_has_another_day_with_the_same_peak() {
        let off = Circumstances { cost_error: 0.3, ..Circumstances::default() };
        check(off, &[], &Policy::ALL);
        let [plain, day] = [Circumstances::default(), off].map(day);
        assert!((PEAK..PEAK + 0.1).contains(&day.fluid_peak), "{}", day.fluid_peak);
        assert!(plain.meetings.iter().all(|meeting| meeting.factor == 1.0));
        let logs: Vec<_> = day.meetings.iter().map(|m| libm::log(m.factor)).collect();
        let square = logs.iter().map(|log| log * log).sum::<f64>() / logs.len() as f64;
        assert!((square.sqrt() - 0.3).abs() < 0.05, "sigma {}", square.sqrt());
        let meeting = |day: &Day| (day.meetings[0].joins.clone(), day.meetings[0].did());
        assert_eq!(meeting(&day), meeting(&plain), "what can be counted is the same");
        let again = plain.under(off, SEED);
        assert_ne!(again.fluid_peak, plain.fluid_peak);
        let same = plain.under(Circumstances::default(), SEED);
        assert!((same.fluid_peak - plain.fluid_peak).abs() < 1e-9, "{}", same.fluid_peak);
    }
}
