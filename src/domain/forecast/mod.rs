//! What meetings will cost: from who is in them now, from how meetings grew before, and from what their rooms did
//! the last time.

mod burden; // all meetings of an instance together
mod cost; // a meeting as it is now
mod course; // a meeting as it goes on
mod growth; // how much meetings still grow
mod learnt; // means of what was seen
mod outlook; // cores, at some times ahead
mod rooms; // what rooms did the last time
mod stays; // how long meetings last
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use burden::Burden;
pub use cost::cost;
pub use course::{Course, Habit};
pub use growth::Phase;
pub use outlook::{AHEAD, Outlook};
pub use rooms::{RoomKey, Rooms};

/// What was learnt of meetings in general. Before anything was seen it is a guess that a few meetings outweigh.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lessons {
    growth: growth::Growth,
    stays: stays::Stays,
}
