//! Plain values and decisions. Nothing here waits, spawns or reads a clock.

pub mod circuit;
pub mod delivery;
pub mod forecast;
pub mod hook;
pub mod instance;
pub mod load;
pub mod meeting;
pub mod moment;
pub mod naming; // by which name an instance knows a meeting
pub mod notice; // what operators should see to
pub mod placement;
pub mod reach;
pub mod restart;
pub mod rules;
pub mod secret;
pub mod tag;
pub mod tenant;
