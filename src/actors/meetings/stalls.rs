//! Instances on which creates hang, though they answer all else: for a while they are tried last.
//!
//! A create counts that an instance did not answer and another then took. It may be the request that brings this about, so
//! that several tenants must have met it: what one asks for puts no instance behind the others, and nothing takes it out.

use std::time::Duration;

use super::MeetingsState;
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::load::LoadSnapshot;
use crate::domain::moment::Moment;
use crate::domain::placement::{Verdict, explain};
use crate::domain::tag::TagWish;
use crate::domain::tenant::{Tenant, TenantId};

/// So many tenants must have met it.
const TENANTS: usize = 2;
/// A create that hung counts for so long.
const COUNTS_FOR: Duration = Duration::from_secs(60);
/// Of so many tenants it is remembered on one instance.
const MOST: usize = 8;

/// Which tenants' creates hung where, and when last.
#[derive(Default)]
pub(super) struct Stalls(HashMap<InstanceId, Vec<(TenantId, Moment)>>);

impl Stalls {
    pub(super) fn add(&mut self, instance: InstanceId, tenant: TenantId, now: Moment) {
        let met = self.0.entry(instance).or_default();
        met.retain(|(of, at)| *of != tenant && now.since(*at) < COUNTS_FOR);
        if met.len() < MOST {
            met.push((tenant, now));
        }
    }

    /// Forgets what left the pool.
    pub(super) fn follow(&mut self, roster: &Roster) {
        self.0.retain(|instance, _| roster.get(instance).is_some());
    }

    fn comes_last(&self, instance: &InstanceId, now: Moment) -> bool {
        let met = self.0.get(instance).into_iter().flatten();
        met.filter(|(_, at)| now.since(*at) < COUNTS_FOR).count() >= TENANTS
    }

    /// The candidates, those behind all others on which creates hang.
    pub(super) fn order(&self, ranked: Vec<InstanceId>, now: Moment) -> Vec<InstanceId> {
        if self.0.is_empty() {
            return ranked;
        }
        let (last, mut order): (Vec<_>, Vec<_>) =
            ranked.into_iter().partition(|instance| self.comes_last(instance, now));
        order.extend(last);
        order
    }
}

impl MeetingsState {
    /// What a placement makes of each instance, best first.
    pub(super) fn explain(
        &self,
        tenant: &Tenant,
        loads: &LoadSnapshot,
        tags: &TagWish,
    ) -> Vec<Verdict> {
        let now = self.clock.now();
        let coming = self.table.forecast().of_anyone(now);
        let verdicts = explain(&self.question(tenant, loads, &HashSet::default(), tags, &coming));
        let (mut order, out): (Vec<_>, Vec<_>) =
            verdicts.into_iter().partition(|verdict| verdict.rank.is_some());
        let hangs = |verdict: &Verdict| {
            self.stalls.comes_last(&InstanceId::new(verdict.instance.as_str()), now)
        };
        order.sort_by_key(|verdict| hangs(verdict));
        for (n, verdict) in order.iter_mut().enumerate() {
            verdict.rank = Some(n + 1);
            if hangs(verdict) {
                verdict
                    .why
                    .push_str("; last for a minute, as creates of several tenants hung on it");
            }
        }
        order.into_iter().chain(out).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates of these tenants hung on "a" at these seconds; whether it comes last at that second.
    #[track_caller]
    fn check(met: &[(&str, u64)], at: u64, last: bool) {
        let moment = |secs| Moment(Duration::from_secs(secs));
        let mut stalls = Stalls::default();
        for (tenant, secs) in met {
            stalls.add(InstanceId::new("a"), TenantId::new(*tenant), moment(*secs));
        }
        let ids = |names: &[&str]| names.iter().map(|name| InstanceId::new(*name)).collect();
        let order: Vec<InstanceId> = stalls.order(ids(&["a", "b", "c"]), moment(at));
        let expected: Vec<_> = if last { ids(&["b", "c", "a"]) } else { ids(&["a", "b", "c"]) };
        assert_eq!(order, expected, "{met:?} at {at}");
    }

    #[test]
    fn what_several_tenants_met_comes_last_for_a_while() {
        check(&[], 10, false);
        check(&[("t", 1), ("u", 2)], 10, true);
        check(&[("t", 1), ("u", 2)], 60, true);
        check(&[("t", 1), ("u", 2)], 61, false);
        check(&[("t", 1), ("u", 2), ("t", 50)], 61, true);
    }

    #[test]
    fn what_one_tenant_asks_for_puts_no_instance_behind_the_others() {
        let many: Vec<_> = (0..500).map(|n| ("t", n / 50)).collect();
        check(&many, 10, false);
        check(&[("t", 1), ("u", 90)], 91, false);
    }
}
