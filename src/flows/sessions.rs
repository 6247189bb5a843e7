//! getSessions: what every instance says, merged: the sessions of the tenant's own meetings.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::World;
use super::answer::{Answer, BadAnswer, whole};
use super::ask::CallError;
use super::refusal::Refusal;
use crate::actors::meetings::Stray;
use crate::bbb::meetings::{self, Listed};
use crate::bbb::sessions::{Session, merged, scan};
use crate::bbb::xml::XmlFault;
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::Tenant;

/// The sessions on one instance that are in meetings of the tenant.
struct Ours {
    bytes: Bytes,
    sessions: Vec<Session>,
}

/// The sessions of the tenant's meetings on all instances, each as its instance gave it.
///
/// Fails while an instance on which meetings of the tenant live does not answer: sessions are not remembered.
pub async fn get_sessions(world: &World, tenant: &Arc<Tenant>) -> Result<Answer, Refusal> {
    let roster = world.actors.registry.roster().await?;
    if !roster.loaded {
        return Err(Refusal::Internal("load its state"));
    }
    let by = Instant::now() + world.config.deadlines.list;
    let members = || roster.servers().filter(|member| !member.lost_meetings());
    let asked = members().filter(|member| !member.releases_meetings());
    let said = join_all(asked.map(|member| ask(world, tenant, &member.instance, by))).await;
    let dead = members().filter(|member| member.releases_meetings());
    let mut silent: Vec<_> = dead.map(|member| member.instance.id.clone()).collect();
    let mut lists = Vec::new();
    for answer in said {
        match answer {
            Ok(ours) => lists.push(ours),
            Err(instance) => silent.push(instance),
        }
    }
    let missing = match silent.is_empty() {
        true => Vec::new(),
        false => world.actors.meetings.routes(silent, vec![tenant.id.clone()]).await?,
    };
    if missing.iter().any(|route| route.confirmed) {
        return Err(Refusal::Internal("list all sessions: a server does not answer"));
    }
    // Two addresses of one server list the same.
    let mut first: HashMap<&str, usize> = HashMap::default();
    let raw: Vec<&[u8]> = lists
        .iter()
        .enumerate()
        .flat_map(|(at, list)| list.sessions.iter().map(move |session| (at, list, session)))
        .filter(|(at, _, session)| *first.entry(&session.internal_id).or_insert(*at) == *at)
        .map(|(_, list, session)| &list.bytes[session.span.clone()])
        .collect();
    Ok(Answer::Merged(vec![merged(raw).into()]))
}

async fn ask(
    world: &World,
    tenant: &Tenant,
    instance: &Arc<Instance>,
    by: Instant,
) -> Result<Ours, InstanceId> {
    let why = match timeout_at(by, ours(world, tenant, instance, by)).await {
        Ok(Ok(ours)) => return Ok(ours),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    metrics::counter!("bigblueswarm_sessions_missing_total").increment(1);
    debug!(instance.id = %instance.id, %why, "an instance listed no sessions");
    Err(instance.id.clone())
}

/// First the sessions, then whose meetings they are in: a meeting that is made in between has none yet.
async fn ours(
    world: &World,
    tenant: &Tenant,
    instance: &Arc<Instance>,
    by: Instant,
) -> Result<Ours, CallError> {
    let (bytes, mut sessions) = list(world, instance, "getSessions", by, scan).await?;
    if !sessions.is_empty() {
        let (_, listed) = list(world, instance, "getMeetings", by, meetings::scan).await?;
        let strays = world.actors.meetings.strays().await.unwrap_or_default();
        let is_stray = |meeting: &Listed| {
            strays.contains(&Stray {
                meeting: MeetingId::new(meeting.meeting_id.as_str()),
                tenant: tenant.id.clone(),
                instance: instance.id.clone(),
            })
        };
        let own = listed.into_iter().filter(|meeting| {
            meeting.tenant.as_deref() == Some(tenant.id.as_str()) && !is_stray(meeting)
        });
        let own: HashSet<String> = own.filter_map(|meeting| meeting.internal_id).collect();
        sessions.retain(|session| own.contains(&session.internal_id));
    }
    Ok(Ours { bytes, sessions })
}

async fn list<T>(
    world: &World,
    instance: &Arc<Instance>,
    call: &str,
    by: Instant,
    scan: impl Fn(&[u8]) -> Result<T, XmlFault>,
) -> Result<(Bytes, T), CallError> {
    let within = by.saturating_duration_since(Instant::now());
    let answer = world.get(instance, call, "", within).await?;
    let bytes = whole(answer, world.config.limits.answer_bytes, within).await?;
    let listed = scan(&bytes).map_err(BadAnswer::from)?;
    Ok((bytes, listed))
}
