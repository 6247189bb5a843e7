//! The admin REST under `/admin/api`: the predecessor's calls as `bbsctl` knows them, and ours besides.

mod attempts;
mod body;
mod callbacks;
mod cluster;
mod gate;
mod instances;
mod left;
mod meetings;
mod notices;
mod placement;
mod pool;
mod refusal;
mod settings;
mod state;
mod tenants;
mod usage;

use std::sync::Arc;

pub(crate) use pool::{InstanceList, faults as instance_faults};
pub(crate) use tenants::fault as tenant_fault;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::domain::instance::AdminState;
use crate::flows::World;
use crate::http::metrics::{CallMetrics, count};

/// A tenant's document as the admin surface takes it, or everything that is wrong with it.
#[cfg(feature = "test-util")]
pub fn read_tenant(posted: &[u8]) -> Result<crate::domain::tenant::TenantDocument, String> {
    let document = body::parse(posted)?;
    tenants::fault(&document).map_or(Ok(document), Err)
}

/// The URLs of a list of instances as the admin surface takes it, or everything that is wrong with it.
#[cfg(feature = "test-util")]
pub fn read_instances(posted: &[u8]) -> Result<Vec<String>, String> {
    let pool::InstanceList { instances, .. } = body::parse(posted)?;
    let faults = pool::faults(&instances.0);
    let urls = instances.0.into_iter().map(|(url, _)| url).collect();
    if faults.is_empty() { Ok(urls) } else { Err(faults.join("\n")) }
}

/// The largest document that an admin may post.
const MOST_BYTES: usize = 4 << 20;

/// So many lists of meetings are read at once.
const READERS: usize = 2;

/// Writes the configuration as `GET configurations` shows it.
pub type ShowConfig = fn(&Config) -> serde_json::Value;

/// What every call of this surface has at hand.
#[derive(Clone)]
struct Admin {
    world: Arc<World>,
    show: ShowConfig,
    /// Whose turn it is to read lists of meetings.
    readers: Arc<Semaphore>,
}

/// Every call of the admin surface, behind the key.
pub fn routes(world: World, show: ShowConfig) -> Router {
    let world = Arc::new(world);
    let gate = gate::Gate::new(Arc::clone(&world));
    let metrics = CallMetrics::register("admin", "any");
    let set = |admin| post(move |state, query| instances::set(state, query, admin));
    let calls = Router::new()
        .route("/instances", get(instances::list).post(instances::replace))
        .route("/instances/state", get(state::list))
        .route("/instances/enable", set(AdminState::Enabled))
        .route("/instances/drain", set(AdminState::Draining))
        .route("/instances/disable", set(AdminState::Disabled))
        .route("/instances/forget", post(left::forget))
        .route("/instances/sign", post(instances::sign))
        .route("/instances/tags", post(instances::tag))
        .route("/tenants", get(tenants::list).post(tenants::put))
        .route("/tenants/{host}", get(tenants::show).delete(tenants::delete))
        .route("/tenants/{host}/rename", post(tenants::rename))
        .route("/meetings", get(meetings::list))
        .route("/callbacks", get(callbacks::list))
        .route("/callbacks/{id}", delete(callbacks::discard))
        .route("/callbacks/{id}/retry", post(callbacks::retry))
        .route("/cluster", get(cluster::list))
        .route("/configurations", get(settings::show))
        .route("/notices", get(notices::list))
        .route("/placement", get(placement::explain))
        .route("/reload", post(settings::reload))
        .route("/usage", get(usage::list))
        .fallback(refusal::unknown)
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn_with_state(gate, gate::pass))
        .layer(from_fn_with_state(metrics, count))
        .with_state(Admin { world, show, readers: Arc::new(Semaphore::new(READERS)) });
    Router::new().nest("/admin/api", calls)
}
