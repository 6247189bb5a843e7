//! One source of random numbers.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::distr::{Distribution, StandardUniform};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::SplitMix64;

/// Where everything random comes from. Clones are the same source.
#[derive(Clone, Default)]
pub struct Randomness(Source);

#[derive(Clone, Default)]
enum Source {
    /// The system's: nobody can foretell it.
    #[default]
    System,
    /// How often was drawn from a seed, and the seed added to it.
    Seeded(Arc<AtomicU64>),
}

impl Randomness {
    /// Draws the same for the same seed, for simulations.
    pub fn seeded(seed: u64) -> Self {
        let first = SplitMix64::seed_from_u64(seed).random();
        Self(Source::Seeded(Arc::new(AtomicU64::new(first))))
    }

    /// Any value, all alike likely.
    pub fn draw<T>(&self) -> T
    where
        StandardUniform: Distribution<T>,
    {
        match &self.0 {
            Source::System => rand::random(),
            Source::Seeded(drawn) => next(drawn).random(),
        }
    }

    /// A number of this range.
    pub fn within(&self, range: RangeInclusive<f64>) -> f64 {
        match &self.0 {
            Source::System => rand::random_range(range),
            Source::Seeded(drawn) => next(drawn).random_range(range),
        }
    }
}

fn next(drawn: &AtomicU64) -> SplitMix64 {
    SplitMix64::seed_from_u64(drawn.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(randomness: &Randomness) -> Vec<u64> {
        (0..4).map(|_| randomness.draw()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        assert_eq!(drawn(&Randomness::seeded(7)), drawn(&Randomness::seeded(7)));
        assert_ne!(drawn(&Randomness::seeded(7)), drawn(&Randomness::seeded(8)));
        assert_ne!(drawn(&Randomness::default()), drawn(&Randomness::default()));
    }

    #[test]
    fn clones_draw_on_from_each_other() {
        let (one, whole) = (Randomness::seeded(7), Randomness::seeded(7));
        let both: Vec<u64> = [one.clone().draw(), one.draw()].into();
        assert_eq!(both, drawn(&whole)[..2]);
    }
}
