//! A meeting as it goes on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::growth::{At, GROWN, Phase};
use super::outlook::{AHEAD, Outlook};
use super::{Lessons, cost, stays};
use crate::domain::moment::Moment;

/// How much of what is to come has come at each time of [`AHEAD`]: 1 - e^(-t / 150 s).
const GROWN_BY: [f64; AHEAD.len()] = [
    0.0,
    0.632_120_558_828_557_7,
    0.864_664_716_763_387_3,
    0.981_684_361_111_265_8,
    0.999_664_537_372_097_5,
    0.999_999_168_471_271,
    0.999_999_999_721_053_2,
];

/// What a room did the last time says what is still to come until its meeting is so old; then whoever was to come
/// has come, and the general lesson is nearer. The simulator's best of 8 to 20 minutes.
const KNOWN_UNTIL: Duration = Duration::from_mins(11);
/// How far off that counts as, as a part of the last peak. Rooms differ by more (a third), but among the many meetings
/// of an instance that evens out: the simulator's best of 0.05 to 0.35.
const HABIT_OFF: f64 = 0.1;
/// A room's meeting ends within this much of the time that it lasted before, or goes on with this probability.
const LASTS: (f64, f64) = (0.9, 1.1);
const GOES_ON: f64 = 0.1;

/// What a room did the last time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Habit {
    /// The most that it cost, in cores, as [`cost`](super::cost()) has it.
    pub peak: f64,
    pub lasted: Duration,
}

/// A running meeting: how it began, what it is now and what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    began: Moment,
    phase: Phase,
    users: u64,
    webcams: u64,
    /// The most that it cost so far.
    highest: f64,
    habit: Option<Habit>,
    /// The cells that it came through while it grew, and what it cost then.
    passed: Vec<(At, f64)>,
    taught: bool,
    /// The step of its age that it was seen in last, if ever.
    step: Option<u8>,
}

impl Course {
    /// A meeting that begins, or began at that time.
    pub fn new(began: Moment, phase: Phase, habit: Option<Habit>) -> Self {
        Self {
            began,
            phase,
            users: 0,
            webcams: 0,
            highest: cost(0, 0),
            habit,
            passed: Vec::new(),
            taught: false,
            step: None,
        }
    }

    /// So many were in it at that time.
    pub fn seen(&mut self, now: Moment, users: u64, webcams: u64, lessons: &mut Lessons) {
        (self.users, self.webcams) = (users, webcams);
        let (age, cost) = (now.since(self.began), cost(users, webcams));
        self.highest = self.highest.max(cost);
        let at = At::new(self.phase, age, users);
        if !self.taught && self.passed.last().is_none_or(|(last, _)| at.older(*last)) {
            self.passed.push((at, cost));
        }
        if age >= GROWN {
            self.teach(lessons);
        }
        let step = stays::step(age);
        // What one did before it was seen at all may have been learnt already.
        let last = self.step.unwrap_or(step);
        for passed in last..step {
            lessons.stays.learn(self.phase, passed, false);
        }
        self.step = Some(last.max(step));
    }

    /// It has ended: what the room did this time, unless nobody came.
    pub fn ends(mut self, now: Moment, lessons: &mut Lessons) -> Option<Habit> {
        self.teach(lessons);
        let age = now.since(self.began);
        lessons.stays.learn(self.phase, stays::step(age), true);
        let came = self.highest > cost(0, 0);
        came.then_some(Habit { peak: self.highest, lasted: age })
    }

    /// What is known of the room when its meeting has to begin again elsewhere.
    pub fn begins_again(&self, now: Moment) -> Option<Habit> {
        let before = self.habit.map_or(Duration::ZERO, |habit| habit.lasted);
        let peak = self.highest.max(self.habit.map_or(0.0, |habit| habit.peak));
        let lasted = before.saturating_sub(now.since(self.began));
        let known = self.habit.is_some() || self.highest > cost(0, 0);
        known.then_some(Habit { peak, lasted })
    }

    fn teach(&mut self, lessons: &mut Lessons) {
        for (at, then) in std::mem::take(&mut self.passed) {
            lessons.growth.learn(at, (self.highest - then).max(0.0));
        }
        self.taught = true;
    }

    /// What it will cost.
    pub fn outlook(&self, now: Moment, lessons: &Lessons) -> Outlook {
        let (age, cost) = (now.since(self.began), cost(self.users, self.webcams));
        let (more, off, known) = self.to_come(age, cost, lessons);
        let stay = self.stay(age, lessons);
        let mut outlook = Outlook {
            pending: if known { 0.0 } else { more },
            history: if known { more } else { 0.0 },
            ..Outlook::default()
        };
        for n in 0..AHEAD.len() {
            let grown = GROWN_BY[n];
            let (then, stays) = (cost + more * grown, stay[n]);
            outlook.mean[n] = then * stays;
            // It may grow by another amount, and it may have ended.
            outlook.variance[n] = stays * (off * grown * grown + then * then * (1.0 - stays));
        }
        outlook
    }

    /// Cores still to come, their variance, and whether that is because the room is known.
    fn to_come(&self, age: Duration, cost: f64, lessons: &Lessons) -> (f64, f64, bool) {
        if let Some(habit) = self.habit.filter(|_| age < KNOWN_UNTIL) {
            let off = HABIT_OFF * habit.peak;
            return ((habit.peak - cost).max(0.0), off * off, true);
        }
        let at = At::new(self.phase, age, self.users);
        let (more, off) = lessons.growth.expected(at, age);
        (more, off, false)
    }

    /// How likely it is to be there still.
    fn stay(&self, age: Duration, lessons: &Lessons) -> [f64; AHEAD.len()] {
        match self.habit.map(|habit| habit.lasted).filter(|lasted| age < *lasted) {
            None => lessons.stays.stay(self.phase, age, AHEAD),
            Some(lasted) => AHEAD.map(|ahead| {
                let over = (age + ahead).as_secs_f64() / lasted.as_secs_f64();
                ((LASTS.1 - over) / (LASTS.1 - LASTS.0)).clamp(GOES_ON, 1.0)
            }),
        }
    }
}
