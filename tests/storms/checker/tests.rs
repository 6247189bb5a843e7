//! Each rule in short histories, written by hand: one that breaks it and one that does not.

use super::{Bounds, Rule, check};
use crate::history::{Answer, Call, Event, Exit, Room, What};

const T: &str = "t.example.org";

/// A history in the making. Each step takes a millisecond.
#[derive(Default)]
struct Story {
    events: Vec<Event>,
    at: u64,
    ops: u64,
}

impl Story {
    fn add(&mut self, what: What) -> &mut Self {
        self.at += 1;
        self.events.push(Event { at: self.at, what });
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.at += seconds * 1_000;
        self
    }

    fn asks(&mut self, call: Call, id: &str) -> u64 {
        self.ops += 1;
        let op = self.ops;
        self.add(What::Asked { op, replica: 0, room: room(T, id), call });
        op
    }

    fn hears(&mut self, op: u64, answer: Answer) -> &mut Self {
        self.add(What::Answered { op, answer })
    }

    fn says(&mut self, call: Call, id: &str, answer: Answer) -> &mut Self {
        let op = self.asks(call, id);
        self.hears(op, answer)
    }

    fn born(&mut self, server: usize, id: &str, internal: &str) -> &mut Self {
        self.add(What::Born { server, room: room(T, id), internal: internal.into() })
    }

    fn made(&mut self, server: usize, id: &str, internal: &str) -> &mut Self {
        let op = self.asks(Call::Create, id);
        self.born(server, id, internal);
        self.hears(op, Answer::Made(internal.into()))
    }

    fn people(&mut self, server: usize, internal: &str, people: usize) -> &mut Self {
        self.add(What::People { server, internal: internal.into(), people })
    }

    fn gone(&mut self, server: usize, internal: &str, exit: Exit) -> &mut Self {
        self.add(What::Gone { server, internal: internal.into(), exit })
    }

    fn joins(&mut self, id: &str, server: usize, internal: &str) -> &mut Self {
        let op = self.asks(Call::Join, id);
        self.add(What::Joined { server, internal: internal.into(), op });
        self.hears(op, Answer::Joins)
    }

    fn silent(&mut self, server: usize, on: bool) -> &mut Self {
        self.add(What::Silent { server, fault: 0, on })
    }

    #[track_caller]
    fn breaks(&self, expected: &[Rule]) {
        self.breaks_after(0, expected);
    }

    /// The same where memory may be behind for a second.
    #[track_caller]
    fn breaks_if_late(&self, expected: &[Rule]) {
        self.breaks_after(1_000, expected);
    }

    #[track_caller]
    fn breaks_after(&self, stale_for: u64, expected: &[Rule]) {
        let pools = [(T.to_owned(), 2)].into();
        let bounds = Bounds {
            dead_after: 8_000,
            lost_after: 30_000,
            swept_within: 25_000,
            stale_for,
            pools,
        };
        let found: Vec<Rule> = check(&self.events, &bounds).iter().map(|v| v.rule).collect();
        assert_eq!(found, expected, "{:#?}", check(&self.events, &bounds));
    }
}

fn room(tenant: &str, id: &str) -> Room {
    Room { tenant: tenant.into(), id: id.into() }
}

fn story(tell: impl FnOnce(&mut Story)) -> Story {
    let mut story = Story::default();
    tell(&mut story);
    story
}

fn one_home() {
    story(|s| _ = s.made(1, "a", "a-1").made(2, "a", "a-2")).breaks(&[Rule::OneHome]);
    // Two at once are two all the same.
    story(|s| {
        let (one, two) = (s.asks(Call::Create, "a"), s.asks(Call::Create, "a"));
        s.born(1, "a", "a-1").born(2, "a", "a-2");
        s.hears(one, Answer::Made("a-1".into())).hears(two, Answer::Made("a-2".into()));
    })
    .breaks(&[Rule::OneHome]);
    story(|s| _ = s.made(1, "a", "a-1").says(Call::Create, "a", Answer::Made("a-1".into())))
        .breaks(&[]);
    story(|s| _ = s.made(1, "a", "a-1").gone(1, "a-1", Exit::Crashed).made(2, "a", "a-2"))
        .breaks(&[]);
    // It failed for longer than the bound, or an admin released it.
    story(|s| _ = s.made(1, "a", "a-1").silent(1, true).wait(9).made(2, "a", "a-2")).breaks(&[]);
    story(|s| _ = s.made(1, "a", "a-1").silent(1, true).wait(5).made(2, "a", "a-2"))
        .breaks(&[Rule::OneHome]);
    story(|s| _ = s.made(1, "a", "a-1").add(What::Released { server: 1 }).made(2, "a", "a-2"))
        .breaks(&[]);
    // An end that was refused is none.
    story(|s| {
        s.made(1, "a", "a-1").says(Call::End, "a", Answer::Refused("invalidPassword".into()));
        s.made(2, "a", "a-2");
    })
    .breaks(&[Rule::OneHome]);
    // Its end is under way.
    story(|s| {
        s.made(1, "a", "a-1").asks(Call::End, "a");
        s.made(2, "a", "a-2");
    })
    .breaks(&[]);
}

