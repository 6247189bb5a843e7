//! What is known of each instance.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Admin;
use super::body::json;
use super::instances::pool;
use super::left::{Holdings, LeftOn};
use super::refusal::Refusal;
use super::tenants::Hosts;
use crate::bbb::checksum::Algorithm;
use crate::domain::instance::{AdminState, Health, InstanceId, Member};
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
    /// The instance that counts for the same server, if this is an alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    alias_of: Option<&'a str>,
    retired: bool,
    /// Why a retired one is still here, and since how many seconds it is retired.
    kept: Option<String>,
    retired_for: Option<u64>,
    /// Since how many seconds no probe has reached it, if it is dead.
    silent_for: Option<u64>,
    swept: bool,
    /// Null while the routes can't be asked.
    meetings: Option<u64>,
    participants: Option<u64>,
    /// Null while nothing is known of them.
    recordings: Option<usize>,
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
        holdings: &'a Holdings,
        measured: Option<Duration>,
        hosts: &'a Hosts,
    ) -> Self {
        let (id, counts) = (&member.instance.id, holdings.counts());
        let LeftOn { why, retired_for, silent_for, .. } = holdings.of(member);
        let usage = counts.map(|c| c.by_instance.get(id).copied().unwrap_or_default());
        let strays = counts.iter().flat_map(|c| c.strays.iter()).filter(|s| s.instance == *id);
        Self {
            url: id.as_str(),
            admin: member.admin,
            health: member.health,
            why: member.why.as_deref(),
            tags: &member.tags,
            sign_with: member.instance.sign_with,
            alias_of: member.same_server.alias_of.as_ref().map(InstanceId::as_str),
            retired: member.retired,
            kept: member.retired.then_some(why),
            retired_for,
            silent_for,
            swept: member.swept,
            meetings: usage.map(|u| u.meetings),
            participants: usage.map(|u| u.participants),
            recordings: holdings.recordings(id),
            measured_ago: measured.map(|ago| ago.as_secs()),
            strays: strays.map(|stray| Copy::of(&stray.meeting, &stray.tenant, hosts)).collect(),
        }
    }
}

/// `GET instances/state`
pub(super) async fn list(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let pool = pool(&admin.world).await?;
    let hosts = Hosts::of(&admin.world.actors.tenants.list().await?);
    let holdings = Holdings::read(&admin.world).await;
    let (reading, now) = (admin.world.actors.metrics.current().await?, admin.world.clock.now());
    let ago = |id| reading.loads.loads.get(id).map(|load| now.since(load.newest));
    let states = pool
        .members()
        .iter()
        .map(|member| InstanceState::of(member, &holdings, ago(&member.instance.id), &hosts));
    Ok(json(&states.collect::<Vec<_>>()))
}
