//! Stories about operators: the predecessor's admin REST as it was recorded, ours besides, and the probes.

#![allow(clippy::unwrap_used, reason = "a story fails where it stands")]

mod gate;
mod ours;
mod probes;
mod recorded;
mod scene;
mod seats;
