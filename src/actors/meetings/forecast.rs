//! What meetings will cost, as far as it is known here: each instance's, those on their way to one, and what rooms
//! did the last time. Every meeting counts once: where it is going, else where it is.

use std::time::Duration;

use super::keeping::Recalled;
use super::message::Seen;
use super::table::Slot;
use crate::determinism::HashMap;
use crate::domain::forecast::{Course, Habit, Lessons, Outlook, Phase, RoomKey, Rooms};
use crate::domain::instance::{InstanceId, Roster};
use crate::domain::meeting::{Route, RouteKey, RouteState};
use crate::domain::moment::Moment;
use crate::domain::placement::Own;
use crate::domain::tenant::TenantId;

/// A meeting is at most so old, and may be older than this program: courses count from so long before its start.
const OLDEST: Duration = Duration::from_hours(24);
/// A room that has not met for so long is forgotten; a summer without lectures is shorter.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(120 * 24);

/// Names a tenant's meeting.
type Id = (RouteKey, TenantId);

/// What is expected of all meetings.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    own: HashMap<InstanceId, Own>,
    /// Meetings whose new home is being stored: where they count, and for how much.
    going: HashMap<Id, (InstanceId, Outlook)>,
    lessons: Lessons,
    rooms: Rooms,
    /// So many rooms are kept at most.
    most: usize,
    /// So far back the past of an instance counts.
    range: Duration,
    /// The time of day at the program's start, since 1970.
    started: Duration,
}

/// A room has met.
#[derive(Debug, PartialEq)]
pub(super) struct Met {
    pub(super) room: RoomKey,
    /// Rooms that are forgotten for it.
    pub(super) gone: Vec<RoomKey>,
}

/// What a sweep found on an instance, as far as it was looked at.
#[derive(Debug, Default)]
pub(super) struct Tally {
    meetings: usize,
    coming: Outlook,
}

/// A moment as courses count.
fn time(now: Moment) -> Moment {
    now + OLDEST
}

impl Forecast {
    /// One that knows nothing yet, of a program that started at this time of day, since 1970.
    pub(super) fn new(started: Duration) -> Self {
        Self { started, ..Self::default() }
    }

    /// So far back the past counts from now on, and so many rooms are kept; those that are forgotten for it.
    pub(super) fn configure(&mut self, range: Duration, most: usize, now: Moment) -> Vec<RoomKey> {
        (self.range, self.most) = (range, most);
        self.forget(now)
    }

    /// What is known of each instance.
    pub(super) fn own(&self) -> &HashMap<InstanceId, Own> {
        &self.own
    }

    /// Forgets instances that are of the pool no more, but for those that meetings are on still.
    pub(super) fn follow(&mut self, roster: &Roster) {
        self.own.retain(|id, own| own.meetings > 0 || roster.get(id).is_some());
    }

    fn wall(&self, now: Moment) -> Duration {
        self.started + now.0
    }

    /// A meeting that began then, as courses count.
    fn course(&self, began: Moment, habit: Option<Habit>) -> Course {
        let phase = Phase::of((self.started + began.0).saturating_sub(OLDEST));
        Course::new(began, phase, habit)
    }

    /// A meeting of this room that begins now.
    pub(super) fn begins(&self, key: &RouteKey, tenant: &TenantId, now: Moment) -> Course {
        self.course(time(now), self.rooms.get(&RoomKey::new(tenant, key)))
    }

    /// What a meeting will cost of which nothing is known.
    pub(super) fn of_anyone(&self, now: Moment) -> Outlook {
        self.course(time(now), None).outlook(time(now), &self.lessons)
    }

    /// What this meeting will cost if it begins now, or again; `slot` is where it is.
    pub(super) fn coming(
        &self,
        key: &RouteKey,
        tenant: &TenantId,
        slot: Option<&Slot>,
        now: Moment,
    ) -> Outlook {
        let course = match slot.filter(|slot| slot.route.state != RouteState::Ending) {
            Some(slot) => self.course(time(now), slot.course.begins_again(time(now))),
            None => self.begins(key, tenant, now),
        };
        course.outlook(time(now), &self.lessons)
    }

    /// From now on this meeting counts here, whatever it did before, until it is taken back.
    pub(super) fn place(&mut self, id: Id, instance: &InstanceId, outlook: Outlook) {
        self.take_back(&id);
        self.more(instance, &outlook);
        self.going.insert(id, (instance.clone(), outlook));
    }

    /// The meeting is on its way no more.
    pub(super) fn take_back(&mut self, id: &Id) {
        if let Some((instance, outlook)) = self.going.remove(id) {
            self.less(&instance, &outlook);
        }
    }

    /// Lets a slot count as it is now.
    pub(super) fn count(&mut self, slot: &mut Slot, now: Moment) {
        self.uncount(slot);
        slot.counted = self.counts(slot, now);
        if let Some(outlook) = &slot.counted {
            self.more(&slot.route.instance, outlook);
        }
    }

    pub(super) fn uncount(&mut self, slot: &mut Slot) {
        if let Some(outlook) = slot.counted.take() {
            self.less(&slot.route.instance, &outlook);
        }
    }

    /// What a slot counts for on its instance; nothing when it has gone there, or counts where it is going.
    fn counts(&self, slot: &Slot, now: Moment) -> Option<Outlook> {
        let is_there = slot.lives() && !slot.leaves;
        is_there.then(|| slot.course.outlook(time(now), &self.lessons))
    }

