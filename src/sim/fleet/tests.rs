//! What the world of a day is like, and that a day follows from its seed to the last bit.

use std::time::Duration;

use super::dice::Dice;
use super::meeting::{Join, Meeting, cost};
use super::servers::fleet;
use super::*;
use crate::domain::moment::Moment;

const PEAK: f64 = 0.65;
/// A school's day of seed 3 on 5 servers, as random placement and the oracle found it.
const RECORDED: [&str; 2] = [
    "Summary { overloaded: 18.00606281573574, peak_utilisation: 1.530999999999999, max_over_mean: 2.477241009766464, \
     failed_creates: 0, split_meetings: 0 }",
    "Summary { overloaded: 0.0, peak_utilisation: 0.6868124999999964, max_over_mean: 1.1929271892658921, \
     failed_creates: 0, split_meetings: 0 }",
];

fn small_day(profile: Profile, seed: u64) -> Day {
    Day::new(profile, 5, PEAK, seed)
}

fn minute(minute: u64) -> Moment {
    Moment(Duration::from_mins(minute))
}

#[test]
fn a_meeting_costs_by_its_users_and_by_the_webcams_that_each_of_them_sees() {
    #[track_caller]
    fn check(users: usize, webcams: usize, cores: f64) {
        assert!((cost(users, webcams) - cores).abs() < 1e-12, "{users} users, {webcams} webcams");
    }
    check(0, 0, 0.05);
    check(1, 0, 0.07);
    check(1, 1, 0.05 + 0.02 + 0.004);
    check(10, 0, 0.25);
    check(10, 3, 0.25 + 0.004 * (3.0 + 9.0 * 3.0));
    check(100, 50, 0.05 + 2.0 + 0.004 * (50.0 + 99.0 * 9.0));
}

#[test]
fn a_fleet_is_of_three_sizes_and_one_more_that_joins() {
    #[track_caller]
    fn check(count: usize, expected: [usize; 3]) {
        let servers = fleet(count, &mut Dice::of(&[1]));
        let of = |cores: f64| servers.iter().filter(|s| s.cores == cores).count();
        assert_eq!([of(8.0), of(16.0), of(32.0)], expected, "{count} servers");
        assert_eq!(servers.last().unwrap().from, minute(8 * 60 + 56));
        let away: Vec<_> =
            servers.iter().filter_map(|s| s.away.clone().map(|a| (s.cores, a))).collect();
        assert_eq!(away, [(16.0, minute(10 * 60 + 12)..minute(10 * 60 + 33))]);
    }
    check(5, [2, 2 + 1, 1]);
    check(20, [10, 7 + 1, 3]);
    check(100, [50, 35 + 1, 15]);
}

#[test]
fn meetings_come_until_all_together_need_what_was_asked_for() {
    for (profile, peak) in [(Profile::Univ, 0.5), (Profile::School, 0.65), (Profile::School, 0.75)]
    {
        let day = Day::new(profile, 20, peak, 7);
        // The last one added may need some cores of the 264.
        assert!((peak..peak + 0.03).contains(&day.fluid_peak), "{} of {peak}", day.fluid_peak);
        let in_order = day.meetings.is_sorted_by_key(|meeting| meeting.created);
        assert!(in_order && day.meetings.iter().all(|m| m.created < m.end));
    }
}

#[test]
fn people_come_back_to_a_meeting_that_is_created_again() {
    let joins = [1, 2, 50].map(|m| Join { at: minute(m), webcam: m == 2 });
    let meeting = Meeting::new(minute(0), minute(60), joins.to_vec());
    let again = meeting.again(minute(30), &mut Dice::of(&[1]));
    assert_eq!((again.created, again.end, again.joins.len()), (minute(30), minute(60), 3));
    assert!(again.joins.iter().all(|join| join.at >= minute(30)));
    assert_eq!(again.joins[2], joins[2], "who had not come yet comes as planned");
}

#[test]
fn a_day_follows_from_its_seed_to_the_last_bit_on_any_machine() {
    let results = |seed| {
        let day = small_day(Profile::School, seed);
        Policy::ALL.map(|policy| format!("{:?}", run(&day, policy, seed)))
    };
    assert_eq!(results(3), results(3));
    assert_ne!(results(3), results(4));
    assert_eq!([&results(3)[0], &results(3)[5]], RECORDED);
}

#[test]
fn no_create_fails_and_no_meeting_is_split_while_a_server_comes_and_another_dies() {
    for profile in Profile::ALL {
        let day = small_day(profile, 11);
        for policy in Policy::ALL {
            let summary = run(&day, policy, 11);
            let Summary { failed_creates, split_meetings, .. } = summary;
            assert_eq!((failed_creates, split_meetings), (0, 0), "{policy:?}");
        }
    }
}

#[test]
fn creates_fail_when_every_server_is_dead() {
    let mut day = small_day(Profile::School, 11);
    for server in &mut day.servers {
        server.away = Some(minute(9 * 60)..minute(10 * 60));
    }
    for policy in Policy::ALL {
        assert!(run(&day, policy, 11).failed_creates > 0, "{policy:?}");
    }
}

#[test]
fn the_policies_differ_as_they_do_in_life() {
    let outcomes = Comparison {
        policies: vec![Policy::Random, Policy::Seed, Policy::Predictive, Policy::Oracle],
        cells: vec![Cell { profile: Profile::Univ, servers: 20 }],
        peak: PEAK,
        seeds: 50..52,
    }
    .outcomes();
    let overloaded = |n: usize| outcomes[n].overloaded_user_minutes_pct;
    let [random, seed, predictive, oracle] = [0, 1, 2, 3].map(overloaded);
    assert!((20.0..45.0).contains(&random), "{random}");
    assert!((20.0..45.0).contains(&seed), "the predecessor's rule herds: {seed}");
    assert!(predictive < random / 2.0 && predictive < seed / 2.0, "{predictive}");
    assert!(oracle < 1.0 && oracle < predictive, "{oracle}");
    assert!(outcomes[3].max_over_mean < 1.4 && outcomes[0].max_over_mean > 2.0);
    assert!(outcomes[3].peak_utilisation < 1.0 && outcomes[0].peak_utilisation > 1.0);
}

#[test]
fn threads_leave_no_trace_in_a_comparison() {
    let comparison = |seeds| Comparison {
        policies: vec![Policy::RoundRobin],
        cells: Profile::ALL.map(|profile| Cell { profile, servers: 5 }).to_vec(),
        peak: PEAK,
        seeds,
    };
    let days: Vec<_> = (30..33).flat_map(|seed| comparison(seed..seed + 1).outcomes()).collect();
    let all = comparison(30..33).outcomes();
    for (n, outcome) in all.iter().enumerate() {
        let of_cell = days.iter().skip(n).step_by(2).map(|day| day.worst_day_pct);
        assert_eq!(outcome.worst_day_pct, of_cell.fold(0.0, f64::max));
        assert_eq!(outcome.profile, Profile::ALL[n]);
    }
}
