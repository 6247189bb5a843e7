//! Which of a room's meetings a list shows: several servers may have one, such as where a create was given up.
//!
//! Only where the lists themselves show more than one is anything left out, and one always stays: so no meeting that
//! lives is missing, whatever memory says of it.

use futures_util::future::join_all;

use super::list::Kept;
use crate::actors::meetings::Where;
use crate::bbb::meetings::Listed;
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, MeetingId, RouteKey, RouteState};
use crate::domain::tenant::TenantId;
use crate::flows::World;

/// A listed meeting, and in which list it is.
type Entry<'a> = (usize, &'a Listed);

/// A room of which more than one meeting is known.
struct Contested<'a> {
    meeting: MeetingId,
    entries: Vec<Entry<'a>>,
}

/// Where a room's meeting lives.
#[derive(Debug, PartialEq)]
enum Lives {
    On(InstanceId),
    /// It is there as far as anybody knows, if its instance calls it so.
    Perhaps(InstanceId, Option<InternalId>),
    /// It is only being made there, and lives where it was.
    NotYetOn(InstanceId),
    Unknown,
    /// The store does not answer, and memory can't be told from what was before.
    Undecided,
}

impl Lives {
    /// With what the lists say of a home that was to be proven.
    fn seen_in(self, entries: &[Entry], ids: &[&InstanceId]) -> Self {
        let Self::Perhaps(home, internal) = self else { return self };
        let is_it = |(at, listed): &Entry| {
            let known = internal.as_ref().map(InternalId::as_str);
            ids.get(*at).is_some_and(|id| **id == home) && listed.internal_id.as_deref() == known
        };
        if entries.iter().any(is_it) { Self::On(home) } else { Self::Undecided }
    }
}

/// A tenant's rooms in all lists.
pub(super) struct Rooms<'a> {
    hidden: HashSet<(usize, &'a str, Option<&'a str>)>,
    contested: Vec<Contested<'a>>,
}

impl<'a> Rooms<'a> {
    /// `is_silent`: whether an instance that does not answer has a meeting of this key, as far as its route says.
    pub(super) fn of(
        lists: impl Iterator<Item = &'a Kept>,
        is_silent: Option<impl Fn(RouteKey) -> bool>,
    ) -> Self {
        let mut by_id: HashMap<&str, (Entry, Vec<Entry>)> = HashMap::default();
        let mut hidden = HashSet::default();
        for (at, kept) in lists.enumerate() {
            for listed in kept.meetings().filter(|listed| !listed.ended) {
                let entry = (at, listed);
                let Some((first, more)) = by_id.get_mut(&*listed.meeting_id) else {
                    by_id.insert(&listed.meeting_id, (entry, Vec::new()));
                    continue;
                };
                // Two lists of one server, such as by its name and by its address, have all in common.
                let is_same = |other: &&Entry| is_same_meeting(other.1, listed);
                match [*first].iter().chain(&*more).find(is_same) {
                    Some((other, _)) if *other != at => drop(hidden.insert(name(entry))),
                    _ => more.push(entry),
                }
            }
        }
        let mut contested = Vec::new();
        for (first, more) in by_id.into_values() {
            if more.is_empty() && is_silent.is_none() {
                continue;
            }
            for (key, entries) in by_key(first, more) {
                let elsewhere = || is_silent.as_ref().is_some_and(|is_silent| is_silent(key));
                let meeting = MeetingId::new(&*first.1.meeting_id);
                if entries.len() > 1 || elsewhere() {
                    contested.push(Contested { meeting, entries });
                }
            }
        }
        Self { hidden, contested }
    }

    /// Leaves out all but one of each room, by their routes. `ids`: whose the lists are; `is_silent`: whether an instance
    /// that does not answer stands for the meeting of this key. Whether it is known for each which one that is.
    pub(super) async fn settle(
        &mut self,
        world: &World,
        tenant: &TenantId,
        ids: &[&InstanceId],
        is_silent: impl Fn(&InstanceId, RouteKey) -> bool,
    ) -> bool {
        let mut all_known = true;
        let contested = std::mem::take(&mut self.contested);
        let homes = contested.iter().map(|room| home(world, tenant, &room.meeting));
        for (room, lives) in contested.iter().zip(join_all(homes).await) {
            let lives = lives.seen_in(&room.entries, ids);
            all_known &= lives != Lives::Undecided;
            let stands_in = |id: &InstanceId| is_silent(id, room.meeting.key());
            let shown = shown(&room.entries, ids, &lives, stands_in);
            let others = room.entries.iter().filter(|entry| shown != Some(name(**entry)));
            self.hidden.extend(others.map(|entry| name(*entry)));
        }
        all_known
    }

    pub(super) fn shows_all(&self) -> bool {
        self.hidden.is_empty()
    }

    /// Whether a meeting of the list at this place is shown.
    pub(super) fn shows(&self, at: usize, listed: &Listed) -> bool {
        self.hidden.is_empty() || listed.ended || !self.hidden.contains(&name((at, listed)))
    }
}

