//! getRecordings of 50,000 recordings over ten instances: pages from the index, and all of a tenant's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::calls::signed;
use crate::client::{Connection, round};
use crate::figures::{Figures, costing};
use crate::process::Running;
use crate::swarm::{Swarm, request};
use crate::texts::TENANTS;

const INSTANCES: usize = 10;
const RECORDINGS: usize = 5_000;
const ALL: usize = INSTANCES * RECORDINGS;

/// What is asked, how often in a round, and what every answer holds.
const CALLS: [(&str, usize, &str); 5] = [
    ("limit=50", 200, "<totalElements>25000</totalElements>"),
    ("limit=50&offset=24900", 200, "<totalElements>25000</totalElements>"),
    ("limit=50&meetingID=room-12,room-345", 200, "<totalElements>"),
    ("limit=50&meta_bbb-context=%25urse%2012", 50, "<totalElements>"),
    ("", 2, "</recordings>"),
];

pub(crate) async fn measure() -> Outcome {
    let words = ["backend", &INSTANCES.to_string(), "0", &RECORDINGS.to_string()];
    let backend = Running::role(&words)?;
    let swarm = Swarm::start(&backend.addresses(), "", 0).await?;
    let (before, _) = swarm.process.memory()?;
    let (known, bytes) = until_known(&swarm.address).await?;
    // What the sweeps needed is given back meanwhile.
    sleep(Duration::from_secs(15)).await;
    let (after, most) = swarm.process.memory()?;
    println!(
        "getRecordings of {known} recordings on {INSTANCES} instances, half of them the tenant's\n"
    );
    println!("| query | ms p50 | ms p99 | CPU ms per call |\n|---|---|---|---|");
    for (query, calls, text) in CALLS {
        let asked = Arc::new(vec![signed("getRecordings", query, TENANTS[0]); calls]);
        round(&swarm.address, 1, Arc::new(vec![asked[0].clone()]), 200, text).await?;
        let sent = round(&swarm.address, 1, asked, 200, text);
        let (round, cpu) = costing(&swarm.process, sent).await?;
        let Figures { p50, p99, cpu, .. } = Figures::of(&round, cpu);
        println!("| `{query}` | {p50:.1} | {p99:.1} | {:.2} |", cpu / 1e3);
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "\nmemory: {:.0} MiB before, {:.0} MiB with all known, {:.0} MiB at most while they were read; {:.1} MiB of it are their bytes, packed\n",
        mib(before),
        mib(after),
        mib(most),
        mib(bytes),
    );
    Ok(())
}

/// Waits until all recordings are known; answers how many, and the bytes that are kept of them.
async fn until_known(address: &str) -> Outcome<(u64, u64)> {
    for _ in 0..600 {
        let mut connection = Connection::open(address).await?;
        let answer = connection.exchange(&request("GET", "/metrics", "a", "", "")).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse::<f64>().ok()).unwrap_or_default() as u64
        };
        if figure("bigblueswarm_recordings_known") == ALL as u64
            && figure("bigblueswarm_recordings_unstored") == 0
        {
            return Ok((ALL as u64, figure("bigblueswarm_recordings_bytes")));
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err("the program did not find all recordings".into())
}
