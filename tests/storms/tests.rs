//! Tests of the machine itself: the same seed is the same history, and the checker sees what it shall see.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial, run};

use crate::checker;
use crate::plan::Storm;
use crate::profile::Profile;
use crate::run;

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let checker = checker::tests::TESTS.map(|(name, test)| trial(name, test));
    let own = [
        trial("the_same_seed_is_the_same_history", || the_same_history(Profile::Mixed, 1..4)),
        trial("a_restarted_balancer_has_the_same_history", || {
            the_same_history(Profile::Embedded, 1..2);
        }),
    ];
    run(&arguments, checker.into_iter().chain(own).collect()).exit_code()
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
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
