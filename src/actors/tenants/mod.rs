//! The tenants actor.

mod message;

pub use message::*;
