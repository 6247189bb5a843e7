//! Every tenant's meetings, as the sweeps listed them last.

use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::body::json;
use super::instances::pool;
use super::refusal::Refusal;
use super::tenants::{Hosts, documents};
use crate::domain::instance::{InstanceId, Roster};
use crate::flows::known::{self, Known, KnownMeeting, Wanted};

/// So many meetings are on a page unless a number is asked for, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// Which meetings are asked for.
#[derive(Deserialize)]
pub(super) struct Which {
    tenant: Option<String>,
    instance: Option<String>,
    offset: Option<usize>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page<'a> {
    meetings: Vec<Row<'a>>,
    /// How many fit, on all pages.
    total: usize,
    /// The offset of the next page, if there is one.
    next: Option<usize>,
    /// Instances of which no list is known: their meetings are missing.
    unlisted: Vec<&'a str>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    name: &'a str,
    tenant: Option<&'a str>,
    instance: &'a str,
    participants: u64,
    running: bool,
    /// By the instance's clock, such as `2026-11-24T15:49:07Z`.
    created: Option<String>,
    /// The meeting lives elsewhere; this copy is hidden from its tenant.
    copy: bool,
}

impl<'a> Row<'a> {
    fn of(meeting: &'a KnownMeeting, hosts: &'a Hosts) -> Self {
        let created = meeting.created.and_then(|ms| i64::try_from(ms).ok());
        let created = created.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Self {
            id: &meeting.id,
            name: &meeting.name,
            tenant: meeting.tenant.as_deref().map(|tag| hosts.host(tag)),
            instance: meeting.instance.as_str(),
            participants: meeting.participants,
            running: meeting.running,
            created: created.map(|at| format!("{at:.3}")),
            copy: meeting.copy,
        }
    }
}

impl<'a> Page<'a> {
    fn of(known: &'a Known, offset: usize, hosts: &'a Hosts) -> Self {
        let end = offset.saturating_add(known.meetings.len());
        Self {
            meetings: known.meetings.iter().map(|meeting| Row::of(meeting, hosts)).collect(),
            total: known.total,
            next: (end < known.total).then_some(end),
            unlisted: known.unlisted.iter().map(InstanceId::as_str).collect(),
        }
    }
}

/// `GET meetings`, with `?tenant=HOST`, `instance=URL`, `offset=N`, `limit=N`
pub(super) async fn list(
    State(admin): State<Admin>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    let most = which.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&most) {
        return Err(Refusal::bad(format!("limit: must be from 1 to {LARGEST_PAGE}")));
    }
    let pool = pool(&admin.world).await?;
    let instances = instances(&pool, which.instance)?;
    let hosts = Hosts::of(&documents(&admin.world).await?);
    let tenant = which.tenant.map(|host| hosts.tag(host));
    let offset = which.offset.unwrap_or_default();
    let wanted = Wanted { tenant, instances, offset, most };
    let known = known::meetings(&admin.world, wanted, &admin.readers).await;
    let known = known.map_err(|error| Refusal::away(error.to_string()))?;
    // No page begins behind the end, also when meetings ended since the last one.
    Ok(json(&Page::of(&known, offset.min(known.total), &hosts)))
}

/// The instance that is named, or all of them.
fn instances(pool: &Roster, named: Option<String>) -> Result<Vec<InstanceId>, Refusal> {
    let all = pool.servers().map(|member| member.instance.id.clone());
    let Some(url) = named else { return Ok(all.collect()) };
    let named = InstanceId::new(url);
    match pool.get(&named) {
        Some(_) => Ok(vec![named]),
        None => Err(Refusal::not_found(format!("instance {named} is not in the pool"))),
    }
}
