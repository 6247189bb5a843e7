//! Storms: whole swarms in simulated time, in which everything goes wrong that may, and a checker of what was seen.
//!
//! `cargo test --test storms` runs the tests of the machine itself; `cargo test --test storms -- storm --seed 7` one
//! storm, `make storms SEEDS=1000` many.

mod answers; // what clients ask, and how they read what is answered
mod callbacks; // from servers to us, and from us to tenants
mod checker; // whether a history keeps the promise
mod clients; // who calls
mod engine; // whose turn it is to work
mod faults; // what goes wrong
mod harness; // runs tests of our own
mod history; // what was seen
mod lies; // what a server says that is not so
mod panics; // what panics in a storm
mod plan; // what a storm is made of
mod profile; // kinds of storms
mod replica; // one program
mod report; // what is said of storms
mod run; // a storm from its begin to its end
mod seen; // what is seen of a server's meetings
mod servers; // simulated BBB servers, and the way to them
mod shared; // what parts of a storm hold together
mod shrink; // the same failure in a smaller storm
mod store; // a model of Redis
mod swarm; // all replicas
mod tests; // of the machine itself
mod torn; // the embedded file after a crash
mod workers; // work on all cores

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("storm") => report::main(),
        _ => tests::main(),
    }
}
