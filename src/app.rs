//! The program on one page: build, start, serve, drain.

use std::fmt::Display;
use std::future::{Future, ready};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ractor::{Actor, ActorRef};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::actors::directory::seats;
use crate::actors::settle;
use crate::actors::supervisor::{Supervisor, SupervisorMessage};
use crate::config::{Config, ConfigSource, Environment};
use crate::determinism::Randomness;
use crate::flows::callbacks::Post;
use crate::flows::{
    DONE_AHEAD, DOUBTS_AHEAD, World, configuration, follow, health, hooks, notices, recordings,
    sweeps, tell, writes,
};
use crate::http;
use crate::outside::clock::{Clock, SystemClock};
use crate::outside::loads::embedded::EmbeddedLoads;
use crate::outside::loads::{self, LoadSource};
use crate::outside::servers::Servers;
use crate::outside::servers::http::HttpServers;
use crate::outside::store::{self, Store, StoreError};
use crate::outside::targets::http::HttpTargets;
use crate::outside::targets::{SystemLookup, Targets};

/// So long a start waits for the embedded store or the port while another process has it, and between two looks.
const FREE_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(25);

/// Why serving ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What is configured can't be done here.
    #[error("{0}")]
    Configuration(String),
    /// Something needed is away, or held by another process.
    #[error("{0}")]
    Away(String),
    /// The fault is ours.
    #[error("{0}")]
    Fault(String),
}

/// What the program stands on; tests bring their own.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub loads: Arc<dyn LoadSource>,
    /// Where pushed metrics go, when they come from agents.
    pub ingest: Option<EmbeddedLoads>,
    pub servers: Arc<dyn Servers>,
    /// Where callbacks go.
    pub targets: Arc<dyn Targets>,
    pub clock: Arc<dyn Clock>,
    pub randomness: Randomness,
    /// Where the configuration is read from again.
    pub source: ConfigSource,
    pub environment: Environment,
}

impl Parts {
    /// The real ones, as configured.
    pub async fn of(
        config: &Config,
        source: ConfigSource,
        environment: Environment,
    ) -> Result<Self, ServeError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let open = || ready(store::open(&config.store, &config.deadlines));
        let opened = when_free(open, |error| matches!(error, StoreError::InUse(_))).await;
        let store = opened.map_err(|error| match error {
            StoreError::InUse(_) => ServeError::Away(error.to_string()),
            _ => ServeError::Configuration(error.to_string()),
        })?;
        let (loads, ingest) = loads::open(config, clock.clone())
            .map_err(|error| ServeError::Configuration(error.to_string()))?;
        let servers = HttpServers::new(config.deadlines.connect, config.deadlines.body)
            .map_err(|error| ServeError::Fault(error.to_string()))?;
        let servers = Arc::new(servers);
        let targets = HttpTargets::new(&config.callbacks, Arc::new(SystemLookup))
            .map_err(|error| ServeError::Fault(error.to_string()))?;
        let targets = Arc::new(targets);
        let randomness = Randomness::default();
        Ok(Self { store, loads, ingest, servers, targets, clock, randomness, source, environment })
    }
}

