//! Alive, ready, metrics: what an orchestrator and a scraper ask.

mod look;
mod readiness;
mod recent;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use self::readiness::{Degraded, Seen, degraded, missing};
use self::recent::Recent;
use crate::flows::World;
use crate::http::metrics::recorder;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where the program is between start and end. Shared by whoever ends it and by `/readyz`.
#[derive(Clone, Debug, Default)]
pub struct Phase(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    was_ready: AtomicBool,
    draining: AtomicBool,
}

impl Phase {
    /// From here on the program is not ready any more.
    pub fn drain(&self) {
        self.0.draining.store(true, Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Relaxed)
    }

    /// Whether the program is ready, or was before: once ready, only draining ends it.
    fn is_ready(&self, complete: bool) -> bool {
        if complete {
            self.0.was_ready.store(true, Relaxed);
        }
        self.0.was_ready.load(Relaxed) && !self.is_draining()
    }
}

#[derive(Clone)]
struct Probes {
    world: Arc<World>,
    phase: Phase,
    recent: Arc<Recent<Seen>>,
    recorder: PrometheusHandle,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn routes(world: World, phase: Phase) -> Router {
    let recent = Arc::new(Recent::new());
    let probes = Probes { world: Arc::new(world), phase, recent, recorder: recorder() };
    Router::new()
        .route("/healthz", get(|| async { "alive" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(probes)
}

/// The body of `/readyz`.
#[derive(Serialize)]
struct Readiness<'a> {
    ready: bool,
    draining: bool,
    /// Why it is not ready; empty once it was.
    reasons: &'a [String],
    /// What does not work as it should, though requests are answered.
    degraded: &'a [Degraded],
}

async fn readyz(State(probes): State<Probes>) -> Response {
    let seen = probes.recent.get(look::look(&probes.world)).await;
    let missing = missing(&seen);
    let ready = probes.phase.is_ready(missing.is_empty());
    let draining = probes.phase.is_draining();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reasons = if ready { &[][..] } else { &missing[..] };
    let degraded = &degraded(&seen)[..];
    (status, Json(Readiness { ready, draining, reasons, degraded })).into_response()
}

async fn metrics(State(probes): State<Probes>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, PROMETHEUS)], probes.recorder.render())
}
