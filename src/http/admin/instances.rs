//! The pool: listed, replaced, and each instance enabled, drained or disabled.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::body::{Posted, json};
use super::left;
use super::pool::{InstanceList, faults};
use super::refusal::{Refusal, once_read};
use crate::bbb::checksum::Algorithm;
use crate::domain::instance::{AdminState, InstanceId, Member, Roster};
use crate::domain::tag::tag_fault;
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
    once_read(|| read(world)).await
}

async fn read(world: &World) -> Result<Arc<Roster>, Refusal> {
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
) -> Result<Response, Refusal> {
    let list = list.instances.0;
    let faults = faults(&list);
    if !faults.is_empty() {
        return Err(Refusal::bad(faults.join("\n")));
    }
    admin.world.actors.registry.replace(list).await?;
    Ok(left::replaced(&admin.world).await)
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
    admin.world.actors.registry.set_admin(which.id()?, state).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Which {
    pub(super) fn id(&self) -> Result<InstanceId, Refusal> {
        let url = self.url.as_deref().filter(|url| !url.is_empty());
        let none = || Refusal::bad("url: must name the instance, as in ?url=https://…");
        url.map(InstanceId::new).ok_or_else(none)
    }
}

/// Which instance is meant, and the hash its calls are signed with.
#[derive(Deserialize)]
pub(super) struct Signing {
    #[serde(flatten)]
    which: Which,
    hash: Option<String>,
}

/// `POST instances/sign`: `hash` is sha1, sha256, sha384, sha512, or `default` for the configured one.
pub(super) async fn sign(
    State(admin): State<Admin>,
    Query(signing): Query<Signing>,
) -> Result<StatusCode, Refusal> {
    let instance = signing.which.id()?;
    let hash = match signing.hash.as_deref() {
        Some("default") => None,
        Some("sha1") => Some(Algorithm::Sha1),
        Some("sha256") => Some(Algorithm::Sha256),
        Some("sha384") => Some(Algorithm::Sha384),
        Some("sha512") => Some(Algorithm::Sha512),
        _ => return Err(Refusal::bad("hash: must be sha1, sha256, sha384, sha512 or default")),
    };
    admin.world.actors.registry.sign_with(instance, hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which instance is meant, and its tags.
#[derive(Deserialize)]
pub(super) struct Tagging {
    #[serde(flatten)]
    which: Which,
    tags: Option<String>,
}

/// `POST instances/tags`: `tags` is a list with commas, empty for none.
pub(super) async fn tag(
    State(admin): State<Admin>,
    Query(tagging): Query<Tagging>,
) -> Result<StatusCode, Refusal> {
    let instance = tagging.which.id()?;
    let none = || Refusal::bad("tags: must be a list, as in &tags=blue,red, or empty for none");
    let list = tagging.tags.ok_or_else(none)?;
    let mut tags: Vec<String> = Vec::new();
    for tag in list.split(',').map(str::trim).filter(|_| !list.trim().is_empty()) {
        if let Some(fault) = tag_fault(tag) {
            return Err(Refusal::bad(format!("tags: {tag:?} {fault}")));
        }
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    admin.world.actors.registry.tag(instance, tags).await?;
    Ok(StatusCode::NO_CONTENT)
}
