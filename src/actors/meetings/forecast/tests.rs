use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::actors::meetings::Sweep;
use crate::actors::meetings::reconcile::reconcile;
use crate::actors::meetings::table::Table;
use crate::domain::meeting::{MeetingId, Version};
use crate::outside::store::Became;

/// The time of day at the start of these stories, since 1970.
const STARTED: Duration = Duration::from_secs(1_767_225_600);

fn at(secs: u64) -> Moment {
    Moment(Duration::from_secs(secs))
}

fn tenant() -> TenantId {
    TenantId::new("t")
}

fn key(meeting: u8) -> RouteKey {
    MeetingId::new(meeting.to_string()).key()
}

fn instance(n: u8) -> InstanceId {
    InstanceId::new(format!("s{n}"))
}

/// What happens to a meeting, and the instance that it happens on.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// It is placed; that is not stored yet.
    Place(u8, u8),
    /// What was placed is over and done with, well or not.
    TakeBack(u8),
    /// The store says that it is there, in this state, by another version than before.
    Put(u8, u8, RouteState),
    /// The same, by the version that is known.
    Same(u8),
    /// Another replica says that it has claimed it there.
    Told(u8, u8),
    Remove(u8),
    /// The instance lists these meetings, a bit each.
    Sweep(u8, u8),
    /// The pool has no instances any more.
    Forget,
}
use Event::*;
use RouteState::{Claimed, Confirmed, Ending};

struct Story {
    table: Table,
    now: u64,
    version: u64,
}

impl Story {
    fn new(most: usize) -> Self {
        let mut forecast = Forecast::new(STARTED);
        forecast.configure(Duration::from_secs(300), most, at(0));
        Self { table: Table::new(forecast), now: 100, version: 0 }
    }

    fn after(most: usize, events: &[Event]) -> Self {
        let mut story = Self::new(most);
        events.iter().for_each(|&event| {
            story.take(event);
        });
        story
    }

    fn route(&mut self, on: u8, state: RouteState) -> Option<Route> {
        self.version += 1;
        let version = Version(self.version);
        Some(Route {
            instance: instance(on),
            version,
            state,
            tombs: Vec::new(),
            meeting: None,
            internal: None,
            left: None,
        })
    }

    fn put(&mut self, meeting: u8, route: Option<Route>) -> Option<Met> {
        self.table.put(key(meeting), &tenant(), route, at(self.now))
    }

    fn take(&mut self, event: Event) -> Option<Met> {
        self.now += 1;
        let now = at(self.now);
        match event {
            Place(meeting, on) => self.table.place(key(meeting), &tenant(), &instance(on), now),
            TakeBack(meeting) => self.table.take_back(key(meeting), &tenant(), now),
            Put(meeting, on, state) => {
                let route = self.route(on, state);
                return self.put(meeting, route);
            }
            Same(meeting) => {
                let known = self.table.get(&key(meeting), &tenant());
                let route = known.map(|slot| slot.route.clone());
                return self.put(meeting, route);
            }
            Told(meeting, on) => {
                let was = self.table.get(&key(meeting), &tenant()).map(|s| s.route.version);
                let became = Became { tenant: tenant(), was, route: self.route(on, Claimed) };
                self.table.became(key(meeting), became, now);
            }
            Remove(meeting) => return self.put(meeting, None),
            Sweep(on, meetings) => self.sweep(on, meetings, 3, None),
            Forget => self.table.forecast_mut().follow(&Roster::new(Vec::new())),
        }
        None
    }

    fn sweep(&mut self, on: u8, meetings: u8, users: u64, created: Option<u64>) {
        let listed = (0..8).filter(|n| meetings >> n & 1 == 1);
        let seen = listed.map(|n| Seen {
            meeting: MeetingId::new(n.to_string()),
            internal: None,
            tenant: Some(tenant()),
            participants: users,
            webcams: users,
            created,
            ended: false,
        });
        let (instance, seen) = (instance(on), seen.collect());
        let sweep = self::Sweep { instance, asked_at: at(self.now), shared: false, seen };
        reconcile(&mut self.table, &sweep, at(self.now), false);
    }

