//! What differs from run to run, and how a simulation makes it the same: random numbers, the order of hash maps, and
//! work beside the runtime's own threads.

mod aside; // work that blocks
mod hashing; // maps whose order a simulation can fix
mod randomness; // one source of random numbers

pub use aside::aside;
pub use hashing::{HashMap, HashSet, Hashing};
pub use randomness::Randomness;

#[cfg(feature = "test-util")]
mod thread {
    use std::cell::Cell;

    thread_local! {
        static IS_SIMULATED: Cell<bool> = const { Cell::new(false) };
    }

    /// From now on this thread is a simulation's: what runs on it does the same again when it is given the same.
    pub fn simulate() {
        IS_SIMULATED.set(true);
    }

    pub(super) fn is_simulated() -> bool {
        IS_SIMULATED.get()
    }
}

#[cfg(feature = "test-util")]
pub use thread::simulate;

/// Whether this thread is a simulation's.
fn is_simulated() -> bool {
    #[cfg(feature = "test-util")]
    return thread::is_simulated();
    #[cfg(not(feature = "test-util"))]
    false
}