fn invented() {
    story(|s| _ = s.says(Call::Create, "a", Answer::Made("a-1".into()))).breaks(&[Rule::Invented]);
}

fn misrouted() {
    story(|s| _ = s.made(1, "a", "a-1").born(2, "a", "a-2").joins("a", 2, "a-2"))
        .breaks(&[Rule::Misrouted]);
    story(|s| _ = s.made(1, "a", "a-1").born(2, "a", "a-2").joins("a", 1, "a-1")).breaks(&[]);
    story(|s| {
        s.made(1, "a", "a-1").born(2, "a", "a-2");
        s.says(Call::Info, "a", Answer::Shown("a-2".into()));
    })
    .breaks(&[Rule::Misrouted]);
    // Before the create was acknowledged nobody knows better.
    story(|s| _ = s.born(1, "a", "a-1").born(2, "a", "a-2").joins("a", 2, "a-2")).breaks(&[]);
}

fn behind() {
    let stranded = |s: &mut Story| _ = s.says(Call::Join, "a", Answer::Stranded("a".into()));
    // Who is cut off from the store is not excused.
    story(|s| stranded(s.add(What::Cut { replica: 0, on: true }).made(1, "a", "a-1").wait(9)))
        .breaks(&[Rule::Denied]);
    // News take a while where what tells them fails.
    story(|s| stranded(s.made(1, "a", "a-1"))).breaks_if_late(&[]);
    story(|s| stranded(s.made(1, "a", "a-1").wait(1))).breaks_if_late(&[Rule::Denied]);
    story(|s| _ = s.made(1, "a", "a-1").says(Call::Join, "a", Answer::Denied))
        .breaks_if_late(&[Rule::Denied]);
}

fn stranded() {
    story(|s| _ = s.made(1, "a", "a-1").says(Call::Join, "a", Answer::Stranded("a".into())))
        .breaks(&[Rule::Denied]);
    story(|s| _ = s.says(Call::Join, "a", Answer::Stranded("a".into()))).breaks(&[]);
}

fn foreign() {
    story(|s| _ = s.made(1, "b", "b-1").joins("a", 1, "b-1"))
        .breaks(&[Rule::Foreign, Rule::Foreign]);
    story(|s| _ = s.made(1, "b", "b-1").says(Call::Info, "a", Answer::Shown("b-1".into())))
        .breaks(&[Rule::Foreign]);
    story(|s| {
        let room = room("u.example.org", "a");
        s.add(What::Born { server: 1, room, internal: "a-9".into() });
        s.says(Call::List, "", Answer::Listed(vec![("a".into(), "a-9".into())]));
    })
    .breaks(&[Rule::Foreign]);
}

fn denied() {
    story(|s| _ = s.made(1, "a", "a-1").says(Call::Join, "a", Answer::Denied))
        .breaks(&[Rule::Denied]);
    story(|s| _ = s.made(1, "a", "a-1").says(Call::End, "a", Answer::Denied))
        .breaks(&[Rule::Denied]);
    story(|s| {
        s.made(1, "a", "a-1").people(1, "a-1", 2);
        s.says(Call::Running, "a", Answer::Running(false));
    })
    .breaks(&[Rule::Denied]);
    story(|s| _ = s.made(1, "a", "a-1").says(Call::Running, "a", Answer::Running(false)))
        .breaks(&[]);
    story(|s| {
        s.made(1, "a", "a-1");
        s.says(Call::Join, "a", Answer::NotKnown("500".into()));
        s.gone(1, "a-1", Exit::Expired).says(Call::Join, "a", Answer::Denied);
    })
    .breaks(&[]);
    // Dead is not yet lost.
    let silent = |seconds: u64| {
        story(|s| {
            s.made(1, "a", "a-1").silent(1, true).wait(seconds);
            s.says(Call::Info, "a", Answer::Denied);
        })
    };
    silent(20).breaks(&[Rule::Denied]);
    silent(31).breaks(&[]);
}

fn survived() {
    story(|s| _ = s.made(1, "a", "a-1").says(Call::End, "a", Answer::Ended))
        .breaks(&[Rule::Survived]);
    story(|s| {
        s.made(1, "a", "a-1");
        let end = s.asks(Call::End, "a");
        s.gone(1, "a-1", Exit::Ended).hears(end, Answer::Ended);
    })
    .breaks(&[]);
}

fn killed() {
    story(|s| _ = s.made(1, "a", "a-1").gone(1, "a-1", Exit::Ended)).breaks(&[Rule::Killed]);
    // Nobody heard of it, but somebody is in it.
    story(|s| _ = s.born(1, "a", "a-1").people(1, "a-1", 3).gone(1, "a-1", Exit::Ended))
        .breaks(&[Rule::Killed]);
    story(|s| _ = s.born(1, "a", "a-1").gone(1, "a-1", Exit::Ended)).breaks(&[]);
    // An end that was answered before the meeting began did not mean it.
    story(|s| {
        s.made(1, "a", "a-1");
        let end = s.asks(Call::End, "a");
        s.gone(1, "a-1", Exit::Ended).hears(end, Answer::Ended);
        s.made(2, "a", "a-2").gone(2, "a-2", Exit::Ended);
    })
    .breaks(&[Rule::Killed]);
    story(|s| {
        s.made(1, "a", "a-1").asks(Call::End, "a");
        s.gone(1, "a-1", Exit::Ended);
    })
    .breaks(&[]);
}

