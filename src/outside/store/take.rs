//! What a step does to a record. The embedded store and Redis's script (`redis/step.lua`) do the same.

use crate::domain::instance::InstanceId;
use crate::domain::meeting::{Route, RouteRecord, RouteState};
use crate::domain::tenant::TenantId;

use super::{Becomes, ChangeAsk, Changed, ClaimAsk, Claimed, Step, Stepped};

impl Step {
    /// The record it is about.
    pub fn key(&self) -> crate::domain::meeting::RouteKey {
        match self {
            Self::Claim(ask) => ask.key,
            Self::Change(ask) => ask.key,
        }
    }

    /// Whether it must be on disk before it is answered. Claims always: the instance is called next.
    pub fn durable(&self) -> bool {
        match self {
            Self::Claim(_) => true,
            Self::Change(ask) => ask.durable,
        }
    }
}

/// Takes one step on the record of its key.
pub fn take(record: &mut RouteRecord, step: &Step) -> Stepped {
    match step {
        Step::Claim(ask) => Stepped::Claimed(claim(record, ask)),
        Step::Change(ask) => Stepped::Changed(change(record, ask)),
    }
}

fn claim(record: &mut RouteRecord, ask: &ClaimAsk) -> Claimed {
    if let Some(present) = record.get(&ask.tenant) {
        return Claimed::Existing(present.clone());
    }
    let Some(instance) = first_free(record, &ask.tenant, &ask.candidates) else {
        return Claimed::Taken;
    };
    let route =
        Route { instance, version: ask.version, state: RouteState::Claimed, tombs: Vec::new() };
    record.insert(ask.tenant.clone(), route.clone());
    Claimed::New(route)
}

fn change(record: &mut RouteRecord, ask: &ChangeAsk) -> Changed {
    let present = record.get(&ask.tenant);
    if present.map(|route| route.version) != ask.expect {
        return Changed::Lost(present.cloned());
    }
    let next = match &ask.becomes {
        Becomes::Removed => {
            record.remove(&ask.tenant);
            return Changed::Done(None);
        }
        Becomes::State(state) => present.map(|route| Route { state: *state, ..route.clone() }),
        Becomes::Unburied(tomb) => present.map(|route| without_tomb(route.clone(), tomb)),
        Becomes::Moved { candidates, tomb } => match first_free(record, &ask.tenant, candidates) {
            Some(home) => Some(settled(present, home, *tomb, RouteState::Claimed)),
            None => return Changed::Taken,
        },
        Becomes::Adopted { instance } => {
            match first_free(record, &ask.tenant, std::slice::from_ref(instance)) {
                Some(home) => Some(settled(present, home, false, RouteState::Confirmed)),
                None => return Changed::Taken,
            }
        }
    };
    let Some(mut route) = next else { return Changed::Lost(None) };
    route.version = ask.version;
    record.insert(ask.tenant.clone(), route.clone());
    Changed::Done(Some(route))
}

/// The best candidate on which no other tenant's meeting of this id lives.
fn first_free(
    record: &RouteRecord,
    own: &TenantId,
    candidates: &[InstanceId],
) -> Option<InstanceId> {
    let held = |instance: &InstanceId| {
        record.iter().any(|(tenant, route)| tenant != own && route.instance == *instance)
    };
    candidates.iter().find(|instance| !held(instance)).cloned()
}

/// The route at its new home. Tombs of the old one stay, or the copies they name would be adopted;
/// the home itself is none, or the living meeting would be ended as a copy.
fn settled(before: Option<&Route>, home: InstanceId, tomb: bool, state: RouteState) -> Route {
    let mut tombs = before.map(|route| route.tombs.clone()).unwrap_or_default();
    if let Some(left) =
        before.map(|route| &route.instance).filter(|left| tomb && !tombs.contains(left))
    {
        tombs.push(left.clone());
    }
    let version = before.map_or(crate::domain::meeting::Version(0), |route| route.version);
    without_tomb(Route { instance: home.clone(), version, state, tombs }, &home)
}

fn without_tomb(mut route: Route, tomb: &InstanceId) -> Route {
    route.tombs.retain(|buried| buried != tomb);
    route
}
