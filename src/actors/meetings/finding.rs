//! Finding where a meeting lives: from memory, or from a store that others write too.

use tracing::warn;

use super::table::Slot;
use super::{Asker, MeetingsMessage, MeetingsState, RouteError, Waiter, Where};
use crate::actors::{answer, settle_stored};
use crate::domain::meeting::{MeetingId, RouteKey, RouteRecord, RouteState};
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;
use crate::outside::store::StoreError;

/// So many askers may wait for one record.
const MOST_ASKERS: usize = 4_096;

impl MeetingsState {
    pub(super) fn find(&mut self, meeting: &MeetingId, asker: Asker) {
        let key = meeting.key();
        if !self.claiming.is_empty()
            && let Some(waiting) = self.claiming.get_mut(&(key, asker.tenant.clone()))
        {
            return waiting.push(Waiter::Find(asker));
        }
        let slot = self.table.get(&key, &asker.tenant);
        if slot.map_or_else(|| self.complete(), |slot| self.trusts(slot)) {
            let found = self.told(slot, &key, &asker.tenant);
            return self.tell(&key, asker, found);
        }
        self.fetch_for(key, asker);
    }

    /// Answers what was found. A user who joins is counted, or refused when the tenant has too many; one
    /// whose meeting is still on its way waits outside and is not.
    pub(super) fn tell(&mut self, key: &RouteKey, asker: Asker, found: Where) {
        let Asker { tenant, joins, reply_to } = asker;
        let full = joins.is_some_and(|pool| {
            let lives = matches!(&found, Where::At(home) if !home.released && home.state != RouteState::Claimed);
            let at_least = if self.roster.all_heard() { 0 } else { pool.measured };
            lives && !self.admit(key, &tenant, pool.most, at_least)
        });
        answer(reply_to, if full { Err(RouteError::UsersFull) } else { Ok(found) });
    }

    /// What memory says.
    pub(super) fn found(&self, key: &RouteKey, tenant: &TenantId) -> Where {
        self.told(self.table.get(key, tenant), key, tenant)
    }

    fn told(&self, slot: Option<&Slot>, key: &RouteKey, tenant: &TenantId) -> Where {
        if let Some(home) = slot.and_then(|slot| self.home(*key, &slot.route)) {
            return Where::At(home);
        }
        match self.sighted.at(key, tenant) {
            Some(instance) => Where::Seen(instance.clone()),
            None => Where::Unknown {
                sure: self.loaded && self.roster.all_heard() && !self.doubt.stands(),
            },
        }
    }

    fn fetch_for(&mut self, key: RouteKey, asker: Asker) {
        if let Some(askers) = self.fetching.get_mut(&key) {
            if askers.len() < MOST_ASKERS {
                return askers.push(asker);
            }
            let full = StoreError::Away("too many wait for one record".into());
            return answer(asker.reply_to, Err(full.into()));
        }
        self.fetching.insert(key, vec![asker]);
        self.fetch(vec![key]);
    }

    /// Reads these records from the store, in a task.
    pub(super) fn fetch(&self, keys: Vec<RouteKey>) {
        let (store, myself, sent_at) = (self.store.clone(), self.myself.clone(), self.clock.now());
        tokio::spawn(async move {
            let wanted = keys.clone();
            let result = settle_stored(async move { store.routes(wanted).await }).await;
            let _ = myself.cast(MeetingsMessage::Fetched { sent_at, keys, result });
        });
    }

    pub(super) fn fetched(
        &mut self,
        sent_at: Moment,
        keys: Vec<RouteKey>,
        result: Result<Vec<RouteRecord>, StoreError>,
    ) {
        self.look_at_store();
        let failed = match result {
            Ok(records) => {
                for (key, record) in keys.iter().zip(records) {
                    self.table.read(*key, record, sent_at);
                }
                None
            }
            Err(error) => {
                warn!(%error, "routes could not be read: answering from memory");
                self.table.make_do();
                Some(error)
            }
        };
        for key in keys {
            for asker in self.fetching.remove(&key).unwrap_or_default() {
                match (self.found(&key, &asker.tenant), &failed) {
                    (Where::Unknown { .. }, Some(error)) => {
                        answer(asker.reply_to, Err(error.clone().into()));
                    }
                    (found, _) => self.tell(&key, asker, found),
                }
            }
        }
    }
}
