//! The surfaces: BBB API, admin API, ingest, probes.

pub mod api; // the BBB calls
pub mod busy; // BBB's error form for what the door itself refuses
pub mod metrics; // how many calls, how they ended, how long they took
mod refusal; // from what went wrong to what the client reads
pub mod server; // connections: accepted, bounded, drained
mod signed; // tenant found, checksum right, or refused
