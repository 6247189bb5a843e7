//! The meetings of a day: classes around the full hour, and whatever people meet for besides.

use std::time::Duration;

use super::circumstances::Circumstances;
use super::dice::Dice;
use super::meeting::{Join, Meeting, seconds};
use super::servers::{Server, cores_at_first, fleet};
use crate::domain::forecast::Habit;
use crate::domain::moment::Moment;

/// The first hour in which meetings begin, and how many such hours there are.
const FIRST_HOUR: f64 = 8.0;
const HOURS: usize = 9;
const HOUR: f64 = 3600.0;
/// The step in which the fluid peak is looked for.
const STEP: Duration = Duration::from_secs(10);
/// Two days of them: what began on the first has ended by then.
const STEPS: usize = 48 * 360;
/// Nobody has more people in one meeting.
const LARGEST: f64 = 200.0;
/// Ad hoc meetings have no more.
const LARGEST_AD_HOC: usize = 60;
/// How far the last time was from this time: the sigma of a factor.
const UNLIKE: f64 = 0.35;

/// Whose day it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// A university: a third are classes.
    Univ,
    /// A school: most are classes, most of them in the morning.
    School,
}

impl Profile {
    pub const ALL: [Self; 2] = [Self::Univ, Self::School];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Univ => "univ",
            Self::School => "school",
        }
    }

    pub(super) fn classes(self) -> f64 {
        match self {
            Self::Univ => 0.35,
            Self::School => 0.85,
        }
    }

    /// How many meetings begin in each hour, beside the others.
    fn hours(self) -> [f64; HOURS] {
        match self {
            Self::Univ => [0.55, 0.85, 0.85, 1.0, 0.65, 0.75, 0.9, 0.75, 0.5],
            Self::School => [0.75, 0.95, 0.85, 1.0, 0.9, 0.7, 0.55, 0.35, 0.2],
        }
    }
}

/// A fleet, and the meetings that come to it.
#[derive(Clone, Debug)]
pub struct Day {
    pub(super) servers: Vec<Server>,
    /// In the order of their creates.
    pub(super) meetings: Vec<Meeting>,
    /// The most that all meetings need at once, as a part of all cores that are there from the beginning.
    pub fluid_peak: f64,
}

impl Day {
    /// Adds meetings until all together need `peak` of the fleet's cores once in the day.
    pub fn new(
        profile: Profile,
        servers: usize,
        peak: f64,
        seed: u64,
        circumstances: Circumstances,
    ) -> Self {
        let path = [seed, servers as u64, profile as u64];
        let servers = fleet(servers, &mut Dice::of(&[path[0], path[1], path[2], 0]));
        let cores = cores_at_first(&servers);
        let mut needs = Needs::none();
        let mut meetings = Vec::new();
        let mut dice = Dice::of(&[path[0], path[1], path[2], 1]);
        let mut past = Dice::of(&[path[0], path[1], path[2], 5]);
        let mut costs = Dice::of(&[path[0], path[1], path[2], 6]);
        while needs.most < peak * cores {
            let is_class = dice.chance(profile.classes());
            let meeting = match is_class {
                true => class(profile, &mut dice),
                false => ad_hoc(profile, &mut dice),
            };
            let met = met(&meeting, is_class, &mut past);
            let factor = costs.lognormal(1.0, circumstances.cost_error);
            let meeting = Meeting { met, factor, ..meeting };
            needs.add(&meeting);
            meetings.push(meeting);
        }
        meetings.sort_by_key(|meeting| meeting.created);
        Self { servers, meetings, fluid_peak: needs.most / cores }
    }

    /// These meetings, in the order of their creates, on these servers.
    pub(super) fn of(servers: Vec<Server>, meetings: Vec<Meeting>) -> Self {
        let mut needs = Needs::none();
        meetings.iter().for_each(|meeting| needs.add(meeting));
        let fluid_peak = needs.most / cores_at_first(&servers);
        Self { servers, meetings, fluid_peak }
    }

    /// The same day, with meetings that cost what they do under these circumstances.
    pub(super) fn under(&self, circumstances: Circumstances, seed: u64) -> Self {
        let mut costs = Dice::of(&[seed, 6]);
        let mut factor = || costs.lognormal(1.0, circumstances.cost_error);
        let meetings = self.meetings.iter();
        let meetings = meetings.map(|meeting| Meeting { factor: factor(), ..meeting.clone() });
        Self::of(self.servers.clone(), meetings.collect())
    }
}

/// Cores that all meetings need, over the day.
struct Needs {
    at: Vec<f64>,
    most: f64,
}

impl Needs {
    fn none() -> Self {
        Self { at: vec![0.0; STEPS], most: 0.0 }
    }

    fn add(&mut self, meeting: &Meeting) {
        let step = |at: Moment| at.0.as_millis().div_ceil(STEP.as_millis()) as usize;
        let steps = step(meeting.created)..step(meeting.end).min(STEPS);
        let times = steps.clone().map(|n| Moment(STEP * n as u32));
        for (need, cost) in self.at[steps].iter_mut().zip(meeting.costs(times)) {
            *need += cost;
            self.most = self.most.max(*need);
        }
    }
}

fn class(profile: Profile, dice: &mut Dice) -> Meeting {
    let hour = FIRST_HOUR + dice.weighted(&profile.hours()) as f64;
    let start = hour * HOUR + if dice.chance(0.2) { 900.0 } else { 0.0 };
    let created = at(start + dice.normal(-60.0, 210.0));
    let (median, sigma) = if dice.chance(0.04) { (90.0, 0.3) } else { (22.0, 0.6) };
    let size = dice.lognormal(median, sigma).round().clamp(2.0, LARGEST) as usize;
    let minutes = [45.0, 60.0, 90.0][dice.index(3)];
    let webcams = [0.05, 0.3, 0.8][dice.weighted(&[0.60, 0.25, 0.15])];
    let joins = (0..size).map(|_| Join {
        at: at(start + dice.normal(0.0, 180.0)).max(created + Duration::from_secs(1)),
        webcam: dice.chance(webcams),
    });
    let joins = joins.collect();
    Meeting::new(created, at(start + minutes * 60.0), joins)
}

fn ad_hoc(profile: Profile, dice: &mut Dice) -> Meeting {
    let hour = FIRST_HOUR + dice.weighted(&profile.hours()) as f64;
    let created = at((hour + dice.uniform()) * HOUR);
    let mut size = 2;
    if !dice.chance(0.42) {
        while size < LARGEST_AD_HOC && dice.chance(0.75) {
            size += 1;
        }
    }
    let minutes = dice.lognormal(33.0, 0.7).max(2.0);
    let joins = (0..size)
        .map(|_| Join { at: created + seconds(dice.exponential(100.0)), webcam: dice.chance(0.6) });
    let joins = joins.collect();
    Meeting::new(created, created + seconds(minutes * 60.0), joins)
}

/// What its room did the last time, if there was one: a class lasts as long as the schedule says.
fn met(meeting: &Meeting, is_class: bool, dice: &mut Dice) -> Option<Habit> {
    let has_met = dice.chance(if is_class { 0.7 } else { 0.3 });
    let (peak, stay) = (dice.lognormal(1.0, UNLIKE), dice.lognormal(1.0, UNLIKE));
    let Habit { peak: highest, lasted } = meeting.did();
    let lasted = if is_class { lasted } else { seconds(lasted.as_secs_f64() * stay) };
    has_met.then_some(Habit { peak: highest * peak, lasted })
}

fn at(time: f64) -> Moment {
    Moment(seconds(time))
}
