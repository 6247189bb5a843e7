//! Load figures that agents push to us, kept in memory: no database needed.

mod points;
mod window;

pub use points::{Parsed, Point, Precision, parse};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use self::window::Window;
use super::{LoadError, LoadSource, View};
use crate::domain::load::LoadSnapshot;
use crate::domain::moment::Moment;
use crate::outside::clock::Clock;

/// Writes that wait for the window; each is bounded by `limits.ingestBytes`.
const QUEUE: usize = 8;
const WRITE_WITHIN: Duration = Duration::from_secs(1);
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The window takes no more points at the moment; nothing of the write was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many points are waiting")]
pub struct Busy;

/// What agents said in the last `metricsRange`. Clones share it; one task owns it, and ends with the last clone.
///
/// It gives what InfluxDB would give: means over the range, newest values, tenants summed over
/// instances. Ages count from arrival here.
#[derive(Clone)]
pub struct EmbeddedLoads {
    to_window: mpsc::Sender<Errand>,
    /// Told when an instance's first figure of some kind came.
    news: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

enum Errand {
    Write { points: Vec<Point>, at: Moment },
    Read { view: View, at: Moment, reply_to: oneshot::Sender<LoadSnapshot> },
}

impl EmbeddedLoads {
    /// Starts with an empty window.
    pub fn start(view: View, clock: Arc<dyn Clock>) -> Self {
        let (to_window, errands) = mpsc::channel(QUEUE);
        let news = Arc::new(Notify::new());
        tokio::spawn(keep(Window::new(view.range, view.cpu), errands, news.clone()));
        Self { to_window, news, clock }
    }

    /// Adds points, as having arrived now.
    pub async fn write(&self, points: Vec<Point>) -> Result<(), Busy> {
        if points.is_empty() {
            return Ok(());
        }
        let errand = Errand::Write { points, at: self.clock.now() };
        self.to_window.send_timeout(errand, WRITE_WITHIN).await.map_err(|_| Busy)
    }

    async fn ask(&self, view: View) -> Option<LoadSnapshot> {
        let (reply_to, answer) = oneshot::channel();
        let errand = Errand::Read { view, at: self.clock.now(), reply_to };
        self.to_window.send(errand).await.ok()?;
        answer.await.ok()
    }
}

#[async_trait]
impl LoadSource for EmbeddedLoads {
    async fn read(&self, view: View) -> Result<LoadSnapshot, LoadError> {
        match timeout(READ_WITHIN, self.ask(view)).await {
            Ok(Some(snapshot)) => Ok(snapshot),
            Ok(None) => Err(LoadError("the window of pushed metrics is gone".into())),
            Err(_) => Err(LoadError(format!("no answer of the window within {READ_WITHIN:?}"))),
        }
    }

    async fn news(&self) {
        self.news.notified().await;
    }
}

async fn keep(mut window: Window, mut errands: mpsc::Receiver<Errand>, news: Arc<Notify>) {
    while let Some(errand) = errands.recv().await {
        match errand {
            Errand::Write { points, at } => {
                if window.write(points, at) {
                    news.notify_one();
                }
            }
            Errand::Read { view, at, reply_to } => {
                window.look(view.range, view.cpu);
                let _ = reply_to.send(window.read(at));
            }
        }
    }
}