    fn more(&mut self, instance: &InstanceId, outlook: &Outlook) {
        let own = self.own.entry(instance.clone()).or_default();
        own.meetings += 1;
        own.burden.add(outlook);
    }

    fn less(&mut self, instance: &InstanceId, outlook: &Outlook) {
        if let Some(own) = self.own.get_mut(instance) {
            own.meetings = own.meetings.saturating_sub(1);
            own.burden.remove(outlook);
        }
    }

    /// The route of a slot, which does not count just now, was another before. If that means that another meeting
    /// begins, its course does; the room that has met.
    pub(super) fn became(
        &mut self,
        key: &RouteKey,
        slot: &mut Slot,
        before: &Route,
        now: Moment,
    ) -> Option<Met> {
        let moved = before.instance != slot.route.instance;
        let again = slot.route.state == RouteState::Claimed && before.state != RouteState::Claimed;
        if !moved && !again {
            return None;
        }
        let over = before.state == RouteState::Ending;
        let habit = slot.course.begins_again(time(now)).filter(|_| !over);
        let course = std::mem::replace(&mut slot.course, self.course(time(now), habit));
        slot.witnessed = slot.route.state == RouteState::Claimed;
        if !over {
            return None;
        }
        let met = self.met(key, &slot.tenant, course, now);
        slot.course = self.begins(key, &slot.tenant, now);
        met
    }

    /// A slot that does not count any more is gone; the room that has met, if its meeting is over.
    pub(super) fn gone(&mut self, key: &RouteKey, slot: Slot, now: Moment) -> Option<Met> {
        // A claim that came to nothing was no meeting.
        let was_there = slot.route.state != RouteState::Claimed;
        was_there.then(|| self.met(key, &slot.tenant, slot.course, now))?
    }

    fn met(
        &mut self,
        key: &RouteKey,
        tenant: &TenantId,
        course: Course,
        now: Moment,
    ) -> Option<Met> {
        let habit = course.ends(time(now), &mut self.lessons)?;
        if self.most == 0 {
            return None;
        }
        let room = RoomKey::new(tenant, key);
        self.rooms.met(room, habit, self.wall(now).as_secs());
        Some(Met { room, gone: self.forget(now) })
    }

    fn forget(&mut self, now: Moment) -> Vec<RoomKey> {
        let before = self.wall(now).saturating_sub(FORGOTTEN_AFTER);
        self.rooms.forget(self.most, before.as_secs())
    }

    /// A sweep lists a slot's meeting so.
    pub(super) fn seen(&mut self, key: &RouteKey, slot: &mut Slot, seen: &Seen, now: Moment) {
        if !std::mem::replace(&mut slot.witnessed, true)
            && let Some(created) = seen.created
        {
            let age = self.wall(now).saturating_sub(Duration::from_millis(created)).min(OLDEST);
            let habit = self.rooms.get(&RoomKey::new(&slot.tenant, key));
            slot.course = self.course(time(now).before(age), habit);
        }
        slot.course.seen(time(now), seen.participants, seen.webcams, &mut self.lessons);
    }

    /// Looks at a slot of an instance after a sweep of it.
    pub(super) fn look(&self, slot: &mut Slot, tally: &mut Tally, now: Moment) {
        slot.counted = self.counts(slot, now);
        if let Some(outlook) = &slot.counted {
            tally.meetings += 1;
            tally.coming += outlook;
        }
    }

    /// Every slot of an instance was looked at.
    pub(super) fn settle(&mut self, instance: &InstanceId, mut tally: Tally, now: Moment) {
        for (_, outlook) in self.going.values().filter(|(to, _)| to == instance) {
            tally.meetings += 1;
            tally.coming += outlook;
        }
        let own = self.own.entry(instance.clone()).or_default();
        own.meetings = tally.meetings;
        own.burden.settle(time(now), tally.coming, self.range);
    }

    /// Takes over what was stored; of what is known here, what the store is to learn or to forget.
    pub(super) fn recalled(&mut self, stored: Recalled, now: Moment) -> Vec<RoomKey> {
        let Recalled { rooms, lessons } = stored;
        let known: crate::determinism::HashSet<_> = rooms.iter().map(|(room, ..)| *room).collect();
        let mut owed: Vec<_> =
            self.rooms.keys().filter(|room| !known.contains(room)).copied().collect();
        for (room, habit, at) in rooms {
            // What has met since is newer here.
            if self.rooms.get(&room).is_none() {
                self.rooms.put(room, habit, at);
            }
        }
        if let Some(lessons) = lessons {
            self.lessons = lessons;
        }
        owed.extend(self.forget(now));
        owed
    }

    /// The same for the course of a slot, which began before anything was known; it does not count just now.
    pub(super) fn begins_anew(&self, key: &RouteKey, slot: &mut Slot) {
        slot.course = self.begins(key, &slot.tenant, slot.settled_at);
        slot.witnessed = slot.route.state == RouteState::Claimed;
    }

    pub(super) fn lessons(&self) -> &Lessons {
        &self.lessons
    }

    pub(super) fn rooms(&self) -> &Rooms {
        &self.rooms
    }
}

#[cfg(test)]
mod tests;