    fn coming(&self, meeting: u8) -> Outlook {
        self.table.coming(&key(meeting), &tenant(), at(self.now))
    }

    /// How many meetings count on each instance, where any does.
    fn meetings(&self) -> BTreeMap<String, usize> {
        let own = self.table.forecast().own().iter();
        own.filter(|(_, own)| own.meetings > 0)
            .map(|(id, own)| (id.to_string(), own.meetings))
            .collect()
    }

    /// The same counted from the slots and what is on its way, with what is expected of them.
    #[track_caller]
    fn assert_consistent(&self) {
        let forecast = self.table.forecast();
        let mut expected: HashMap<InstanceId, (usize, Outlook)> = HashMap::default();
        let slots = self.table.slots();
        let there = slots.filter_map(|(_, s)| Some((&s.route.instance, s.counted.as_ref()?)));
        for (id, outlook) in there.chain(forecast.going.values().map(|(id, outlook)| (id, outlook)))
        {
            let (meetings, coming) = expected.entry(id.clone()).or_default();
            *meetings += 1;
            *coming += outlook;
        }
        let on = |id: &InstanceId| expected.get(id).copied().unwrap_or_default();
        for (id, own) in forecast.own() {
            let (meetings, coming) = on(id);
            assert_eq!(own.meetings, meetings, "{id}");
            let pairs = own.burden.coming().mean.into_iter().zip(coming.mean);
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{id}");
        }
        assert!(expected.keys().all(|id| forecast.own().contains_key(id)));
        for (id, slot) in self.table.slots() {
            let going = forecast.going.contains_key(&(*id, slot.tenant.clone()));
            assert!(!(going && slot.counted.is_some()), "a meeting counts twice");
            assert_eq!(slot.counted.is_some(), slot.lives() && !going, "{slot:?}");
        }
    }
}

#[track_caller]
fn check(events: &[Event], expected: &[(&str, usize)]) {
    let story = Story::after(8, events);
    story.assert_consistent();
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
    assert_eq!(story.meetings(), expected, "{events:?}");
}

#[test]
fn a_placement_counts_at_once_and_once() {
    let placed = Place(1, 1);
    check(&[placed], &[("s1", 1)]);
    check(&[placed, Place(2, 1), Place(3, 2)], &[("s1", 2), ("s2", 1)]);
    check(&[placed, Put(1, 1, Claimed), TakeBack(1)], &[("s1", 1)]);
    check(&[placed, TakeBack(1)], &[]); // it failed
    check(&[placed, Put(1, 2, Claimed), TakeBack(1)], &[("s2", 1)]); // another's claim won
    check(&[placed, Place(1, 2), TakeBack(1)], &[]); // tried again elsewhere
    check(&[placed, Put(1, 1, Claimed), Put(1, 1, Confirmed)], &[("s1", 1)]);
    check(&[placed, Put(1, 1, Claimed), Remove(1)], &[]);
}

#[test]
fn a_meeting_that_moves_counts_where_it_goes() {
    let there = Put(1, 1, Confirmed);
    check(&[there, Place(1, 2)], &[("s2", 1)]);
    check(&[there, Place(1, 2), Put(1, 2, Claimed), TakeBack(1)], &[("s2", 1)]);
    check(&[there, Place(1, 2), TakeBack(1)], &[("s1", 1)]);
    check(&[there, Place(1, 2), Same(1)], &[("s2", 1)]); // read again meanwhile
    check(&[there, Place(1, 2), Remove(1)], &[("s2", 1)]); // gone, so it is claimed there
    check(&[there, Place(1, 2), Remove(1), TakeBack(1)], &[]);
    check(&[there, Place(1, 2), Sweep(1, 0b10), Sweep(2, 0)], &[("s2", 1)]);
}

#[test]
fn what_another_replica_placed_counts_as_our_own() {
    check(&[Told(1, 1)], &[("s1", 1)]);
    check(&[Told(1, 1), Sweep(1, 0b10)], &[("s1", 1)]);
    check(&[Place(1, 1), Told(1, 2), TakeBack(1)], &[("s2", 1)]);
    check(&[Told(1, 1), Told(1, 2), Sweep(1, 0)], &[("s2", 1)]);
}

