//! A load balancer for BigBlueButton, built from actors.
//!
//! Read the modules in this order: [`domain`] decides, [`bbb`] speaks the protocol, [`actors`] own
//! state, [`flows`] ask, [`outside`] reaches the world, [`http`] translates, [`app`] wires.

pub mod actors; // who owns which state
pub mod app; // the one place where every part meets
pub mod bbb; // BigBlueButton's protocol, plain functions
pub mod cli; // the command line
pub mod config; // what an operator can say
pub mod determinism; // what a simulation makes the same in each run
pub mod domain; // decisions as plain functions: no tokio, no ractor
pub mod flows; // one story per file: who is asked, in which order
#[cfg(feature = "test-util")]
pub mod fuzzing; // promises for any bytes whatsoever
pub mod http; // the surfaces: BBB API, admin API, ingest, probes
pub mod outside; // stores, load sources, BBB servers, clock
pub mod sim; // simulated BBB servers, for the demo, the tests and the benchmarks
pub mod telemetry; // the log