/// Tells an entry from all others.
fn name<'a>((at, listed): Entry<'a>) -> (usize, &'a str, Option<&'a str>) {
    (at, &listed.meeting_id, listed.internal_id.as_deref())
}

fn is_same_meeting(one: &Listed, other: &Listed) -> bool {
    let internal = one.internal_id.as_deref().filter(|id| !id.is_empty());
    internal.is_some() && internal == other.internal_id.as_deref()
}

/// The entries by what tells rooms apart that are listed alike: BBB folds blanks of the id, and its internal id begins with
/// the hash of the id as it was created.
fn by_key<'a>(first: Entry<'a>, more: Vec<Entry<'a>>) -> Vec<(RouteKey, Vec<Entry<'a>>)> {
    let own = MeetingId::new(&*first.1.meeting_id).key();
    let mut rooms: Vec<(RouteKey, Vec<Entry>)> = Vec::with_capacity(1);
    for entry in [first].into_iter().chain(more) {
        let hash = entry.1.internal_id.as_deref().and_then(|id| id.split_once('-')?.0.parse().ok());
        let key = hash.unwrap_or(own);
        match rooms.iter_mut().find(|(of, _)| *of == key) {
            Some((_, entries)) => entries.push(entry),
            None => rooms.push((key, vec![entry])),
        }
    }
    rooms
}

async fn home(world: &World, tenant: &TenantId, meeting: &MeetingId) -> Lives {
    match world.find(tenant, meeting).await {
        Ok(Where::At(home)) => match home.state {
            RouteState::Confirmed if home.unproven => {
                Lives::Perhaps(home.instance.id.clone(), home.internal)
            }
            RouteState::Confirmed => Lives::On(home.instance.id.clone()),
            RouteState::Claimed => Lives::NotYetOn(home.instance.id.clone()),
            RouteState::Ending => Lives::Unknown,
        },
        Ok(Where::Seen(_) | Where::Unknown { .. }) => Lives::Unknown,
        Err(_) => Lives::Undecided,
    }
}

/// Which of a room's meetings is shown; nothing if a silent instance has it, whose last list stands in. Where its route
/// does not say which one lives, it is one with people, and of those the one that was made last.
fn shown<'a>(
    entries: &[Entry<'a>],
    ids: &[&InstanceId],
    lives: &Lives,
    is_silent: impl Fn(&InstanceId) -> bool,
) -> Option<(usize, &'a str, Option<&'a str>)> {
    let made = |entry: &&Entry| (entry.1.participants > 0, entry.1.create_time);
    let on = |id: &InstanceId, entry: &&Entry| ids.get(entry.0).is_some_and(|of| *of == id);
    let last = || entries.iter().max_by_key(made);
    let entry = match lives {
        Lives::On(home) => match entries.iter().filter(|entry| on(home, entry)).max_by_key(made) {
            None if is_silent(home) => None,
            living => living.or_else(last),
        },
        Lives::NotYetOn(home) => {
            entries.iter().filter(|entry| !on(home, entry)).max_by_key(made).or_else(last)
        }
        Lives::Perhaps(..) | Lives::Unknown | Lives::Undecided => last(),
    };
    entry.map(|entry| name(*entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(internal: &str, created: u64) -> Listed {
        let internal_id = Some(format!("{}-{internal}", MeetingId::new("room").key()));
        Listed {
            meeting_id: "room".into(),
            internal_id,
            create_time: Some(created),
            ..Listed::default()
        }
    }

    #[test]
    fn of_several_meetings_of_a_room_the_one_where_it_lives_is_shown_else_the_last() {
        let (old, new) = (listed("1", 1), listed("2", 2));
        let (a, b, silent) = (InstanceId::new("a"), InstanceId::new("b"), InstanceId::new("c"));
        let entries = [(0, &old), (1, &new)];
        let at = |lives| {
            let shown = shown(&entries, &[&a, &b], &lives, |id| *id == silent);
            shown.map(|(at, ..)| at)
        };
        assert_eq!(at(Lives::On(a.clone())), Some(0));
        assert_eq!(at(Lives::On(b.clone())), Some(1));
        assert_eq!(at(Lives::On(silent.clone())), None);
        assert_eq!(at(Lives::On(InstanceId::new("d"))), Some(1));
        assert_eq!(at(Lives::NotYetOn(b.clone())), Some(0));
        assert_eq!(at(Lives::NotYetOn(silent.clone())), Some(1));
        assert_eq!(at(Lives::Unknown), Some(1));
    }

    #[test]
    fn rooms_that_are_listed_alike_are_told_apart_by_their_hashes() {
        let (one, mut other) = (listed("1", 1), listed("2", 2));
        assert_eq!(by_key((0, &one), vec![(1, &other)]).len(), 1);
        other.internal_id = Some(format!("{}-2", MeetingId::new("room ").key()));
        assert_eq!(by_key((0, &one), vec![(1, &other)]).len(), 2);
        other.internal_id = Some("drawn".into());
        assert_eq!(by_key((0, &one), vec![(1, &other)]).len(), 1);
    }
}