#[test]
fn what_ends_or_is_missing_counts_no_more() {
    let there = Put(1, 1, Confirmed);
    check(&[there, Put(1, 1, Ending)], &[]);
    check(&[there, Put(1, 1, Ending), Sweep(1, 0b10)], &[]);
    check(&[there, Put(1, 1, Ending), Put(1, 1, Claimed)], &[("s1", 1)]);
    check(&[there, Sweep(1, 0)], &[]);
    check(&[there, Sweep(1, 0), Sweep(1, 0b10)], &[("s1", 1)]);
    check(&[Put(1, 1, Claimed), Sweep(1, 0)], &[("s1", 1)]); // it may be on its way still
}

#[test]
fn an_instance_is_forgotten_with_its_last_meeting() {
    let known = |events: &[Event]| Story::after(8, events).table.forecast().own().len();
    assert_eq!(known(&[Put(1, 1, Confirmed), Sweep(2, 0)]), 2);
    assert_eq!(known(&[Put(1, 1, Confirmed), Sweep(2, 0), Forget]), 1);
    assert_eq!(known(&[Put(1, 1, Confirmed), Remove(1), Forget]), 0);
    check(&[Put(1, 1, Confirmed), Forget, Remove(1), Forget, Put(1, 1, Claimed)], &[("s1", 1)]);
}

