//! The metrics actor.

mod message;

pub use message::*;
use std::sync::Arc;
pub struct Metrics {
    pub source: Arc<dyn crate::outside::loads::LoadSource>,
    pub clock: Arc<dyn crate::outside::clock::Clock>,
}
