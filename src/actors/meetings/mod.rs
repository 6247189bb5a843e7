//! The meetings actor.

mod message;

pub use message::*;
