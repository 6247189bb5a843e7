//! When the store may have gone back to an older state: what it does not know is asked for, and what
//! we know is written again.

use tracing::{info, warn};

use super::queue::Then;
use super::table::Lost;
use super::{MeetingsState, Sweep};
use crate::determinism::HashMap;
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::moment::Moment;
use crate::outside::store::Becomes;

/// Whether a meeting may live that the store does not know.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// The store's incarnation as seen last.
    seen: u64,
    since: Option<Moment>,
    /// When each instance's last sweep since then was sent.
    swept: HashMap<InstanceId, Moment>,
}

impl Doubt {
    /// Takes the store's incarnation; whether it is a new one, from which on doubt stands.
    fn arises(&mut self, incarnation: u64, now: Moment) -> bool {
        if std::mem::replace(&mut self.seen, incarnation) == incarnation {
            return false;
        }
        self.since = Some(now);
        true
    }

    pub(super) fn stands(&self) -> bool {
        self.since.is_some()
    }

    /// A sweep was taken in; one of each instance that began after the doubt ends it.
    fn swept(&mut self, sweep: &Sweep, roster: &Roster) {
        let Some(since) = self.since else { return };
        self.swept.insert(sweep.instance.clone(), sweep.asked_at);
        let heard = |id| self.swept.get(id).is_some_and(|&asked_at| asked_at > since);
        let mut living = roster.members().iter().filter(|member| !member.lost_meetings());
        if living.all(|member| heard(&member.instance.id)) {
            info!("every instance was heard since the store's state changed");
            self.since = None;
            self.swept.clear();
        }
    }
}

impl MeetingsState {
    /// Looks whether the store that has just answered is the one we knew.
    pub(super) fn look_at_store(&mut self) {
        if self.doubt.arises(self.store.incarnation(), self.clock.now()) {
            warn!(
                "the store's state may be an older one: instances are asked for what it does not know"
            );
            self.table.rolled_back(self.doubt.since);
            self.load();
            self.recall();
        }
    }

    /// A sweep was taken in, which may end the doubt.
    pub(super) fn doubt_swept(&mut self, sweep: &Sweep) {
        self.doubt.swept(sweep, &self.roster);
        self.table.rolled_back(self.doubt.since);
    }

    /// Meetings that live as far as we know, and of which the store knows nothing or an older state, are made known to
    /// it again, unless somebody else was quicker. Should one of them have ended, a sweep removes it as any other.
    pub(super) fn write_again(&mut self) {
        let lost = self.table.take_lost();
        if !lost.is_empty() {
            warn!(routes = lost.len(), "the store has lost routes: they are written again");
        }
        for Lost { key, tenant, instance, instead } in lost {
            let of = self.of(key, tenant);
            self.change(of, instead, Becomes::Adopted { instance }, Then::Quiet);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::bbb::checksum::Algorithm;
    use crate::domain::instance::{AdminState, Health, Instance, Member};
    use crate::domain::secret::Secret;

    fn member(url: &str, health: Health) -> Member {
        let instance = Instance::new(url, Secret::new("s"), Algorithm::Sha256).expect("a URL");
        Member {
            instance: Arc::new(instance),
            admin: AdminState::Enabled,
            lost: health == Health::Dead,
            same_server: Default::default(),
            retired: false,
            retired_since: None,
            silent_since: None,
            health,
            why: None,
            swept: true,
            tags: Vec::new(),
        }
    }

    fn at(secs: u64) -> Moment {
        Moment(Duration::from_secs(secs))
    }

    #[test]
    fn doubt_stands_until_every_living_instance_was_swept_since() {
        let (up, dead) = (Health::Up, Health::Dead);
        let members = [("http://a", up), ("http://b", up), ("http://c", dead)];
        let roster = Roster::new(members.map(|(url, health)| member(url, health)).into());
        let sweep = |url: &str, secs| Sweep {
            instance: InstanceId::new(url),
            asked_at: at(secs),
            shared: false,
            seen: Vec::new(),
        };
        let mut doubt = Doubt::default();
        assert!(!doubt.arises(0, at(10)) && !doubt.stands());
        assert!(doubt.arises(1, at(20)) && !doubt.arises(1, at(21)));
        for (url, secs, stands) in
            [("http://a", 19, true), ("http://b", 25, true), ("http://a", 26, false)]
        {
            doubt.swept(&sweep(url, secs), &roster);
            assert_eq!(doubt.stands(), stands, "{url} at {secs}");
        }
    }
}
