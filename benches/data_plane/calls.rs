//! The calls that read: join against two hashes and a map, the others against a bare proxy.

use std::sync::Arc;

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bytes::Bytes;

use crate::client::{Round, round};
use crate::figures::{Figures, costing, median};
use crate::process::Running;
use crate::swarm::{Swarm, request};
use crate::{Outcome, texts};

/// Instances, and meetings on each.
const INSTANCES: usize = 4;
pub(crate) const MEETINGS: usize = 250;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 7;

/// A call that is measured.
struct Measured {
    call: &'static str,
    query: &'static str,
    requests: usize,
    status: u16,
    /// What every answer holds.
    text: &'static str,
}

const CALLS: [Measured; 3] = [
    Measured {
        call: "join",
        query: "fullName=Ada+Lovelace&role=VIEWER&redirect=true&meetingID=",
        requests: 24_000,
        status: 302,
        text: "",
    },
    Measured {
        call: "getMeetingInfo",
        query: "meetingID=",
        requests: 12_000,
        status: 200,
        text: "<attendees>",
    },
    Measured {
        call: "isMeetingRunning",
        query: "meetingID=",
        requests: 12_000,
        status: 200,
        text: "<running>true</running>",
    },
];

/// Measures the calls that are wanted.
pub(crate) async fn measure(wanted: impl Fn(&str) -> bool) -> Outcome {
    if !CALLS.iter().any(|measured| wanted(measured.call)) {
        return Ok(());
    }
    let backend = Running::role(&["backend", &INSTANCES.to_string(), &MEETINGS.to_string()])?;
    let backends = backend.addresses();
    let floor = |role| {
        let words: Vec<&str> =
            [role].into_iter().chain(backends.iter().map(String::as_str)).collect();
        Running::role(&words)
    };
    let (join, proxy) = (floor("floor-join")?, floor("floor-proxy")?);
    let swarm = Swarm::start(&backends, "", (INSTANCES * MEETINGS) as u64).await?;
    println!("{CONNECTIONS} connections, medians of {ROUNDS} rounds, floor / ours / ratio\n");
    println!("| call | calls per second | CPU µs per call | p50 ms | p99 ms |");
    println!("|---|---|---|---|---|");
    for measured in CALLS.iter().filter(|measured| wanted(measured.call)) {
        let floor = if measured.call == "join" { &join } else { &proxy };
        compare(measured, floor, &swarm).await?;
    }
    println!();
    Ok(())
}

/// Rounds of the floor and of ours in turn.
async fn compare(measured: &Measured, floor: &Running, swarm: &Swarm) -> Outcome {
    let requests = Arc::new(requests(measured));
    let (mut floors, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let address = &floor.addresses()[0];
    for number in 0..=ROUNDS {
        let one = costing(floor, send(measured, address, &requests)).await?;
        let other = costing(&swarm.process, send(measured, &swarm.address, &requests)).await?;
        if number == 0 {
            continue; // the first round warms both up
        }
        let (one, other) = (Figures::of(&one.0, one.1), Figures::of(&other.0, other.1));
        ratios.push((other.rate / one.rate, other.cpu / one.cpu));
        floors.push(one);
        ours.push(other);
    }
    let (floor, ours) = (Figures::median(&floors), Figures::median(&ours));
    let rate = median(ratios.iter().map(|(rate, _)| *rate).collect());
    let cpu = median(ratios.iter().map(|(_, cpu)| *cpu).collect());
    println!(
        "| {} | {:.0} / {:.0} / {rate:.2} | {:.1} / {:.1} / {cpu:.2} | {:.2} / {:.2} | {:.2} / {:.2} |",
        measured.call,
        floor.rate,
        ours.rate,
        floor.cpu,
        ours.cpu,
        floor.p50,
        ours.p50,
        floor.p99,
        ours.p99,
    );
    Ok(())
}

async fn send(measured: &Measured, to: &str, requests: &Arc<Vec<Bytes>>) -> Outcome<Round> {
    round(to, CONNECTIONS, requests.clone(), measured.status, measured.text).await
}

/// Signed requests that name every meeting in turn.
fn requests(measured: &Measured) -> Vec<Bytes> {
    let meetings = (0..MEETINGS).flat_map(|meeting| (0..INSTANCES).map(move |n| (n, meeting)));
    let each: Vec<_> = meetings
        .map(|(n, meeting)| {
            let query = format!("{}{}", measured.query, texts::meeting_id(n, meeting));
            signed(measured.call, &query, texts::tenant(meeting))
        })
        .collect();
    each.iter().cycle().take(measured.requests).cloned().collect()
}

/// A tenant's call as it goes over the wire.
pub(crate) fn signed(call: &str, query: &str, (host, secret): (&str, &str)) -> Bytes {
    let signed = query::signed(query, call, secret, Algorithm::Sha256);
    request("GET", &format!("/bigbluebutton/api/{call}?{signed}"), host, "", "")
}
