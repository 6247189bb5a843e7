//! What a step does to a record. The embedded store and Redis's script (`redis/step.lua`) do the same.

use crate::domain::instance::InstanceId;
use crate::domain::meeting::{MeetingId, Route, RouteKey, RouteRecord, RouteState};
use crate::domain::tenant::TenantId;

use super::{Becomes, ChangeAsk, Changed, ClaimAsk, Claimed, Step, Stepped};

impl Step {
    /// The record it is about.
    pub fn key(&self) -> RouteKey {
        match self {
            Self::Claim(ask) => ask.key,
            Self::Change(ask) => ask.key,
        }
    }

    /// The id of the meeting it is about, where its text is known.
    pub fn meeting(&self) -> Option<&MeetingId> {
        match self {
            Self::Claim(ask) => ask.meeting.as_ref(),
            Self::Change(ask) => ask.meeting.as_ref(),
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
    // One that ended is none any more: what is claimed is a further meeting. Who claims knows of its end, or it may be what
    // the store came back with.
    let has_ended =
        |route: &&Route| route.state == RouteState::Ending && ask.ended == Some(route.version);
    if let Some(present) = record.get(&ask.tenant).filter(|route| !has_ended(route)) {
        return Claimed::Existing(present.clone());
    }
    let Some(instance) = first_free(record, &ask.tenant, &ask.candidates) else {
        return Claimed::Taken;
    };
    let (version, meeting) = (ask.version, ask.meeting.clone());
    let (state, tombs) = (RouteState::Claimed, Vec::new());
    let route = Route { instance, version, state, tombs, meeting, internal: None, left: None };
    record.insert(ask.tenant.clone(), route.clone());
    Claimed::New(route)
}

fn change(record: &mut RouteRecord, ask: &ChangeAsk) -> Changed {
    let present = record.get(&ask.tenant);
    if present.map(|route| route.version) != ask.expect {
        return Changed::Lost(present.cloned());
    }
    let next = match &ask.becomes {
        Becomes::Removed => match present.and_then(back) {
            Some(route) => Some(route),
            None => {
                record.remove(&ask.tenant);
                return Changed::Done(None);
            }
        },
        Becomes::State(state) => present.map(|route| Route {
            state: *state,
            internal: ask.internal.clone().or_else(|| route.internal.clone()),
            left: route.left.clone().filter(|_| *state == RouteState::Claimed),
            ..route.clone()
        }),
        Becomes::Moved { candidates, tomb, .. } => {
            match first_free(record, &ask.tenant, candidates) {
                Some(home) => Some(settled(present, ask, home, *tomb)),
                None => return Changed::Taken,
            }
        }
        Becomes::Adopted { instance } => {
            match first_free(record, &ask.tenant, std::slice::from_ref(instance)) {
                Some(home) => Some(settled(present, ask, home, false)),
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
        record.iter().any(|(tenant, route)| {
            let holds = route.instance == *instance || route.left.as_ref() == Some(instance);
            tenant != own && holds
        })
    };
    candidates.iter().find(|instance| !held(instance)).cloned()
}

/// The route at its new home. Tombs of the old one stay, or the copies they name would be adopted;
/// the home itself is none, or the living meeting would be ended as a copy.
fn settled(before: Option<&Route>, ask: &ChangeAsk, home: InstanceId, tomb: bool) -> Route {
    let mut tombs = before.map(|route| route.tombs.clone()).unwrap_or_default();
    if let Some(left) =
        before.map(|route| &route.instance).filter(|left| tomb && !tombs.contains(left))
    {
        tombs.push(left.clone());
    }
    let (state, internal, left) = match ask.becomes {
        Becomes::Moved { .. } => (RouteState::Claimed, None, before.and_then(lived)),
        _ => (RouteState::Confirmed, ask.internal.clone(), None),
    };
    let (version, meeting, instance) = (ask.version, ask.meeting.clone(), home.clone());
    let route = Route { instance, version, state, tombs, meeting, internal, left };
    without_tomb(route, &home)
}

/// Where the meeting of a route lives, as far as is known.
fn lived(route: &Route) -> Option<InstanceId> {
    match route.state {
        RouteState::Confirmed => Some(route.instance.clone()),
        RouteState::Claimed => route.left.clone(),
        RouteState::Ending => None,
    }
}

/// The route as it was before its meeting was claimed elsewhere, if that is what it stands for.
fn back(route: &Route) -> Option<Route> {
    let left = route.left.clone()?;
    let (state, instance) = (RouteState::Confirmed, left.clone());
    let route = Route { instance, state, internal: None, left: None, ..route.clone() };
    Some(without_tomb(route, &left))
}

fn without_tomb(mut route: Route, tomb: &InstanceId) -> Route {
    route.tombs.retain(|buried| buried != tomb);
    route
}
