//! A soak from its begin to its end.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_util::future::join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::checker::{Bounds, check};
use crate::clients::{Clients, SLOTS, ask};
use crate::faults;
use crate::ground::{Ground, POOL, TENANTS, UNKNOWN_FOR};
use crate::harness::commit;
use crate::history::{Answer, Call, Room, What};
use crate::measure::watch;
use crate::plan::{REPLICAS, draw};
use crate::report::Outcome;
use crate::shared::millis;
use crate::world::U;

/// Where histories and logs are left.
const LEFT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/soak");
/// After the last fault.
const CALM: Duration = Duration::from_secs(20);
/// So long nothing happens at the end before nothing may be left.
const QUIET: Duration = Duration::from_secs(100);

#[derive(Parser)]
#[command(name = "soak")]
enum Verb {
    Soak(Wish),
}

#[derive(clap::Args)]
struct Wish {
    /// So long things go wrong; what comes before and after takes three more.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Which faults there are, and what clients do.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn main() -> ExitCode {
    let Verb::Soak(wish) = Verb::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = soak(&wish) => Some(outcome),
            () = interrupted() => None,
        }
    });
    // What still is done to Redis comes to its end, and then it stops too.
    drop(runtime);
    let Some(outcome) = outcome else {
        println!("interrupted; everything is stopped");
        return ExitCode::FAILURE;
    };
    outcome.tell();
    println!("\n{}", outcome.table());
    if outcome.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn interrupted() {
    let [mut one, mut other] = [SignalKind::interrupt(), SignalKind::terminate()]
        .map(|kind| signal(kind).expect("signals can be heard"));
    tokio::select! { _ = one.recv() => {}, _ = other.recv() => {} }
}

async fn soak(wish: &Wish) -> Outcome {
    let length = Duration::from_secs(wish.minutes * 60);
    let (commit, faults) = (commit(), draw(wish.seed, length));
    let ground = Ground::open().await;
    ground.note_kept().await;
    let began = Instant::now();
    let end = began + length;
    let slots = (0..TENANTS.len()).flat_map(|tenant| (0..SLOTS).map(move |slot| (tenant, slot)));
    let clients =
        slots.map(|(tenant, slot)| Clients::new(&ground, wish.seed, tenant, slot).call_until(end));
    let (series, _, ()) = tokio::join!(
        watch(&ground, began, end),
        join_all(clients),
        faults::run(&ground, began, &faults)
    );
    close(&ground).await;
    let events = ground.recorder.events();
    let violations = check(&events, &bounds());
    let Wish { minutes, seed } = *wish;
    let errors = ground.replicas.iter().flat_map(|replica| errors(&replica.home.said())).collect();
    let outcome = Outcome { commit, minutes, seed, faults, events, violations, series, errors };
    leave(&ground, &outcome);
    outcome
}

/// The lines of a log that tell of faults of the program's own.
pub(crate) fn errors(said: &str) -> Vec<String> {
    let is_error = |line: &&str| line.contains(r#""level":"ERROR""#) || line.contains("panicked");
    said.lines().filter(is_error).map(str::to_owned).collect()
}

fn bounds() -> Bounds {
    Bounds {
        dead_after: 8_000,
        lost_after: millis(UNKNOWN_FOR) - 1_000,
        swept_within: 25_000,
        stale_for: 3_000,
        pools: [(U.host.to_owned(), POOL as usize)].into(),
    }
}

/// All is well, everybody goes home, and after a while nothing is left.
async fn close(ground: &Ground) {
    ground.ready().await;
    sleep(CALM).await;
    for front in &ground.fronts {
        front.view.crash().await;
    }
    sleep(QUIET).await;
    ground.recorder.note(What::Quiet);
    ground.note_kept().await;
    for tenant in TENANTS {
        let room = Room { tenant: tenant.host.into(), id: "afterwards".into() };
        for replica in 0..REPLICAS {
            let made = ask(ground, replica, &room, Call::Create).await;
            if matches!(made, Answer::Made(_)) {
                ask(ground, replica, &room, Call::End).await;
            }
        }
    }
}

/// Leaves the history and what balancers said, to be looked at.
fn leave(ground: &Ground, outcome: &Outcome) {
    let folder = Path::new(LEFT).join(format!("seed-{}", outcome.seed));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("the file is written");
    };
    let history: String = outcome.events.iter().map(|event| format!("{event}\n")).collect();
    write("history", history);
    for (n, replica) in ground.replicas.iter().enumerate() {
        write(&format!("balancer-{}.log", n + 1), replica.home.said());
    }
}
