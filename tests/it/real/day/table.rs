//! What was seen while each part was away, as a table.

use std::collections::BTreeMap;
use std::time::Duration;

/// A stretch of the day.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase {
    /// What was away.
    pub(super) name: String,
    pub(super) calls: u64,
    /// Acknowledged creates of meetings that were not there before.
    pub(super) created: u64,
    /// Calls refused, by call and key.
    pub(super) refusals: BTreeMap<String, u64>,
    pub(super) slowest_create: Duration,
    pub(super) slowest_other: Duration,
    /// Calls for known meetings that failed, and why.
    pub(super) broken: Vec<String>,
    /// What `/readyz` named.
    pub(super) degraded: String,
    /// From its return until no balancer names it any more.
    pub(super) well_after: Option<Duration>,
}

impl Phase {
    pub(super) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes in another stretch of the same name.
    fn with(mut self, other: &Self) -> Self {
        self.calls += other.calls;
        self.created += other.created;
        for (what, count) in &other.refusals {
            *self.refusals.entry(what.clone()).or_default() += count;
        }
        self.slowest_create = self.slowest_create.max(other.slowest_create);
        self.slowest_other = self.slowest_other.max(other.slowest_other);
        self.broken.extend(other.broken.iter().cloned());
        self
    }

    /// Whether what was stored last before it went away may not have been told to every balancer.
    pub(super) fn is_of_the_store(&self) -> bool {
        self.name.starts_with("Redis")
    }

    /// Whether calls may wait in a balancer that answers nothing, where no deadline of its own counts.
    pub(super) fn is_of_a_frozen_balancer(&self) -> bool {
        self.name.ends_with("balancers (hangs)")
    }

    fn row(&self) -> String {
        let refused = self.refusals.iter().map(|(what, count)| format!("{count} {what}"));
        let refused = refused.collect::<Vec<_>>().join(", ");
        let or_none =
            |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        let well = self.well_after.map(seconds).unwrap_or_default();
        format!(
            "| {} | {} | {} | {} | {} | {} / {} | {} | {well} |\n",
            self.name,
            self.calls,
            self.created,
            or_none(&refused),
            self.broken.len(),
            seconds(self.slowest_create),
            seconds(self.slowest_other),
            or_none(&self.degraded),
        )
    }
}

/// The table in Markdown; stretches without any absence are one row, the first.
pub(super) fn of(phases: &[Phase]) -> String {
    let (calm, away): (Vec<_>, Vec<_>) = phases.iter().partition(|phase| phase.name == "nothing");
    let calm = calm.into_iter().fold(Phase::of("nothing"), Phase::with);
    let rows = std::iter::once(&calm).chain(away).map(Phase::row);
    let head = "| away for 10 s | calls | new meetings | refused | known meetings not reached | slowest create / other, s | `/readyz` names | well again after, s |\n|---|---|---|---|---|---|---|---|\n";
    head.to_owned() + &rows.collect::<String>()
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}
