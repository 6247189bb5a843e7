//! The script of a day: classes on the hour, a drained server, a crash. Follows from its seed alone.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::sim::Role;

/// How fast a day goes by.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How long an hour of the day takes.
    pub hour: Duration,
    pub hours: Range<u32>,
}

impl Pace {
    /// About twenty-five seconds, to be checked.
    pub fn short() -> Self {
        Self { hour: Duration::from_millis(2_400), hours: 8..18 }
    }

    /// A minute and a half, to be watched.
    pub fn lively() -> Self {
        Self { hour: Duration::from_secs(6), hours: 7..22 }
    }

    /// Hour and minute, so long after the start.
    pub fn time(&self, after: Duration) -> (u32, u32) {
        let minutes = (60.0 * after.as_secs_f64() / self.hour.as_secs_f64()) as u32;
        (self.hours.start + minutes / 60, minutes % 60)
    }

    fn at(&self, hour: f64) -> Duration {
        self.hour.mul_f64((hour - f64::from(self.hours.start)).max(0.0))
    }
}

/// A meeting of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// Which tenant, by number.
    pub tenant: usize,
    pub id: String,
    pub title: String,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Somebody looks at the pool and writes down what it does.
    Glance,
    /// A front end creates a meeting.
    Open(Class),
    /// Somebody enters; the front end creates the meeting before, as they do.
    Enter {
        class: Class,
        name: String,
        role: Role,
    },
    Close(Class),
    /// A tenant lists its meetings, and asks for one that is another's.
    Look {
        tenant: usize,
        foreign: Class,
    },
    /// A server takes no more meetings.
    Drain(usize),
    Restore(usize),
    /// A server is gone, with its memory.
    Crash(usize),
    /// It is back, and empty.
    Return(usize),
}

/// When something happens, from the start of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at: Duration,
    pub act: Act,
}

const SUBJECTS: [&str; 8] =
    ["Algebra", "Biology", "Chemistry", "Drawing", "English", "French", "Geography", "History"];
const NAMES: [&str; 10] =
    ["Ada", "Bo", "Chloé", "Dmitri", "Elif", "Fatou", "Grace", "Hiro", "Inés", "Jörg"];
/// The id that every tenant uses, all day.
const ASSEMBLY: &str = "assembly";
/// When servers have their troubles, as shares of the day.
const DRAINED: Range<f64> = 0.25..0.45;
const CRASHED: Range<f64> = 0.55..0.8;

/// The events of a day in their order.
pub fn plan(seed: u64, pace: &Pace, tenants: usize, servers: usize) -> Vec<Event> {
    let mut script = Script { rng: StdRng::seed_from_u64(seed), pace, events: Vec::new() };
    for tenant in 0..tenants {
        script.assembly(tenant);
    }
    for hour in pace.hours.clone() {
        script.add(f64::from(hour) + 0.65, Act::Glance);
        let classes: Vec<Vec<Class>> = (0..tenants).map(|t| script.classes_of(t, hour)).collect();
        for tenant in 0..tenants {
            let foreign = classes[(tenant + 1) % tenants][0].clone();
            script.add(f64::from(hour) + 0.55, Act::Look { tenant, foreign });
        }
    }
    script.troubles(servers);
    let mut events = script.events;
    events.sort_by_key(|event| event.at);
    events
}

struct Script<'a> {
    rng: StdRng,
    pace: &'a Pace,
    events: Vec<Event>,
}

