//! What is known of each instance.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Admin;
use super::body::json;
use super::instances::pool;
use super::refusal::Refusal;
use super::tenants::Hosts;
use crate::actors::meetings::Counts;
use crate::bbb::checksum::Algorithm;
use crate::domain::instance::{AdminState, Health, Member};
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::TenantId;

#[derive(Serialize)]
struct InstanceState<'a> {
    url: &'a str,
    admin: AdminState,
    health: Health,
    why: Option<&'a str>,
    tags: &'a [String],
    sign_with: Algorithm,
    retired: bool,
    swept: bool,
    /// Null while the routes can't be asked.
    meetings: Option<u64>,
    participants: Option<u64>,
    /// How old its newest measurement is, in seconds; null where there is none.
    measured_ago: Option<u64>,
    strays: Vec<Copy<'a>>,
}

/// A copy on this instance of a meeting that lives elsewhere.
#[derive(Serialize)]
struct Copy<'a> {
    meeting: &'a str,
    tenant: &'a str,
}

impl<'a> Copy<'a> {
    fn of(meeting: &'a MeetingId, tenant: &'a TenantId, hosts: &'a Hosts) -> Self {
        Self { meeting: meeting.as_str(), tenant: hosts.host(tenant.as_str()) }
    }
}

impl<'a> InstanceState<'a> {
    fn of(
        member: &'a Member,
        counts: Option<&'a Counts>,
        measured: Option<Duration>,
        hosts: &'a Hosts,
    ) -> Self {
        let id = &member.instance.id;
        let usage = counts.map(|c| c.by_instance.get(id).copied().unwrap_or_default());
        let strays = counts.iter().flat_map(|c| c.strays.iter()).filter(|s| s.instance == *id);
        Self {
            url: id.as_str(),
            admin: member.admin,
            health: member.health,
            why: member.why.as_deref(),
            tags: &member.tags,
            sign_with: member.instance.sign_with,
            retired: member.retired,
            swept: member.swept,
            meetings: usage.map(|u| u.meetings),
            participants: usage.map(|u| u.participants),
            measured_ago: measured.map(|ago| ago.as_secs()),
            strays: strays.map(|stray| Copy::of(&stray.meeting, &stray.tenant, hosts)).collect(),
        }
    }
}

/// `GET instances/state`
pub(super) async fn list(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let pool = pool(&admin.world).await?;
    let hosts = Hosts::of(&admin.world.actors.tenants.list().await?);
    let counts = admin.world.actors.meetings.count().await.ok();
    let counts = counts.as_ref();
    let (reading, now) = (admin.world.actors.metrics.current().await?, admin.world.clock.now());
    let ago = |id| reading.loads.loads.get(id).map(|load| now.since(load.newest));
    let states = pool
        .members()
        .iter()
        .map(|member| InstanceState::of(member, counts, ago(&member.instance.id), &hosts));
    Ok(json(&states.collect::<Vec<_>>()))
}
