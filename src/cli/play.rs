//! `demo` on the real balancer, in this process.

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::demo::{self, DemoArgs, RunningBalancer, StartBalancer, WELL, WRONG};
use super::{Exit, complain, runtime};
use crate::app::{self, Parts, ServeError};
use crate::config::{Config, ConfigSource};

pub(super) fn run(args: DemoArgs) -> Exit {
    let Ok(runtime) = runtime() else { return Exit::Fault };
    match runtime.block_on(demo::run(args, &Ours)) {
        Ok(WELL) => Exit::Done,
        Ok(WRONG) => Exit::Fault,
        Ok(_) => Exit::Left,
        Err(error) => {
            complain(&format!("{error:#}"));
            Exit::Wrong
        }
    }
}

/// Starts the whole program on a listener.
struct Ours;

#[async_trait]
impl StartBalancer for Ours {
    async fn start(
        &self,
        config: Config,
        listener: TcpListener,
    ) -> anyhow::Result<Box<dyn RunningBalancer>> {
        let source = ConfigSource::Given(Box::new(config.clone()));
        let parts = Parts::of(&config, source, Default::default()).await?;
        let swarm = app::start(config, parts).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(swarm.serve(listener, until));
        Ok(Box::new(Running { stop, served }))
    }
}

struct Running {
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

#[async_trait]
impl RunningBalancer for Running {
    async fn stop(self: Box<Self>) {
        let _ = self.stop.send(());
        match self.served.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => complain(&format!("the balancer ended badly: {error}")),
            Err(error) => complain(&format!("the balancer ended badly: {error}")),
        }
    }
}
