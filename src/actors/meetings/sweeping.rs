//! Taking in what sweeps saw.

use std::sync::Arc;
use std::time::Duration;

use super::claims::Of;
use super::queue::Then;
use super::reconcile::{Findings, Found, reconcile};
use super::{MeetingsState, Sweep, ToDo};
use crate::determinism::HashSet;
use crate::domain::meeting::{InternalId, RouteState};
use crate::domain::moment::Moment;
use crate::outside::store::Becomes;

/// The store has answered, or failed to, long before this; but for a reading of everything.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// So many records are read after one sweep; the next sweep goes on.
const MOST_FETCHED: usize = 1_000;

impl MeetingsState {
    /// Compares a sweep with the routes, sends what follows to the store, and answers the copies to end.
    pub(super) fn swept(&mut self, sweep: &Sweep) -> ToDo {
        let now = self.clock.now();
        let oldest = self.loading.unwrap_or(now).0.min(now.0.saturating_sub(ANSWERS_WITHIN));
        self.table.forget_told(Moment(oldest));
        let Findings { adopt, confirm, remove, odd, fetch, strays, twins, end } =
            reconcile(&mut self.table, sweep, now, self.store.shared());
        self.sighted.saw(sweep, &adopt);
        self.names.listed(&sweep.instance, odd);
        if sweep.shared {
            self.fetch_unknown(&adopt);
        }
        for Found { key, tenant, meeting, internal } in adopt {
            // A meeting whose claim is being stored has a home in a moment.
            let claimed = self.claiming.contains_key(&(key, tenant.clone()));
            if !sweep.shared && !claimed && self.has_loaded() {
                let becomes = Becomes::Adopted { instance: sweep.instance.clone() };
                self.change(Of { key, meeting, tenant, internal }, None, becomes, Then::Quiet);
            }
        }
        for (key, tenant, version, news) in confirm {
            let becomes = Becomes::State(RouteState::Confirmed);
            let known = self.of(key, tenant);
            let of = Of { internal: news.or(known.internal), ..known };
            self.change(of, Some(version), becomes, Then::Quiet);
        }
        for (key, tenant, version) in remove {
            self.change(self.of(key, tenant), Some(version), Becomes::Removed, Then::Quiet);
        }
        if !fetch.is_empty() {
            self.fetch(fetch);
        }
        self.keep_strays(sweep, strays);
        self.doubt_swept(sweep);
        let twin = self.twin(sweep, &twins);
        self.take_from_aliases(sweep, twins);
        ToDo { end, twin, look_up: self.look_up(sweep) }
    }

    /// A meeting to learn from how the instance looks meetings up, if that is due.
    fn look_up(&mut self, sweep: &Sweep) -> Option<InternalId> {
        let mut lives = sweep.seen.iter().filter(|seen| !seen.ended);
        let internal = lives.find_map(|seen| seen.internal.clone())?;
        self.names.ask(&sweep.instance, self.clock.now()).then_some(internal)
    }

    /// What another replica found without a route here is one that it makes, or that we missed.
    fn fetch_unknown(&self, found: &[Found]) {
        let keys: Vec<_> = found.iter().map(|found| found.key).take(MOST_FETCHED).collect();
        if !keys.is_empty() && self.has_loaded() {
            self.fetch(keys);
        }
    }

    fn keep_strays(&mut self, sweep: &Sweep, strays: HashSet<super::Stray>) {
        let before = self.strays.get(&sweep.instance);
        if before.map_or(strays.is_empty(), |before| *before == strays) {
            return;
        }
        self.strays.insert(sweep.instance.clone(), strays);
        self.all_strays = Arc::new(self.strays.values().flatten().cloned().collect());
    }
    /// The copies that sweeps saw. A meeting may have come to live since then where a copy was before; and while memory is
    /// not to be believed, or the meeting that it knows has ended, rather two are shown than none.
    pub(super) fn hidden(&self) -> Arc<HashSet<super::Stray>> {
        let has_come = |stray: &super::Stray| {
            let slot = self.table.get(&stray.meeting.key(), &stray.tenant);
            slot.is_some_and(|slot| {
                let is_home = slot.route.instance == stray.instance;
                is_home || slot.route.state == RouteState::Ending || !self.trusts(slot)
            })
        };
        if !self.all_strays.iter().any(has_come) {
            return self.all_strays.clone();
        }
        Arc::new(self.all_strays.iter().filter(|stray| !has_come(stray)).cloned().collect())
    }
}
