//! What every request passes before it is routed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use std::net::SocketAddr;
use tower::ServiceExt;
use tracing::error;

use super::body::{Bounded, Bounds, Fate};
use super::inside::{Admission, Answer, Inside};
use super::meters::Meters;
use super::pulse::Pulse;
use super::target;
use crate::http::busy::Asker;

/// Lets requests in: those that name one host, while there is room.
pub(super) struct Door {
    app: Router,
    bounds: Bounds,
    admission: Admission,
    inside: Arc<AtomicUsize>,
    pub(super) meters: Meters,
}

impl Door {
    pub(super) fn new(app: Router, requests: usize, bounds: Bounds) -> Self {
        Self {
            app: app.with_state(()),
            bounds,
            admission: Admission::new(requests),
            inside: Arc::default(),
            meters: Meters::register(),
        }
    }

    /// How many requests are inside.
    pub(super) fn inside(&self) -> usize {
        self.inside.load(Relaxed)
    }

    pub(super) async fn enter(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        pulse: Arc<Pulse>,
    ) -> Response<Answer> {
        let count = Arc::clone(&self.inside);
        let mut inside = Inside::begin(pulse, count, self.meters.inside.clone());
        let response = match self.admit(request, peer, &mut inside) {
            Ok((request, fate)) => self.route(request, &fate).await,
            Err(refusal) => refusal,
        };
        response.map(|body| inside.answer(body))
    }

    /// The request as it is routed, or its refusal.
    #[expect(clippy::result_large_err, reason = "a refusal is an answer, and made once")]
    fn admit(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        inside: &mut Inside,
    ) -> Result<(Request<Body>, Fate), Response> {
        let (mut parts, body) = request.into_parts();
        if let Err(why) = target::settle(&mut parts) {
            self.meters.bad_target.increment(1);
            return Err((StatusCode::BAD_REQUEST, why).into_response());
        }
        let Some(place) = self.admission.enter(parts.uri.path()) else {
            self.meters.busy.increment(1);
            return Err(busy(&Asker::of(&parts)));
        };
        inside.admit(place);
        if body.size_hint().lower() > self.bounds.bytes as u64 {
            self.meters.body_too_large.increment(1);
            return Err(too_large(&Asker::of(&parts)));
        }
        parts.extensions.insert(ConnectInfo(peer));
        let fate = Fate::default();
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(Bounded::new(body, self.bounds, fate.clone()))
        };
        Ok((Request::from_parts(parts, body), fate))
    }

    async fn route(&self, request: Request<Body>, fate: &Fate) -> Response {
        let (parts, body) = request.into_parts();
        let asker = Asker::of(&parts);
        let request = Request::from_parts(parts, body);
        let answer = AssertUnwindSafe(self.app.clone().oneshot(request)).catch_unwind().await;
        if fate.too_large() {
            self.meters.body_too_large.increment(1);
            return too_large(&asker);
        }
        if fate.stalled() {
            self.meters.body_stalled.increment(1);
            return stalled(&asker);
        }
        answer.map_or_else(|_| self.panicked(&asker), |Ok(response)| response)
    }

    fn panicked(&self, asker: &Asker) -> Response {
        self.meters.panicked.increment(1);
        error!("a request ended with a panic");
        let message = "BigBlueSwarm failed to answer the request.";
        asker.refuse(StatusCode::INTERNAL_SERVER_ERROR, "internalError", message)
    }
}

fn busy(asker: &Asker) -> Response {
    let message = "BigBlueSwarm has too many requests at the moment. Please try again.";
    let mut response = asker.refuse(StatusCode::SERVICE_UNAVAILABLE, "tooBusy", message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn too_large(asker: &Asker) -> Response {
    let message = "The body of the request is too large.";
    asker.refuse(StatusCode::PAYLOAD_TOO_LARGE, "bodyTooLarge", message)
}

fn stalled(asker: &Asker) -> Response {
    let message = "The body of the request did not arrive in time.";
    asker.refuse(StatusCode::REQUEST_TIMEOUT, "bodyTimeout", message)
}
