//! What is expected of meetings, step by step, and what holds whatever instances say.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::meeting::MeetingId;
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;

const START: Moment = Moment(Duration::from_hours(100));

fn minute(minute: u64) -> Moment {
    START + Duration::from_mins(minute)
}

fn habit(peak: f64, minutes: u64) -> Habit {
    Habit { peak, lasted: Duration::from_mins(minutes) }
}

#[test]
fn a_meeting_costs_by_its_users_and_by_the_webcams_that_each_of_them_sees() {
    #[track_caller]
    fn check(users: u64, webcams: u64, cores: f64) {
        assert!((cost(users, webcams) - cores).abs() < 1e-9, "{users} users, {webcams} webcams");
    }
    check(0, 0, 0.05);
    check(10, 0, 0.25);
    check(10, 3, 0.25 + 0.004 * 30.0);
    check(100, 50, 2.05 + 0.004 * (50.0 + 99.0 * 9.0));
    check(3, 7, cost(3, 3));
    check(u64::MAX, u64::MAX, cost(10_000, 10_000));
}

#[test]
fn the_phase_is_the_part_of_the_hour() {
    #[track_caller]
    fn check(minute: u64, second: u64, phase: Phase) {
        for hour in [0, 9, 23] {
            let at = Duration::from_secs(hour * 3600 + minute * 60 + second);
            assert_eq!(Phase::of(at), phase, "{hour}:{minute}:{second}");
        }
    }
    check(0, 0, Phase::Hour);
    check(1, 29, Phase::Hour);
    check(1, 30, Phase::After);
    check(6, 59, Phase::After);
    check(7, 0, Phase::Quarter);
    check(19, 59, Phase::Quarter);
    check(20, 0, Phase::Rest);
    check(49, 59, Phase::Rest);
    check(50, 0, Phase::Hour);
}

#[test]
fn before_anything_was_seen_a_young_meeting_is_expected_to_grow_and_an_old_one_is_not() {
    let lessons = Lessons::default();
    let mut course = Course::new(START, Phase::Rest, None);
    let first = course.outlook(START, &lessons);
    assert_eq!((first.pending, first.history), (0.6, 0.0));
    assert!((first.mean[0] - 0.05).abs() < 1e-9 && first.mean[3] > 0.4);
    assert!(first.variance[0] == 0.0 && first.variance[3] > 0.5);
    course.seen(minute(5), 10, 0, &mut Lessons::default());
    assert!((course.outlook(minute(5), &lessons).pending - 0.3).abs() < 1e-9);
    assert_eq!(course.outlook(minute(12), &lessons).pending, 0.0);
}

#[test]
fn a_room_that_met_before_is_expected_to_come_to_what_it_came_to() {
    let lessons = Lessons::default();
    let mut course = Course::new(START, Phase::Rest, Some(habit(2.0, 60)));
    let outlook = course.outlook(START, &lessons);
    assert!((outlook.history - 1.95).abs() < 1e-9 && outlook.pending == 0.0);
    assert!((1.9..2.0).contains(&outlook.mean[4]), "{outlook:?}");
    assert!(outlook.mean[6] > 1.8, "it lasted an hour: {outlook:?}");
    course.seen(minute(4), 80, 0, &mut Lessons::default());
    let grown = course.outlook(minute(4), &lessons);
    assert!((grown.history - 0.35).abs() < 1e-9, "{grown:?}");
    assert!(course.outlook(minute(50), &lessons).mean[5] < 0.3, "it ends soon");
}

/// Teaches what meetings of this phase do: they come to so many users within five minutes, and end after so many minutes.
fn teach(lessons: &mut Lessons, phase: Phase, users: u64, minutes: u64, times: usize) {
    for _ in 0..times {
        let mut course = Course::new(START, phase, None);
        for now in 0..minutes {
            course.seen(minute(now), users * now.min(5) / 5, 0, lessons);
        }
        course.ends(minute(minutes), lessons);
    }
}

#[test]
fn growth_and_stay_are_learnt_from_what_meetings_did() {
    let mut lessons = Lessons::default();
    teach(&mut lessons, Phase::Hour, 50, 60, 40);
    teach(&mut lessons, Phase::Rest, 2, 10, 40);
    let expected =
        |phase, lessons: &Lessons| Course::new(START, phase, None).outlook(START, lessons);
    let (class, talk) = (expected(Phase::Hour, &lessons), expected(Phase::Rest, &lessons));
    assert!((0.9..1.0).contains(&class.pending), "{class:?}");
    assert!((0.05..0.15).contains(&talk.pending), "{talk:?}");
    assert!(class.mean[6] > 0.6 && talk.mean[6] < 0.05, "{class:?} {talk:?}");
    // What went on last year is outweighed in time.
    teach(&mut lessons, Phase::Hour, 10, 60, 4_000);
    assert!(expected(Phase::Hour, &lessons).pending < 0.3);
}

