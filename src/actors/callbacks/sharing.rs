//! Who may have how much under way at once: no tenant takes all of it, events leave room for calls, and a target that
//! fails is left alone, for each tenant and lane by itself.

use ractor::RpcReplyPort;

use super::{AT_ONCE, CallbackError, Callbacks, CallbacksState, answer};
use crate::bbb::callback::Kind;
use crate::determinism::HashMap;
use crate::domain::circuit::Circuit;
use crate::domain::delivery::Slip;
use crate::outside::store::queue::{Lane, Tally, Target, Way, Wish};

/// Of all under way at once: to one target, of one tenant in one lane, and events.
const TO_A_TARGET: usize = 4;
const OF_A_TENANT: usize = 8;
const EVENTS: usize = AT_ONCE / 2;
/// Targets that failed and are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The lane and the target of a delivery.
pub(super) fn way(slip: &Slip) -> Way {
    let lane = if slip.kind == Kind::Hook { Lane::Events } else { Lane::Calls };
    let target = Target { tenant: slip.tenant.clone(), origin: slip.host() };
    Way { lane, target, hook: slip.hook.clone().unwrap_or_default() }
}

/// A target, what waits for it, and how it does.
#[derive(Clone, Debug)]
pub struct Spared {
    pub tally: Tally,
    /// Failures since something was delivered there, as this replica saw them.
    pub failures: u32,
    /// When it is tried again, while it is left alone.
    pub paused_until: Option<u64>,
}

/// Targets that failed, by lane.
#[derive(Default)]
pub(super) struct Circuits(HashMap<(Lane, Target), Circuit>);

impl Circuits {
    /// Notes how an attempt ended that began then.
    pub(super) fn note(&mut self, at: (Lane, Target), failed: bool, began: u64, now: u64) {
        if !failed {
            self.0.remove(&at);
        } else if self.0.len() < MOST_REMEMBERED || self.0.contains_key(&at) {
            self.0.entry(at).or_default().failed(began, now);
        } else {
            self.0.retain(|_, circuit| circuit.paused_until(now).is_some());
        }
        let paused = self.0.values().filter(|circuit| circuit.paused_until(now).is_some()).count();
        metrics::gauge!("bigblueswarm_callbacks_paused_targets").set(paused as f64);
    }

    /// When the first of those that are left alone is tried again.
    pub(super) fn first_end(&self, now: u64) -> Option<u64> {
        self.0.values().filter_map(|circuit| circuit.paused_until(now)).min()
    }
}

impl CallbacksState {
    /// How much of each lane may be begun now, calls first.
    pub(super) fn wishes(&self, now: u64, bytes: usize) -> Vec<Wish> {
        let free = AT_ONCE.saturating_sub(self.under_way.len());
        let events = self.under_way.values().filter(|u| u.lane == Lane::Events).count();
        let wish = |lane: Lane| {
            let most = match lane {
                Lane::Calls => free,
                Lane::Events => free.min(EVENTS.saturating_sub(events)),
            };
            let mut wish = Wish {
                per_target: TO_A_TARGET,
                per_tenant: OF_A_TENANT,
                ..Wish::any(lane, most, bytes)
            };
            for ((_, target), circuit) in self.circuits.0.iter().filter(|((of, _), _)| *of == lane)
            {
                wish.targets.insert(target.clone(), circuit.allows(now, TO_A_TARGET));
            }
            for under_way in self.under_way.values().filter(|u| u.lane == lane) {
                let target = wish.targets.entry(under_way.target.clone()).or_insert(TO_A_TARGET);
                *target = target.saturating_sub(1);
                let tenant = under_way.target.tenant.clone();
                let tenant = wish.tenants.entry(tenant).or_insert(OF_A_TENANT);
                *tenant = tenant.saturating_sub(1);
            }
            wish
        };
        Lane::ALL.map(wish).into_iter().filter(|wish| wish.most > 0).collect()
    }
}

impl Callbacks {
    /// Answers what waits for whom, and which targets are left alone.
    pub(super) fn targets(
        &self,
        reply_to: RpcReplyPort<Result<Vec<Spared>, CallbackError>>,
        state: &CallbacksState,
    ) {
        let (store, now) = (self.store.clone(), self.now());
        let circuits = state.circuits.0.clone();
        state.tasks.spawn(async move {
            let spared = |tally: Tally| {
                let circuit = circuits.get(&(tally.lane, tally.target.clone())).copied();
                let Circuit { failures, .. } = circuit.unwrap_or_default();
                let paused_until = circuit.and_then(|circuit| circuit.paused_until(now));
                Spared { tally, failures, paused_until }
            };
            let all = store.tallies().await;
            let all = all.map(|all| all.into_iter().map(spared).collect::<Vec<_>>());
            answer(reply_to, all.map_err(Into::into));
        });
    }
}
