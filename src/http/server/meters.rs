//! The server's metrics, registered once.

use metrics::{Counter, Gauge, counter, gauge};

use crate::http::metrics::recorder;

/// Handles of everything that is counted at the door.
pub(super) struct Meters {
    pub(super) connections: Gauge,
    /// 1 while new connections wait for old ones to end.
    pub(super) full: Gauge,
    pub(super) accepted: Counter,
    pub(super) accept_errors: Counter,
    pub(super) inside: Gauge,
    pub(super) bad_target: Counter,
    pub(super) busy: Counter,
    pub(super) body_too_large: Counter,
    pub(super) body_stalled: Counter,
    pub(super) panicked: Counter,
    pub(super) dropped_idle: Counter,
    pub(super) dropped_stuck: Counter,
}

impl Meters {
    pub(super) fn register() -> Self {
        recorder();
        let refused = |why| counter!("bigblueswarm_http_refused_total", "reason" => why);
        let dropped =
            |why| counter!("bigblueswarm_http_connections_dropped_total", "reason" => why);
        Self {
            connections: gauge!("bigblueswarm_http_connections"),
            full: gauge!("bigblueswarm_http_connections_full"),
            accepted: counter!("bigblueswarm_http_connections_accepted_total"),
            accept_errors: counter!("bigblueswarm_http_accept_errors_total"),
            inside: gauge!("bigblueswarm_http_requests_inside"),
            bad_target: refused("target"),
            busy: refused("busy"),
            body_too_large: refused("body_too_large"),
            body_stalled: refused("body_stalled"),
            panicked: counter!("bigblueswarm_http_panics_total"),
            dropped_idle: dropped("idle"),
            dropped_stuck: dropped("stuck"),
        }
    }
}
