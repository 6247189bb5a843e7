//! Whether a history keeps the promise: one register explains what happens to each room. Plain, and not of the
//! program's code.

mod lists; // what getMeetings shows
mod meetings; // which meetings there are, and whose
pub(crate) mod tests; // each rule caught in a short history

use std::collections::{BTreeMap, BTreeSet};

use self::meetings::{Meeting, Meetings};
use crate::history::{Answer, Call, Event, Exit, Room, What};

/// Whoever brought a callback is told so long after it is in the store, in milliseconds: it may be gone by then.
const TOLD_WITHIN: u64 = 1_000;

/// What the program may do after how long, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// A server that failed for so long may count as dead: its meetings may be created elsewhere.
    pub(crate) dead_after: u64,
    /// A server that failed for so long may have lost its meetings.
    pub(crate) lost_after: u64,
    /// What is on a server is known to all within this.
    pub(crate) swept_within: u64,
    /// So long after another home was acknowledged, joins may still go to where the room was before, and lists show it.
    pub(crate) stale_for: u64,
    /// How many meetings tenants may have.
    pub(crate) pools: BTreeMap<String, usize>,
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// An acknowledged create has one home until its meeting ended.
    OneHome,
    /// No create is acknowledged with a meeting that no server has made.
    Invented,
    /// No join, info or end of a meeting that lives reaches another.
    Misrouted,
    /// No call reaches another room's meeting, and no list shows one.
    Foreign,
    /// No meeting that lives is said not to be there.
    Denied,
    /// What is said to have ended has ended.
    Survived,
    /// No meeting that lives is ended unless a client asks for it.
    Killed,
    /// No meeting that lives is left out of a list.
    Forgotten,
    /// No room is listed twice, or as another meeting than the one that lives.
    Twice,
    /// No tenant gets a new meeting beyond its pool.
    Pool,
    /// What was taken over for a tenant's server arrives there, or is seen by admins.
    Undelivered,
    /// Nothing is kept of what is gone.
    Growth,
    /// Once all is well and nothing is left, creates succeed.
    Closed,
    /// Nothing panics, be it caught or not.
    Panicked,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) room: Room,
    /// The event at which it shows.
    pub(crate) event: usize,
    pub(crate) words: String,
}

/// A client's call.
struct Op {
    room: Room,
    call: Call,
    began: usize,
    answered: Option<usize>,
    /// The meeting that its user was let into.
    joined: Option<usize>,
}

struct Checker<'a> {
    bounds: &'a Bounds,
    meetings: Meetings,
    ops: BTreeMap<u64, Op>,
    /// When each event was.
    moments: Vec<u64>,
    /// How much was kept at first.
    first_kept: Option<usize>,
    is_quiet: bool,
    /// Callbacks that were taken over, by their creates, and when; and those that were delivered or are listed.
    owed: BTreeMap<u64, u64>,
    told: BTreeSet<u64>,
    /// When the store came back as it was before.
    went_back: Option<u64>,
    /// The event that is looked at, and its moment.
    now: usize,
    at: u64,
    found: Vec<Violation>,
}

/// Every violation, in the order in which they show.
pub(crate) fn check(events: &[Event], bounds: &Bounds) -> Vec<Violation> {
    let mut checker = Checker {
        bounds,
        meetings: Meetings::default(),
        ops: BTreeMap::new(),
        moments: events.iter().map(|event| event.at).collect(),
        first_kept: None,
        is_quiet: false,
        owed: BTreeMap::new(),
        told: BTreeSet::new(),
        went_back: None,
        now: 0,
        at: 0,
        found: Vec::new(),
    };
    for (now, event) in events.iter().enumerate() {
        (checker.now, checker.at) = (now, event.at);
        checker.take(&event.what);
    }
    checker.found
}

