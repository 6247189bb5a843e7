//! Stories about: ingest.
