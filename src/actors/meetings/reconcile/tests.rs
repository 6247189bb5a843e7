use super::*;
use crate::actors::meetings::Seen;
use crate::domain::meeting::Route;

fn at(secs: u64) -> Moment {
    Moment(Duration::from_secs(secs))
}

/// What an instance calls "m" that was made then.
fn internal(created: u64) -> InternalId {
    InternalId::new(format!("{}-{created}", MeetingId::new("m").key()))
}

fn tenant() -> TenantId {
    TenantId::new("t")
}

/// A table with meeting "m" of "t" on `instance`, settled at second 10.
fn table(instance: &str, state: RouteState, tombs: &[&str]) -> Table {
    let mut table = Table::default();
    let route = Route {
        instance: InstanceId::new(instance),
        version: Version(1),
        state,
        tombs: tombs.iter().map(|t| InstanceId::new(*t)).collect(),
        meeting: None,
        internal: Some(internal(1_000)),
        left: None,
    };
    table.put(MeetingId::new("m").key(), &tenant(), Some(route), at(10));
    table
}

/// A sweep of "s1" sent at `secs` that lists "m" of "t" with these users, unless `None`.
fn sweep(secs: u64, users: Option<u64>) -> Sweep {
    let seen = users.map(|participants| Seen {
        meeting: MeetingId::new("m"),
        internal: Some(internal(1_000)),
        tenant: Some(tenant()),
        participants,
        webcams: 0,
        created: None,
        ended: false,
    });
    let seen = seen.into_iter().collect();
    Sweep { instance: InstanceId::new("s1"), asked_at: at(secs), shared: false, seen }
}

#[test]
fn a_route_goes_after_two_sweeps_that_miss_it() {
    let mut table = table("s1", RouteState::Confirmed, &[]);
    let early = reconcile(&mut table, &sweep(10, None), at(11), false);
    assert_eq!(early, Findings::default(), "confirmed after the request was sent");
    let first = reconcile(&mut table, &sweep(20, None), at(21), false);
    assert_eq!(first.remove, vec![]);
    let second = reconcile(&mut table, &sweep(30, None), at(31), false);
    assert_eq!(second.remove, vec![(MeetingId::new("m").key(), tenant(), Version(1))]);
}

#[test]
fn a_meeting_that_is_listed_again_is_no_longer_missing() {
    let mut table = table("s1", RouteState::Confirmed, &[]);
    for (secs, users) in [(20, None), (30, Some(4)), (40, None)] {
        let findings = reconcile(&mut table, &sweep(secs, users), at(secs + 1), false);
        assert_eq!(findings, Findings::default());
    }
}

#[test]
fn a_young_claim_is_left_alone() {
    let mut table = table("s1", RouteState::Claimed, &[]);
    for secs in [20, 30, 40] {
        let findings = reconcile(&mut table, &sweep(secs, None), at(secs + 1), false);
        assert_eq!(findings, Findings::default());
    }
    let seen = reconcile(&mut table, &sweep(50, Some(0)), at(51), false);
    assert_eq!(seen.confirm.len(), 1);
}

#[test]
fn a_meeting_without_a_route_is_adopted_unless_it_has_ended() {
    let found = reconcile(&mut Table::default(), &sweep(20, Some(1)), at(21), false);
    let m = MeetingId::new("m");
    let expected =
        Found { key: m.key(), tenant: tenant(), meeting: Some(m), internal: Some(internal(1_000)) };
    assert_eq!(found.adopt, vec![expected]);
    let mut ended = sweep(20, Some(1));
    ended.seen[0].ended = true;
    let found = reconcile(&mut Table::default(), &ended, at(21), false);
    assert_eq!(found, Findings::default());
}

