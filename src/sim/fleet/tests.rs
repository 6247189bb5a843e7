//! What the world of a day is like, and that a day follows from its seed to the last bit.

use std::time::Duration;

use super::dice::Dice;
use super::meeting::{Join, Meeting, cost};
use super::servers::fleet;
use super::*;
use crate::domain::forecast::Habit;
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
    Day::new(profile, 5, PEAK, seed, Circumstances::default())
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
        let day = Day::new(profile, 20, peak, 7, Circumstances::default());
        // The last one added may need some cores of the 264.
        assert!((peak..peak + 0.03).contains(&day.fluid_peak), "{} of {peak}", day.fluid_peak);
        let in_order = day.meetings.is_sorted_by_key(|meeting| meeting.created);
        assert!(in_order && day.meetings.iter().all(|m| m.created < m.end));
    }
}

#[test]
fn people_come_back_to_a_meeting_that_is_created_again() {
    let joins = [1, 2, 50].map(|m| Join { at: minute(m), webcam: m == 2 });
    let met = Some(Habit { peak: 2.0, lasted: Duration::from_mins(45) });
    let meeting = Meeting { met, ..Meeting::new(minute(0), minute(60), joins.to_vec()) };
    let again = meeting.again(minute(30), &mut Dice::of(&[1]));
    assert_eq!((again.created, again.end, again.joins.len()), (minute(30), minute(60), 3));
    assert!(again.joins.iter().all(|join| join.at >= minute(30)));
    assert_eq!(again.joins[2], joins[2], "who had not come yet comes as planned");
    assert_eq!(again.met, met, "its room has no other past");
}

#[test]
fn most_classes_and_some_ad_hoc_meetings_have_met_before_much_alike() {
    for (profile, share) in [(Profile::School, 0.85 * 0.7 + 0.15 * 0.3), (Profile::Univ, 0.44)] {
        let day = Day::new(profile, 100, PEAK, 5, Circumstances::default());
        let pasts: Vec<_> = day.meetings.iter().filter_map(|m| Some((m.did(), m.met?))).collect();
        let part = pasts.len() as f64 / day.meetings.len() as f64;
        assert!((part - share).abs() < 0.04, "{profile:?}: {part} have met before");
        let mut ratios: Vec<_> = pasts.iter().map(|(now, then)| then.peak / now.peak).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let part = |part: f64| libm::log(ratios[(part * ratios.len() as f64) as usize]);
        assert!(part(0.5).abs() < 0.05, "the last time was like this one: {}", part(0.5));
        let sigma = (part(0.8413) - part(0.1587)) / 2.0;
        assert!((sigma - 0.35).abs() < 0.05, "off by {sigma}");
        let on_schedule = pasts.iter().filter(|(now, then)| now.lasted == then.lasted).count();
        let classes = profile.classes() * 0.7 / share;
        let on_schedule = on_schedule as f64 / pasts.len() as f64;
        assert!((on_schedule - classes).abs() < 0.04, "{profile:?}: {on_schedule} on schedule");
    }
}

#[test]
fn a_day_follows_from_its_seed_to_the_last_bit_on_any_machine() {
    let results = |seed| {
        let day = small_day(Profile::School, seed);
        Policy::ALL.map(|policy| format!("{:?}", run(&day, policy, seed, Circumstances::default())))
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
            let summary = run(&day, policy, 11, Circumstances::default());
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
        assert!(run(&day, policy, 11, Circumstances::default()).failed_creates > 0, "{policy:?}");
    }
}

#[test]
fn the_policies_differ_as_they_do_in_life() {
    let outcomes = Comparison {
        policies: vec![Policy::Random, Policy::Seed, Policy::Predictive, Policy::Oracle],
        cells: vec![Cell::Model { profile: Profile::Univ, servers: 20, peak: PEAK }],
        seeds: 50..52,
        circumstances: Circumstances::default(),
    }
    .outcomes();
    let overloaded = |n: usize| outcomes[n].overloaded_user_minutes_pct;
    let [random, seed, predictive, oracle] = [0, 1, 2, 3].map(overloaded);
    assert!((20.0..45.0).contains(&random), "{random}");
    assert!((20.0..45.0).contains(&seed), "the predecessor's rule herds: {seed}");
    assert!(predictive < 2.0, "{predictive}");
    assert!(oracle < 1.0, "{oracle}");
    assert!(outcomes[3].max_over_mean < 1.4 && outcomes[0].max_over_mean > 2.0);
    assert!(outcomes[3].peak_utilisation < 1.0 && outcomes[0].peak_utilisation > 1.0);
}

#[test]
fn threads_leave_no_trace_in_a_comparison() {
    let comparison = |seeds| Comparison {
        policies: vec![Policy::RoundRobin],
        cells: Profile::ALL.map(|profile| Cell::Model { profile, servers: 5, peak: PEAK }).to_vec(),
        seeds,
        circumstances: Circumstances::default(),
    };
    let days: Vec<_> = (30..33).flat_map(|seed| comparison(seed..seed + 1).outcomes()).collect();
    let all = comparison(30..33).outcomes();
    for (n, outcome) in all.iter().enumerate() {
        let of_cell = days.iter().skip(n).step_by(2).map(|day| day.worst_day_pct);
        assert_eq!(outcome.worst_day_pct, of_cell.fold(0.0, f64::max));
        assert_eq!(outcome.profile, ["univ", "school"][n]);
    }
}

