//! The last `metricsRange` of pushed points, and the means over it.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use metrics::{counter, gauge};
use tracing::warn;

use super::super::figure::{Figure, busy};
use super::points::Point;
use crate::config::CpuMetric;
use crate::determinism::HashMap;
use crate::domain::instance::InstanceId;
use crate::domain::load::{Load, LoadSnapshot, count, percent};
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;

/// So many instances are kept; a further one is refused while all of these still report.
const INSTANCES: usize = 1_000;
/// So many values of a mean are kept, the oldest go first: 5 minutes of one each second, and some.
const VALUES: usize = 512;
/// So many tenants are kept, counted once for each instance.
const TENANTS: usize = 20_000;

/// All agents' points. At most 16 MiB of values and 20,000 tenants' counts, whatever agents send.
pub(super) struct Window {
    range: Duration,
    cpu: CpuMetric,
    agents: HashMap<InstanceId, Agent>,
    tenants: usize,
    /// Whether points were refused since all fitted last.
    full: bool,
}

#[derive(Default)]
struct Agent {
    cpu: Values,
    mem: Values,
    /// Cores, meetings, participants, online.
    newest: Vec<(Figure, Dated)>,
    tenants: HashMap<TenantId, Counts>,
    heard: Moment,
}

#[derive(Clone, Copy)]
struct Dated {
    at: Moment,
    value: f64,
}

#[derive(Default)]
struct Values(VecDeque<Dated>);

#[derive(Default)]
struct Counts {
    meetings: Option<Dated>,
    participants: Option<Dated>,
}

impl Window {
    pub(super) fn new(range: Duration, cpu: CpuMetric) -> Self {
        Self { range, cpu, agents: HashMap::default(), tenants: 0, full: false }
    }

    /// Looks so far back from now on, and at this processor figure. What was kept of the other one is
    /// forgotten; agents soon say more.
    pub(super) fn look(&mut self, range: Duration, cpu: CpuMetric) {
        self.range = range;
        if std::mem::replace(&mut self.cpu, cpu) != cpu {
            self.agents.values_mut().for_each(|agent| agent.cpu = Values::default());
        }
    }

    /// Adds what arrived at this moment; whether anything of it is the first of its kind of an instance.
    ///
    /// The newest point of an agent counts as of its arrival, whatever the agent's clock says; the
    /// others of the same write are as much older as that clock says, so that what was held back during
    /// an outage does not count as new.
    pub(super) fn write(&mut self, points: Vec<Point>, arrived: Moment) -> bool {
        let newest = newest_times(&points);
        let (mut kept, mut refused, mut first) = (0, 0, false);
        for point in points {
            let lag = lag(newest.get(&point.instance).copied(), point.time);
            if lag > self.range {
                continue;
            }
            match self.keep(point, arrived.before(lag), arrived) {
                Some(is_first) => {
                    kept += 1;
                    first |= is_first;
                }
                None => refused += 1,
            }
        }
        counter!("bigblueswarm_ingest_points_total").increment(kept);
        counter!("bigblueswarm_ingest_refused_points_total").increment(refused);
        if refused > 0 && !self.full {
            warn!(points = refused, "agents report more instances or tenants than are kept");
        }
        self.full = refused > 0;
        first
    }

    /// Whether it is the first of its kind; none when there was no room.
    fn keep(&mut self, point: Point, at: Moment, arrived: Moment) -> Option<bool> {
        if !self.agents.contains_key(&point.instance) && !self.has_room(arrived) {
            return None;
        }
        let agent = self.agents.entry(point.instance).or_default();
        agent.heard = agent.heard.max(at);
        let put = |slot: &mut Option<Dated>, value| {
            let first = slot.is_none();
            Dated { at, value }.put(slot);
            first
        };
        Some(match point.figure {
            Figure::CpuSystem if self.cpu == CpuMetric::System => {
                agent.cpu.push(at, busy(self.cpu, point.value))
            }
            Figure::CpuIdle if self.cpu == CpuMetric::Total => {
                agent.cpu.push(at, busy(self.cpu, point.value))
            }
            Figure::CpuSystem | Figure::CpuIdle => false,
            Figure::Mem => agent.mem.push(at, percent(point.value)),
            Figure::TenantMeetings(tenant) => {
                let counts = counts(&mut agent.tenants, &mut self.tenants, tenant)?;
                put(&mut counts.meetings, point.value)
            }
            Figure::TenantParticipants(tenant) => {
                let counts = counts(&mut agent.tenants, &mut self.tenants, tenant)?;
                put(&mut counts.participants, point.value)
            }
            figure => agent.put(figure, Dated { at, value: point.value }),
        })
    }

