//! A day under one policy.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use super::chart::{POINT, Trail};
use super::circumstances::Circumstances;
use super::day::Day;
use super::dice::Dice;
use super::events::{Agenda, Event};
use super::gauges::Gauges;
use super::meeting::{Meeting, seconds};
use super::policy::{Chooser, Create, Policy, Sighted};
use super::tally::{Reading, Summary, Tally};
use crate::domain::moment::Moment;

/// When the agents begin to measure.
const BEGIN: Moment = Moment(Duration::from_hours(7));
/// They measure for so long before the first meeting at least.
const LEAD: Duration = Duration::from_mins(10);
/// Agents measure, measurements are read and meetings swept so often (`balancer.pollInterval`, `health.sweepInterval`).
const TICK: Duration = Duration::from_secs(10);
/// A server is known to be dead after three failed probes, and to be there after two good ones.
const DEAD_AFTER: Duration = Duration::from_secs(15);
const THERE_AFTER: Duration = Duration::from_secs(10);

/// A server as it is now.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) cores: f64,
    up: bool,
    /// Whether the balancer takes it to be there.
    pub(super) noticed: bool,
    load: f64,
    users: usize,
    /// The number of users when it was swept last.
    pub(super) users_swept: usize,
    meetings: BTreeSet<usize>,
    pub(super) gauges: Gauges,
}

/// A meeting as it is now.
struct Running<'a> {
    meeting: Cow<'a, Meeting>,
    /// Its place in the day's list, which a meeting that was created again shares with its forerunner.
    room: usize,
    server: Option<usize>,
    users: usize,
    webcams: usize,
}

struct Run<'a> {
    day: &'a Day,
    circumstances: Circumstances,
    /// Of each balancer.
    choosers: Vec<Chooser>,
    dice: Dice,
    /// Says which balancer is asked.
    doors: Dice,
    agenda: Agenda,
    servers: Vec<State>,
    meetings: Vec<Running<'a>>,
    /// Which meeting runs in each room.
    rooms: Vec<Option<usize>>,
    tally: Tally,
    /// For a picture of the day, if there is to be one.
    trail: Option<Trail>,
    end: Moment,
}

/// Lets a day happen, and notes how busy each server was.
pub(super) fn watched(
    day: &Day,
    policy: Policy,
    seed: u64,
    circumstances: Circumstances,
) -> (Summary, Trail) {
    let mut run = Run::new(day, policy, seed, circumstances);
    run.trail = Some(Trail::default());
    run.all();
    (run.tally.summary(), run.trail.unwrap_or_default())
}

/// Lets a day happen. The seed is that of chance during the day, such as noise in measurements.
pub fn run(day: &Day, policy: Policy, seed: u64, circumstances: Circumstances) -> Summary {
    let mut run = Run::new(day, policy, seed, circumstances);
    run.all();
    run.tally.summary()
}

impl<'a> Run<'a> {
    fn new(day: &'a Day, policy: Policy, seed: u64, circumstances: Circumstances) -> Self {
        let first = day.meetings.first().map_or(BEGIN, |meeting| meeting.created);
        let begin = BEGIN.min(first.before(LEAD));
        let cores: Vec<_> = day.servers.iter().map(|server| server.cores).collect();
        let balancers = if policy.is_one_mind() { 1 } else { circumstances.balancers };
        let chooser = |_| Chooser::new(policy, &cores, circumstances, Dice::of(&[seed, 2]));
        let mut run = Self {
            day,
            circumstances,
            choosers: (0..balancers).map(chooser).collect(),
            dice: Dice::of(&[seed, 3]),
            doors: Dice::of(&[seed, 7]),
            agenda: Agenda::default(),
            servers: cores.iter().map(|&cores| State::new(cores)).collect(),
            meetings: Vec::with_capacity(day.meetings.len()),
            rooms: vec![None; day.meetings.len()],
            tally: Tally::default(),
            trail: None,
            end: day.meetings.iter().map(|meeting| meeting.end).max().unwrap_or(begin),
        };
        for (n, server) in day.servers.iter().enumerate() {
            run.agenda.add(server.from.max(begin), Event::Up(n));
            if let Some(away) = &server.away {
                run.agenda.add(away.start, Event::Down(n));
                run.agenda.add(away.end, Event::Up(n));
            }
        }
        run.agenda.add(begin + TICK, Event::Tick);
        for (room, meeting) in day.meetings.iter().enumerate() {
            run.plan(Cow::Borrowed(meeting), room);
        }
        run
    }

    fn all(&mut self) {
        while let Some((now, event)) = self.agenda.next() {
            self.happens(now, event);
        }
    }

    fn plan(&mut self, mut meeting: Cow<'a, Meeting>, room: usize) {
        if !self.circumstances.history && meeting.met.is_some() {
            meeting.to_mut().met = None;
        }
        self.agenda.add(meeting.created, Event::Create(self.meetings.len()));
        self.meetings.push(Running { meeting, room, server: None, users: 0, webcams: 0 });
    }

    fn happens(&mut self, now: Moment, event: Event) {
        match event {
            Event::Up(server) => {
                self.servers[server].up = true;
                self.agenda.add(now + THERE_AFTER, Event::Noticed(server, true));
            }
            Event::Down(server) => self.dies(now, server),
            Event::Noticed(server, there) => {
                self.servers[server].noticed = there;
                self.choosers.iter_mut().for_each(|chooser| chooser.noticed(now, server, there));
            }
            Event::Create(meeting) => self.create(now, meeting),
            Event::Join(meeting) => self.join(meeting),
            Event::End(meeting) => self.end(meeting),
            Event::Tick => self.tick(now),
        }
    }

