//! Telling other replicas what was seen of the instances' health.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::World;
use crate::domain::moment::Moment;
use crate::outside::store::peers::News;

/// How often it is looked whether there is a new doubt, which is told at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the rest is told at least; twice between two probes in any case, so that an instance which
/// others reach is known to be reached before so many probes failed that it would be dead.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Tells for ever, if there may be anybody to tell.
pub async fn tell(world: World) {
    if !world.store.shared() {
        return std::future::pending().await;
    }
    let (mut since, mut doubts, mut told_at) = (Moment::default(), Vec::new(), Instant::now());
    loop {
        sleep(LOOK_EVERY).await;
        let now = world.clock.now();
        let Ok(mut outlook) = world.actors.registry.outlook(since).await else { continue };
        outlook.doubts.sort_unstable();
        let changed = outlook.doubts != doubts;
        let every = TELL_EVERY.min(world.health_rules().await.probe_interval / 2);
        let says = !outlook.doubts.is_empty() || !outlook.reached.is_empty();
        if changed || (says && told_at.elapsed() >= every) {
            (since, doubts, told_at) = (now, outlook.doubts.clone(), Instant::now());
            world.store.tell(&News::Health(outlook)).await;
        }
    }
}
