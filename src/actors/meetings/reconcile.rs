//! What a sweep of one instance means for the routes: a decision, made of plain values.

use std::time::Duration;

use super::forecast::Tally;
use super::message::{Copy, Seen, Stray, Sweep};
use super::names::is_odd;
use super::table::{Slot, Table};
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, MeetingId, RouteKey, RouteState, Version};
use crate::domain::moment::Moment;
use crate::domain::naming::prints_as;
use crate::domain::tenant::TenantId;

/// So many sweeps in a row must miss a meeting before its route goes.
const MISSING_SWEEPS: u8 = 2;
/// The replica that sweeps for all removes them. If one stays, it does not know of it.
const MISSING_SHARED: u8 = 4;
/// A claim that nobody confirmed for so long has lost its creator.
const CLAIM_IS_OLD: Duration = Duration::from_secs(60);
/// A listed meeting whose claim is older than this is confirmed by its being there.
const CLAIM_IS_SETTLED: Duration = Duration::from_secs(15);
/// What was given up may be made so much later than the meeting's home, by their own clocks. What was made after that is of
/// another time.
const GIVEN_UP_WITHIN_MS: u64 = 120_000;
/// On a shared store, a copy is ended only if its route was read so recently.
const READ_RECENTLY: Duration = Duration::from_secs(60);

/// What is to be done after a sweep.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Found on the instance without a route of ours.
    pub(super) adopt: Vec<Found>,
    /// Claims that are confirmed by what was seen, and meetings that their instance calls otherwise than was known.
    pub(super) confirm: Vec<(RouteKey, TenantId, Version, Option<InternalId>)>,
    /// Routes whose meeting is gone.
    pub(super) remove: Vec<(RouteKey, TenantId, Version)>,
    /// The internal ids that are not made of the meeting's id, and whose meetings they are.
    pub(super) odd: Vec<(InternalId, Option<(RouteKey, TenantId)>)>,
    /// Records of a shared store to be read again before a copy is judged.
    pub(super) fetch: Vec<RouteKey>,
    /// Copies of meetings that live elsewhere.
    pub(super) strays: HashSet<Stray>,
    /// Those of them that are to be ended.
    pub(super) end: Vec<Copy>,
    /// Meetings that are seen here by the very internal ids that they have on another instance.
    pub(super) twins: Vec<Elsewhere>,
}

/// A meeting that is listed here by the internal id that it has on the instance where its route is: both are one server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    pub(super) key: RouteKey,
    pub(super) tenant: TenantId,
    pub(super) version: Version,
    pub(super) home: InstanceId,
}

/// A meeting that was found on an instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: RouteKey,
    pub(super) tenant: TenantId,
    /// As it was created, where the list shows it.
    pub(super) meeting: Option<MeetingId>,
    pub(super) internal: Option<InternalId>,
}

/// Compares what an instance lists with what we know, which learns how its meetings go on. `shared`: others write the store too.
pub(super) fn reconcile(table: &mut Table, sweep: &Sweep, now: Moment, shared: bool) -> Findings {
    let mut findings = Findings::default();
    let mut listed: HashMap<(RouteKey, &TenantId), &Seen> = HashMap::default();
    let known = known_as(table, sweep);
    for seen in sweep.seen.iter().filter(|seen| !seen.ended) {
        let odd = seen.internal.as_ref().filter(|id| is_odd(id, seen.meeting.key()));
        let Some(tenant) = &seen.tenant else {
            findings.odd.extend(odd.map(|id| (id.clone(), None)));
            continue;
        };
        let key = key_of(table, seen, tenant, &known);
        findings.odd.extend(odd.map(|id| (id.clone(), Some((key, tenant.clone())))));
        match table.get(&key, tenant) {
            None => findings.adopt.push(Found {
                key,
                tenant: tenant.clone(),
                meeting: Some(&seen.meeting).filter(|meeting| meeting.key() == key).cloned(),
                internal: seen.internal.clone(),
            }),
            Some(slot) if slot.route.instance == sweep.instance => {
                listed.insert((key, tenant), seen);
            }
            // It is being created elsewhere, and lives here until that is confirmed.
            Some(slot) if slot.route.left.as_ref() == Some(&sweep.instance) => {}
            Some(slot) => {
                let (meeting, internal) = (seen.meeting.clone(), seen.internal.clone());
                let (home, living) = (slot.route.instance.clone(), slot.route.internal.clone());
                let copy = Copy { key, meeting, tenant: tenant.clone(), internal, home, living };
                judge(slot, copy, seen.participants, sweep, shared, &mut findings);
            }
        }
    }
    let (mut tally, (slots, forecast)) = (Tally::default(), table.parts());
    for (key, slot) in slots.filter(|(_, s)| s.route.instance == sweep.instance) {
        if let Some(internal) = slot.route.internal.as_ref().filter(|id| is_odd(id, *key)) {
            // It may have been made since the list was asked for.
            findings.odd.push((internal.clone(), Some((*key, slot.tenant.clone()))));
        }
        match listed.get(&(*key, &slot.tenant)) {
            Some(&seen) => {
                // Whoever joined before the request was sent is among the participants.
                slot.joined.retain(|&at| at >= sweep.asked_at);
                present(*key, slot, seen, sweep, now, &mut findings);
                forecast.seen(key, slot, seen, now);
            }
            None => absent(*key, slot, sweep, now, &mut findings),
        }
        forecast.look(slot, &mut tally, now);
    }
    forecast.settle(&sweep.instance, tally, now);
    findings
}

/// The routes whose meetings the instance calls otherwise than by their key, by what it calls them.
type KnownAs = HashMap<(TenantId, InternalId), RouteKey>;

