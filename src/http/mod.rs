//! The surfaces: BBB API, admin API, ingest, probes.

pub mod admin; // the operator's REST, as the predecessor's
pub mod busy; // BBB's error form for what the door itself refuses
pub mod metrics; // how many calls, how they ended, how long they took
pub mod probes; // alive, ready, metrics
pub mod server; // connections: accepted, bounded, drained
#[cfg(feature = "test-util")]
pub mod testing; // a directory of seats that stories fill themselves
