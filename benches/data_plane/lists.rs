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
    let copier = floor.addresses()[0].clone();
    let (asked, ours) = (signed("getMeetings", "", TENANTS[0]), swarm.address.clone());
    let size = Connection::open(&ours).await?.exchange(&asked).await?.body.len();
    let requests = Arc::new(vec![asked; REQUESTS]);
    println!(
        "getMeetings of {INSTANCES} instances with {} meetings, one call after another\n",
        INSTANCES * MEETINGS
    );
    println!(
        "| meetings that changed since the last call | copy: ms p50, CPU ms | merge: ms p50, CPU ms | CPU, ratio |\n|---|---|---|---|"
    );
    for (tenths, changed) in [(0, "none"), (1, "a fifth"), (10, "all")] {
        changing(&addresses[0], tenths).await?;
        let (mut copies, mut merges, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..=ROUNDS {
            let copied = round(&copier, 1, requests.clone(), 200, "");
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
            "| {changed} | {:.1}, {:.1} | {:.1}, {:.1} | {:.2} |",
            copy.p50,
            copy.cpu / 1e3,
            merge.p50,
            merge.cpu / 1e3,
            median(ratios)
        );
    }
    println!();
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

/// Has every instance change so many tenths of its list from answer to answer.
async fn changing(backend: &str, tenths: usize) -> Outcome {
    let target = format!("/bigbluebutton/api/changing?{tenths}");
    let asked = crate::swarm::request("GET", &target, "a", "", "");
    Connection::open(backend).await?.exchange(&asked).await?;
    Ok(())
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