impl Checker<'_> {
    fn take(&mut self, what: &What) {
        match what {
            What::Asked { op, room, call, .. } => self.asked(*op, room, *call),
            What::Answered { op, answer } => self.answered(*op, answer),
            What::Born { server, room, internal } => {
                self.meetings.born(*server, room, internal, (self.now, self.at));
            }
            What::Joined { server, internal, op } => self.joined(*server, internal, *op),
            What::People { server, internal, people } => {
                if let Some(n) = self.meetings.find(*server, internal) {
                    let meeting = &mut self.meetings.all[n];
                    if meeting.people == 0 {
                        meeting.peopled = self.now;
                    }
                    meeting.people = *people;
                }
            }
            What::Gone { server, internal, exit } => self.gone(*server, internal, *exit),
            What::Silent { server, on, .. } => self.meetings.silent(*server, *on, self.at),
            What::Short { server, on } => self.meetings.short(*server, *on, self.at),
            What::Released { server } => drop(self.meetings.released.insert(*server)),
            What::Kept { routes } => self.kept(*routes),
            What::CalledBack { op } => {
                let was_kept = |back: u64| self.at >= back + TOLD_WITHIN;
                if self.went_back.is_none_or(was_kept) {
                    self.owed.entry(*op).or_insert(self.at);
                }
            }
            What::Delivered { op } | What::Owed { op } => drop(self.told.insert(*op)),
            What::WentBack { to } => {
                // What was taken over since then is lost with the store; the server had been told, or will be at once.
                self.went_back = Some(self.at);
                self.owed.retain(|_, taken| *taken < *to);
            }
            What::Quiet => {
                self.is_quiet = true;
                self.undelivered();
            }
            What::EndSent { .. } | What::Cut { .. } | What::Fault { .. } => {}
        }
    }

    fn asked(&mut self, op: u64, room: &Room, call: Call) {
        let began = self.now;
        if call == Call::End {
            // Whoever lives now is being ended until it is gone.
            for meeting in self.meetings.all.iter_mut().filter(|m| m.room == *room && m.lives()) {
                meeting.ending = true;
            }
        }
        let (room, answered, joined) = (room.clone(), None, None);
        self.ops.insert(op, Op { room, call, began, answered, joined });
    }

    fn joined(&mut self, server: usize, internal: &str, op: u64) {
        let found = self.meetings.find(server, internal);
        if let (Some(n), Some(op)) = (found, self.ops.get_mut(&op)) {
            op.joined = Some(n);
            let room = op.room.clone();
            if self.meetings.all[n].room != room {
                let words = format!("a join reached {}", self.meetings.all[n]);
                self.violated(Rule::Foreign, &room, words);
            }
        }
    }

    fn gone(&mut self, server: usize, internal: &str, exit: Exit) {
        let Some(n) = self.meetings.find(server, internal) else { return };
        self.meetings.all[n].gone = Some(self.now);
        let meeting = &self.meetings.all[n];
        // An empty one whose server counted as dead may have been made elsewhere since.
        let is_home = || meeting.is_home() && !self.may_be_lost(meeting, self.bounds.dead_after);
        let matters = meeting.people > 0 || is_home();
        if exit == Exit::Ended && matters && !self.is_asked_for(meeting) {
            let (room, words) =
                (meeting.room.clone(), format!("{meeting} is ended, and no client asked for it"));
            self.violated(Rule::Killed, &room, words);
        }
    }

    /// Whether some client's end, set out before and not answered before this meeting began, may be what ended it.
    fn is_asked_for(&self, meeting: &Meeting) -> bool {
        self.ops.values().any(|op| {
            op.call == Call::End
                && op.room == meeting.room
                && op.answered.is_none_or(|answered| answered > meeting.born)
        })
    }

    fn kept(&mut self, routes: usize) {
        let first = *self.first_kept.get_or_insert(routes);
        if self.is_quiet && routes > first {
            let room = Room { tenant: String::new(), id: String::new() };
            let words = format!("{routes} routes are kept, and {first} were at the start");
            self.violated(Rule::Growth, &room, words);
        }
    }

    fn undelivered(&mut self) {
        let told = std::mem::take(&mut self.told);
        for op in self.owed.keys().filter(|op| !told.contains(op)).copied().collect::<Vec<_>>() {
            let Some(room) = self.ops.get(&op).map(|op| op.room.clone()) else { continue };
            let words = format!("the callback of #{op} is neither delivered nor listed");
            self.violated(Rule::Undelivered, &room, words);
        }
    }

    fn answered(&mut self, n: u64, answer: &Answer) {
        let Some(op) = self.ops.get_mut(&n) else { return };
        op.answered = Some(self.now);
        let (room, call, began, joined) = (op.room.clone(), op.call, op.began, op.joined);
        if call == Call::End && matches!(answer, Answer::Denied | Answer::Refused(_)) {
            self.spare(&room);
        }
        let home = self.home_since(&room, began);
        let told = home.filter(|home| !self.may_be_behind(*home, began));
        match answer {
            Answer::Made(internal) => self.made(&room, internal, began),
            Answer::Joins => self.reached(&room, told, joined, "a join"),
            Answer::Stranded(_) => {
                if let Some(n) = told {
                    self.denied(&room, n, "a join leads to where it is not");
                }
            }
            Answer::Shown(internal) => {
                let shown = self.meetings.called(internal, &room);
                self.reached(&room, told, shown, "an info");
            }
            Answer::Ended => self.ended(&room, began),
            Answer::Listed(listed) => self.listed(&room.tenant, began, listed),
            Answer::Running(false) => {
                let peopled = |n: &usize| {
                    let meeting = &self.meetings.all[*n];
                    meeting.people > 0 && meeting.peopled < began
                };
                if let Some(n) = home.filter(peopled) {
                    self.denied(&room, n, "isMeetingRunning is false");
                }
            }
            Answer::Denied => {
                let living = if call == Call::End { self.ended_home(&room, began) } else { home };
                if let Some(n) = living {
                    self.denied(&room, n, "it is said not to be there");
                }
            }
            Answer::Refused(key) if self.is_quiet && call == Call::Create => {
                self.violated(Rule::Closed, &room, format!("a create is refused: {key}"));
            }
            Answer::Running(true) | Answer::Refused(_) | Answer::NotKnown(_) => {}
        }
    }

    /// An end was refused: unless another is under way, the room's meetings are not being ended.
    fn spare(&mut self, room: &Room) {
        let ends = |op: &Op| op.call == Call::End && op.room == *room;
        if !self.ops.values().any(|op| ends(op) && op.answered.is_none()) {
            let of_room = self.meetings.all.iter_mut().filter(|m| m.room == *room);
            of_room.for_each(|meeting| meeting.ending = false);
        }
    }

    fn denied(&mut self, room: &Room, n: usize, what: &str) {
        let meeting = &self.meetings.all[n];
        if !self.may_be_lost(meeting, self.bounds.lost_after) {
            let words = format!("{what}, though {meeting} lives");
            self.violated(Rule::Denied, room, words);
        }
    }

    /// A create that began then was acknowledged with this meeting.
    fn made(&mut self, room: &Room, internal: &str, began: usize) {
        let Some(n) = self.meetings.called(internal, room) else {
            let words = format!("{internal} was made by no server");
            return self.violated(Rule::Invented, room, words);
        };
        if self.meetings.all[n].room != *room {
            let words = format!("a create is answered {}", self.meetings.all[n]);
            return self.violated(Rule::Foreign, room, words);
        }
        if !self.meetings.all[n].lives() {
            return;
        }
        let before = self.meetings.home(room).filter(|other| *other != n);
        if let Some(other) = before {
            let meeting = &self.meetings.all[other];
            if !meeting.ending && !self.may_be_lost(meeting, self.bounds.dead_after) {
                let words =
                    format!("{} is acknowledged while {meeting} lives", self.meetings.all[n]);
                self.violated(Rule::OneHome, room, words);
            }
            self.meetings.all[other].superseded = true;
        }
        let meeting = &mut self.meetings.all[n];
        meeting.superseded = false;
        if meeting.acknowledged.is_none() {
            meeting.acknowledged = Some(self.now);
            // One that lived before is not denied, though it may pass the pool: the store may have lost its claim.
            if meeting.born > began {
                self.count(room);
            }
        }
    }

    fn count(&mut self, room: &Room) {
        let Some(&most) = self.bounds.pools.get(&room.tenant) else { return };
        let of_tenant = self.meetings.all.iter().filter(|m| m.room.tenant == room.tenant);
        let there = of_tenant
            .filter(|m| m.is_home() && m.lives() && !m.ending)
            .filter(|m| !self.may_be_lost(m, self.bounds.dead_after))
            .count();
        if there > most {
            let words = format!("{there} meetings are acknowledged, the pool is {most}");
            self.violated(Rule::Pool, room, words);
        }
    }

    /// A join or an info reached a meeting, while this one was the home all the while.
    fn reached(&mut self, room: &Room, home: Option<usize>, reached: Option<usize>, what: &str) {
        let Some(reached) = reached else { return };
        let other = &self.meetings.all[reached];
        if other.room != *room {
            let words = format!("{what} reached {other}");
            return self.violated(Rule::Foreign, room, words);
        }
        let Some(home) = home.filter(|home| *home != reached) else { return };
        let meeting = &self.meetings.all[home];
        if !self.may_be_lost(meeting, self.bounds.dead_after) {
            let words = format!("{what} reached {other}, while {meeting} lives");
            self.violated(Rule::Misrouted, room, words);
        }
    }

    fn ended(&mut self, room: &Room, began: usize) {
        let Some(n) = self.ended_home(room, began) else { return };
        let meeting = &self.meetings.all[n];
        if !self.may_be_lost(meeting, self.bounds.dead_after) {
            let words = format!("its end is said to have succeeded, and {meeting} lives");
            self.violated(Rule::Survived, room, words);
        }
    }

    /// The home that an end should have reached: it lives still, and nobody else is ending it.
    fn ended_home(&self, room: &Room, began: usize) -> Option<usize> {
        let others = self.ops.values().filter(|op| {
            op.call == Call::End && op.room == *room && op.began != began && op.answered.is_none()
        });
        let home = self.meetings.home(room)?;
        let since = self.meetings.all[home].acknowledged?;
        (since < began && others.count() == 0).then_some(home)
    }

    /// The room's home, if it was so before this event and nobody is ending it.
    fn home_since(&self, room: &Room, began: usize) -> Option<usize> {
        let home = self.meetings.home(room)?;
        let meeting = &self.meetings.all[home];
        let since = meeting.acknowledged?;
        (since < began && !meeting.ending).then_some(home)
    }

    /// Whether whoever was asked then may not know of the home, as it was acknowledged shortly before.
    fn may_be_behind(&self, home: usize, asked: usize) -> bool {
        let since = self.meetings.all[home].acknowledged.unwrap_or(asked);
        self.moments[asked].saturating_sub(self.moments[since]) < self.bounds.stale_for
    }

    /// Whether its server failed for so long in the meeting's life that it may count as gone, or was released.
    fn may_be_lost(&self, meeting: &Meeting, after: u64) -> bool {
        self.meetings.silence(meeting, self.at) >= after
            || self.meetings.released.contains(&meeting.server)
    }

    fn violated(&mut self, rule: Rule, room: &Room, words: String) {
        self.found.push(Violation { rule, room: room.clone(), event: self.now, words });
    }
}
