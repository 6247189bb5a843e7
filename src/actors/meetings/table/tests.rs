use super::*;
use crate::domain::meeting::MeetingId;

fn at(secs: u64) -> Moment {
    Moment(std::time::Duration::from_secs(secs))
}

fn record(instance: &str) -> RouteRecord {
    let route = Route {
        instance: InstanceId::new(instance),
        version: Version(1),
        state: RouteState::Confirmed,
        tombs: Vec::new(),
        meeting: None,
        internal: None,
        left: None,
    };
    RouteRecord::from([(TenantId::new("t"), route)])
}

/// Whether the slot is to be read again, after what was done to the table.
#[track_caller]
fn check(change: impl FnOnce(&mut Table, RouteKey), stale: bool) {
    let (mut table, key) = (Table::default(), MeetingId::new("m").key());
    change(&mut table, key);
    assert_eq!(table.get(&key, &TenantId::new("t")).map(|slot| slot.stale), Some(stale));
}

#[test]
fn an_answer_older_than_a_change_by_another_replica_is_not_believed_for_long() {
    check(|table, key| table.read(key, record("s1"), at(10)), false);
    let told_meanwhile = |table: &mut Table, key| {
        table.read(key, record("s1"), at(10));
        table.changed(key, at(21));
        table.read(key, record("s1"), at(20));
    };
    check(told_meanwhile, true);
    let told_before_it_was_known = |table: &mut Table, key| {
        table.changed(key, at(21));
        table.read_all(vec![(key, record("s1"))], at(20));
    };
    check(told_before_it_was_known, true);
    let read_again = |table: &mut Table, key| {
        told_meanwhile(table, key);
        table.read(key, record("s2"), at(22));
    };
    check(read_again, false);
    let after_a_step = |table: &mut Table, key| {
        table.changed(key, at(21));
        let route = record("s1").into_values().next();
        table.put(key, &TenantId::new("t"), route, at(22));
        table.recheck(&key, at(20));
    };
    check(after_a_step, true);
    let long_ago = |table: &mut Table, key| {
        table.changed(key, at(21));
        table.forget_told(at(22));
        table.read(key, record("s1"), at(20));
    };
    check(long_ago, false);
}

/// A route of "t" as it is told, from one version to another; 0 stands for none.
fn news(from: u64, to: u64) -> Became {
    let mut route = record("s1").into_values().next();
    route.iter_mut().for_each(|route| route.version = Version(to));
    let was = (from != 0).then_some(Version(from));
    Became { tenant: TenantId::new("t"), was, route: route.filter(|_| to != 0) }
}

/// What is told, one after the other, on top of the version that is known (0: none); the version that is
/// known then, and whether it is to be read again.
#[track_caller]
fn check_told(known: u64, told: &[(u64, u64)], expected: u64, stale: bool) {
    let (mut table, key) = (Table::default(), MeetingId::new("m").key());
    if known != 0 {
        table.put(key, &TenantId::new("t"), news(0, known).route, at(5));
    }
    for &(from, to) in told {
        table.became(key, news(from, to), at(10));
    }
    let slot = table.get(&key, &TenantId::new("t"));
    let found = slot.map_or((0, false), |slot| (slot.route.version.0, slot.stale));
    assert_eq!(found, (expected, stale), "{told:?} on {known}");
}

#[test]
fn what_follows_on_what_is_known_is_taken_over_and_nothing_else() {
    check_told(0, &[(0, 1)], 1, false);
    check_told(0, &[(0, 1), (1, 2)], 2, false);
    check_told(0, &[(0, 1), (1, 2), (2, 0)], 0, false);
    check_told(1, &[(1, 2)], 2, false);
    check_told(1, &[(1, 0)], 0, false);
    check_told(2, &[(1, 2)], 2, false); // ours already
    check_told(2, &[(0, 1)], 2, true); // older, or something was missed
    check_told(2, &[(1, 0)], 2, true);
    check_told(0, &[(1, 0)], 0, false);
}

#[test]
fn news_of_a_route_that_has_gone_since_does_not_bring_it_back() {
    let (mut table, key, tenant) =
        (Table::default(), MeetingId::new("m").key(), TenantId::new("t"));
    table.put(key, &tenant, news(0, 1).route, at(5));
    table.remove(&key, &tenant, at(6));
    assert!(!table.became(key, news(0, 1), at(7)));
    assert!(table.get(&key, &tenant).is_none());
    assert!(table.became(key, news(0, 2), at(8)));
}

#[test]
fn after_something_may_have_been_missed_only_what_is_read_anew_is_believed() {
    let (mut table, key, tenant) =
        (Table::default(), MeetingId::new("m").key(), TenantId::new("t"));
    table.read(key, record("s1"), at(10));
    let mut check = |what: &dyn Fn(&mut Table), expected| {
        what(&mut table);
        let slot = table.get(&key, &tenant).expect("a slot");
        assert_eq!(table.is_doubted(slot), expected);
    };
    check(&|_| {}, false);
    check(&|table| table.doubt(at(20)), true);
    check(&|table| table.read(key, record("s1"), at(19)), true);
    check(&|table| table.read(key, record("s1"), at(20)), false);
}
