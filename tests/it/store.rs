//! Stories about the stores: the same for both, and those of each alone.

mod embedded;
mod follow;
mod forms;
pub(crate) mod home;
mod model;
pub(crate) mod predecessor;
mod predecessor_keys;
mod queue;
mod redis;
mod shelves;
mod stories;
