//! Medians over rounds, and how they are written.

use std::time::Duration;

use crate::Outcome;
use crate::client::Round;

/// What one round came to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Calls per second.
    pub(crate) rate: f64,
    /// Processor time of the measured process for each call, in microseconds.
    pub(crate) cpu: f64,
    /// Latencies in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Figures {
    pub(crate) fn of(round: &Round, cpu: Duration) -> Self {
        let calls = round.latency.len() as f64;
        let quantile = |q| round.latency.value_at_quantile(q) as f64 / 1e3;
        Self {
            rate: calls / round.took.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e6 / calls,
            p50: quantile(0.5),
            p99: quantile(0.99),
        }
    }

    /// The median of each figure by itself.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Self { rate: of(|f| f.rate), cpu: of(|f| f.cpu), p50: of(|f| f.p50), p99: of(|f| f.p99) }
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The processor time that passes in a process while something is done.
pub(crate) async fn costing<T>(
    process: &crate::process::Running,
    work: impl Future<Output = Outcome<T>>,
) -> Outcome<(T, Duration)> {
    let before = process.cpu()?;
    let done = work.await?;
    Ok((done, process.cpu()? - before))
}
