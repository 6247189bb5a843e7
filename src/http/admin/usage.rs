//! What each tenant uses of what it may.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Admin;
use super::body::json;
use super::refusal::Refusal;
use super::tenants::documents;
use crate::actors::meetings::Usage;
use crate::domain::load::TenantUsage;
use crate::domain::tenant::TenantDocument;

#[derive(Serialize)]
struct Row<'a> {
    tenant: &'a str,
    /// As the last sweeps saw them. Null while the routes can't be asked.
    meetings: Option<u64>,
    participants: Option<u64>,
    meeting_pool: Option<u32>,
    user_pool: Option<u32>,
    /// As agents measured them, summed over instances. Null where none measures by tenant.
    measured: Option<Measured>,
}

#[derive(Serialize)]
struct Measured {
    meetings: u64,
    participants: u64,
}

impl<'a> Row<'a> {
    fn of(
        document: &'a TenantDocument,
        swept: Option<Usage>,
        measured: Option<&TenantUsage>,
    ) -> Self {
        let spec = &document.spec;
        Self {
            tenant: &spec.host,
            meetings: swept.map(|usage| usage.meetings),
            participants: swept.map(|usage| usage.participants),
            meeting_pool: spec.meeting_pool.filter(|&most| most > 0),
            user_pool: spec.user_pool.filter(|&most| most > 0),
            measured: measured
                .map(|&TenantUsage { meetings, participants }| Measured { meetings, participants }),
        }
    }
}

/// `GET usage`
pub(super) async fn list(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let documents = documents(&admin.world).await?;
    let counts = admin.world.actors.meetings.count().await.ok();
    let reading = admin.world.actors.metrics.current().await?;
    let rows = documents.iter().map(|document| {
        let id = document.id();
        let swept = counts.as_ref().map(|c| c.by_tenant.get(&id).copied().unwrap_or_default());
        Row::of(document, swept, reading.loads.tenants.get(&id))
    });
    Ok(json(&rows.collect::<Vec<_>>()))
}