/// Tries again while another process holds what is needed: one that was killed just now may not be gone yet.
async fn when_free<T, E: Display, A: Future<Output = Result<T, E>>>(
    attempt: impl Fn() -> A,
    is_held: fn(&E) -> bool,
) -> Result<T, E> {
    let (by, mut said) = (Instant::now() + FREE_WITHIN, false);
    loop {
        match attempt().await {
            Err(held) if is_held(&held) && Instant::now() < by => {
                if !std::mem::replace(&mut said, true) {
                    warn!("{held}: waiting up to {FREE_WITHIN:?} for it");
                }
                sleep(LOOK_AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

/// The program without a listener: its actors, its background stories, its routes.
pub struct Swarm {
    pub world: World,
    pub router: Router,
    phase: http::probes::Phase,
    actors: ActorRef<SupervisorMessage>,
    ended: JoinHandle<()>,
    background: JoinSet<()>,
}

/// Builds and starts everything but the listener.
pub async fn start(config: Config, parts: Parts) -> Result<Swarm, ServeError> {
    let recorder = http::metrics::recorder();
    let (ushers, directory) = seats();
    let Parts { store, loads, ingest, servers, targets, clock, randomness, source, environment } =
        parts;
    let config = Arc::new(config);
    let world = World {
        actors: directory.clone(),
        servers,
        store: store.clone(),
        clock: clock.clone(),
        randomness: randomness.clone(),
        done: broadcast::channel(DONE_AHEAD).0,
        doubted: broadcast::channel(DOUBTS_AHEAD).0,
        payloads: Default::default(),
        config: config.clone(),
    };
    let watched = source.clone();
    let carrier = Arc::new(Post { world: world.clone(), targets });
    let supervisor = Supervisor {
        store,
        loads,
        clock,
        randomness,
        carrier,
        source,
        environment,
        ushers,
        directory,
    };
    let (actors, ended) = Actor::spawn(None, supervisor, config.clone())
        .await
        .map_err(|error| ServeError::Fault(format!("actors did not start: {error}")))?;
    let mut background = JoinSet::new();
    background.spawn(for_ever("watching the instances", world.clone(), health::watch));
    background.spawn(for_ever("watching recordings", world.clone(), recordings::watch));
    background.spawn(for_ever("keeping webhooks registered", world.clone(), hooks::watch));
    background.spawn(for_ever("following other replicas", world.clone(), follow::follow));
    background.spawn(for_ever("telling other replicas", world.clone(), tell::tell));
    background.spawn(for_ever("looking after what is set up", world.clone(), notices::watch));
    background.spawn(for_ever(
        "looking whether the store takes writes",
        world.clone(),
        writes::watch,
    ));
    let heard = move |world| configuration::watch(world, watched.clone());
    background.spawn(for_ever("hearing of the configuration", world.clone(), heard));
    background.spawn(http::metrics::upkeep(recorder));
    let phase = http::probes::Phase::default();
    let router = http::router(&world, ingest, phase.clone());
    Ok(Swarm { world, router, phase, actors, ended, background })
}

/// Runs a story that has no end; one that fails begins again.
async fn for_ever<F>(what: &'static str, world: World, story: impl Fn(World) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        match settle(story(world.clone())).await {
            Ok(()) => warn!(what, "a story without end has ended; it begins again"),
            Err(error) => error!(what, %error, "a story without end has failed; it begins again"),
        }
        sleep(Duration::from_secs(1)).await;
    }
}

impl Swarm {
    /// Stops what runs beside requests, then lets the actors finish what they have begun.
    pub async fn stop(mut self) {
        self.background.shutdown().await;
        sweeps::leave(&self.world).await;
        self.actors.stop(Some("shutdown".into()));
        let within = self.world.config.deadlines.drain;
        if tokio::time::timeout(within, self.ended).await.is_err() {
            warn!(?within, "actors were still busy at the end");
        }
    }

    /// Serves until `shutdown` completes or the actors give up, then drains.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let (limits, deadlines) = (self.world.config.limits, self.world.config.deadlines);
        let phase = self.phase.clone();
        let mut gave_up = false;
        let until = async {
            tokio::select! {
                () = shutdown => info!("stopping: no new requests, running ones end"),
                _ = &mut self.ended => gave_up = true,
            }
            phase.drain();
        };
        let drained =
            http::server::serve(listener, self.router.clone(), &limits, &deadlines, until).await;
        if !drained.whole() {
            warn!(requests = drained.cut, "some requests had to be cut");
        }
        if gave_up {
            return Err(ServeError::Fault("the actors gave up".into()));
        }
        self.stop().await;
        info!("stopped");
        Ok(())
    }
}

/// Serves as configured until SIGTERM or SIGINT; SIGHUP reads the configuration again.
pub async fn serve(
    config: Config,
    source: ConfigSource,
    environment: Environment,
) -> Result<(), ServeError> {
    let parts = Parts::of(&config, source, environment).await?;
    let address = (config.http.address, config.http.port);
    let bound =
        when_free(|| TcpListener::bind(address), |error| error.kind() == ErrorKind::AddrInUse)
            .await;
    let listener = bound.map_err(|error| {
        let (ip, port) = address;
        ServeError::Configuration(format!("port: can't listen on {ip}:{port}: {error}"))
    })?;
    let bound = listener.local_addr().map_err(|error| ServeError::Fault(error.to_string()))?;
    let swarm = start(config, parts).await?;
    info!(address = %bound, version = env!("CARGO_PKG_VERSION"), "listening");
    let reloads = tokio::spawn(reload_on_hangup(swarm.world.clone()));
    let served = swarm.serve(listener, terminated()?).await;
    reloads.abort();
    served
}

/// Completes at SIGTERM or SIGINT.
fn terminated() -> Result<impl Future<Output = ()>, ServeError> {
    let (mut term, mut int) = (heard(SignalKind::terminate())?, heard(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

fn heard(kind: SignalKind) -> Result<Signal, ServeError> {
    signal(kind).map_err(|error| ServeError::Fault(format!("signals can't be heard: {error}")))
}

async fn reload_on_hangup(world: World) {
    let Ok(mut hangups) = heard(SignalKind::hangup()) else { return };
    while hangups.recv().await.is_some() {
        // What changed, or why nothing did, is said by the settings actor itself.
        if let Err(error) = world.actors.settings.reload().await {
            warn!(%error, "the configuration was not read again");
        }
    }
}