fn known_as(table: &Table, sweep: &Sweep) -> KnownAs {
    let is_odd =
        |seen: &Seen| seen.internal.as_ref().is_some_and(|id| is_odd(id, seen.meeting.key()));
    if !sweep.seen.iter().any(is_odd) {
        return KnownAs::default();
    }
    let here = table.slots().filter(|(_, slot)| slot.route.instance == sweep.instance);
    let known = |(key, slot): (&RouteKey, &Slot)| {
        Some(((slot.tenant.clone(), slot.route.internal.clone()?), *key))
    };
    here.filter_map(known).collect()
}

/// The key of the route that a listed meeting has, or shall have. That is the listed id's; the hash in an internal id
/// counts only where it is known to belong to the meeting, as with an id whose blanks the list has folded.
fn key_of(table: &Table, seen: &Seen, tenant: &TenantId, known: &KnownAs) -> RouteKey {
    let own = seen.meeting.key();
    let Some(internal) = seen.internal.as_ref().filter(|id| is_odd(id, own)) else { return own };
    if let Some(key) = known.get(&(tenant.clone(), internal.clone())) {
        return *key;
    }
    let printed = seen.meeting.as_str();
    let prints =
        |slot: &Slot| slot.route.meeting.as_ref().is_none_or(|created| prints_as(created, printed));
    let hash = internal.key();
    if let Some(hash) = hash.filter(|hash| table.get(hash, tenant).is_some_and(prints)) {
        return hash;
    }
    if table.get(&own, tenant).is_some() {
        return own;
    }
    // BBB 2.5 calls a breakout room that the API makes as whoever made it did, and lists it under another id.
    let given = MeetingId::new(internal.as_str()).key();
    if table.get(&given, tenant).is_some() {
        return given;
    }
    let is_free = |hash: &RouteKey| table.get(hash, tenant).is_none();
    hash.filter(is_free).filter(|_| printed.contains(char::is_whitespace)).unwrap_or(own)
}

fn judge(
    slot: &Slot,
    copy: Copy,
    participants: u64,
    sweep: &Sweep,
    shared: bool,
    findings: &mut Findings,
) {
    let key = copy.key;
    if copy.internal.is_some() && copy.internal == copy.living {
        let version = slot.route.version;
        let itself = Elsewhere { key, tenant: copy.tenant, version, home: copy.home };
        return findings.twins.push(itself);
    }
    let stray = Stray {
        meeting: copy.meeting.clone(),
        tenant: copy.tenant.clone(),
        instance: sweep.instance.clone(),
    };
    findings.strays.insert(stray);
    let entombed = slot.route.tombs.contains(&sweep.instance) && is_given_up(&copy);
    let known = !slot.stale && (!shared || sweep.asked_at.since(slot.read_at) < READ_RECENTLY);
    if sweep.shared {
        // Else judged by the replica that asked.
    } else if !known {
        findings.fetch.push(key);
    } else if slot.settled_at < sweep.asked_at
        && slot.is_listed()
        && copy.is_one_still(Some(&slot.route))
        && (entombed || participants == 0)
    {
        findings.end.push(copy);
    }
}

/// Whether a copy is as old as what was given up for the meeting's home, and of no later time.
fn is_given_up(copy: &Copy) -> bool {
    let made = |id: &Option<InternalId>| id.as_ref().and_then(InternalId::created);
    let made = made(&copy.internal).zip(made(&copy.living));
    made.is_some_and(|(copy, living)| copy <= living.saturating_add(GIVEN_UP_WITHIN_MS))
}

fn present(
    key: RouteKey,
    slot: &mut Slot,
    seen: &Seen,
    sweep: &Sweep,
    now: Moment,
    findings: &mut Findings,
) {
    slot.missing = 0;
    slot.listed_at = slot.listed_at.max(Some(sweep.asked_at));
    slot.participants = seen.participants;
    let is_same = slot.route.internal.is_none() || slot.route.internal == seen.internal;
    slot.revived &= !is_same;
    let news = news_of_internal(slot, seen, sweep);
    let claimed = slot.route.state == RouteState::Claimed;
    let settled = claimed && now.since(slot.settled_at) >= CLAIM_IS_SETTLED;
    let renamed = news.is_some() && slot.route.state == RouteState::Confirmed;
    if !sweep.shared && (settled || renamed) {
        findings.confirm.push((key, slot.tenant.clone(), slot.route.version, news));
    }
}

/// What the instance calls the meeting, if it is otherwise known, unless the route is newer than the list. It counts once the
/// store has it for this very route: here the meeting may have moved on long since.
fn news_of_internal(slot: &Slot, seen: &Seen, sweep: &Sweep) -> Option<InternalId> {
    let told =
        seen.internal.as_ref().filter(|internal| slot.route.internal.as_ref() != Some(internal));
    told.filter(|_| slot.settled_at < sweep.asked_at).cloned()
}

fn absent(key: RouteKey, slot: &mut Slot, sweep: &Sweep, now: Moment, findings: &mut Findings) {
    let young_claim =
        slot.route.state == RouteState::Claimed && now.since(slot.settled_at) < CLAIM_IS_OLD;
    if slot.settled_at >= sweep.asked_at || young_claim {
        return;
    }
    slot.missing = slot.missing.saturating_add(1);
    slot.participants = 0;
    slot.joined.clear();
    let enough = if sweep.shared { MISSING_SHARED } else { MISSING_SWEEPS };
    if slot.missing >= enough {
        findings.remove.push((key, slot.tenant.clone(), slot.route.version));
    }
}

#[cfg(test)]
mod tests;
