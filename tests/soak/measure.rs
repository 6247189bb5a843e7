//! What is used over time, and whether it grows.

use std::time::Duration;

use procfs::process::Process;
use tokio::time::{Instant, sleep};

use crate::ground::Ground;
use crate::plan::REPLICAS;

const EVERY: Duration = Duration::from_secs(5);

/// What was seen of one quantity: moments in milliseconds, and values.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(u64, u64)>,
    /// The median of the last quarter may be that of the third, and so much more.
    pub(crate) bound: Option<Bound>,
}

/// So many percent, and so many besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound(pub(crate) u64, pub(crate) u64);

const RSS: Bound = Bound(5, 4 << 10);
const DESCRIPTORS: Bound = Bound(20, 16);
const KEYS: Bound = Bound(25, 20);

impl Series {
    /// The median of each quarter of the time; none where nothing was seen.
    pub(crate) fn quarters(&self) -> [Option<u64>; 4] {
        let whole = self.points.last().map_or(0, |(at, _)| *at) + 1;
        [0, 1, 2, 3].map(|quarter| {
            let within = |at: u64| at * 4 / whole == quarter;
            let of_quarter = self.points.iter().filter(|(at, _)| within(*at));
            let mut values: Vec<u64> = of_quarter.map(|(_, value)| *value).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        })
    }

    /// Whether the second half is not flat.
    pub(crate) fn grows(&self) -> bool {
        let [.., third, last] = self.quarters();
        let most = |third: u64, Bound(share, more): Bound| third + third * share / 100 + more;
        match (self.bound, third, last) {
            (Some(bound), Some(third), Some(last)) => last > most(third, bound),
            _ => false,
        }
    }
}

/// Looks at balancers and Redis until then.
pub(crate) async fn watch(ground: &Ground, began: Instant, end: Instant) -> Vec<Series> {
    let mut all = series();
    for n in 0_u64.. {
        let at = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let values = now(ground).await;
        for (series, value) in all.iter_mut().zip(values) {
            series.points.extend(value.map(|value| (at, value)));
        }
        if n % 12 == 0 {
            tell(at, &all);
        }
        if Instant::now() + EVERY > end {
            break;
        }
        sleep(EVERY).await;
    }
    all
}

/// For each replica its memory in KiB and its descriptors, then the keys in Redis.
fn series() -> Vec<Series> {
    let of_replica = |n: usize| {
        // Only the first is never killed.
        let bound = |bound| (n == 0).then_some(bound);
        let series = |what: &str, bound| Series {
            name: format!("balancer {}, {what}", n + 1),
            points: Vec::new(),
            bound,
        };
        [series("KiB", bound(RSS)), series("descriptors", bound(DESCRIPTORS))]
    };
    let keys = Series { name: "keys in Redis".to_owned(), points: Vec::new(), bound: Some(KEYS) };
    (0..REPLICAS).flat_map(of_replica).chain([keys]).collect()
}

async fn now(ground: &Ground) -> Vec<Option<u64>> {
    let mut values = Vec::new();
    for replica in &ground.replicas {
        let id = replica.program.try_lock().ok();
        let id = id.and_then(|program| program.as_ref().map(|program| program.id()));
        let process = id.and_then(|id| Process::new(i32::try_from(id).ok()?).ok());
        values.push(process.as_ref().and_then(|process| process.status().ok()?.vmrss));
        values.push(process.and_then(|process| process.fd_count().ok()).map(|n| n as u64));
    }
    values.push(ground.keys().await);
    values
}

fn tell(at: u64, all: &[Series]) {
    let last = |series: &Series| series.points.last().map_or(0, |(_, value)| *value);
    let words: Vec<_> = all.iter().map(|one| format!("{} {}", one.name, last(one))).collect();
    eprintln!("{:>5} s: {}", at / 1_000, words.join("; "));
}
