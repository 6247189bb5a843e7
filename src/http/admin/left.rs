//! What is left on instances that were taken out of the list: none is forgotten before it says itself that it has nothing.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::Admin;
use super::body::json;
use super::instances::{Which, pool};
use super::refusal::Refusal;
use crate::actors::meetings::Counts;
use crate::actors::recordings::Held;
use crate::determinism::HashMap;
use crate::domain::instance::{Health, InstanceId, Member, Roster};
use crate::domain::moment::Moment;
use crate::flows::World;

/// What is known of what each instance has, at one moment.
pub(super) struct Holdings {
    counts: Option<Counts>,
    recordings: HashMap<InstanceId, Held>,
    now: Moment,
}

impl Holdings {
    pub(super) async fn read(world: &World) -> Self {
        let (counts, held) =
            tokio::join!(world.actors.meetings.count(), world.actors.recordings.held());
        let (counts, recordings) = (counts.ok(), held.unwrap_or_default());
        Self { counts, recordings, now: world.clock.now() }
    }

    pub(super) fn counts(&self) -> Option<&Counts> {
        self.counts.as_ref()
    }

    /// How many recordings an instance has, if that is known.
    pub(super) fn recordings(&self, id: &InstanceId) -> Option<usize> {
        self.recordings.get(id).map(|held| held.recordings)
    }

    /// How many meetings an instance has; nothing while none is known and it has not listed them.
    fn meetings(&self, member: &Member) -> Option<u64> {
        let counts = self.counts.as_ref()?;
        let usage = counts.by_instance.get(&member.instance.id).copied().unwrap_or_default();
        Some(usage.meetings).filter(|&meetings| meetings > 0 || member.swept)
    }

    /// What is left on an instance.
    pub(super) fn of<'a>(&self, member: &'a Member) -> LeftOn<'a> {
        let id = &member.instance.id;
        let (meetings, recordings) = (self.meetings(member), self.recordings(id));
        let seconds = |since: Moment| self.now.since(since).as_secs();
        LeftOn {
            url: id.as_str(),
            meetings,
            recordings,
            why: why(member, meetings, recordings),
            retired_for: member.retired_since.map(seconds),
            silent_for: member.silent_since.map(seconds),
        }
    }
}

/// What is left on an instance that is retired.
#[derive(Serialize)]
pub(super) struct LeftOn<'a> {
    url: &'a str,
    /// Null while that is not known.
    meetings: Option<u64>,
    recordings: Option<usize>,
    /// Why it is kept.
    pub(super) why: String,
    /// In seconds, as far as this process knows.
    pub(super) retired_for: Option<u64>,
    pub(super) silent_for: Option<u64>,
}

fn why(member: &Member, meetings: Option<u64>, recordings: Option<usize>) -> String {
    let mut reasons = Vec::new();
    if let Some(counts) = &member.same_server.alias_of {
        reasons.push(format!("it is another address of {counts}"));
    }
    match member.health {
        Health::Dead => reasons.push("it does not answer".to_owned()),
        Health::Suspect => reasons.push("it is in doubt".to_owned()),
        Health::Up | Health::Unheard => {}
    }
    match meetings {
        None => reasons.push("its meetings are not known yet".into()),
        Some(0) => {}
        Some(count) => reasons.push(format!("it has meetings: {count}")),
    }
    match recordings {
        None => reasons.push("its recordings are not known yet".into()),
        Some(0) => {}
        Some(count) => reasons.push(format!("it has recordings: {count}")),
    }
    if reasons.is_empty() {
        return "kept until it says itself that nothing is left".into();
    }
    format!("kept: {}", reasons.join(", "))
}

/// The answer to a new list.
#[derive(Serialize)]
struct Replaced<'a> {
    retired: Vec<LeftOn<'a>>,
}

/// The answer to a list that was stored: every retired instance with what is left on it, and no body if there is none.
pub(super) async fn replaced(world: &World) -> Response {
    // The list is stored, whatever can be said of it.
    let Ok(roster) = world.actors.registry.roster().await else {
        return StatusCode::CREATED.into_response();
    };
    let members: Vec<&Member> = retired(&roster).collect();
    if members.is_empty() {
        return StatusCode::CREATED.into_response();
    }
    let holdings = Holdings::read(world).await;
    let retired = members.into_iter().map(|member| holdings.of(member)).collect();
    (StatusCode::CREATED, json(&Replaced { retired })).into_response()
}

fn retired(roster: &Arc<Roster>) -> impl Iterator<Item = &Member> {
    roster.members().iter().filter(|member| member.retired)
}

/// What is lost with an instance.
#[derive(Serialize)]
struct Lost<'a> {
    url: &'a str,
    meetings: Option<u64>,
    recordings: Option<usize>,
}

/// `POST instances/forget`: a retired instance goes, with its secret and what is left on it.
pub(super) async fn forget(
    State(admin): State<Admin>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    let (id, world) = (which.id()?, &admin.world);
    let pool = pool(world).await?;
    let holdings = Holdings::read(world).await;
    world.actors.registry.forget(id.clone()).await?;
    let left = pool.get(&id).map(|member| holdings.of(member));
    let (meetings, recordings) = left.map_or((None, None), |left| (left.meetings, left.recordings));
    tracing::warn!(instance.id = %id, ?meetings, ?recordings, "an instance is forgotten, as an admin wants it");
    Ok(json(&Lost { url: id.as_str(), meetings, recordings }))
}