#[track_caller]
fn check_trace(text: &str, fault: &str) {
    let read = trace::read(text.as_bytes(), &[8.0, 16.0]);
    assert_eq!(read.map(|day| day.meetings.len()).unwrap_err().to_string(), fault, "{text}");
}

#[test]
fn a_trace_is_refused_with_the_line_and_the_column_of_what_is_wrong() {
    let after = |row: &str| {
        format!("created,ended,users,webcams\n2026-03-02T09:00,2026-03-02T10:00,5,1\n{row}\n")
    };
    let good = "2026-03-02T09:00,2026-03-02T10:00,5,1";
    check_trace("", "line 1, column created: is missing");
    check_trace("created,ended,users\n", "line 1, column webcams: is missing");
    check_trace("created,ended,users,webcams\n", "holds no meeting");
    let cell =
        |row: &str, fault: &str| check_trace(&after(row), &format!("line 3, column {fault}"));
    cell(&good.replacen("09:00", "08:59", 1), "created: is before that of the line above");
    cell(&good.replace("03-02", "03-03"), "created: is not on the day of the first line");
    cell(&good.replace("10:00", "09:00"), "ended: is not within a day after created");
    cell(&good.replace("02T10", "04T10"), "ended: is not within a day after created");
    cell(
        &good.replacen("2026-03-02T09:00", "9 o'clock", 1),
        "created: expected a time such as 2026-03-02T08:59:30, found \"9 o'clock\"",
    );
    cell(&good.replace(",5,", ",-5,"), "users: expected a number from 0 to 10000, found \"-5\"");
    cell(
        &good.replace(",5,", ",1000001,"),
        "users: expected a number from 0 to 10000, found \"1000001\"",
    );
    cell(
        &good.replace(",5,1", ",5,NaN"),
        "webcams: expected a number from 0 to 10000, found \"NaN\"",
    );
    cell(&good.replace(",5,1", ",5,6"), "webcams: are more than users");
    check_trace(
        &after("2026-03-02T09:00,2026-03-02T10:00,5"),
        "line 3: has 3 columns, the first line has 4",
    );
}

#[test]
fn a_trace_is_a_day_of_those_meetings_on_that_fleet() {
    let text = "room,users,webcams,created,ended\n\
                a, 3, 1, 2026-03-02T05:30, 2026-03-02T06:30:00\n\
                b, 0, 0, 2026-03-02T23:50, 2026-03-03T01:00\n";
    let day = trace::read(text.as_bytes(), &[8.0, 16.0]).unwrap();
    let times: Vec<_> = day.meetings.iter().map(|m| (m.created, m.end)).collect();
    assert_eq!(times, [(minute(330), minute(390)), (minute(1430), minute(1500))]);
    let joins = &day.meetings[0].joins;
    assert_eq!((joins.len(), joins.iter().filter(|join| join.webcam).count()), (3, 1));
    assert!((day.fluid_peak - cost(3, 1) / 24.0).abs() < 1e-9, "{}", day.fluid_peak);
    for policy in Policy::ALL {
        let Summary { failed_creates, peak_utilisation, .. } =
            run(&day, policy, 1, Circumstances::default());
        assert_eq!(failed_creates, 0, "{policy:?}: agents measure before the first meeting");
        assert!((cost(3, 1) / 16.0..=cost(3, 1) / 8.0).contains(&(peak_utilisation)), "{policy:?}");
    }
}

#[test]
fn a_room_of_a_trace_has_met_before_once_an_earlier_meeting_of_it_has_ended() {
    let text = "created,ended,users,webcams,Room\n\
                2026-03-02T09:00,2026-03-02T10:00,4,0,algebra\n\
                2026-03-02T09:30,2026-03-02T09:40,2,0,algebra\n\
                2026-03-02T09:50,2026-03-02T11:00,9,0,algebra\n\
                2026-03-02T10:00,2026-03-02T11:00,9,0,physics\n\
                2026-03-02T10:00,2026-03-02T11:00,9,0,\n\
                2026-03-02T11:00,2026-03-02T12:00,9,0,\n\
                2026-03-02T11:00,2026-03-02T12:00,9,0,algebra\n";
    let day = trace::read(text.as_bytes(), &[8.0]).unwrap();
    let pasts: Vec<_> = day.meetings.iter().map(|meeting| meeting.met).collect();
    let met = |users, minutes| Some(Habit { peak: cost(users, 0), lasted: minute(minutes).0 });
    assert_eq!(pasts, [None, None, met(2, 10), None, None, None, met(9, 70)]);
    let without = trace::read(text.replace("Room", "course").as_bytes(), &[8.0]).unwrap();
    assert!(without.meetings.iter().all(|meeting| meeting.met.is_none()));
}
