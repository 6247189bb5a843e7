//! Of which instances it is not known what lives on them: those that were not swept yet, and all of them when the store may
//! have gone back to an older state. What nobody knows is asked for there, and what we know is written again.

use std::time::Duration;

use tracing::{info, warn};

use super::claims::Of;
use super::queue::Then;
use super::table::Lost;
use super::{MeetingsState, Sweep};
use crate::determinism::HashMap;
use crate::domain::instance::{InstanceId, Member, Roster};
use crate::domain::meeting::RouteState;
use crate::domain::moment::Moment;
use crate::outside::store::Becomes;

/// Where a meeting may live of which nobody knows.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// The store's incarnation as seen last.
    seen: u64,
    /// Since when the store may not know what lives.
    since: Option<Moment>,
    /// When each instance's last sweep was sent.
    swept: HashMap<InstanceId, Moment>,
    /// Since when each instance is in the pool without having been swept.
    unswept: HashMap<InstanceId, Moment>,
    /// So long an instance that is never swept is waited for (`health.unknownFor`).
    most: Duration,
}

impl Doubt {
    pub(super) fn configure(&mut self, most: Duration) {
        self.most = most;
    }

    /// Takes the store's incarnation; whether it is a new one, from which on doubt stands.
    fn arises(&mut self, incarnation: u64, now: Moment) -> bool {
        if std::mem::replace(&mut self.seen, incarnation) == incarnation {
            return false;
        }
        self.since = Some(now);
        true
    }

    /// Whether the store may not know what lives.
    pub(super) fn stands(&self, now: Moment) -> bool {
        self.since.is_some_and(|since| now.since(since) < self.most)
    }

    /// Whether routes that this program read at its start, at `loaded_at`, may be older ones that no list has shown yet:
    /// the store may have been put back before.
    pub(super) fn covers_start(&self, loaded_at: Option<Moment>, now: Moment) -> bool {
        loaded_at.is_none_or(|loaded| now.since(loaded) < self.most)
    }

    /// The pool is this now.
    pub(super) fn follow(&mut self, roster: &Roster, now: Moment) {
        self.swept.retain(|id, _| roster.get(id).is_some());
        self.unswept.retain(|id, _| roster.get(id).is_some_and(|member| !member.swept));
        for member in roster.members().iter().filter(|member| !member.swept) {
            self.unswept.entry(member.instance.id.clone()).or_insert(now);
        }
    }

    /// A sweep was taken in; one of each instance that began after the doubt ends it, and so does time.
    fn swept(&mut self, sweep: &Sweep, roster: &Roster, now: Moment) {
        self.swept.insert(sweep.instance.clone(), sweep.asked_at);
        if self.since.is_none() {
            return;
        }
        if !self.stands(now) {
            warn!(
                "some instances were not heard since the store's state changed: they are waited for no longer"
            );
            self.since = None;
        } else if !roster.servers().any(|member| self.is_doubted(member, now)) {
            info!("every instance was heard since the store's state changed");
            self.since = None;
        }
    }

    /// Whether meetings may live on this instance that the store has lost.
    fn is_doubted(&self, member: &Member, now: Moment) -> bool {
        let since = self.since.filter(|_| self.stands(now) && !member.lost_meetings());
        let swept = self.swept.get(&member.instance.id);
        since.is_some_and(|since| swept.is_none_or(|&asked_at| asked_at <= since))
    }

    /// Whether meetings may live on this instance of which nobody knows.
    fn is_open(&self, member: &Member, now: Moment) -> bool {
        let is_new = || {
            let since = self.unswept.get(&member.instance.id);
            since.is_none_or(|&since| now.since(since) < self.most)
        };
        let unheard = !member.swept && !member.lost_meetings() && is_new();
        unheard || self.is_doubted(member, now)
    }

    /// The instances on which meetings may live of which nobody knows.
    pub(super) fn open(&self, roster: &Roster, now: Moment) -> Vec<InstanceId> {
        let open = roster.servers().filter(|member| self.is_open(member, now));
        open.map(|member| member.instance.id.clone()).collect()
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
        self.doubt.swept(sweep, &self.roster, self.clock.now());
        self.table.rolled_back(self.doubt.since);
        self.table.note_lost_again(&sweep.instance);
        self.write_again();
    }

