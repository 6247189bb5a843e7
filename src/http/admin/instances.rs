//! The pool: listed, replaced, and each instance enabled, drained or disabled.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::body::{Posted, json};
use super::pool::{InstanceList, faults};
use super::refusal::Refusal;
use crate::domain::instance::{AdminState, InstanceId, Member, Roster};
use crate::flows::World;

#[derive(Serialize)]
struct Listed<'a> {
    url: &'a str,
    secret: &'a str,
}

impl<'a> Listed<'a> {
    fn of(member: &'a Member) -> Self {
        Self { url: member.instance.id.as_str(), secret: member.instance.secret.reveal() }
    }
}

/// The pool, once it was read from the store.
pub(super) async fn pool(world: &World) -> Result<Arc<Roster>, Refusal> {
    let roster = world.actors.registry.roster().await?;
    if roster.loaded { Ok(roster) } else { Err(Refusal::away("the pool is not loaded yet")) }
}

/// The members of the list that was posted last.
pub(super) fn listed(roster: &Roster) -> impl Iterator<Item = &Member> {
    roster.members().iter().filter(|member| !member.retired)
}

/// `GET instances`
pub(super) async fn list(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let pool = pool(&admin.world).await?;
    Ok(json(&listed(&pool).map(Listed::of).collect::<Vec<_>>()))
}

/// `POST instances`
pub(super) async fn replace(
    State(admin): State<Admin>,
    Posted(list): Posted<InstanceList>,
) -> Result<StatusCode, Refusal> {
    let list = list.instances.0;
    let faults = faults(&list);
    if !faults.is_empty() {
        return Err(Refusal::bad(faults.join("\n")));
    }
    admin.world.actors.registry.replace(list).await?;
    Ok(StatusCode::CREATED)
}

/// Which instance is meant.
#[derive(Deserialize)]
pub(super) struct Which {
    url: Option<String>,
}

/// `POST instances/enable`, `drain`, `disable`
pub(super) async fn set(
    State(admin): State<Admin>,
    Query(which): Query<Which>,
    state: AdminState,
) -> Result<StatusCode, Refusal> {
    let url = which.url.filter(|url| !url.is_empty());
    let url =
        url.ok_or_else(|| Refusal::bad("url: must name the instance, as in ?url=https://…"))?;
    admin.world.actors.registry.set_admin(InstanceId::new(url), state).await?;
    Ok(StatusCode::NO_CONTENT)
}
