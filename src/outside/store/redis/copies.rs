//! Whether what is written has a copy on a replica, which a failover would promote.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;
use tracing::warn;

/// So long a missing copy is told of.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// What is known of replicas. Clones know the same.
#[derive(Clone, Default)]
pub(super) struct Copies(Arc<ArcSwap<HashMap<String, Copy>>>);

/// Of one server.
#[derive(Clone, Default)]
struct Copy {
    /// Its replicas, as seen last.
    replicas: u64,
    /// Whether it ever had one.
    had: bool,
    /// When none had acknowledged in time.
    missed: Option<Instant>,
}

impl Copies {
    /// No replica of this server acknowledged in time.
    pub(super) fn missed(&self, server: &str) {
        metrics::counter!("bigblueswarm_store_uncopied_total").increment(1);
        let now = Instant::now();
        let known = self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(server.to_owned()).or_default().missed = Some(now);
            known
        });
        let fresh = |copy: &Copy| copy.missed.is_some_and(|at| at.elapsed() < TOLD_FOR);
        if !known.get(server).is_some_and(fresh) {
            warn!(server, "no Redis replica has acknowledged in time what was written");
        }
    }

    /// The masters there are, and how many replicas each has.
    pub(super) fn seen(&self, masters: &[(String, u64)]) {
        let all: u64 = masters.iter().map(|(_, replicas)| replicas).sum();
        metrics::gauge!("bigblueswarm_store_replicas").set(all as f64);
        self.0.rcu(|known| {
            let copy = |(name, replicas): &(String, u64)| {
                let mut copy = known.get(name).cloned().unwrap_or_default();
                (copy.replicas, copy.had) = (*replicas, copy.had || *replicas > 0);
                (name.clone(), copy)
            };
            masters.iter().map(copy).collect::<HashMap<_, _>>()
        });
    }

    /// What an operator should know: a failover now would lose what was written lately.
    pub(super) fn ailment(&self) -> Option<String> {
        let known = self.0.load();
        let mut lacking: Vec<_> = known.iter().filter_map(|(name, copy)| copy.ails(name)).collect();
        lacking.sort_unstable();
        (!lacking.is_empty()).then(|| lacking.join("; "))
    }
}

impl Copy {
    fn ails(&self, name: &str) -> Option<String> {
        if self.had && self.replicas == 0 {
            return Some(format!("Redis server {name} has lost its replicas"));
        }
        let missed = self.missed.is_some_and(|at| at.elapsed() < TOLD_FOR);
        missed.then(|| format!("replicas of Redis server {name} are behind"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_operator_hears_of_lost_replicas_and_of_those_that_are_behind() {
        let copies = Copies::default();
        let see = |replicas| copies.seen(&[("a:1".into(), replicas), ("b:1".into(), 0)]);
        see(0);
        assert_eq!(copies.ailment(), None, "one that never had any");
        see(1);
        assert_eq!(copies.ailment(), None);
        copies.missed("a:1");
        assert_eq!(copies.ailment().as_deref(), Some("replicas of Redis server a:1 are behind"));
        see(0);
        let lost = "Redis server a:1 has lost its replicas";
        assert_eq!(copies.ailment().as_deref(), Some(lost));
        see(1);
        tokio::time::advance(TOLD_FOR).await;
        assert_eq!(copies.ailment(), None);
        copies.missed("a:1");
        copies.seen(&[("b:1".into(), 0)]);
        assert_eq!(copies.ailment(), None, "it is a master no more");
    }
}
