//! What operators should see to: gathered for whoever asks, and said once in the log.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::World;
use crate::determinism::HashSet;
use crate::domain::notice::{self, Notice};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So many are said in the log at a time, and remembered as said.
const MOST: usize = 1_000;

/// All there is now; empty of what can't be asked at the moment.
pub async fn notices(world: &World) -> Vec<Notice> {
    let actors = &world.actors;
    let (roster, reading, documents) =
        tokio::join!(actors.registry.roster(), actors.metrics.current(), actors.tenants.list());
    let mut all = match (roster, reading, documents) {
        (Ok(roster), Ok(reading), Ok(documents)) if roster.loaded => {
            notice::notices(&reading.loads, &roster, &documents)
        }
        _ => Vec::new(),
    };
    if world.config.callbacks.base_url.is_none() && actors.callbacks.are_wanted() {
        all.push(notice::no_base_url());
    }
    all
}

/// Says in the log what is new, once, and when all is well again. Has no end.
pub async fn watch(world: World) {
    let mut said = HashSet::default();
    loop {
        let now: HashSet<_> = notices(&world).await.into_iter().collect();
        metrics::gauge!("bigblueswarm_notices").set(now.len() as f64);
        let was_there = !said.is_empty();
        said.retain(|notice| now.contains(notice));
        for notice in now {
            if said.len() < MOST && !said.contains(&notice) {
                warn!(part = notice.part, "{}", notice.why);
                said.insert(notice);
            }
        }
        if was_there && said.is_empty() {
            info!("what operators were warned of is as it should be now");
        }
        sleep(LOOK_EVERY).await;
    }
}
