//! The surfaces: BBB API, admin API, ingest, probes.

pub mod admin; // the operator's REST, as the predecessor's
pub mod api; // the BBB calls
pub mod busy; // BBB's error form for what the door itself refuses
mod callbacks; // where instances call us back
mod form; // parameters in the body
mod hooks; // events of the instances
pub mod ingest; // metrics that agents push
pub mod metrics; // how many calls, how they ended, how long they took
mod pages; // what browsers see
mod pieces; // a body in pieces
pub mod probes; // alive, ready, metrics
mod refusal;
mod refused_join; // from what went wrong to what the client reads
pub mod server; // connections: accepted, bounded, drained
mod session; // calls that belong to an instance
mod signed; // tenant found, checksum right, or refused
#[cfg(feature = "test-util")]
pub mod testing; // a directory of seats that stories fill themselves
mod wanted; // XML, JSON or a page

use std::sync::Arc;

use axum::Router;

use self::probes::Phase;
use crate::config::Config;
use crate::flows::World;
use crate::outside::loads::embedded::EmbeddedLoads;

/// The token of agents: the one in force, or that of the start while the settings actor is away.
fn ingest_token(world: &World) -> ingest::Token {
    let (settings, start) = (world.actors.settings.clone(), world.config.clone());
    Arc::new(move || {
        let (settings, start) = (settings.clone(), start.clone());
        Box::pin(async move {
            let now = settings.current().await.unwrap_or(start);
            now.admin.ingest_token.clone()
        })
    })
}

/// Every route there is.
pub fn router(world: &World, loads: Option<EmbeddedLoads>, phase: Phase) -> Router {
    let config = &world.config;
    let token = ingest_token(world);
    api::routes(world.clone())
        .merge(callbacks::routes(world.clone()))
        .merge(hooks::routes(world.clone()))
        .merge(admin::routes(world.clone(), Config::to_json))
        .merge(probes::routes(world.clone(), phase))
        .merge(ingest::routes(loads, token, &config.limits))
}
