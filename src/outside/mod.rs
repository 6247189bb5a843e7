//! What actors and flows need from the world: a trait each, with its real forms.

pub mod changes;
pub mod clock;
pub mod loads;
pub mod servers;
pub mod store;
pub mod targets;