impl Script<'_> {
    fn add(&mut self, hour: f64, act: Act) {
        self.events.push(Event { at: self.pace.at(hour), act });
    }

    /// Everybody meets all day, in every tenant under one id.
    fn assembly(&mut self, tenant: usize) {
        let class = Class { tenant, id: ASSEMBLY.to_owned(), title: "Assembly".to_owned() };
        let start = f64::from(self.pace.hours.start);
        self.add(start, Act::Open(class.clone()));
        for hour in self.pace.hours.clone() {
            self.enter(&class, f64::from(hour) + 0.3, Role::Viewer);
        }
    }

    /// The classes of one hour. Those of the last hour stay open.
    fn classes_of(&mut self, tenant: usize, hour: u32) -> Vec<Class> {
        let last = hour + 1 == self.pace.hours.end;
        let busy = last || (10..=15).contains(&hour);
        let number = self.rng.random_range(if busy { 4..=6 } else { 2..=3 });
        (0..number).map(|n| self.class(tenant, hour, n, last)).collect()
    }

    fn class(&mut self, tenant: usize, hour: u32, n: usize, stays: bool) -> Class {
        let subject = SUBJECTS[(hour as usize + n * 3) % SUBJECTS.len()];
        let id = format!("{}-{tenant}-{hour:02}-{n}", subject.to_lowercase());
        let class = Class { tenant, id, title: format!("{subject}, {hour:02}:00") };
        let start = f64::from(hour) + self.rng.random_range(0.0..0.08);
        self.add(start, Act::Open(class.clone()));
        self.enter(&class, start + 0.08, Role::Moderator);
        for _ in 0..self.rng.random_range(3..=9) {
            let when = f64::from(hour) + self.rng.random_range(0.18..0.6);
            self.enter(&class, when, Role::Viewer);
        }
        if !stays {
            let lasts = if self.rng.random_bool(0.25) { 1.0 } else { 0.0 };
            let end = f64::from(hour) + lasts + self.rng.random_range(0.85..0.97);
            if end < f64::from(self.pace.hours.end) {
                self.add(end, Act::Close(class.clone()));
            }
        }
        class
    }

    fn enter(&mut self, class: &Class, when: f64, role: Role) {
        let name = NAMES[self.rng.random_range(0..NAMES.len())].to_owned();
        self.add(when, Act::Enter { class: class.clone(), name, role });
    }

    /// The last server is drained for a while, later the first one crashes; never both at once.
    fn troubles(&mut self, servers: usize) {
        if servers < 2 {
            return;
        }
        let Range { start, end } = self.pace.hours;
        let when = |share: f64| f64::from(start) + share * f64::from(end - start);
        self.add(when(DRAINED.start), Act::Drain(servers - 1));
        self.add(when(DRAINED.end), Act::Restore(servers - 1));
        self.add(when(CRASHED.start), Act::Crash(0));
        self.add(when(CRASHED.end), Act::Return(0));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn at_of(events: &[Event], act: impl Fn(&Act) -> bool) -> Vec<Duration> {
        events.iter().filter(|e| act(&e.act)).map(|e| e.at).collect()
    }

    #[test]
    fn a_day_follows_from_its_seed() {
        let pace = Pace::short();
        assert_eq!(plan(7, &pace, 2, 3), plan(7, &pace, 2, 3));
        assert_ne!(plan(7, &pace, 2, 3), plan(8, &pace, 2, 3));
    }

    #[test]
    fn nobody_enters_before_the_opening_or_after_the_closing() {
        let events = plan(7, &Pace::short(), 2, 3);
        let mut opened: HashMap<&Class, bool> = HashMap::new();
        for event in &events {
            match &event.act {
                Act::Open(class) => {
                    assert_eq!(opened.insert(class, true), None, "{class:?} opens once")
                }
                Act::Enter { class, .. } => assert_eq!(opened.get(class), Some(&true), "{class:?}"),
                Act::Close(class) => assert_eq!(opened.insert(class, false), Some(true)),
                _ => {}
            }
        }
        let open = opened.values().filter(|&&open| open).count();
        assert!(open >= 8, "the last hour's classes stay, {open} do");
    }

    #[test]
    fn a_day_has_its_troubles_one_after_the_other() {
        let events = plan(7, &Pace::short(), 2, 3);
        let order = [Act::Drain(2), Act::Restore(2), Act::Crash(0), Act::Return(0)];
        let times: Vec<_> = order.iter().map(|act| at_of(&events, |a| a == act)).collect();
        assert!(times.iter().all(|at| at.len() == 1) && times.is_sorted(), "{times:?}");
    }

    #[test]
    fn both_tenants_use_one_id_and_look_every_hour() {
        let pace = Pace::short();
        let events = plan(7, &pace, 2, 3);
        let assemblies = at_of(&events, |a| matches!(a, Act::Open(c) if c.id == ASSEMBLY));
        assert_eq!(assemblies.len(), 2);
        let looks = |own| {
            at_of(
                &events,
                |a| matches!(a, Act::Look { tenant, foreign } if *tenant == own && foreign.tenant != own),
            )
        };
        assert_eq!(looks(0).len(), pace.hours.len());
        assert_eq!(looks(1).len(), pace.hours.len());
    }

    #[test]
    fn a_day_has_a_clock() {
        let pace = Pace { hour: Duration::from_secs(2), hours: 8..10 };
        let check = |millis, time| assert_eq!(pace.time(Duration::from_millis(millis)), time);
        check(0, (8, 0));
        check(1_000, (8, 30));
        check(2_100, (9, 3));
    }

    #[test]
    fn a_short_day_takes_less_than_half_a_minute() {
        let pace = Pace::short();
        let last = plan(7, &pace, 2, 3).last().map(|e| e.at);
        assert!(last < Some(Duration::from_secs(26)), "{last:?}");
    }
}
