//! The settings actor.

mod message;

pub use message::*;
