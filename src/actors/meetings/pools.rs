//! How many meetings and users a tenant may have, counted over all replicas.
//!
//! Where the store counts a tenant's claims in the step that makes one, that is all. In a Cluster it can't: there claims
//! of all replicas are told in one order, our own too. Whoever makes one for a tenant with a pool waits until it is told,
//! and so knows of all that came before: if they fill the pool, this one is given up. So of claims that come together as
//! many stay as there is room for, and which ones is the same for all. What is told later than [`ECHO_WITHIN`] is not
//! known: while news are that late, each replica may go on until the pool is full as far as it knows.

use std::time::Duration;

use super::claims::Of;
use super::queue::Then;
use super::table::Slot;
use super::{MeetingsMessage, MeetingsState, RouteError, Wish};
use crate::domain::meeting::{MeetingId, RouteKey, Version};
use crate::domain::tenant::TenantId;
use crate::outside::store::Becomes;
use crate::outside::store::peers::News;

/// So long a claim's being told is waited for; then what is known has to do.
const ECHO_WITHIN: Duration = Duration::from_millis(150);
/// So much may be on its way to other replicas; what is not told is counted by the next sweep.
const MOST_TELLING: usize = 256;

/// A claim of ours that is not known to stand.
pub(super) struct Unheard {
    version: Version,
    /// So many meetings the tenant may have.
    room: u64,
    meeting: MeetingId,
    /// The store has it, and the table.
    stored: bool,
    /// How many meetings the tenant has with this one, once it was told.
    rank: Option<u64>,
}

impl MeetingsState {
    /// Whether the tenant has as many meetings as it may beside the one that is wished for, those being claimed included.
    pub(super) fn pool_is_full(&self, wish: &Wish) -> bool {
        let Some(most) = wish.tenant.meeting_pool else { return false };
        let (id, own) = (&wish.tenant.id, wish.meeting.key());
        let lives = |key: &RouteKey| self.table.get(key, id).is_some_and(Slot::lives);
        let others = self.table.meetings_of(id) - u64::from(lives(&own));
        let claiming = self.claiming.keys().filter(|(key, tenant)| tenant == id && *key != own);
        let coming = claiming.filter(|(key, _)| !lives(key)).count() as u64;
        others + coming >= u64::from(most)
    }

    /// A claim is being sent: where a pool bounds the tenant, it is to be told before it stands.
    pub(super) fn expect_echo(&mut self, key: RouteKey, version: Version, wish: &Wish) {
        let Some(most) = wish.tenant.meeting_pool else { return };
        if self.store.shared() && !self.store.counts_pools() {
            let (room, meeting) = (u64::from(most), wish.meeting.clone());
            let claim = Unheard { version, room, meeting, stored: false, rank: None };
            self.unheard.insert((key, wish.tenant.id.clone()), claim);
        }
    }

    /// A claim is stored. Whether its being told is to be waited for; whoever waits is answered then.
    pub(super) fn waits_for_echo(&mut self, key: RouteKey, tenant: &TenantId) -> bool {
        let id = (key, tenant.clone());
        let Some(claim) = self.unheard.get_mut(&id) else { return false };
        claim.stored = true;
        let (version, rank) = (claim.version, claim.rank);
        match rank {
            Some(rank) => self.stands(id, rank),
            None => {
                let (key, tenant) = id;
                let late = move || MeetingsMessage::Echo { key, tenant, version };
                self.myself.send_after(ECHO_WITHIN, late);
            }
        }
        true
    }

    /// A claim of ours was told, or that is not waited for any longer: it stays if there is room for it
    /// beside those that were told before.
    pub(super) fn echo(&mut self, key: RouteKey, tenant: TenantId, version: Version) {
        let id = (key, tenant);
        let waits = |claim: &&Unheard| claim.version == version && claim.rank.is_none();
        let Some(stored) = self.unheard.get(&id).filter(waits).map(|claim| claim.stored) else {
            return;
        };
        // In the table are those that were stored, told or not; told may also be some that are not there yet.
        let ours = self.unheard.iter().filter(|(other, _)| other.1 == id.1 && **other != id);
        let (mut later, mut earlier) = (0, u64::from(!stored));
        for (_, claim) in ours {
            later += u64::from(claim.stored && claim.rank.is_none());
            earlier += u64::from(!claim.stored && claim.rank.is_some());
        }
        let rank = (self.table.meetings_of(&id.1) + earlier).saturating_sub(later);
        self.unheard.entry(id.clone()).and_modify(|claim| claim.rank = Some(rank));
        if stored {
            self.stands(id, rank);
        }
    }

    /// Answers whoever waits for a stored claim that is the tenant's meeting of this rank.
    fn stands(&mut self, id: (RouteKey, TenantId), rank: u64) {
        let Some(claim) = self.unheard.remove(&id) else { return };
        let (key, tenant) = id;
        if rank <= claim.room {
            let home = self.table.get(&key, &tenant).and_then(|slot| self.home(key, &slot.route));
            return self.tell_waiting(key, tenant, home.ok_or(RouteError::NoInstance));
        }
        let was = Some(claim.version);
        let meeting = Some(claim.meeting);
        let of = Of { key, meeting, tenant: tenant.clone(), internal: None };
        self.change(of, was, Becomes::Removed, Then::Quiet);
        self.tell_waiting(key, tenant, Err(RouteError::PoolFull));
    }

    /// Lets one more user in, unless the tenant has as many as it may; the other replicas are told.
    pub(super) fn admit(
        &mut self,
        key: &RouteKey,
        tenant: &TenantId,
        most: u32,
        at_least: u64,
    ) -> bool {
        let admitted = self.table.admit(key, tenant, most, at_least, self.clock.now());
        while self.telling.try_join_next().is_some() {}
        if admitted && self.store.shared() && self.telling.len() < MOST_TELLING {
            let (store, news) = (self.store.clone(), News::Joined(*key, tenant.clone()));
            self.telling.spawn(async move { store.tell(&news).await });
        }
        admitted
    }
}