/// What the instance lists as this id and internal id is the meeting of the route that was made as `created`.
#[track_caller]
fn check_listed(created: &str, known_as: Option<&str>, listed: &str, internal: &str, is_it: bool) {
    let (mut table, created) = (Table::default(), MeetingId::new(created));
    let route = Route {
        instance: InstanceId::new("s1"),
        version: Version(1),
        state: RouteState::Confirmed,
        tombs: Vec::new(),
        meeting: Some(created.clone()),
        internal: known_as.map(InternalId::new),
        left: None,
    };
    table.put(created.key(), &tenant(), Some(route), at(10));
    let mut sweep = sweep(20, Some(1));
    sweep.seen[0].meeting = MeetingId::new(listed);
    sweep.seen[0].internal = Some(InternalId::new(internal));
    let found = reconcile(&mut table, &sweep, at(21), false);
    assert_eq!(found.adopt.is_empty(), is_it, "{created} as {listed}, {internal}: {found:?}");
}

#[test]
fn a_listed_meeting_is_known_by_its_id_or_by_an_internal_id_that_is_its_own() {
    let hash = |text: &str| format!("{}-17", MeetingId::new(text).key());
    check_listed("room", None, "room", &hash("room"), true);
    check_listed("room", None, "room", "0f-uuid", true);
    check_listed("room", None, "room", &hash("other"), true);
    check_listed("a  b", None, "a b", &hash("a  b"), true);
    check_listed("a  b", None, "c d", &hash("a  b"), false);
    check_listed("room", Some("0f-uuid"), "listed otherwise", "0f-uuid", true);
    // A breakout room that the API made on BBB 2.5.
    check_listed("br", Some("br"), &hash("x"), "br", true);
    check_listed("br", None, &hash("x"), "br", true);
    check_listed("room", None, "other", &hash("room"), false);
}

#[test]
fn what_an_instance_calls_a_meeting_is_learnt_unless_the_route_is_newer_than_the_list() {
    let mut table = table("s1", RouteState::Confirmed, &[]);
    let mut early = sweep(5, Some(1));
    early.seen[0].internal = Some(InternalId::new("old-1"));
    assert_eq!(reconcile(&mut table, &early, at(11), false).confirm, vec![]);
    let mut later = sweep(20, Some(1));
    later.seen[0].internal = Some(InternalId::new("new-1"));
    let confirm = reconcile(&mut table, &later, at(21), false).confirm;
    let news: Vec<_> = confirm.into_iter().map(|(.., news)| news).collect();
    assert_eq!(news, [Some(InternalId::new("new-1"))]);
    let route = &table.get(&MeetingId::new("m").key(), &tenant()).expect("a slot").route;
    assert_ne!(
        route.internal,
        Some(InternalId::new("new-1")),
        "the store says first that the route is this one still"
    );
}

#[track_caller]
fn check_copy(tombs: &[&str], users: u64, shared: bool, ended: bool, fetched: bool) {
    let mut table = table("s2", RouteState::Confirmed, tombs);
    let asked = if fetched { 200 } else { 20 };
    let copy = |created: u64| {
        let mut copy = sweep(asked, Some(users));
        copy.seen[0].internal = Some(internal(created));
        copy
    };
    let unlisted = reconcile(&mut table, &copy(2000), at(asked), shared);
    assert_eq!(unlisted.end, [], "its home has not listed the meeting");
    let home = Sweep { instance: InstanceId::new("s2"), ..sweep(asked - 5, Some(1)) };
    reconcile(&mut table, &home, at(asked), shared);
    let same = reconcile(&mut table, &copy(1000), at(asked), shared);
    assert_eq!((same.end.len(), same.twins.len()), (0, 1), "it is the meeting itself");
    let later = reconcile(&mut table, &copy(900000), at(asked), shared);
    assert!(users == 0 || later.end.is_empty(), "people are in a meeting of another time");
    let found = reconcile(&mut table, &copy(2000), at(asked + 1), shared);
    assert_eq!(found.strays.len(), 1);
    assert_eq!((found.end.len() == 1, found.fetch.len() == 1), (ended, fetched));
}

#[test]
fn a_copy_is_hidden_and_ended_when_it_is_empty_or_entombed() {
    check_copy(&[], 0, false, true, false);
    check_copy(&[], 3, false, false, false);
    check_copy(&["s1"], 3, false, true, false);
    check_copy(&["s1"], 3, true, true, false);
    check_copy(&["s1"], 3, true, false, true);
}