    /// Meetings that live or are being made as far as we know, and of which the store knows nothing or an older state, are
    /// made known to it again, unless somebody else was quicker. Should one of them have ended, a sweep removes it as any other.
    ///
    /// They get the versions that they had: so a replica that knows a later state writes that over it, and of all that is
    /// known the latest comes to stand.
    pub(super) fn write_again(&mut self) {
        let lost = self.table.take_lost();
        if !lost.is_empty() {
            warn!(routes = lost.len(), "the store has lost routes: they are written again");
        }
        for Lost { key, tenant, route, instead } in lost {
            let becomes = match route.state {
                RouteState::Ending => Becomes::State(RouteState::Ending),
                RouteState::Confirmed => Becomes::Adopted { instance: route.instance },
                // Its create goes on.
                RouteState::Claimed => {
                    let candidates = vec![route.instance];
                    Becomes::Moved { candidates, tomb: false, most: None }
                }
            };
            let of = Of { key, meeting: route.meeting, tenant, internal: route.internal };
            self.change_to(of, (instead, route.version), becomes, Then::Again);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::bbb::checksum::Algorithm;
    use crate::domain::instance::{Health, Instance, Member};
    use crate::domain::secret::Secret;

    fn member(url: &str, health: Health) -> Member {
        let instance = Instance::new(url, Secret::new("s"), Algorithm::Sha256).expect("a URL");
        Member { lost: health == Health::Dead, health, ..Member::new(Arc::new(instance)) }
    }

    fn at(secs: u64) -> Moment {
        Moment(Duration::from_secs(secs))
    }

    fn sweep(url: &str, secs: u64) -> Sweep {
        let instance = InstanceId::new(url);
        Sweep { instance, asked_at: at(secs), shared: false, seen: Vec::new() }
    }

    fn pool(swept: [bool; 3]) -> Roster {
        let (up, dead) = (Health::Up, Health::Dead);
        let members = [("http://a", up), ("http://b", up), ("http://c", dead)];
        let members = members.into_iter().zip(swept);
        Roster::new(
            members.map(|((url, health), swept)| Member { swept, ..member(url, health) }).collect(),
        )
    }

    fn doubt() -> Doubt {
        Doubt { most: Duration::from_secs(120), ..Doubt::default() }
    }

    /// The instances at which it is asked, by the ends of their names.
    fn open(doubt: &Doubt, roster: &Roster, secs: u64) -> String {
        doubt.open(roster, at(secs)).iter().map(|id| id.as_str().replace("http://", "")).collect()
    }

    #[test]
    fn the_store_is_doubted_for_each_living_instance_until_it_was_swept_since_and_not_for_ever() {
        let (roster, mut doubt) = (pool([true; 3]), doubt());
        assert!(!doubt.arises(0, at(10)) && !doubt.stands(at(10)));
        assert!(doubt.arises(1, at(20)) && !doubt.arises(1, at(21)));
        assert_eq!(open(&doubt, &roster, 21), "ab");
        for (url, secs, stands, expected) in
            [("http://a", 19, true, "ab"), ("http://b", 25, true, "a"), ("http://a", 26, false, "")]
        {
            doubt.swept(&sweep(url, secs), &roster, at(27));
            assert_eq!(doubt.stands(at(27)), stands, "{url} at {secs}");
            assert_eq!(open(&doubt, &roster, 27), expected, "{url} at {secs}");
        }
        assert!(doubt.arises(2, at(30)));
        doubt.swept(&sweep("http://a", 31), &roster, at(31));
        assert_eq!((doubt.stands(at(149)), &*open(&doubt, &roster, 149)), (true, "b"));
        assert_eq!((doubt.stands(at(150)), &*open(&doubt, &roster, 150)), (false, ""));
    }

    #[test]
    fn an_instance_that_was_never_swept_is_asked_until_it_is_or_was_waited_for_long_enough() {
        let mut doubt = doubt();
        let roster = pool([true, false, true]);
        doubt.follow(&roster, at(10));
        doubt.follow(&roster, at(50));
        assert_eq!(open(&doubt, &roster, 129), "b");
        assert_eq!(open(&doubt, &roster, 130), "");
        let swept = pool([true; 3]);
        doubt.follow(&swept, at(131));
        assert_eq!(open(&doubt, &swept, 131), "");
        doubt.follow(&roster, at(140)); // it left, and is new
        assert_eq!(open(&doubt, &roster, 141), "b");
    }
}
