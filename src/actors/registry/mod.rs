//! The registry actor.

mod message;

pub use message::*;
