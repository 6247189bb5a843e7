//! Tests of the machine itself: the same seed is the same history, and the checker sees what it shall see.

use std::process::ExitCode;

use crate::checker;
use crate::harness::{run_all, trial};
use crate::plan::Storm;
use crate::profile::Profile;
use crate::run;
use crate::shrink;

/// Storms that have shown something once.
const SHOWN: [(Profile, u64); 10] = [
    (Profile::Calm, 2),
    (Profile::News, 4),
    (Profile::Rollbacks, 1),
    (Profile::Failovers, 1),
    (Profile::Restarts, 3),
    (Profile::Tenants, 1),
    // Another tenant's meeting was ended, a moved room acknowledged where it was, a pool passed, a create lost by a kill.
    (Profile::Admins, 324),
    (Profile::Servers, 206),
    (Profile::Tenants, 31),
    (Profile::Embedded, 38),
];

pub(crate) fn main() -> ExitCode {
    let checker = checker::tests::TESTS.map(|(name, test)| trial(name, test));
    let own = [
        trial("the_same_seed_is_the_same_history", || the_same_history(Profile::Mixed, 1..4)),
        trial("a_restarted_balancer_has_the_same_history", || {
            the_same_history(Profile::Embedded, 1..2);
        }),
    ];
    let shrinking = [
        trial("shrink::only_what_matters_is_left", shrink::tests::only_what_matters_is_left),
        trial("shrink::what_fails_always_becomes_the_least", || {
            shrink::tests::what_fails_always_becomes_the_least();
        }),
    ];
    let shown = trial("what_storms_have_shown_does_not_come_again", shown_before);
    run_all(checker.into_iter().chain(own).chain(shrinking).chain([shown]).collect())
}

fn the_same_history(profile: Profile, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let storm = Storm::draw(seed, profile);
        let [one, other] = [(); 2].map(|()| run::run(&storm).history());
        let differs = one.lines().zip(other.lines()).position(|(one, other)| one != other);
        let line = |text: &str| differs.and_then(|n| text.lines().nth(n).map(str::to_owned));
        assert!(
            one == other,
            "seed {seed}, line {differs:?}:\n{:?}\n{:?}",
            line(&one),
            line(&other)
        );
    }
}

fn shown_before() {
    for (profile, seed) in SHOWN {
        let violations = run::run(&Storm::draw(seed, profile)).violations;
        assert!(violations.is_empty(), "seed {seed} of {profile}: {violations:#?}");
    }
}
