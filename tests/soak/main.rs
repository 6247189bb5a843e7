//! The real thing, for longer: three built balancers behind HAProxy, on a real Redis with Sentinels, InfluxDB and
//! Telegraf, before simulated servers, while everything is killed, stopped and cut off in turn. What clients and
//! servers saw is checked by the storms' checker.
//!
//! `cargo test --test soak` tests the machine itself; `make soak MINUTES=60 SEED=1` soaks.

#![expect(
    clippy::disallowed_types,
    reason = "no actors here: real parts, each in one hand at a time"
)]

mod clients; // who calls
mod faults; // what goes wrong, done to the real parts
mod front; // simulated servers on sockets, and what is seen of them
mod gate; // a way that can be cut
mod ground; // everything that runs
mod measure; // what is used over time, and whether it grows
mod plan; // which faults, from one seed
mod report; // the table
mod run; // a soak from its begin to its end
mod tests; // of the machine itself

/// Of the storms: the history, its checker, and what reads and writes both.
#[allow(dead_code)]
#[path = "../storms"]
mod storms {
    pub(crate) mod answers;
    pub(crate) mod checker;
    pub(crate) mod engine;
    pub(crate) mod harness;
    pub(crate) mod history;
    pub(crate) mod seen;
    pub(crate) mod shared;
}

/// Of the stories: the built program, and the real services.
#[allow(dead_code, unused_imports)]
#[path = "../it"]
mod it {
    pub(crate) mod program;
    pub(crate) mod services;
    pub(crate) mod targets;
    pub(crate) mod world;
}

use std::process::ExitCode;

use it::{program, services, targets, world};
use storms::{answers, checker, engine, harness, history, seen, shared};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("soak") => run::main(),
        _ => tests::main(),
    }
}
