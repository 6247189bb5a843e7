//! Reading what instances answer: as a stream of events, never as a tree, and nothing of it is believed unchecked.

mod envelope;
mod fault;
mod habit;
mod peek;
mod sound;
mod walk;

#[cfg(test)]
pub(in crate::bbb) mod model;
#[cfg(test)]
mod quick;

pub(in crate::bbb) use envelope::is_success;
pub use envelope::{Envelope, read};
pub use fault::XmlFault;
pub use peek::{Peek, internal_id, peek};
pub use sound::{check, check_start};
pub(in crate::bbb) use walk::{Place, Progress, Step, Walk, truth};

#[cfg(test)]
mod tests;
