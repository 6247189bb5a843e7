//! The way from simulated servers back to the program: what they send to its base URL arrives at its routes.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bigblueswarm::sim::{Elsewhere, Errand, SimServer};
use http::{Request, StatusCode};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::world::World;

/// Where instances reach the program in stories.
pub(crate) const BASE: &str = "https://lb.example.org";

/// The programs behind the base URL, the next one each time.
#[derive(Clone)]
pub(crate) struct Inward {
    programs: Vec<Router>,
    turn: watch::Sender<usize>,
}

impl Inward {
    pub(crate) fn of(worlds: &[&World]) -> Self {
        let programs = worlds.iter().map(|world| world.swarm.router.clone()).collect();
        Self { programs, turn: watch::Sender::new(0) }
    }

    /// What these servers send arrives there from now on.
    pub(crate) fn from(&self, sims: &[SimServer]) {
        sims.iter().for_each(|sim| sim.calls_out(self.clone()));
    }
}

#[async_trait]
impl Elsewhere for Inward {
    async fn send(&self, errand: &Errand) -> Option<StatusCode> {
        let target = errand.url.strip_prefix(BASE)?;
        let mut request = Request::builder().method(errand.method.clone()).uri(target);
        *request.headers_mut()? = errand.headers.clone();
        let request = request.body(Body::from(errand.body.clone())).ok()?;
        self.turn.send_modify(|turn| *turn += 1);
        let turn = *self.turn.borrow();
        let program = self.programs.get(turn % self.programs.len())?.clone();
        Some(program.oneshot(request).await.ok()?.status())
    }
}
