//! A whole fleet's day, simulated event by event, to compare ways of placing meetings.
//!
//! Everything follows from a seed, bit for bit on any machine: the dice are of a fixed algorithm, and what the
//! standard library leaves to the machine (logarithms, powers) comes from a library in software. The policies
//! `seed` and `predictive` are those of [`crate::domain::placement`], fed through the same window of measurements
//! as in life; the others live here, to compare with.

mod balancer; // asks the placement that serves, with what it would know
mod chart; // a picture of a day
mod circumstances; // how much harder than by default it is to place well
mod compare; // every policy on every cell of days
mod curve; // what the oracle knows
mod day; // the meetings of a day
mod dice; // chance, of a fixed algorithm
mod events; // what happens when
mod gauges; // what the agent beside a server measures
mod meeting; // a meeting, and what it costs
mod policy; // who decides where a meeting goes
mod run; // a day under one policy
mod servers; // the fleet
mod tally; // what a day was like
#[cfg(test)]
mod tests;
pub mod trace; // an operator's own day

pub use circumstances::Circumstances;
pub use compare::{Cell, Comparison, Outcome};
pub use day::{Day, Profile};
pub use policy::Policy;
pub use run::run;
pub use tally::Summary;
