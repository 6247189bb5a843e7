//! What replicas tell each other of the instances' health.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::pool::Pool;
use super::{Registry, RegistryState};
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::InstanceMark;
use crate::domain::moment::Moment;
use crate::outside::store::peers::{MOST_NAMED, Outlook};

/// A replica that says nothing for so long is not there any more.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// So many replicas are listened to.
const MOST_REPLICAS: usize = 64;

/// What other replicas doubt, as each said it last.
#[derive(Default)]
pub(super) struct Others(HashMap<u64, (Moment, HashSet<InstanceMark>)>);

impl Others {
    /// Takes what a replica doubts; what it did not doubt before.
    fn doubt(&mut self, by: u64, doubts: HashSet<InstanceMark>, now: Moment) -> Vec<InstanceMark> {
        self.0.retain(|_, (heard, _)| now.since(*heard) < SILENT_FOR);
        if self.0.len() >= MOST_REPLICAS && !self.0.contains_key(&by) {
            return Vec::new();
        }
        let before = self.0.insert(by, (now, doubts.clone()));
        let known = |mark: &InstanceMark| before.as_ref().is_some_and(|(_, b)| b.contains(mark));
        doubts.into_iter().filter(|mark| !known(mark)).collect()
    }
}

impl Registry {
    /// What another replica saw. What it reached is not dead; what it doubts is suspect here as well, unless
    /// it doubts too much.
    pub(super) fn told(&self, by: u64, outlook: Outlook, state: &mut RegistryState) {
        let (now, believed) = (self.clock.now(), outlook.is_credible());
        let mut changed = false;
        for (mark, millis) in &outlook.reached {
            let at = now.before(Duration::from_millis(*millis));
            if let Some((id, watch)) = state.pool.marked(*mark)
                && watch.reached_elsewhere(at)
            {
                info!(instance.id = %id, "instance is not dead: another replica reaches it");
                changed = true;
            }
        }
        let doubts =
            if believed { outlook.doubts.into_iter().collect() } else { HashSet::default() };
        for mark in state.others.doubt(by, doubts, now) {
            if let Some((id, watch)) = state.pool.marked(mark)
                && watch.doubted_elsewhere(by)
            {
                warn!(instance.id = %id, "instance is suspect: another replica doubts it");
                changed = true;
            }
        }
        if !believed {
            let back =
                state.pool.watches_mut().filter_map(|watch| watch.believed_again(by).then_some(()));
            if back.count() > 0 {
                debug!("another replica doubts most instances: it is not believed");
                changed = true;
            }
        }
        if changed {
            self.publish(state);
        }
    }

    /// What we saw, for other replicas; whom we reached since then.
    pub(super) fn outlook(&self, pool: &Pool, since: Moment) -> Outlook {
        let now = self.clock.now();
        let mut outlook = Outlook { of: pool.records.len(), ..Outlook::default() };
        for (id, watch) in pool.watches() {
            let mark = id.mark();
            if let Some(at) =
                watch.reached_since(since).filter(|_| outlook.reached.len() < MOST_NAMED)
            {
                let millis = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
                outlook.reached.push((mark, millis));
            }
            if watch.is_doubted_here() {
                outlook.doubted += 1;
                if outlook.doubts.len() < MOST_NAMED {
                    outlook.doubts.push(mark);
                }
            }
        }
        outlook
    }
}
