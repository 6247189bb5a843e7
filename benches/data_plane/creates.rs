//! Creates: each waits until its claim is on the disk; claims that come together share a sync.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::calls::signed;
use crate::client::round;
use crate::figures::{Figures, costing};
use crate::process::Running;
use crate::swarm::Swarm;
use crate::{Outcome, texts};

const INSTANCES: usize = 4;
const ROUNDS: usize = 5;
/// Clients at once, and creates of each round.
const CROWDS: [(usize, usize); 2] = [(1, 150), (64, 3_000)];
const SYNCS: usize = 150;

pub(crate) async fn measure() -> Outcome {
    let backend = Running::role(&["backend", &INSTANCES.to_string(), "0"])?;
    let swarm = Swarm::start(&backend.addresses(), "", 0).await?;
    let mut syncs: Vec<f64> = (0..ROUNDS).map(|_| synced()).collect::<Outcome<_>>()?;
    syncs.sort_by(f64::total_cmp);
    println!(
        "create of new meetings, medians of {ROUNDS} rounds; one write and sync after another: {:.0} per second\n",
        syncs[ROUNDS / 2]
    );
    println!("| clients | creates per second | CPU µs per create | p50 ms | p99 ms |");
    println!("|---|---|---|---|---|");
    for (clients, creates) in CROWDS {
        let mut rounds = Vec::new();
        for number in 0..=ROUNDS {
            let requests = (0..creates).map(|n| {
                let query = format!("name=Room&meetingID=new-{clients}-{number}-{n}");
                signed("create", &query, texts::TENANTS[n % 2])
            });
            let requests = Arc::new(requests.collect());
            let sent = round(&swarm.address, clients, requests, 200, "SUCCESS");
            let (round, cpu) = costing(&swarm.process, sent).await?;
            rounds.push(Figures::of(&round, cpu));
        }
        // The first round warms up.
        let Figures { rate, cpu, p50, p99 } = Figures::median(&rounds[1..]);
        println!("| {clients} | {rate:.0} | {cpu:.0} | {p50:.2} | {p99:.2} |");
    }
    println!();
    Ok(())
}

/// How often in a second this disk takes a page and has it safe.
fn synced() -> Outcome<f64> {
    let mut file = tempfile::tempfile()?;
    let began = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
    }
    Ok(SYNCS as f64 / began.elapsed().as_secs_f64())
}
