//! The command line.

pub mod demo; // three simulated servers, a balancer, and a lively day
