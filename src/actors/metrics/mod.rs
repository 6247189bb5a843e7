//! The metrics actor.

mod message;

pub use message::*;
