//! Why each instance would be taken for a tenant's next meeting, or not.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::body::json;
use super::refusal::{Refusal, once_read};
use crate::domain::placement::{Policy, Verdict};
use crate::domain::tag::TagWish;

/// Whose meeting it would be.
#[derive(Deserialize)]
pub(super) struct Whose {
    tenant: Option<String>,
    /// The server tag it would ask for; without one, the tenant's own.
    tag: Option<String>,
}

#[derive(Serialize)]
struct Explanation<'a> {
    tenant: &'a str,
    policy: Policy,
    guard: Guard,
    /// No candidate was measured, so that the number of meetings decides.
    blind: bool,
    instances: &'a [Verdict],
}

/// Percent beyond which an instance takes no meeting.
#[derive(Serialize)]
struct Guard {
    cpu: f64,
    mem: f64,
}

/// `GET placement?tenant=HOST`, with `&tag=blue` as a create would ask
pub(super) async fn explain(
    State(admin): State<Admin>,
    Query(whose): Query<Whose>,
) -> Result<Response, Refusal> {
    let host = whose.tenant.filter(|host| !host.is_empty());
    let host =
        host.ok_or_else(|| Refusal::bad("tenant: must name the host, as in ?tenant=HOST"))?;
    let actors = &admin.world.actors;
    let host: Arc<str> = host.into();
    let find = || async { Ok(actors.tenants.find(host.clone()).await??) };
    let tenant = once_read(find).await?;
    let config = actors.settings.current().await?;
    let reading = actors.metrics.current().await?;
    let tags = match whose.tag {
        Some(text) => TagWish::parse(&text),
        None => tenant.rules.default_tags(),
    };
    let verdicts = actors.meetings.explain(tenant.clone(), reading.loads, tags).await?;
    Ok(json(&Explanation {
        tenant: &tenant.host,
        policy: config.balancer.policy,
        guard: Guard { cpu: config.balancer.cpu_limit, mem: config.balancer.mem_limit },
        blind: is_blind(&verdicts),
        instances: &verdicts,
    }))
}

/// Whether there are candidates and none of them has a score.
fn is_blind(verdicts: &[Verdict]) -> bool {
    let mut candidates = verdicts.iter().filter(|v| v.rank.is_some()).peekable();
    candidates.peek().is_some() && candidates.all(|v| v.score.is_none())
}
