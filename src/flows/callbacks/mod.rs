//! Callbacks: taken over from instances, and brought to tenants' servers.

mod deliver;
mod sign;

pub use deliver::Post;
