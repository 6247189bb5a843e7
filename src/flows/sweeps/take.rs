//! Taking in what an instance lists: everyone whom it concerns is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::actors::hooks::Owner;
use crate::actors::lists::Packed;
use crate::actors::meetings::{Copy, Seen, Sweep, ToDo};
use crate::actors::recordings::Held;
use crate::actors::registry::Left;
use crate::actors::settle;
use crate::bbb::meetings::{Listed, scan};
use crate::determinism::aside;
use crate::domain::instance::{Instance, InstanceId, Member};
use crate::domain::meeting::{InternalId, MeetingId};
use crate::domain::moment::Moment;
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::answer::BadAnswer;
use crate::flows::ask::{CallError, Presence};

/// So many copies are ended after one sweep; the next sweep goes on.
const MOST_ENDED: usize = 20;

/// Ends that come later than this after the list are left to the next sweep.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// What an instance listed.
pub(super) enum List {
    /// To us.
    Answer(Bytes),
    /// To another replica, which also does what follows from it.
    Shared(Packed),
}

/// Reads a list of an instance that was asked then, and tells everyone whom it concerns; the list, packed.
pub(super) async fn take_in(
    world: &World,
    instance: &Arc<Instance>,
    list: List,
    asked_at: Moment,
    turns: Arc<Semaphore>,
) -> Result<Packed, CallError> {
    let id = instance.id.clone();
    let shared = matches!(list, List::Shared(_));
    let hooked = world.actors.hooks.known().is_some_and(|hooks| !hooks.is_empty());
    let most = world.config.limits.answer_bytes;
    let (seen, owners, packed) = digest(list, most, turns, hooked).await?;
    if hooked {
        world.actors.hooks.learn(&id, owners);
    }
    let count = seen.iter().filter(|seen| !seen.ended).count();
    let sweep = Sweep { instance: id.clone(), asked_at, shared, seen };
    match world.actors.meetings.swept(sweep).await {
        Ok(ToDo { end, twin, look_up }) => {
            world.actors.registry.swept(id.clone(), twin);
            if !shared {
                tell_left(world, &id, count, asked_at).await;
            }
            world.actors.lists.keep(id, packed.clone());
            let until = Instant::now() + ENDS_WITHIN;
            end_copies(world, instance, end, until).await;
            if let Some(internal) = look_up {
                let (world, instance) = (world.clone(), instance.clone());
                tokio::spawn(async move { world.learn_lookup(&instance, &internal).await });
            }
        }
        Err(error) => debug!(instance.id = %id, %error, "a sweep was not taken in"),
    }
    Ok(packed)
}

/// Tells the registry what is left on a retired instance, where that is the one that was asked or an alias of it.
async fn tell_left(world: &World, id: &InstanceId, listed: usize, asked_at: Moment) {
    let Ok(roster) = world.actors.registry.roster().await else { return };
    let Some(member) = roster.get(id) else { return };
    // What it lists is its alias's no more than that of the one that counts.
    let own = |one: &InstanceId| if one == id && !member.is_alias() { listed } else { 0 };
    for member in member.names().filter_map(|name| roster.get(name)) {
        let of = own(&member.instance.id);
        if let Some(left) = left(world, member, of, asked_at).await {
            world.actors.registry.left(member.instance.id.clone(), left);
        }
    }
}

/// What is left on an instance that has listed so many meetings; nothing where nobody wants to know.
///
/// One that seems empty is asked for its recordings once more, if it has not listed them since it was retired. Those of an
/// alias are the server's: they have to be known to be on the instance that counts.
async fn left(world: &World, member: &Member, listed: usize, asked_at: Moment) -> Option<Left> {
    let id = &member.instance.id;
    let since = member.retired_since.filter(|_| listed == 0)?;
    let counts = world.actors.meetings.count().await.ok()?;
    let meetings = counts.by_instance.get(id).map_or(0, |usage| usage.meetings);
    let held = world.actors.recordings.held().await.ok()?;
    let now = world.clock.now();
    let listed_since = |held: &&Held| held.listed_ago.is_some_and(|ago| now.before(ago) > since);
    let counts_for = member.same_server.alias_of.as_ref();
    let lister = held.get(counts_for.unwrap_or(id));
    let there = held.get(id).map_or(0, |held| held.recordings);
    let recordings = lister.filter(listed_since).map(|_| there);
    if recordings.is_none() || lister.is_some_and(|held| held.withdrawn) {
        world.actors.recordings.differs(counts_for.unwrap_or(id).clone());
    }
    Some(Left { asked_at, meetings, recordings })
}

