//! Callbacks: from servers to the program, as a proxy passes them on, and from the program to tenants' servers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::body::Body;
use bigblueswarm::determinism::Randomness;
use bigblueswarm::outside::targets::{Call, TargetError, Targets};
use bigblueswarm::sim::{Elsewhere, Errand, Meeting};
use http::{Request, StatusCode, header};

use crate::history::What;
use crate::replica::Replica;
use crate::shared::{Held, Recorder};

/// Where servers reach the program.
pub(crate) const BASE: &str = "http://lb.example.org";
/// Of the meeting's parameters, which create asked for it, and where its end is told.
const OP: &str = "op";
const END: &str = "endcallbackurl";
/// So much of what is sent to a tenant's server for the first time is refused.
const REFUSED: f64 = 0.3;

/// The create that this host or URL of a front end is for.
pub(crate) fn op_of(target: &str) -> Option<u64> {
    let name = target.strip_prefix("http://op-")?;
    name.split_once('.')?.0.parse().ok()
}

/// Which create each URL is for that servers were told.
#[derive(Clone)]
pub(crate) struct Told(Held<BTreeMap<String, u64>>);

impl Told {
    pub(crate) fn new() -> Self {
        Self(Held::new(BTreeMap::new()))
    }

    pub(crate) fn learn(&self, meetings: &[Meeting]) {
        self.0.with(|told| {
            let urls = meetings.iter().filter_map(|meeting| {
                Some((meeting.meta(END)?.to_owned(), meeting.meta(OP)?.parse().ok()?))
            });
            told.extend(urls);
        });
    }

    fn op(&self, url: &str) -> Option<u64> {
        let url = url.split('?').next()?;
        self.0.with(|told| told.get(url).copied())
    }
}

/// The way of servers' callbacks.
pub(crate) struct Back {
    pub(crate) told: Told,
    pub(crate) replicas: Held<Vec<Option<Replica>>>,
    pub(crate) recorder: Recorder,
    pub(crate) randomness: Randomness,
}

#[async_trait]
impl Elsewhere for Back {
    async fn send(&self, errand: &Errand) -> Option<StatusCode> {
        let path = errand.url.strip_prefix(BASE)?;
        let asked = self.replicas.with(|replicas| {
            let first = self.randomness.draw::<u32>() as usize;
            let count = replicas.len();
            let mut all = (0..count).filter_map(|n| replicas[(first + n) % count].as_ref());
            let replica = all.find(|replica| !replica.process.is_missed())?;
            let request = Request::builder()
                .method(errand.method.clone())
                .uri(path)
                .header(header::HOST, "lb.example.org")
                .body(Body::from(errand.body.clone()));
            replica.send(request.ok()?)
        });
        let status = asked?.await?.status;
        if status.is_success()
            && let Some(op) = self.told.op(&errand.url)
        {
            self.recorder.note(What::CalledBack { op });
        }
        Some(status)
    }
}

/// Tenants' servers, which refuse some of what comes for the first time.
pub(crate) struct Front {
    pub(crate) recorder: Recorder,
    pub(crate) randomness: Randomness,
    pub(crate) refused: Held<Vec<u64>>,
}

#[async_trait]
impl Targets for Front {
    async fn send(&self, call: Call) -> Result<StatusCode, TargetError> {
        let Some(op) = op_of(&call.url) else { return Ok(StatusCode::NOT_FOUND) };
        let refuses = self.randomness.within(0.0..=1.0) < REFUSED;
        let is_first = self.refused.with(|refused| {
            let is_first = !refused.contains(&op);
            refused.push(op);
            is_first
        });
        if refuses && is_first {
            return Ok(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.recorder.note(What::Delivered { op });
        Ok(StatusCode::OK)
    }
}