#[test]
fn a_meeting_that_ended_says_what_its_room_did_unless_nobody_came() {
    let mut lessons = Lessons::default();
    let mut course = Course::new(START, Phase::Rest, None);
    course.seen(minute(3), 20, 5, &mut lessons);
    course.seen(minute(30), 4, 0, &mut lessons);
    let moved = course.begins_again(minute(31));
    assert_eq!(moved, Some(habit(cost(20, 5), 0)));
    assert_eq!(course.ends(minute(45), &mut lessons), Some(habit(cost(20, 5), 45)));
    let nobody = Course::new(START, Phase::Rest, None);
    assert_eq!(nobody.begins_again(minute(5)), None);
    assert_eq!(nobody.ends(minute(5), &mut lessons), None);
    let known = Course::new(START, Phase::Rest, Some(habit(3.0, 60)));
    assert_eq!(known.begins_again(minute(20)), Some(habit(3.0, 40)));
}

#[test]
fn a_burden_is_the_sum_of_its_meetings_and_the_past_is_a_mean() {
    let (range, lessons) = (Duration::from_mins(5), Lessons::default());
    let outlook = Course::new(START, Phase::Rest, None).outlook(START, &lessons);
    let mut burden = Burden::default();
    assert_eq!(burden.modelled(), None);
    burden.add(&outlook);
    burden.add(&outlook);
    burden.remove(&outlook);
    assert_eq!(*burden.coming(), outlook);
    let of = |cores: f64| Outlook { mean: [cores; AHEAD.len()], ..Outlook::default() };
    for (at, cores) in [(0, 8.0), (3, 4.0), (4, 2.0)] {
        burden.settle(minute(at), of(cores), range);
    }
    assert_eq!(burden.modelled(), Some(14.0 / 3.0));
    burden.settle(minute(5), of(0.0), range);
    assert_eq!(burden.modelled(), Some(2.0), "what is as old as the range is out");
    burden.remove(&outlook);
    assert_eq!(burden.coming().mean, [0.0; AHEAD.len()], "never less than nothing");
}

#[test]
fn rooms_are_kept_so_many_and_the_longest_unused_go_first() {
    let key = |n: u64| RoomKey::new(&TenantId::new("t"), &MeetingId::new(n.to_string()).key());
    assert_ne!(key(1), RoomKey::new(&TenantId::new("u"), &MeetingId::new("1").key()));
    let mut rooms = Rooms::default();
    for n in 1..=4 {
        rooms.met(key(n), habit(1.0, 60), 100 * n);
    }
    assert_eq!(rooms.met(key(1), habit(3.0, 30), 500), habit(2.0, 45));
    assert_eq!(rooms.forget(3, 0), [key(2)]);
    assert_eq!(rooms.forget(3, 350), [key(3)]);
    assert_eq!(
        (rooms.len(), rooms.get(&key(4)), rooms.get(&key(3))),
        (2, Some(habit(1.0, 60)), None)
    );
    assert_eq!(rooms.forget(0, 0).len(), 2);
    assert!(rooms.is_empty());
}

#[test]
fn lessons_come_back_from_what_is_stored_and_nonsense_is_refused() {
    let mut lessons = Lessons::default();
    teach(&mut lessons, Phase::Hour, 50, 60, 3);
    let text = serde_json::to_string(&lessons).unwrap();
    let pending = |lessons: &Lessons| Course::new(START, Phase::Hour, None).outlook(START, lessons);
    let read = pending(&serde_json::from_str(&text).unwrap()).pending;
    assert!((read - pending(&lessons).pending).abs() < 1e-9 && read != 0.6, "{read}");
    let (growth, stays) = text.split_once("\"stays\"").unwrap();
    for bad in [
        text.replacen("\"count\":0.0", "\"count\":-1.0", 1),
        text.replacen("\"count\":0.0", "\"count\":1e300", 1),
        format!("{growth}\"stays\"{}", stays.replacen("\"count\":0.0", "\"count\":1e300", 1)),
        format!("{growth}\"stays\"{}", stays.replacen("\"sum\":0.0", "\"sum\":9.0", 1)),
        "{\"growth\":[],\"stays\":[]}".to_owned(),
    ] {
        assert!(serde_json::from_str::<Lessons>(&bad).is_err());
    }
}

proptest! {
    #[test]
    fn an_outlook_is_always_of_numbers(
        seen in prop::collection::vec((0u64..400, any::<u64>(), any::<u64>()), 0..20),
        peak in prop::option::of(0.0..1e6f64),
        lasted in 0u64..10_000,
        began in 0u64..200,
    ) {
        // Minutes in any order: a clock may step.
        let mut lessons = Lessons::default();
        let mut course = Course::new(minute(began), Phase::Hour, peak.map(|peak| habit(peak, lasted)));
        for (at, users, webcams) in seen {
            course.seen(minute(at), users, webcams, &mut lessons);
            let Outlook { mean, variance, pending, history } = course.outlook(minute(at), &lessons);
            let all = mean.into_iter().chain(variance).chain([pending, history]);
            for number in all {
                prop_assert!((0.0..1e14).contains(&number), "{number}");
            }
        }
        let text = serde_json::to_string(&lessons).unwrap();
        course.ends(minute(300), &mut lessons);
        prop_assert!(serde_json::from_str::<Lessons>(&text).is_ok());
    }
}
