//! Callbacks: taken over from instances, and brought to tenants' servers.

mod deliver;
mod over;
mod sign;
mod take;
mod urls;

pub use deliver::Post;
pub use take::{Called, Taken, take};
