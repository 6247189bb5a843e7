//! getMeetings over many instances, beside a copy of the same bytes: as many read, as many passed on.

use std::sync::Arc;

use crate::Outcome;
use crate::calls::signed;
use crate::client::{Connection, round};
use crate::figures::{Figures, costing, median};
use crate::process::Running;
use crate::swarm::Swarm;
use crate::texts::TENANTS;

const INSTANCES: usize = 100;
const MEETINGS: usize = 50;
const ROUNDS: usize = 9;
/// Requests of a round, one after another.
const REQUESTS: usize = 20;
/// Clients that ask at the same time, in a round of its own.
const CROWD: usize = 32;
/// No sweep is to disturb.
const SWEEPS: &str = "health:\n  sweepInterval: 1h\n";

pub(crate) async fn measure() -> Outcome {
    let backend = Running::role(&["backend", &INSTANCES.to_string(), &MEETINGS.to_string()])?;
    let addresses = backend.addresses();
    let words = ["floor-copy"].into_iter().chain(addresses.iter().map(String::as_str));
    let floor = Running::role(&words.collect::<Vec<_>>())?;
    let swarm = Swarm::start(&addresses, SWEEPS, (INSTANCES * MEETINGS) as u64).await?;
    let sum = list_bytes(&addresses).await?;
    let (asked, ours) = (signed("getMeetings", "", TENANTS[0]), swarm.address.clone());
    let size = Connection::open(&ours).await?.exchange(&asked).await?.body.len();
    let requests = Arc::new(vec![asked; REQUESTS]);
    let (mut copies, mut merges, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let from = &floor.addresses()[0];
    for number in 0..=ROUNDS {
        let copied = round(from, 1, requests.clone(), 200, "");
        let copy = costing(&floor, copied).await?;
        let merged = round(&ours, 1, requests.clone(), 200, "</meetings>");
        let merge = costing(&swarm.process, merged).await?;
        if number == 0 {
            continue; // the first round warms both up
        }
        let (copy, merge) = (Figures::of(&copy.0, copy.1), Figures::of(&merge.0, merge.1));
        ratios.push(merge.cpu / copy.cpu);
        copies.push(copy);
        merges.push(merge);
    }
    let (copy, merge) = (Figures::median(&copies), Figures::median(&merges));
    println!(
        "getMeetings of {INSTANCES} instances with {} meetings, one call after another\n",
        INSTANCES * MEETINGS
    );
    println!("| | ms p50 | ms p99 | CPU ms per call |\n|---|---|---|---|");
    for (what, figures) in [("copy", copy), ("merged", merge)] {
        let Figures { p50, p99, cpu, .. } = figures;
        println!("| {what} | {p50:.1} | {p99:.1} | {:.1} |", cpu / 1e3);
    }
    println!(
        "\nCPU of the merge by that of the copy: {:.2} (of each round, median)",
        median(ratios)
    );
    let crowd = round(&ours, CROWD, Arc::new(vec![requests[0].clone(); CROWD * 4]), 200, "");
    let (crowd, cpu) = costing(&swarm.process, crowd).await?;
    let crowd = Figures::of(&crowd, cpu);
    println!(
        "{CROWD} clients at once: {:.1} ms CPU per call, p50 {:.1} ms",
        crowd.cpu / 1e3,
        crowd.p50
    );
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("bytes of all lists: {:.1} MiB; of an answer: {:.1} MiB", mib(sum), mib(size as u64));
    peak(&addresses, mib(sum)).await
}

/// What one call adds at most to the memory of a program that has answered none.
async fn peak(addresses: &[String], sum: f64) -> Outcome {
    let swarm = Swarm::start(addresses, SWEEPS, (INSTANCES * MEETINGS) as u64).await?;
    tokio::time::sleep(std::time::Duration::from_secs(12)).await; // the sweeps' own memory is given back
    swarm.process.forget_peak()?;
    let (before, _) = swarm.process.memory()?;
    let asked = signed("getMeetings", "", TENANTS[0]);
    Connection::open(&swarm.address).await?.exchange(&asked).await?;
    let (_, most) = swarm.process.memory()?;
    let added = most.saturating_sub(before) as f64 / f64::from(1 << 20);
    println!(
        "memory that one call adds at most: {added:.1} MiB, {:.2} of all lists\n",
        added / sum
    );
    Ok(())
}

/// The sum of what all instances list.
async fn list_bytes(addresses: &[String]) -> Outcome<u64> {
    let mut sum = 0;
    for address in addresses {
        let asked = crate::swarm::request("GET", "/bigbluebutton/api/getMeetings", "a", "", "");
        sum += Connection::open(address).await?.exchange(&asked).await?.body.len() as u64;
    }
    Ok(sum)
}
