//! Finding where a meeting lives: from memory, or from a store that others write too.

use tracing::warn;

use super::lease::BELIEVED_FOR;
use super::table::Slot;
use super::{
    Asker, Home, LivingRoute, MeetingsMessage, MeetingsState, RouteError, Stray, Waiter, Where,
};
use crate::actors::{answer, settle_stored};
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, MeetingId, RouteKey, RouteRecord, RouteState};
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;
use crate::outside::store::StoreError;

/// So many askers may wait for one record.
const MOST_ASKERS: usize = 4_096;

impl MeetingsState {
    pub(super) fn find(&mut self, asker: Asker) {
        let key = asker.meeting.key();
        if !self.claiming.is_empty()
            && let Some(waiting) = self.claiming.get_mut(&(key, asker.tenant.clone()))
        {
            return waiting.push(Waiter::Find(asker));
        }
        let slot = self.table.get(&key, &asker.tenant);
        // Of a meeting that ended others may have made a new one: only the store knows that no one has.
        let ended = slot.is_some_and(|slot| slot.route.state == RouteState::Ending);
        let trusted = slot.map_or_else(|| self.complete(), |slot| self.trusts(slot));
        if trusted && !(ended && self.store.shared()) {
            return self.tell_found(key, asker);
        }
        self.fetch_for(key, asker);
    }

    fn ask_again(&mut self, asker: Asker) {
        if !asker.reply_to.is_closed() {
            self.find(asker);
        }
    }

    /// Answers what was found. A user who joins is counted, or refused when the tenant has too many; one
    /// whose meeting is still on its way waits outside and is not.
    fn tell(&mut self, asker: Asker, found: Where) {
        let Asker { tenant, joins, reply_to, .. } = asker;
        let full = joins.is_some_and(|pool| {
            let Where::At(home) = &found else { return false };
            let lives = !home.released && home.state != RouteState::Claimed;
            let at_least = if self.roster.all_accounted() { 0 } else { pool.measured };
            lives && !self.admit(&home.key, &tenant, pool.most, at_least)
        });
        answer(reply_to, if full { Err(RouteError::UsersFull) } else { Ok(found) });
    }

    /// Answers what memory says.
    pub(super) fn tell_found(&mut self, key: RouteKey, asker: Asker) {
        match self.found(key, &asker) {
            Ok(found) => self.tell(asker, found),
            Err(error) => answer(asker.reply_to, Err(error)),
        }
    }

    fn found(&self, key: RouteKey, asker: &Asker) -> Result<Where, RouteError> {
        let (tenant, meeting) = (&asker.tenant, &asker.meeting);
        let slot = self.table.get(&key, tenant);
        let home = slot.map(|slot| self.heard_home(key, tenant, &slot.route)).transpose()?;
        if let Some(home) = home.flatten().or_else(|| self.named(meeting, key, tenant)) {
            return Ok(Where::At(home));
        }
        Ok(match self.sighted.at(&key, tenant) {
            Some(instance) => Where::Seen(instance.clone()),
            None => Where::Unknown { open: self.open(meeting, tenant) },
        })
    }

    /// Where a meeting may live that has no route, if that is known: where nobody knows what lives, and where a copy was
    /// listed while it had a route elsewhere.
    fn open(&self, meeting: &MeetingId, tenant: &TenantId) -> Option<Vec<InstanceId>> {
        if !self.has_loaded() || !self.roster.loaded {
            return None;
        }
        let mut open = self.doubt.open(&self.roster, self.clock.now());
        for (instance, strays) in &self.strays {
            let (meeting, tenant) = (meeting.clone(), tenant.clone());
            let copy = Stray { meeting, tenant, instance: instance.clone() };
            if !open.contains(instance) && strays.contains(&copy) {
                open.push(copy.instance);
            }
        }
        Some(open)
    }

    /// The home of a meeting that its tenant names as its instance does.
    fn named(&self, meeting: &MeetingId, key: RouteKey, tenant: &TenantId) -> Option<Home> {
        let internal = InternalId::new(meeting.as_str());
        let plain = || {
            let key = internal.key()?;
            let route = &self.table.get(&key, tenant)?.route;
            (route.internal.as_ref() == Some(&internal)).then_some(key)
        };
        let key = plain().or_else(|| self.names.find(meeting.as_str(), key, tenant))?;
        self.home(key, &self.table.get(&key, tenant)?.route)
    }

    fn fetch_for(&mut self, key: RouteKey, asker: Asker) {
        if let Some(askers) = self.fetching.get_mut(&key) {
            if askers.len() < MOST_ASKERS {
                return askers.push(asker);
            }
            let full = StoreError::Away("too many wait for one record".into());
            return answer(asker.reply_to, Err(full.into()));
        }
        // It may be an internal id, whose hash is the key then, or an odd one.
        let text = asker.meeting.as_str();
        let named = [InternalId::new(text).key(), self.names.find(text, key, &asker.tenant)];
        self.fetching.insert(key, vec![asker]);
        self.fetch([key].into_iter().chain(named.into_iter().flatten()).collect());
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
                self.lease.met();
                for (key, record) in keys.iter().zip(records) {
                    self.table.read(*key, record, sent_at);
                }
                self.write_again();
                None
            }
            Err(error) => {
                warn!(%error, "routes could not be read: answering from memory");
                self.lease.away(sent_at + BELIEVED_FOR);
                Some(error)
            }
        };
        // Whoever was stopped meanwhile asks again for those who wait still.
        let late = self.is_late(sent_at);
        for key in keys {
            for asker in self.fetching.remove(&key).unwrap_or_default() {
                if late {
                    self.ask_again(asker);
                    continue;
                }
                match (self.found(key, &asker), &failed) {
                    (found, Some(error)) if !is_known(&found) => {
                        answer(asker.reply_to, Err(error.clone().into()));
                    }
                    (Ok(found), _) => self.tell(asker, found),
                    (Err(unheard), _) => answer(asker.reply_to, Err(unheard)),
                }
            }
        }
    }

    /// The routes of these tenants to these instances, but for those whose meeting was ended.
    pub(super) fn routes(
        &self,
        instances: &[InstanceId],
        tenants: &[TenantId],
    ) -> Result<Vec<LivingRoute>, RouteError> {
        if !self.has_loaded() {
            return Err(RouteError::NotLoaded);
        }
        let wanted = |slot: &Slot| {
            slot.route.state != RouteState::Ending
                && instances.contains(slot.lives_on())
                && tenants.contains(&slot.tenant)
        };
        let routes = self.table.slots().filter(|(_, slot)| wanted(slot));
        let route = |(key, slot): (&RouteKey, &Slot)| LivingRoute {
            key: *key,
            tenant: slot.tenant.clone(),
            instance: slot.lives_on().clone(),
            internal: slot.route.internal.clone(),
            confirmed: slot.route.state == RouteState::Confirmed || slot.route.left.is_some(),
        };
        Ok(routes.map(route).collect())
    }
}

/// Whether memory alone can answer this, while the store can't be asked: of a meeting that ended others may have made a
/// new one.
fn is_known(found: &Result<Where, RouteError>) -> bool {
    match found {
        Ok(Where::At(home)) => home.state != RouteState::Ending,
        Ok(Where::Seen(_)) => true,
        Ok(Where::Unknown { .. }) | Err(_) => false,
    }
}
