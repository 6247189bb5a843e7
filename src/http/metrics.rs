//! How many calls there were, how they ended, how long they took; and all metrics as Prometheus reads them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::MissedTickBehavior;

use crate::bbb::call::Call;

const REQUESTS: &str = "bigblueswarm_http_requests_total";
const DURATION: &str = "bigblueswarm_http_request_duration_seconds";
/// Upper bounds of the histograms of durations, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// How often old samples are folded into the histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's recorder of metrics, installed by the first call. A handle that was registered
/// before counts nothing, so whoever registers one asks for this first.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .expect("there are buckets, and nobody else installs a recorder")
}

/// Keeps the memory of metrics small for as long as it is polled, whether or not anybody reads them.
pub async fn upkeep(recorder: PrometheusHandle) {
    let mut every = tokio::time::interval(UPKEEP);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        recorder.run_upkeep();
    }
}

/// How a request ended. A handler that knows better than its status puts one in its answer's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or sent on to where it is done.
    Success,
    /// Refused for what the client sent, or answered FAILED.
    Refused,
    /// We, or somebody we need, failed.
    Failed,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Success, Self::Refused, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// What the answer says of itself, else what its status says.
    pub fn of(response: &Response) -> Self {
        response.extensions().get().copied().unwrap_or_else(|| Self::by(response.status()))
    }

    fn by(status: StatusCode) -> Self {
        match status.as_u16() {
            500.. => Self::Failed,
            400.. => Self::Refused,
            _ => Self::Success,
        }
    }
}

/// The handles of one kind of request.
pub struct CallMetrics {
    outcomes: [Counter; 3],
    duration: Histogram,
}

impl CallMetrics {
    /// Registers the metrics of `call` on `surface`.
    pub fn register(surface: &'static str, call: &'static str) -> Arc<Self> {
        recorder();
        let labels = [("surface", surface), ("call", call)];
        Arc::new(Self {
            outcomes: Outcome::ALL.map(|outcome| {
                counter!(REQUESTS, "surface" => surface, "call" => call, "outcome" => outcome.name())
            }),
            duration: histogram!(DURATION, &labels),
        })
    }

    /// Counts a request that ended.
    pub fn ended(&self, outcome: Outcome, took: Duration) {
        self.outcomes[outcome as usize].increment(1);
        self.duration.record(took);
    }
}

/// Counts every request of a route; for [`axum::middleware::from_fn_with_state`].
pub async fn count(
    State(metrics): State<Arc<CallMetrics>>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    metrics.ended(Outcome::of(&response), began.elapsed());
    response
}

/// The handles of the BBB surface, by call.
#[derive(Clone)]
pub struct HttpMetrics {
    calls: [Arc<CallMetrics>; Call::ALL.len()],
    /// The calls that carry a session.
    pub session: Arc<CallMetrics>,
    /// Requests to that surface which name no call that we know.
    pub other: Arc<CallMetrics>,
}

impl HttpMetrics {
    /// Registers all of them.
    pub fn register() -> Self {
        Self {
            calls: Call::ALL.map(|call| CallMetrics::register("bbb", call.name())),
            session: CallMetrics::register("bbb", "session"),
            other: CallMetrics::register("bbb", "other"),
        }
    }

    pub fn call(&self, call: Call) -> &Arc<CallMetrics> {
        let index = Call::ALL.iter().position(|&known| known == call);
        index.map_or(&self.other, |n| &self.calls[n])
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn an_outcome_is_what_the_answer_says_of_itself() {
        assert_eq!(Outcome::of(&StatusCode::FOUND.into_response()), Outcome::Success);
        assert_eq!(Outcome::of(&StatusCode::FORBIDDEN.into_response()), Outcome::Refused);
        assert_eq!(Outcome::of(&StatusCode::BAD_GATEWAY.into_response()), Outcome::Failed);
        let mut failed = StatusCode::OK.into_response();
        failed.extensions_mut().insert(Outcome::Refused);
        assert_eq!(Outcome::of(&failed), Outcome::Refused);
    }

    #[test]
    fn calls_are_counted_by_name_and_outcome() {
        let recorder = recorder();
        let metrics = CallMetrics::register("test", "join");
        metrics.ended(Outcome::Success, Duration::from_millis(3));
        let text = recorder.render();
        let labels = r#"surface="test",call="join""#;
        let count = format!("{REQUESTS}{{{labels},outcome=\"success\"}} 1");
        assert!(text.contains(&count), "{text}");
        let bucket = format!("{DURATION}_bucket{{{labels},le=\"0.005\"}} 1");
        assert!(text.contains(&bucket), "{text}");
    }

    #[test]
    fn every_call_has_handles_of_its_own() {
        let metrics = HttpMetrics::register();
        for call in Call::ALL {
            assert!(!Arc::ptr_eq(metrics.call(call), &metrics.other), "{call:?}");
        }
    }
}
