//! What the metrics actor knows.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::Notify;

use super::message::Reading;
use crate::config::Config;
use crate::determinism::HashMap;
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::load::LoadSnapshot;
use crate::domain::moment::Moment;
use crate::outside::loads::{LoadError, View};

/// The newest good figures, and how the last attempt at newer ones went.
pub struct MetricsState {
    newest: Reading,
    interval: Duration,
    view: View,
    /// Whether a reading is under way.
    busy: bool,
    since: Moment,
    /// The instances whose figures are wanted, and since when.
    wanted: HashMap<InstanceId, Moment>,
    /// Ends the wait for the next reading.
    woken: Arc<Notify>,
}

/// Between two readings while nothing was measured that is wanted.
const QUICKLY: Duration = Duration::from_secs(1);
/// So long an instance's first figures are looked for quickly while others have some: agents may never come.
const QUICKLY_FOR: Duration = Duration::from_secs(120);

/// Whether the source began or ceased to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Fails,
    Recovers,
    Same,
}

impl MetricsState {
    pub(super) fn new(config: &Config, now: Moment) -> Self {
        let balancer = &config.balancer;
        let state = Self {
            newest: Reading::default(),
            interval: balancer.poll_interval,
            view: View::of(balancer),
            busy: false,
            since: now,
            wanted: HashMap::default(),
            woken: Arc::new(Notify::new()),
        };
        state.show(now);
        state
    }

    pub(super) fn reading(&self) -> Reading {
        self.newest.clone()
    }

    /// Why the last reading failed, if it did.
    pub(super) fn failed(&self) -> Option<&str> {
        self.newest.failed.as_deref()
    }

    /// What the next reading looks at.
    pub(super) fn view(&self) -> View {
        self.view
    }

    /// Takes the pool over; whether an instance of which nothing is known joined it.
    pub(super) fn take_roster(&mut self, roster: &Roster, now: Moment) -> bool {
        let members = roster.members().iter().filter(|member| !member.retired);
        let wanted = members.map(|member| {
            let id = member.instance.id.clone();
            let since = self.wanted.get(&id).copied().unwrap_or(now);
            (id, since)
        });
        let wanted: HashMap<_, _> = wanted.collect();
        let known = |id: &InstanceId| {
            self.wanted.contains_key(id) || self.newest.loads.loads.contains_key(id)
        };
        let joined = !wanted.keys().all(known);
        self.wanted = wanted;
        joined
    }

    /// Ends the wait for the next reading, the present one or the next.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(super) fn woken(&self) -> Arc<Notify> {
        self.woken.clone()
    }

    /// How long the next reading may wait.
    pub(super) fn wait(&self, now: Moment) -> Duration {
        let loads = &self.newest.loads.loads;
        let lacks = |(id, since): (&InstanceId, &Moment)| {
            !loads.contains_key(id) && (loads.is_empty() || now.since(*since) < QUICKLY_FOR)
        };
        if self.wanted.iter().any(lacks) { self.interval.min(QUICKLY) } else { self.interval }
    }

    /// Takes what changed; a wait that has begun keeps its length.
    pub(super) fn configure(&mut self, config: &Config) {
        self.interval = config.balancer.poll_interval;
        self.view = View::of(&config.balancer);
    }

    /// Whether a reading may begin now; if so, it has.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.busy, true)
    }

    /// Takes the result of a reading.
    pub(super) fn end(&mut self, reading: Result<LoadSnapshot, LoadError>, now: Moment) -> Turn {
        self.busy = false;
        let failed = self.newest.failed.is_some();
        let turn = match reading {
            Ok(loads) => {
                self.newest = Reading { loads: Arc::new(loads), failed: None };
                if failed { Turn::Recovers } else { Turn::Same }
            }
            Err(error) => {
                counter!("bigblueswarm_metrics_failed_readings_total").increment(1);
                self.newest.failed = Some(error.to_string().into());
                if failed { Turn::Same } else { Turn::Fails }
            }
        };
        self.show(now);
        turn
    }

    fn show(&self, now: Moment) {
        let age = self.age(now);
        gauge!("bigblueswarm_metrics_age_seconds").set(age.as_secs_f64());
        gauge!("bigblueswarm_metrics_stale").set(f64::from(u8::from(self.stale(age))));
    }

    /// How old the newest figure of all instances is; without any, how long there was none.
    fn age(&self, now: Moment) -> Duration {
        let newest = self.newest.loads.loads.values().map(|load| load.newest).max();
        now.since(newest.unwrap_or(self.since))
    }

    /// Whether placements go by figures that are not the present ones, or by none.
    fn stale(&self, age: Duration) -> bool {
        self.newest.failed.is_some() || self.newest.loads.loads.is_empty() || age > self.view.range
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::load::Load;
    use crate::domain::secret::Secret;

    fn at(secs: u64) -> Moment {
        Moment(Duration::from_secs(secs))
    }

    fn fresh() -> MetricsState {
        let mut config = Config::with_secrets(Secret::new("s"), Secret::new("k"));
        config.balancer.metrics_range = Duration::from_secs(300);
        MetricsState::new(&config, at(100))
    }

    fn figures(newest: &[u64]) -> Result<LoadSnapshot, LoadError> {
        let load = |&secs: &u64| {
            (InstanceId::new(secs.to_string()), Load { newest: at(secs), ..Load::default() })
        };
        let loads: HashMap<_, _> = newest.iter().map(load).collect();
        Ok(LoadSnapshot { loads, ..LoadSnapshot::default() })
    }

    fn failure() -> Result<LoadSnapshot, LoadError> {
        Err(LoadError("away".into()))
    }

    #[track_caller]
    fn check(readings: Vec<Result<LoadSnapshot, LoadError>>, now: u64, age: u64, stale: bool) {
        let mut state = fresh();
        for reading in readings {
            state.end(reading, at(now));
        }
        let found = state.age(at(now));
        assert_eq!((found, state.stale(found)), (Duration::from_secs(age), stale));
    }

    #[test]
    fn figures_are_stale_when_reading_fails_when_there_are_none_and_when_all_are_old() {
        check(vec![], 130, 30, true);
        check(vec![figures(&[])], 130, 30, true);
        check(vec![figures(&[110, 125])], 130, 5, false);
        check(vec![figures(&[110, 125]), failure()], 130, 5, true);
        check(vec![figures(&[110]), failure(), figures(&[129])], 130, 1, false);
        check(vec![figures(&[110, 125])], 425, 300, false);
        check(vec![figures(&[110, 125])], 426, 301, true);
    }

    #[test]
    fn only_a_change_between_working_and_failing_is_a_turn() {
        let mut state = fresh();
        let readings = [
            figures(&[120]),
            failure(),
            failure(),
            failure(),
            figures(&[120]),
            figures(&[]),
            failure(),
        ];
        let turns = readings.map(|reading| state.end(reading, at(130)));
        let (fails, recovers, same) = (Turn::Fails, Turn::Recovers, Turn::Same);
        assert_eq!(turns, [same, fails, same, same, recovers, same, fails]);
    }

    #[test]
    fn operators_see_age_staleness_and_failures() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let mut state = fresh();
            state.end(figures(&[120]), at(130));
            state.end(failure(), at(145));
        });
        let shown = recorder.handle().render();
        let lines = [
            "bigblueswarm_metrics_age_seconds 25",
            "bigblueswarm_metrics_stale 1",
            "bigblueswarm_metrics_failed_readings_total 1",
        ];
        assert!(lines.iter().all(|line| shown.lines().any(|shown| shown == *line)), "{shown}");
    }
}
