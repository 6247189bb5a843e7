//! Chance that is the same on any machine.

use std::f64::consts::TAU;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Draws from distributions. A `libm` in software computes them: the standard library's functions
/// may differ in the last bit from one machine to another.
#[derive(Clone, Debug)]
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// Dice of their own for each path, such as a day's seed and what they are thrown for.
    pub(super) fn of(path: &[u64]) -> Self {
        let mixed = path
            .iter()
            .fold(0, |seed, part| Xoshiro256PlusPlus::seed_from_u64(seed ^ part).next_u64());
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// From 0 to below 1.
    pub(super) fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        (self.0.next_u64() >> 11) as f64 * STEP
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// One of `0..n`.
    pub(super) fn index(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// The index of one of the weights, each as likely as it is heavy.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.uniform() * weights.iter().sum::<f64>();
        for (n, weight) in weights.iter().enumerate() {
            if left < *weight {
                return n;
            }
            left -= weight;
        }
        weights.len() - 1
    }

    pub(super) fn normal(&mut self, mean: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        mean + sigma * radius * libm::cos(TAU * self.uniform())
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.uniform())
    }

    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(self.normal(0.0, sigma))
    }
}
