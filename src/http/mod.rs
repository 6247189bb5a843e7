//! The surfaces: BBB API, admin API, ingest, probes.
pub mod ingest;
