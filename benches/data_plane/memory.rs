//! What a large swarm takes: 100 instances with 20,000 meetings, swept twice.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::client::Connection;
use crate::process::Running;
use crate::swarm::{Swarm, request};

const INSTANCES: usize = 100;
const MEETINGS: usize = 200;
/// Swept more often than usual, so that the wait is short.
const SWEEPS: &str = "health:\n  sweepInterval: 4s\n";

pub(crate) async fn measure() -> Outcome {
    let backend = Running::role(&["backend", &INSTANCES.to_string(), &MEETINGS.to_string()])?;
    let addresses = backend.addresses();
    let known = (INSTANCES * MEETINGS) as u64;
    let swarm = Swarm::start(&addresses, SWEEPS, known).await?;
    let (first, _) = swarm.process.memory()?;
    let seen = sweeps(&addresses[0]).await?;
    while sweeps(&addresses[0]).await? < seen + 2 {
        sleep(Duration::from_millis(100)).await;
    }
    // What the last of them has begun ends meanwhile.
    sleep(Duration::from_secs(1)).await;
    let (now, most) = swarm.process.memory()?;
    println!("memory with {INSTANCES} instances and {known} meetings known\n");
    println!("| | MiB resident |");
    println!("|---|---|");
    for (when, bytes) in
        [("all meetings found", first), ("two sweeps later", now), ("at most", most)]
    {
        println!("| {when} | {:.0} |", bytes as f64 / f64::from(1 << 20));
    }
    println!();
    Ok(())
}

/// How often the list of every instance was asked for.
async fn sweeps(backend: &str) -> Outcome<usize> {
    let mut connection = Connection::open(backend).await?;
    let asked = request("GET", "/bigbluebutton/api/sweeps", "a", "", "");
    let answer = connection.exchange(&asked).await?;
    Ok(std::str::from_utf8(&answer.body)?.parse()?)
}
