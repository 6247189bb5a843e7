//! Tenants: listed, shown, put and deleted.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::body::{Posted, json};
use super::notices::Warnings;
use super::pool::url_faults;
use super::refusal::{Refusal, once_read};
use crate::actors::tenants::FindError;
use crate::determinism::HashMap;
use crate::domain::secret::{BLANKS, has_blanks_around};
use crate::domain::tenant::{TenantDocument, TenantId};
use crate::domain::{notice, rules};
use crate::flows::World;
use crate::http::server::is_host;

const KIND: &str = "Tenant";

#[derive(Serialize)]
struct TenantList<'a> {
    kind: &'static str,
    tenants: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    hostname: &'a str,
    instance_count: usize,
}

impl<'a> Listed<'a> {
    fn of(document: &'a Arc<TenantDocument>) -> Self {
        Self { hostname: &document.spec.host, instance_count: document.instances.len() }
    }
}

/// Every document, once they were read from the store.
pub(super) async fn documents(world: &World) -> Result<Vec<Arc<TenantDocument>>, Refusal> {
    // A list says nothing of whether it was read; a search for nobody does.
    once_read(|| read(world)).await?;
    Ok(world.actors.tenants.list().await?)
}

async fn read(world: &World) -> Result<(), Refusal> {
    match world.actors.tenants.find("".into()).await? {
        Err(FindError::NotLoaded) => Err(FindError::NotLoaded.into()),
        Ok(_) | Err(FindError::Unknown) => Ok(()),
    }
}

/// The hosts by which tenants are called now, by what their meetings are marked with; only of those that were renamed.
pub(super) struct Hosts(HashMap<TenantId, String>);

impl Hosts {
    pub(super) fn of(documents: &[Arc<TenantDocument>]) -> Self {
        let renamed = documents.iter().filter(|document| document.spec.tag.is_some());
        Self(renamed.map(|document| (document.id(), document.spec.host.clone())).collect())
    }

    /// The host of the tenant that is marked with this.
    pub(super) fn host<'a>(&'a self, tag: &'a str) -> &'a str {
        self.0.get(&TenantId::new(tag)).map_or(tag, String::as_str)
    }

    /// What the meetings of the tenant of this host are marked with.
    pub(super) fn tag(&self, host: String) -> TenantId {
        let found = self.0.iter().find(|(_, known)| **known == host);
        found.map_or_else(|| TenantId::new(host), |(id, _)| id.clone())
    }
}

/// `GET tenants`
pub(super) async fn list(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let documents = documents(&admin.world).await?;
    let tenants = documents.iter().map(Listed::of).collect();
    Ok(json(&TenantList { kind: "TenantList", tenants }))
}

/// `GET tenants/HOST`
pub(super) async fn show(
    State(admin): State<Admin>,
    Path(host): Path<String>,
) -> Result<Response, Refusal> {
    let documents = documents(&admin.world).await?;
    let found = documents.iter().find(|document| document.spec.host == host);
    found.map(json).ok_or_else(|| Refusal::not_found(""))
}

/// `POST tenants`
pub(super) async fn put(
    State(admin): State<Admin>,
    Posted(document): Posted<TenantDocument>,
) -> Result<Response, Refusal> {
    fault(&document).map_or(Ok(()), |fault| Err(Refusal::bad(fault)))?;
    let warning = of_its_pool(&admin.world, &document).await;
    admin.world.actors.tenants.put(document).await?;
    // With nothing to say the answer is the predecessor's, which has no body.
    let Some(warning) = warning else { return Ok(StatusCode::CREATED.into_response()) };
    let warnings = vec![warning];
    Ok((StatusCode::CREATED, json(&Warnings { warnings })).into_response())
}

/// What is wrong with the instances that it may use, as far as the pool is known.
async fn of_its_pool(world: &World, document: &TenantDocument) -> Option<String> {
    if document.instances.is_empty() {
        return None;
    }
    let roster = world.actors.registry.roster().await.ok().filter(|roster| roster.loaded)?;
    notice::of_pool(document, &roster).map(|notice| notice.why)
}

/// The body of `POST tenants/HOST/rename`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewName {
    host: String,
}

/// `POST tenants/HOST/rename`
pub(super) async fn rename(
    State(admin): State<Admin>,
    Path(from): Path<String>,
    Posted(NewName { host }): Posted<NewName>,
) -> Result<StatusCode, Refusal> {
    if !is_host(&host) {
        return Err(Refusal::bad(format!("host: {host:?} is no host, with or without a port")));
    }
    admin.world.actors.tenants.rename(from, host).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE tenants/HOST`
pub(super) async fn delete(
    State(admin): State<Admin>,
    Path(host): Path<String>,
) -> Result<StatusCode, Refusal> {
    admin.world.actors.tenants.delete(host).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is wrong with a document, in words.
pub(crate) fn fault(document: &TenantDocument) -> Option<String> {
    let host = document.spec.host.as_str();
    if document.kind != KIND {
        return Some(format!("kind: must be {KIND}, not {:?}", document.kind));
    }
    if host.is_empty() {
        return Some("failed to create tenant. Tenant spec host should not be null".into());
    }
    if !is_host(host) {
        return Some(format!("spec.host: {host:?} is no host, with or without a port"));
    }
    let mut faults = url_faults(document.instances.iter().map(String::as_str));
    let spec = &document.spec;
    if let Some(tag) = spec.tag.as_deref().filter(|tag| !tag.is_empty() && !is_host(tag)) {
        faults.push(format!("spec.tag: {tag:?} is no host, with or without a port"));
    }
    if spec.secret.as_deref().is_some_and(has_blanks_around) {
        faults.push(format!("spec.secret: {BLANKS}"));
    }
    let faulty = spec.secrets.iter().enumerate().filter(|(_, secret)| has_blanks_around(secret));
    faults.extend(faulty.map(|(n, _)| format!("spec.secrets[{n}]: {BLANKS}")));
    faults.extend(rules::faults(&document.spec));
    (!faults.is_empty()).then(|| faults.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn faulty(json: &str, expected: &str) {
        let document = serde_json::from_str(json).unwrap();
        let fault = fault(&document).unwrap_or_default();
        assert!(fault.starts_with(expected), "{fault}");
        assert_eq!(fault.is_empty(), expected.is_empty(), "{fault}");
    }

    #[test]
    fn what_is_wrong_with_a_tenant_is_named() {
        faulty(r#"{"kind":"Tenant","spec":{"host":"a.example.org:8443"}}"#, "");
        faulty(r#"{"kind":"Tenant","spec":{"host":"a_b"},"metadata":null,"instances":null}"#, "");
        faulty(r#"{"kind":"Tenants","spec":{"host":"a"}}"#, "kind: must be Tenant");
        faulty(r#"{"kind":"Tenant","spec":{}}"#, "failed to create tenant. Tenant spec host");
        faulty(r#"{"kind":"Tenant","spec":{"host":"https://a"}}"#, "spec.host: \"https://a\"");
        let ruled = r#"{"kind":"Tenant","spec":{"host":"a","create_overrides":{"checksum":"x"}}}"#;
        faulty(ruled, "spec.create_overrides: checksum can't be ruled");
        let blanks = r#"{"kind":"Tenant","spec":{"host":"a","secret":"s ","secrets":["t","\tu"]}}"#;
        faulty(blanks, "spec.secret: has blanks before or behind it");
        let twice =
            r#"{"kind":"Tenant","spec":{"host":"a"},"instances":["https://b","https://b"]}"#;
        faulty(twice, r#"instance URL "https://b": is listed twice"#);
    }
}