    /// Its meetings are gone, and are created again once people notice.
    fn dies(&mut self, now: Moment, server: usize) {
        let state = &mut self.servers[server];
        let lost = std::mem::take(&mut state.meetings);
        *state = State { noticed: true, gauges: state.gauges.clone(), ..State::new(state.cores) };
        self.agenda.add(now + DEAD_AFTER, Event::Noticed(server, false));
        for meeting in lost {
            let Running { meeting, room, server, .. } = &mut self.meetings[meeting];
            *server = None;
            let (room, at) = (*room, now + DEAD_AFTER + seconds(45.0 * self.dice.uniform()));
            self.rooms[room] = None;
            if at < meeting.end {
                let again = meeting.again(at, &mut self.dice);
                self.plan(Cow::Owned(again), room);
            }
        }
    }

    /// Tries one server after another, as the balancer does.
    fn create(&mut self, now: Moment, meeting: usize) {
        let running = &self.meetings[meeting];
        let called = running.sighted(meeting);
        let door = self.doors.index(self.choosers.len());
        let chooser = &mut self.choosers[door];
        let (servers, mut failed) = (&self.servers, Vec::new());
        let placed = loop {
            let meeting = &running.meeting;
            let create = Create { now, meeting, called, servers, failed: &failed };
            match chooser.choose(&create) {
                Some(server) if !servers[server].up => failed.push(server),
                Some(server) => {
                    chooser.placed(server, &create);
                    break Some(server);
                }
                None => break None,
            }
        };
        let Some(server) = placed else {
            self.tally.failed_creates += 1;
            return;
        };
        let running = &mut self.meetings[meeting];
        if self.rooms[running.room].replace(meeting).is_some() {
            self.tally.split_meetings += 1;
        }
        running.server = Some(server);
        self.servers[server].meetings.insert(meeting);
        self.servers[server].load += running.meeting.cost(0, 0);
        self.agenda.add(running.meeting.end, Event::End(meeting));
        if let Some(join) = running.meeting.joins.first() {
            self.agenda.add(join.at, Event::Join(meeting));
        }
    }

    fn join(&mut self, meeting: usize) {
        let running = &mut self.meetings[meeting];
        let Some(server) = running.server else { return };
        let before = running.meeting.cost(running.users, running.webcams);
        running.webcams += usize::from(running.meeting.joins[running.users].webcam);
        running.users += 1;
        self.servers[server].load += running.meeting.cost(running.users, running.webcams) - before;
        self.servers[server].users += 1;
        if let Some(join) = running.meeting.joins.get(running.users) {
            self.agenda.add(join.at, Event::Join(meeting));
        }
    }

    fn end(&mut self, meeting: usize) {
        let running = &mut self.meetings[meeting];
        let Some(server) = running.server.take() else { return };
        self.rooms[running.room] = None;
        let state = &mut self.servers[server];
        state.meetings.remove(&meeting);
        state.users -= running.users;
        state.load -= running.meeting.cost(running.users, running.webcams);
        if state.meetings.is_empty() {
            state.load = 0.0;
        }
    }

    /// Tells what runs on each server that answers.
    fn sweep(&mut self, now: Moment) {
        for (server, state) in self.servers.iter().enumerate().filter(|(_, state)| state.up) {
            for chooser in &mut self.choosers {
                let sighted = state.meetings.iter().map(|&n| self.meetings[n].sighted(n));
                chooser.swept(now, server, sighted);
            }
        }
    }

    fn note(&mut self, now: Moment) {
        let Some(Trail(trail)) = &mut self.trail else { return };
        if trail.last().is_none_or(|(last, _)| now.since(*last) >= POINT) {
            let uses = self.servers.iter().map(|state| state.up.then(|| state.load / state.cores));
            trail.push((now, uses.collect()));
        }
    }

    fn tick(&mut self, now: Moment) {
        let there = self.servers.iter().filter(|state| state.up);
        self.tally.count(now, there.map(State::reading));
        self.note(now);
        for (state, server) in self.servers.iter_mut().zip(&self.day.servers) {
            if state.up {
                state.gauges.sample(now, server, state.load / state.cores, &mut self.dice);
                state.users_swept = state.users;
            }
        }
        self.sweep(now);
        for chooser in &mut self.choosers {
            chooser.measured(now, &mut self.servers);
        }
        if now < self.end {
            self.agenda.add(now + TICK, Event::Tick);
        }
    }
}

impl Running<'_> {
    fn sighted(&self, number: usize) -> Sighted {
        let Meeting { created, met, .. } = *self.meeting;
        let &Self { room, users, webcams, .. } = self;
        Sighted { meeting: number, room, created, met, users, webcams }
    }
}

impl State {
    fn new(cores: f64) -> Self {
        Self {
            cores,
            up: false,
            noticed: false,
            load: 0.0,
            users: 0,
            users_swept: 0,
            meetings: BTreeSet::new(),
            gauges: Gauges::default(),
        }
    }

    fn reading(&self) -> Reading {
        Reading { cores: self.cores, load: self.load, users: self.users }
    }
}
