//! Who decides where a meeting goes.

use serde::Serialize;

use super::balancer::Balancer;
use super::circumstances::Circumstances;
use super::curve::{Costs, Curve};
use super::dice::Dice;
use super::meeting::Meeting;
use super::run::State;
use crate::domain::forecast::Habit;
use crate::domain::moment::Moment;
use crate::domain::placement;

/// A way of placing meetings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Any server
    Random,
    /// One after another
    RoundRobin,
    /// The predecessor's rule: `balancer.policy: seed`, system time alone, read at every create
    Seed,
    /// The server with the fewest people, as of the last sweep
    LeastParticipants,
    /// `balancer.policy: predictive`, as it serves
    Predictive,
    /// Knows everything that will happen: how well a placement could do at all, one meeting at a time
    Oracle,
}

impl Policy {
    pub const ALL: [Self; 6] = [
        Self::Random,
        Self::RoundRobin,
        Self::Seed,
        Self::LeastParticipants,
        Self::Predictive,
        Self::Oracle,
    ];

    /// Whether several balancers decide as one: chance needs to know nothing, and the oracle knows everything.
    pub(super) fn is_one_mind(self) -> bool {
        matches!(self, Self::Random | Self::Oracle)
    }

    /// As it is written in what is asked and answered.
    pub(super) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A policy at work, with what it has learnt so far.
pub(super) enum Chooser {
    Random(Dice),
    RoundRobin { last: usize },
    LeastParticipants,
    Balancer(Box<Balancer>),
    Oracle(Vec<Curve>),
}

/// What is to be decided.
pub(super) struct Create<'a> {
    pub(super) now: Moment,
    pub(super) meeting: &'a Meeting,
    /// The same as a balancer knows it.
    pub(super) called: Sighted,
    pub(super) servers: &'a [State],
    /// Servers that failed this create already.
    pub(super) failed: &'a [usize],
}

/// A meeting as balancers know it: as it is created, or as a sweep finds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sighted {
    /// Its place in the run's list.
    pub(super) meeting: usize,
    /// Which room it is of: that of a meeting that was created again after its server died is the same.
    pub(super) room: usize,
    pub(super) created: Moment,
    /// What is known of its room.
    pub(super) met: Option<Habit>,
    pub(super) users: usize,
    pub(super) webcams: usize,
}

impl Create<'_> {
    /// Servers that seem to be there.
    fn candidates(&self) -> impl Iterator<Item = usize> {
        (0..self.servers.len()).filter(|n| self.servers[*n].noticed && !self.failed.contains(n))
    }
}

impl Chooser {
    pub(super) fn new(
        policy: Policy,
        cores: &[f64],
        circumstances: Circumstances,
        dice: Dice,
    ) -> Self {
        let new = |policy| Balancer::new(policy, cores, circumstances);
        let balancer = |policy| Self::Balancer(Box::new(new(policy)));
        match policy {
            Policy::Random => Self::Random(dice),
            Policy::RoundRobin => Self::RoundRobin { last: cores.len() },
            Policy::LeastParticipants => Self::LeastParticipants,
            Policy::Seed => balancer(placement::Policy::Seed),
            Policy::Predictive => balancer(placement::Policy::Predictive),
            Policy::Oracle => Self::Oracle(vec![Curve::flat(); cores.len()]),
        }
    }

    /// The server that is tried next, if any is left.
    pub(super) fn choose(&mut self, create: &Create<'_>) -> Option<usize> {
        match self {
            Self::Random(dice) => {
                let candidates: Vec<_> = create.candidates().collect();
                (!candidates.is_empty()).then(|| candidates[dice.index(candidates.len())])
            }
            Self::RoundRobin { last } => {
                let (count, after) = (create.servers.len(), *last + 1);
                let chosen =
                    create.candidates().min_by_key(|n| (n + count - after % count) % count);
                *last = chosen.unwrap_or(*last);
                chosen
            }
            Self::LeastParticipants => {
                create.candidates().min_by_key(|&n| create.servers[n].users_swept)
            }
            Self::Balancer(balancer) => balancer.choose(create.now, &create.called, create.failed),
            Self::Oracle(curves) => {
                let costs = Costs::of(create.meeting);
                let harm = |&n: &usize| curves[n].harm(&costs, create.servers[n].cores);
                let harms: Vec<_> = create.candidates().map(|n| (harm(&n), n)).collect();
                harms.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, n)| n)
            }
        }
    }

    /// It created a meeting.
    pub(super) fn placed(&mut self, server: usize, create: &Create<'_>) {
        match self {
            Self::Balancer(balancer) => balancer.placed(create.now, server, &create.called),
            Self::Oracle(curves) => curves[server].add(&Costs::of(create.meeting)),
            _ => {}
        }
    }

    /// All that runs on a server, as a sweep finds it.
    pub(super) fn swept(
        &mut self,
        now: Moment,
        server: usize,
        sighted: impl Iterator<Item = Sighted>,
    ) {
        if let Self::Balancer(balancer) = self {
            balancer.swept(now, server, sighted);
        }
    }

    /// A server is found there or dead; the meetings of a dead one are released.
    pub(super) fn noticed(&mut self, now: Moment, server: usize, there: bool) {
        match self {
            Self::Balancer(balancer) => balancer.noticed(now, server, there),
            Self::Oracle(curves) if !there => curves[server] = Curve::flat(),
            _ => {}
        }
    }

    /// The agents' samples can be read.
    pub(super) fn measured(&mut self, now: Moment, servers: &mut [State]) {
        if let Self::Balancer(balancer) = self {
            balancer.read(now, servers);
        }
    }
}
