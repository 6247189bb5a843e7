//! One file per story a client can tell: which actors are asked, in which order.

use std::sync::Arc;

use crate::actors::supervisor::Directory;
use crate::config::Config;
use crate::outside::clock::Clock;
use crate::outside::servers::Servers;
use crate::outside::store::Store;

/// Everything a story may ask: the actors, the BBB servers, the clock, and what was configured at the start.
#[derive(Clone)]
pub struct World {
    pub actors: Directory,
    pub servers: Arc<dyn Servers>,
    /// For liveness and the predecessor's hints only: state is asked of its actor.
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// As it was at the start; what can change while running is asked of the settings actor.
    pub config: Arc<Config>,
}