    fn has_room(&mut self, now: Moment) -> bool {
        if self.agents.len() >= INSTANCES {
            self.forget(now);
        }
        self.agents.len() < INSTANCES
    }

    /// Drops what has left the range.
    fn forget(&mut self, now: Moment) {
        let range = self.range;
        let fresh = move |at: Moment| now.since(at) <= range;
        self.agents.retain(|_, agent| fresh(agent.heard));
        for agent in self.agents.values_mut() {
            agent.cpu.forget(fresh);
            agent.mem.forget(fresh);
            agent.newest.retain(|(_, dated)| fresh(dated.at));
            agent.tenants.retain(|_, counts| counts.fresh(fresh));
        }
        self.tenants = self.agents.values().map(|agent| agent.tenants.len()).sum();
    }

    /// All figures of the range that ends now.
    pub(super) fn read(&mut self, now: Moment) -> LoadSnapshot {
        self.forget(now);
        gauge!("bigblueswarm_ingest_instances").set(self.agents.len() as f64);
        let mut snapshot = LoadSnapshot { read_at: Some(now), ..LoadSnapshot::default() };
        for (instance, agent) in &self.agents {
            snapshot.loads.insert(instance.clone(), agent.load());
            for (tenant, counts) in &agent.tenants {
                let usage = snapshot.tenants.entry(tenant.clone()).or_default();
                usage.meetings += whole(counts.meetings);
                usage.participants += whole(counts.participants);
            }
        }
        snapshot
    }
}

impl Agent {
    /// Whether it is the first.
    fn put(&mut self, figure: Figure, dated: Dated) -> bool {
        match self.newest.iter_mut().find(|(known, _)| *known == figure) {
            Some((_, known)) => {
                if known.at <= dated.at {
                    *known = dated;
                }
                false
            }
            None => {
                self.newest.push((figure, dated));
                true
            }
        }
    }

    fn load(&self) -> Load {
        let mut load = Load {
            cpu: self.cpu.mean(),
            mem: self.mem.mean(),
            newest: self.heard,
            ..Load::default()
        };
        for (figure, dated) in &self.newest {
            figure.put(dated.value, &mut load);
        }
        load
    }
}

impl Dated {
    fn put(self, slot: &mut Option<Self>) {
        if slot.is_none_or(|known| known.at <= self.at) {
            *slot = Some(self);
        }
    }
}

impl Values {
    /// Whether it is the first.
    fn push(&mut self, at: Moment, value: Option<f64>) -> bool {
        let Some(value) = value else { return false };
        if self.0.len() == VALUES {
            self.0.pop_front();
        }
        self.0.push_back(Dated { at, value });
        self.0.len() == 1
    }

    fn forget(&mut self, fresh: impl Fn(Moment) -> bool) {
        self.0.retain(|dated| fresh(dated.at));
    }

    fn mean(&self) -> Option<f64> {
        let sum: f64 = self.0.iter().map(|dated| dated.value).sum();
        (!self.0.is_empty()).then(|| sum / self.0.len() as f64)
    }
}

impl Counts {
    /// Forgets what is old; whether anything is left.
    fn fresh(&mut self, fresh: impl Fn(Moment) -> bool) -> bool {
        self.meetings = self.meetings.filter(|dated| fresh(dated.at));
        self.participants = self.participants.filter(|dated| fresh(dated.at));
        self.meetings.is_some() || self.participants.is_some()
    }
}

/// A tenant's counts; nothing when there is no room for a further one.
fn counts<'a>(
    tenants: &'a mut HashMap<TenantId, Counts>,
    kept: &mut usize,
    tenant: TenantId,
) -> Option<&'a mut Counts> {
    if !tenants.contains_key(&tenant) {
        if *kept >= TENANTS {
            return None;
        }
        *kept += 1;
    }
    Some(tenants.entry(tenant).or_default())
}

fn whole(dated: Option<Dated>) -> u64 {
    dated.and_then(|dated| count(dated.value)).unwrap_or(0)
}

fn newest_times(points: &[Point]) -> HashMap<InstanceId, i64> {
    let mut newest = HashMap::default();
    for point in points {
        let Some(time) = point.time else { continue };
        match newest.get_mut(&point.instance) {
            Some(known) => *known = time.max(*known),
            None => {
                newest.insert(point.instance.clone(), time);
            }
        }
    }
    newest
}

fn lag(newest: Option<i64>, time: Option<i64>) -> Duration {
    match (newest, time) {
        (Some(newest), Some(time)) => Duration::from_nanos(newest.abs_diff(time)),
        _ => Duration::ZERO,
    }
}