fn listed() {
    let list = |s: &mut Story, listed: &[(&str, &str)]| {
        let listed = listed.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        s.says(Call::List, "", Answer::Listed(listed));
    };
    story(|s| list(s.made(1, "a", "a-1"), &[])).breaks(&[Rule::Forgotten]);
    story(|s| list(s.made(1, "a", "a-1"), &[("a", "a-1")])).breaks(&[]);
    story(|s| list(s.made(1, "a", "a-1").born(2, "a", "a-2"), &[("a", "a-2")]))
        .breaks(&[Rule::Twice]);
    let twice = |after: u64| {
        story(|s| {
            let s = s.made(1, "a", "a-1").born(2, "a", "a-2").wait(after);
            list(s, &[("a", "a-1"), ("a", "a-2")]);
        })
    };
    twice(26).breaks(&[Rule::Twice]);
    // No sweep has seen the copy yet.
    twice(20).breaks(&[]);
    story(|s| {
        s.born(1, "a", "a-1").says(Call::List, "", Answer::Listed(Vec::new()));
    })
    .breaks(&[]);
}

fn pool() {
    let three = |s: &mut Story| _ = s.made(1, "a", "a-1").made(2, "b", "b-1").made(1, "c", "c-1");
    story(three).breaks(&[Rule::Pool]);
    story(|s| {
        s.made(1, "a", "a-1").made(2, "b", "b-1").gone(1, "a-1", Exit::Expired);
        s.made(1, "c", "c-1");
    })
    .breaks(&[]);
}

fn growth() {
    let kept = |at_the_end| {
        story(|s| {
            s.add(What::Kept { routes: 1 }).add(What::Kept { routes: 9 });
            s.add(What::Quiet).add(What::Kept { routes: at_the_end });
        })
    };
    kept(2).breaks(&[Rule::Growth]);
    kept(1).breaks(&[]);
}

fn undelivered() {
    let taken = |s: &mut Story, then: &[What]| {
        let op = s.asks(Call::Create, "a");
        s.wait(10).add(What::CalledBack { op });
        then.iter().for_each(|what| _ = s.wait(1).add(what.clone()));
        s.add(What::Quiet);
    };
    story(|s| taken(s, &[])).breaks(&[Rule::Undelivered]);
    story(|s| taken(s, &[What::Delivered { op: 1 }])).breaks(&[]);
    story(|s| taken(s, &[What::Owed { op: 1 }])).breaks(&[]);
    story(|s| taken(s, &[What::Delivered { op: 2 }])).breaks(&[Rule::Undelivered]);
    // It was taken over at 10.002 s.
    story(|s| taken(s, &[What::WentBack { to: 10_003 }])).breaks(&[Rule::Undelivered]);
    story(|s| taken(s, &[What::WentBack { to: 10_002 }])).breaks(&[]);
    story(|s| taken(s, &[What::WentBack { to: 9_000 }])).breaks(&[]);
    // It had been kept just before the store went back; or is kept by what the store is since.
    let after = |s: &mut Story, seconds| {
        s.add(What::WentBack { to: 0 }).wait(seconds);
        taken(s, &[]);
    };
    let at_once = |s: &mut Story| {
        let op = s.asks(Call::Create, "a");
        s.add(What::WentBack { to: 0 }).add(What::CalledBack { op }).add(What::Quiet);
    };
    story(at_once).breaks(&[]);
    story(|s| after(s, 0)).breaks(&[Rule::Undelivered]);
}

fn closed() {
    let full = || Answer::Refused("meetingPoolReached".into());
    story(|s| _ = s.add(What::Quiet).says(Call::Create, "a", full())).breaks(&[Rule::Closed]);
    story(|s| _ = s.says(Call::Create, "a", full()).add(What::Quiet)).breaks(&[]);
}

/// Every test of the checker, by what it is about.
pub(crate) const TESTS: [(&str, fn()); 14] = [
    ("checker::a_room_has_one_home", one_home),
    ("checker::no_meeting_is_invented", invented),
    ("checker::calls_reach_the_home", misrouted),
    ("checker::nobody_is_behind_for_long", behind),
    ("checker::joins_do_not_strand", stranded),
    ("checker::nobody_reaches_anothers_meeting", foreign),
    ("checker::what_lives_is_not_denied", denied),
    ("checker::what_ended_does_not_live", survived),
    ("checker::nobody_is_thrown_out", killed),
    ("checker::lists_are_whole", listed),
    ("checker::pools_hold", pool),
    ("checker::callbacks_arrive_or_are_listed", undelivered),
    ("checker::nothing_grows", growth),
    ("checker::creates_succeed_in_the_end", closed),
];
