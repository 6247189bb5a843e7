//! The verb `demo`: three simulated servers, a balancer, and a lively day in fast motion.

mod acts; // what each act does and sees
pub mod check; // what was promised, against what is there
pub mod day; // the script
mod play; // the script against a balancer
pub mod screen; // the pool, drawn
mod stage; // the servers, the balancer, the tenants

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use clap::Args;
use tokio::net::TcpListener;

use crate::config::Config;
use day::Pace;
use screen::Screen;
use stage::Stage;

/// All was well.
pub const WELL: u8 = 0;
/// Something was not where it was promised, or was shown to whom it is not for.
pub const WRONG: u8 = 70;
/// The user left before the day was checked.
pub const LEFT: u8 = 130;

/// What the verb can be told.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArgs {
    /// Play a short day, check every placement, and exit: 0 if all was well, 70 if not
    #[arg(long)]
    pub once: bool,
    /// Where the balancer listens, on loopback; 0 takes a free port
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

/// Starts the balancer that is shown.
#[async_trait]
pub trait StartBalancer: Send + Sync {
    /// A balancer of this configuration on this listener. It may still be loading when this returns.
    async fn start(
        &self,
        config: Config,
        listener: TcpListener,
    ) -> anyhow::Result<Box<dyn RunningBalancer>>;
}

/// A balancer that runs.
#[async_trait]
pub trait RunningBalancer: Send + Sync {
    /// Ends it as SIGTERM would.
    async fn stop(self: Box<Self>);
}

/// Runs the verb to its end; answers the exit code.
pub async fn run(args: DemoArgs, balancer: &dyn StartBalancer) -> anyhow::Result<u8> {
    let pace = if args.once { Pace::short() } else { Pace::lively() };
    let leave = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    run_until(leave, args, pace, balancer, &mut Screen::of_stdout()).await
}

/// The same with a pace and a screen of one's own, and an end from outside.
pub async fn run_until(
    leave: impl Future<Output = ()>,
    args: DemoArgs,
    pace: Pace,
    balancer: &dyn StartBalancer,
    screen: &mut Screen,
) -> anyhow::Result<u8> {
    let opened = Stage::open(args.port, &pace, balancer).await;
    let (stage, backstage) = opened.context("the demo could not start")?;
    let code = tokio::select! {
        code = show(args.once, pace, &stage, screen) => code,
        () = leave => if args.once { LEFT } else { WELL },
    };
    screen.close();
    backstage.clear().await;
    Ok(code)
}

async fn show(once: bool, pace: Pace, stage: &Arc<Stage>, screen: &mut Screen) -> u8 {
    for line in stage.samples() {
        screen.say(&line);
    }
    let wrong = perform(pace, stage, screen).await;
    if !once {
        screen.say("The day is over; the API stays open until Ctrl-C.");
        play::linger(stage, screen).await;
    }
    if wrong { WRONG } else { WELL }
}

/// Plays the day; answers whether something was wrong.
async fn perform(pace: Pace, stage: &Arc<Stage>, screen: &mut Screen) -> bool {
    let story = play::day(stage, pace, screen).await;
    for line in story.summary() {
        screen.say(&line);
    }
    !story.wrong.is_empty()
}