/// Reads and packs a list beside the runtime's own threads: it may be large. A few at a time, so that
/// many lists that come together need neither many threads nor much memory.
async fn digest(
    list: List,
    most: usize,
    turns: Arc<Semaphore>,
    hooked: bool,
) -> Result<(Vec<Seen>, Vec<Owner>, Packed), CallError> {
    let turn = turns.acquire_owned().await;
    let digested = aside(move || {
        let _turn = turn;
        let (bytes, packed) = match list {
            List::Answer(bytes) => {
                let packed = Packed::pack(&bytes);
                (bytes, packed)
            }
            List::Shared(packed) => {
                let bytes = packed.unpack_within(most).ok_or(BadAnswer::BrokenOff)?;
                (bytes.into(), packed)
            }
        };
        let listed = scan(&bytes)?;
        let owners = listed.iter().filter(|_| hooked).filter_map(owner).collect();
        let seen: Vec<_> = listed.into_iter().map(seen).collect();
        Ok::<_, BadAnswer>((seen, owners, packed))
    });
    match digested.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(BadAnswer::BrokenOff.into()),
    }
}

/// Whose a meeting is, for the events that come of it.
fn owner(listed: &Listed) -> Option<Owner> {
    // A breakout room that is not marked may be its parent's.
    let is_known = listed.tenant.is_some() || !listed.is_breakout;
    let tenant = listed.tenant.as_deref().map(TenantId::new);
    listed.internal_id.clone().filter(|_| is_known).map(|internal| (internal, tenant))
}

fn seen(listed: Listed) -> Seen {
    Seen {
        meeting: MeetingId::new(listed.meeting_id),
        internal: listed.internal_id.map(InternalId::new),
        tenant: listed.tenant.map(TenantId::new),
        participants: listed.participants,
        webcams: listed.webcams,
        created: listed.create_time,
        ended: listed.ended,
    }
}

/// Ends copies of meetings that live elsewhere: nobody is in them, or their create was given up.
///
/// Time passes with each, so that each is looked at once more. What is not ended by then is judged anew after the next sweep.
async fn end_copies(world: &World, instance: &Arc<Instance>, copies: Vec<Copy>, until: Instant) {
    for copy in copies.into_iter().take(MOST_ENDED) {
        match timeout_at(until, may_be_ended(world, copy.clone())).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => return,
        }
        let within = world.config.deadlines.attempt;
        let (told, here, tenant) = (world.clone(), instance.clone(), copy.tenant.clone());
        let done = settle(async move { told.end_copy(&here, &copy, within).await });
        match done.await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => {
                metrics::counter!("bigblueswarm_copies_ended_total").increment(1);
                warn!(instance.id = %instance.id, tenant.name = %tenant, "ended a copy of a meeting that lives elsewhere");
            }
            Ok(Err(error)) => {
                warn!(instance.id = %instance.id, %error, "a copy could not be ended")
            }
            Err(panic) => warn!(%panic, "ending a copy failed"),
        }
    }
}

/// Whether a copy still is one: by the route as the store has it now, and by what the meeting's home says itself.
async fn may_be_ended(world: &World, mut copy: Copy) -> bool {
    let Ok(roster) = world.actors.registry.roster().await else { return false };
    let Some(home) = roster.get(&copy.home) else { return false };
    let Ok(records) = world.store.routes(vec![copy.key]).await else { return false };
    let route = records.first().and_then(|record| record.get(&copy.tenant));
    if !copy.is_one_still(route) {
        return false;
    }
    // A list may show an id with its blanks folded.
    let created = route.and_then(|route| route.meeting.as_ref()).unwrap_or(&copy.meeting);
    let within = world.config.deadlines.attempt;
    let said = world.sighted(&home.instance, &copy.tenant, created, within).await;
    let Ok((Presence::Ours, Some(living))) = said else { return false };
    copy.living = Some(living);
    copy.is_one_still(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_says_of_a_meeting_is_what_was_seen_of_it() {
        let meeting = MeetingId::new("room  1");
        let listed = Listed {
            meeting_id: "room 1".into(),
            internal_id: Some(format!("{}-1767225700000", meeting.key())),
            tenant: Some("t.example.org".into()),
            participants: 12,
            webcams: 5,
            create_time: Some(1_767_225_700_000),
            ..Listed::default()
        };
        let expected = Seen {
            meeting: MeetingId::new("room 1"),
            internal: Some(InternalId::new(format!("{}-1767225700000", meeting.key()))),
            tenant: Some(TenantId::new("t.example.org")),
            participants: 12,
            webcams: 5,
            created: Some(1_767_225_700_000),
            ended: false,
        };
        assert_eq!(seen(listed), expected);
    }
}