fn event() -> impl Strategy<Value = Event> {
    let (meeting, on) = (|| 0u8..4, || 0u8..3);
    let state = || prop_oneof![Just(Claimed), Just(Confirmed), Just(Ending)];
    prop_oneof![
        (meeting(), on()).prop_map(|(meeting, on)| Place(meeting, on)),
        meeting().prop_map(TakeBack),
        (meeting(), on(), state()).prop_map(|(meeting, on, state)| Put(meeting, on, state)),
        meeting().prop_map(Same),
        (meeting(), on()).prop_map(|(meeting, on)| Told(meeting, on)),
        meeting().prop_map(Remove),
        (on(), 0u8..16).prop_map(|(on, meetings)| Sweep(on, meetings)),
        Just(Forget),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_no_meeting_counts_twice_and_none_is_left(
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut story = Story::after(2, &events);
        story.assert_consistent();
        for meeting in 0..4 {
            story.take(Remove(meeting));
            story.take(TakeBack(meeting));
        }
        story.assert_consistent();
        prop_assert_eq!(story.meetings(), BTreeMap::new());
        story.take(Forget);
        prop_assert!(story.table.forecast().own().is_empty());
        prop_assert!(story.table.forecast().rooms().len() <= 2);
    }
}

/// A meeting of so many with a picture each, an hour long, on s1.
fn meets(story: &mut Story, meeting: u8, users: u64) -> Option<Met> {
    story.take(Put(meeting, 1, Claimed));
    story.take(Put(meeting, 1, Confirmed));
    story.now += 600;
    story.sweep(1, 1 << meeting, users, None);
    story.now += 3000;
    story.take(Remove(meeting))
}

#[test]
fn a_room_is_expected_to_become_what_it_was() {
    let mut story = Story::new(8);
    let anyone = story.coming(1);
    assert_eq!(anyone.history, 0.0);
    let met = meets(&mut story, 1, 40).expect("it has met");
    assert_eq!(met, Met { room: RoomKey::new(&tenant(), &key(1)), gone: Vec::new() });
    let large = story.coming(1);
    assert!(large.history > 2.0 && large.mean[3] > anyone.mean[3], "{large:?}");
    assert_eq!(story.coming(2).history, 0.0, "another room");
    let other = TenantId::new("u");
    assert_eq!(story.table.coming(&key(1), &other, at(story.now)).history, 0.0, "another tenant");
    story.take(Put(1, 1, Claimed));
    let slot = story.table.get(&key(1), &tenant()).expect("a slot");
    assert!(slot.counted.is_some_and(|outlook| outlook.history > 2.0));
}

#[test]
fn only_what_was_a_meeting_is_remembered() {
    let story = Story::new(8);
    assert_eq!(Story::after(8, &[Put(1, 1, Claimed)]).take(Remove(1)), None, "it came to nothing");
    assert_eq!(Story::after(8, &[Put(1, 1, Confirmed)]).take(Remove(1)), None, "nobody came");
    assert!(story.table.forecast().rooms().is_empty());
    assert_eq!(meets(&mut Story::new(0), 1, 40), None, "no rooms are kept");
    let mut again = Story::after(8, &[Put(1, 1, Confirmed), Sweep(1, 0b10), Put(1, 1, Ending)]);
    assert!(again.take(Put(1, 2, Claimed)).is_some(), "the next meeting begins at once");
}

#[test]
fn the_longest_unused_room_is_forgotten_first() {
    let mut story = Story::new(2);
    let rooms = [1, 2, 1, 3].map(|n| meets(&mut story, n, 5).expect("it has met").gone);
    let second = RoomKey::new(&tenant(), &key(2));
    assert_eq!(rooms, [vec![], vec![], vec![], vec![second]]);
}

#[test]
fn a_meeting_that_moves_becomes_what_it_had_become() {
    let mut story = Story::after(8, &[Put(1, 1, Claimed), Put(1, 1, Confirmed)]);
    story.now += 600;
    story.sweep(1, 0b10, 40, None);
    assert!(story.coming(1).history > 2.0);
    assert_eq!(story.take(Put(1, 2, Claimed)), None);
    let slot = story.table.get(&key(1), &tenant()).expect("a slot");
    assert!(slot.counted.is_some_and(|outlook| outlook.history > 2.0));
}

#[test]
fn how_old_a_meeting_is_may_be_told_by_its_instance() {
    let wall = |story: &Story| (STARTED + Duration::from_secs(story.now)).as_millis() as u64;
    let pending = |state, hours: u64| {
        let mut story = Story::after(8, &[Put(1, 1, state)]);
        let created = wall(&story).saturating_sub(hours * 3_600_000);
        story.sweep(1, 0b10, 3, Some(created));
        let slot = story.table.get(&key(1), &tenant()).expect("a slot");
        slot.counted.expect("it counts").pending
    };
    let young = pending(Confirmed, 0);
    assert!(young > 0.0);
    assert!(pending(Confirmed, 2) < young, "it was there before us");
    assert!(pending(Confirmed, 1_000_000) < young, "a clock that is far behind");
    assert_eq!(pending(Claimed, 2), young, "we know when it began");
}

#[test]
fn what_was_stored_is_taken_over_unless_it_is_older() {
    let room = |n: u8| RoomKey::new(&tenant(), &key(n));
    let habit = |peak: f64| Habit { peak, lasted: Duration::from_secs(3600) };
    let stored = |rooms: &[u8]| Recalled {
        rooms: rooms.iter().map(|&n| (room(n), habit(7.0), STARTED.as_secs())).collect(),
        lessons: None,
    };
    let mut story = Story::new(3);
    meets(&mut story, 1, 40);
    meets(&mut story, 2, 40);
    story.take(Put(4, 1, Confirmed));
    let owed = story.table.recalled(stored(&[1, 4]), false, at(story.now));
    assert_eq!(owed, [room(2)], "the store does not have it");
    let peaks = [1, 2, 4].map(|n| story.table.forecast().rooms().get(&room(n)).map(|h| h.peak));
    assert!(peaks[0].is_some_and(|peak| peak < 7.0), "it has met since");
    assert_eq!(peaks[2], Some(7.0));
    story.assert_consistent();
    let slot = story.table.get(&key(4), &tenant()).expect("a slot");
    assert!(slot.counted.is_some_and(|outlook| outlook.history > 5.0), "it runs already");
    let owed = story.table.recalled(stored(&[1, 2, 4, 5]), true, at(story.now));
    assert_eq!(owed.len(), 1, "there is no room for it");
}
