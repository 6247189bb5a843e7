//! Connections: accepted, bounded in number, size and time, and drained at the end.

mod accept;
mod body;
mod client;
mod connection;
mod door;
mod inside;
mod meters;
mod pulse;
mod target;

pub use accept::{Drained, serve};
pub use body::BodyFault;
pub use client::{client_address, is_trusted};
pub(crate) use target::is_host;
