//! One replica of the program: started, asked, put to sleep, killed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bigblueswarm::app::{self, Parts, Swarm};
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::config::{Config, ConfigSource};
use bigblueswarm::determinism::{HashMap, Randomness};
use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::load::{Load, LoadSnapshot};
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::clock::Clock;
use bigblueswarm::outside::loads::{LoadError, LoadSource, View};
use bigblueswarm::outside::store::Store;
use http::{Method, Request, header};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use crate::answers::Reply;
use crate::callbacks::{BASE, Front};
use crate::engine::Engines;
use crate::servers::{Fleet, Way};
use crate::shared::{Phase, Process, StormClock};

pub(crate) const SECRET: &str = "secret-of-every-tenant-0123456789";
const KEY: &str = "admin-key-0123456789";
/// Clients give up after this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long meetings of a dead server count as not known, shorter than usual so that a storm sees the end of it.
pub(crate) const UNKNOWN_FOR: Duration = Duration::from_secs(30);

/// A running program.
pub(crate) struct Replica {
    pub(crate) process: Process,
    pub(crate) clock: StormClock,
    swarm: Swarm,
    /// Where all of it runs.
    runtime: Handle,
}

/// What a replica runs on.
pub(crate) struct Ground {
    pub(crate) number: usize,
    pub(crate) fleet: Fleet,
    pub(crate) clock: StormClock,
    pub(crate) randomness: Randomness,
    pub(crate) engines: Engines,
    pub(crate) front: Arc<Front>,
}

impl Replica {
    /// Starts the program on a store.
    pub(crate) async fn start(ground: Ground, process: Process, store: Arc<dyn Store>) -> Self {
        let Ground { number, fleet, clock, randomness, engines, front } = ground;
        let mut config = Config::with_secrets(Secret::new(SECRET), Secret::new(KEY));
        config.health.unknown_for = UNKNOWN_FOR;
        config.callbacks.base_url = Some(BASE.into());
        let ids = fleet.sims.iter().map(|sim| InstanceId::new(sim.url())).collect();
        let told: Arc<dyn Clock> = Arc::new(clock.clone());
        let way = Way {
            fleet,
            replica: number,
            process: process.clone(),
            world: engines.world(),
            randomness: randomness.clone(),
        };
        let source = ConfigSource::Given(Box::new(config.clone()));
        let parts = Parts {
            store,
            loads: Arc::new(Figures { ids, clock: told.clone() }),
            ingest: None,
            servers: Arc::new(way),
            targets: front,
            clock: told,
            randomness,
            source,
            environment: Default::default(),
        };
        let runtime = engines.start(&process);
        let started = runtime.spawn(async move { app::start(config, parts).await });
        let swarm = started.await.expect("a start").expect("the program starts");
        Self { process, clock, swarm, runtime }
    }

    /// A tenant's call, for as long as a client waits; nothing if it is refused, as nobody listens.
    pub(crate) fn call(
        &self,
        host: &str,
        call: &str,
        asked: &str,
    ) -> Option<impl Future<Output = Option<Reply>> + use<>> {
        let signed = query::signed(asked, call, SECRET, Algorithm::Sha256);
        let request = Request::builder()
            .uri(format!("/bigbluebutton/api/{call}?{signed}"))
            .header(header::HOST, host)
            .body(Body::empty());
        self.send(request.expect("a request"))
    }

    /// A call of the admin surface.
    pub(crate) fn admin(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Option<impl Future<Output = Option<Reply>> + use<>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/api/{path}"))
            .header(header::HOST, "admin.example.org")
            .header(header::AUTHORIZATION, KEY)
            .body(Body::from(body));
        self.send(request.expect("a request"))
    }

    /// A request; nothing if it is refused, as nobody listens.
    pub(crate) fn send(
        &self,
        request: Request<Body>,
    ) -> Option<impl Future<Output = Option<Reply>> + use<>> {
        if self.process.phase() == Phase::Crashed {
            return None;
        }
        let router = self.swarm.router.clone();
        let asked = self.runtime.spawn(async move {
            let answer = router.oneshot(request).await.expect("routes answer");
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let location = parts.headers.get(header::LOCATION);
            let location = location.and_then(|value| value.to_str().ok()).unwrap_or_default();
            Reply {
                status: parts.status,
                location: location.to_owned(),
                body: String::from_utf8_lossy(&body).into_owned(),
            }
        });
        let asked = AbortOnDropHandle::new(asked);
        Some(async move { timeout(PATIENCE, asked).await.ok()?.ok() })
    }

    /// Whether all that could be known of meetings is known.
    pub(crate) fn is_ready(&self, servers: usize) -> impl Future<Output = bool> + use<> {
        let actors = self.swarm.world.actors.clone();
        async move {
            let roster = actors.registry.roster().await;
            roster.is_ok_and(|roster| roster.all_accounted() && roster.members().len() >= servers)
        }
    }

    /// Kills it. What it has begun and not sent reaches nobody any more.
    pub(crate) fn kill(self) {
        self.process.turn(Phase::Crashed);
    }
}

/// Figures by which all servers are alike, but for a little.
struct Figures {
    ids: Vec<InstanceId>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl LoadSource for Figures {
    async fn read(&self, _: View) -> Result<LoadSnapshot, LoadError> {
        let now = self.clock.now();
        let load = |(n, id): (usize, &InstanceId)| {
            let (cpu, mem) = (Some(10.0 + n as f64), Some(20.0));
            let (cores, online) = (Some(8.0), Some(true));
            (id.clone(), Load { cpu, mem, cores, online, newest: now, ..Load::default() })
        };
        let loads = self.ids.iter().enumerate().map(load).collect();
        Ok(LoadSnapshot { read_at: Some(now), loads, tenants: HashMap::default() })
    }
}
