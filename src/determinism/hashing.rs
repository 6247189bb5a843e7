//! Maps whose order a simulation can fix.

use std::hash::{BuildHasher, DefaultHasher, RandomState};

use super::is_simulated;

/// A hash map for keys that others choose.
pub type HashMap<K, V> = std::collections::HashMap<K, V, Hashing>;
/// A hash set for values that others choose.
pub type HashSet<T> = std::collections::HashSet<T, Hashing>;

/// Hashes with a random key, so that nobody can choose what collides; in a simulation always with the same.
#[derive(Clone, Debug)]
pub struct Hashing(Option<RandomState>);

impl Default for Hashing {
    fn default() -> Self {
        Self((!is_simulated()).then(RandomState::new))
    }
}

impl BuildHasher for Hashing {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.0.as_ref().map_or_else(DefaultHasher::new, RandomState::build_hasher)
    }
}
