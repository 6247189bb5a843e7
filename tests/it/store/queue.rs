//! The queue of what is owed: what both stores do alike.

use bigblueswarm::bbb::callback::Kind;
use bigblueswarm::domain::delivery::DeliveryId;
use bigblueswarm::outside::store::Store;
use bigblueswarm::outside::store::queue::{
    Due, Lane, Owed, Parcel, Pile, Room, Settle, Target, Way, Wish,
};

use super::home::Home;
use super::stories::stories;

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;
const ROOM: Room = Room { most: 100, bytes: 1 << 20, tenant_most: 100, tenant_bytes: 1 << 20 };

fn id(name: &str) -> DeliveryId {
    DeliveryId::of(Kind::End, name, b"")
}

fn parcel(name: &str, at: u64) -> Parcel {
    let body = [b"\0\xff body of ", name.as_bytes()].concat();
    Parcel { id: id(name), at, slip: name.as_bytes().to_vec(), body: body.into() }
}

fn way(lane: Lane, tenant: &str, origin: &str) -> Way {
    let target = Target { tenant: tenant.into(), origin: origin.into() };
    Way { lane, target, hook: String::new() }
}

async fn owe(store: &dyn Store, parcels: Vec<Parcel>, room: Room) -> Vec<Owed> {
    let to = |parcel| (way(Lane::Calls, "t", "https://t"), parcel);
    store.owe(parcels.into_iter().map(to).collect(), NOW, room).await.expect("an answer")
}

async fn due(store: &dyn Store, now: u64) -> Due {
    take(store, now, now + 60_000, 10, 1 << 20).await
}

async fn take(store: &dyn Store, now: u64, until: u64, most: usize, bytes: usize) -> Due {
    store.take_due(now, until, Wish::any(Lane::Calls, most, bytes)).await.expect("an answer")
}

fn names(due: &Due) -> Vec<String> {
    due.parcels.iter().map(|p| String::from_utf8_lossy(&p.slip).into_owned()).collect()
}

async fn settle(store: &dyn Store, name: &str, until: u64, to: Settle) -> bool {
    store.settle(id(name), until, to, ROOM).await.expect("an answer")
}

async fn pile(store: &dyn Store, pile: Pile) -> Vec<(String, u64)> {
    let page = store.pile(pile, 0, 100).await.expect("a page");
    assert_eq!(page.total, page.parcels.len() as u64);
    assert!(page.parcels.iter().all(|parcel| parcel.body.is_empty()));
    let parcels = page.parcels.into_iter();
    parcels.map(|p| (String::from_utf8_lossy(&p.slip).into_owned(), p.at)).collect()
}

async fn one_key_is_drawn_and_kept<H: Home>() {
    let mut home = H::start();
    let replicas = home.replicas(3);
    let keys = (0..12_u8).map(|n| {
        let store = replicas[usize::from(n) % 3].clone();
        tokio::spawn(async move { store.callback_key([n; 32]).await.expect("a key") })
    });
    let mut drawn = std::collections::HashSet::new();
    for key in keys.collect::<Vec<_>>() {
        drawn.insert(key.await.expect("no panic"));
    }
    assert_eq!(drawn.len(), 1);
    drop(replicas);
    home.restart();
    let key = home.open().callback_key([99; 32]).await.expect("a key");
    assert!(drawn.contains(&key));
}

async fn what_is_owed_is_due_in_its_order_and_survives_a_restart<H: Home>() {
    let mut home = H::start();
    let store = home.open();
    let three = vec![parcel("later", NOW + 5), parcel("b", NOW), parcel("a", NOW - 1)];
    assert_eq!(owe(&*store, three, ROOM).await, [Owed::New; 3]);
    drop(store);
    home.restart();
    let store = home.open();
    let taken = due(&*store, NOW).await;
    assert_eq!(names(&taken), ["a", "b"]);
    assert_eq!((taken.next, taken.waiting, taken.dead), (Some(NOW + 5), 3, 0));
    let whole = Parcel { at: NOW + 60_000, ..parcel("a", 0) };
    assert_eq!(taken.parcels[0], whole);
    // Leased ones are nobody else's until the lease ends.
    assert_eq!(names(&due(&*store, NOW).await), [""; 0]);
    assert_eq!(names(&due(&*store, NOW + 5).await), ["later"]);
    let mut again = names(&due(&*store, NOW + 60_000).await);
    again.sort_unstable();
    assert_eq!(again, ["a", "b"]);
}

async fn the_same_twice_is_one_also_after_it_was_delivered<H: Home>() {
    let home = H::start();
    let store = home.open();
    assert_eq!(owe(&*store, vec![parcel("a", NOW)], ROOM).await, [Owed::New]);
    let twice = vec![parcel("b", NOW), parcel("b", NOW), parcel("a", NOW)];
    assert_eq!(owe(&*store, twice, ROOM).await, [Owed::New, Owed::Known, Owed::Known]);
    let until = due(&*store, NOW).await.parcels[0].at;
    assert!(settle(&*store, "a", until, Settle::Done { at: NOW }).await);
    assert_eq!(owe(&*store, vec![parcel("a", NOW)], ROOM).await, [Owed::Known]);
    // A meeting of that name may come again later.
    let later = store.owe(vec![(Way::default(), parcel("a", NOW))], NOW + HOUR + 1, ROOM).await;
    assert_eq!(later.expect("an answer"), [Owed::New]);
    assert_eq!(pile(&*store, Pile::Waiting).await.len(), 2);
}

async fn only_the_holder_of_the_lease_settles<H: Home>() {
    let home = H::start();
    let store = home.open();
    owe(&*store, vec![parcel("a", NOW)], ROOM).await;
    let first = due(&*store, NOW).await.parcels[0].at;
    let second = due(&*store, first).await.parcels[0].at;
    let again = |at| Settle::Again { at, slip: b"once more".to_vec() };
    assert!(!settle(&*store, "a", first, Settle::Done { at: NOW }).await);
    assert!(!settle(&*store, "unknown", first, again(NOW)).await);
    assert!(settle(&*store, "a", second, again(second + 7)).await);
    assert_eq!(pile(&*store, Pile::Waiting).await, [("once more".to_owned(), second + 7)]);
    let third = due(&*store, second + 7).await;
    assert_eq!(third.parcels[0].body, parcel("a", 0).body);
    let dead = Settle::Dead { at: third.parcels[0].at, slip: b"gave up".to_vec() };
    assert!(settle(&*store, "a", third.parcels[0].at, dead).await);
    assert_eq!(pile(&*store, Pile::Waiting).await, []);
    assert_eq!(pile(&*store, Pile::Dead).await.len(), 1);
    let empty = due(&*store, NOW * 2).await;
    assert_eq!((empty.parcels.len(), empty.next, empty.dead), (0, None, 1));
}

async fn dead_letters_are_revived_and_dropped<H: Home>() {
    let home = H::start();
    let store = home.open();
    for name in ["a", "b", "c"] {
        owe(&*store, vec![parcel(name, NOW)], ROOM).await;
        let until = due(&*store, NOW).await.parcels[0].at;
        let dead = Settle::Dead { at: NOW, slip: name.as_bytes().to_vec() };
        assert!(settle(&*store, name, until, dead).await);
    }
    assert_eq!(owe(&*store, vec![parcel("a", NOW)], ROOM).await, [Owed::Known]);
    assert!(store.revive(id("b"), NOW).await.expect("an answer"));
    assert!(!store.revive(id("x"), NOW).await.expect("an answer"));
    let taken = due(&*store, NOW).await;
    assert_eq!((names(&taken), taken.dead), (vec!["b".to_owned()], 3 - 1));
    assert_eq!(taken.parcels[0].body, parcel("b", 0).body);
    for (name, was_there) in [("a", true), ("a", false), ("b", true), ("x", false)] {
        assert_eq!(store.discard(id(name)).await.expect("an answer"), was_there, "{name}");
    }
    assert!(!settle(&*store, "b", taken.parcels[0].at, Settle::Done { at: NOW }).await);
    let page = store.pile(Pile::Dead, 1, 10).await.expect("a page");
    assert_eq!((page.parcels.len(), page.total), (0, 1));
}

async fn the_queue_is_bounded_in_number_and_bytes<H: Home>() {
    let home = H::start();
    let store = home.open();
    let two = Room { most: 2, ..ROOM };
    let many = vec![parcel("a", NOW - 1), parcel("b", NOW), parcel("c", NOW)];
    assert_eq!(owe(&*store, many, two).await, [Owed::New, Owed::New, Owed::Full]);
    for (name, next) in [("a", Some(NOW)), ("b", None)] {
        let taken = take(&*store, NOW, NOW + 1, 1, 1 << 20).await;
        assert_eq!((names(&taken), taken.next), (vec![name.to_owned()], next));
        let dead = Settle::Dead { at: NOW, slip: name.as_bytes().to_vec() };
        let settled = store.settle(id(name), NOW + 1, dead, Room { most: 1, ..ROOM }).await;
        assert!(settled.expect("an answer"));
    }
    // One dead letter may stay, the newest.
    let dead = pile(&*store, Pile::Dead).await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    // It gives way to what is new, which does not.
    let large = |name: &str| Parcel { body: vec![7; 600].into(), ..parcel(name, NOW) };
    let small = Room { bytes: 1_000, ..ROOM };
    let owed = owe(&*store, vec![large("d"), large("e"), parcel("f", NOW + 1)], small).await;
    assert_eq!(owed, [Owed::New, Owed::Full, Owed::New]);
    let parts = take(&*store, NOW + 1, NOW + 2, 10, 500).await;
    assert_eq!(names(&parts), ["d"]);
}

/// A parcel that waits in a lane for a target of a tenant.
async fn put(store: &dyn Store, name: &str, way: Way, room: Room) -> Owed {
    let owed = store.owe(vec![(way, parcel(name, NOW))], NOW, room).await;
    owed.expect("an answer")[0]
}

async fn lanes_and_tenants_have_bounds_of_their_own<H: Home>() {
    let home = H::start();
    let store = home.open();
    let room = Room { tenant_most: 2, most: 3, ..ROOM };
    let of = |lane, tenant| way(lane, tenant, "https://x");
    for (name, lane, tenant, expected) in [
        ("a", Lane::Events, "t", Owed::New),
        ("b", Lane::Events, "t", Owed::New),
        ("c", Lane::Events, "t", Owed::OverShare),
        ("d", Lane::Calls, "t", Owed::New),
        ("e", Lane::Events, "u", Owed::New),
        ("f", Lane::Events, "u", Owed::Full),
        ("g", Lane::Calls, "u", Owed::New),
    ] {
        assert_eq!(put(&*store, name, of(lane, tenant), room).await, expected, "{name}");
    }
    let until = due(&*store, NOW).await.parcels[0].at;
    assert!(settle(&*store, "d", until, Settle::Done { at: NOW }).await);
    assert_eq!(put(&*store, "h", of(Lane::Calls, "t"), room).await, Owed::New);
    // Room is given back by what is delivered or dropped.
    assert!(store.discard(id("a")).await.expect("an answer"));
    assert_eq!(put(&*store, "c", of(Lane::Events, "t"), room).await, Owed::New);
    let small = Room { tenant_bytes: 60, ..ROOM };
    assert_eq!(put(&*store, "i", of(Lane::Calls, "v"), small).await, Owed::New);
    let large = (of(Lane::Calls, "v"), Parcel { body: vec![7; 50].into(), ..parcel("j", NOW) });
    assert_eq!(store.owe(vec![large], NOW, small).await.expect("an answer"), [Owed::OverShare]);
    // Events may take half of all bytes.
    let half = Room { bytes: 100, ..ROOM };
    assert_eq!(put(&*store, "k", of(Lane::Events, "v"), half).await, Owed::Full);
}

async fn what_is_held_for_one_target_holds_up_no_other<H: Home>() {
    let home = H::start();
    let store = home.open();
    for n in 0..5 {
        put(&*store, &format!("a{n}"), way(Lane::Events, "t", "https://a"), ROOM).await;
        put(&*store, &format!("b{n}"), way(Lane::Events, "t", "https://b"), ROOM).await;
    }
    put(&*store, "u", way(Lane::Events, "u", "https://a"), ROOM).await;
    put(&*store, "call", way(Lane::Calls, "t", "https://a"), ROOM).await;
    let mut wish = Wish { per_target: 2, per_tenant: 3, ..Wish::any(Lane::Events, 10, 1 << 20) };
    let taken = store.take_due(NOW, NOW + 10, wish.clone()).await.expect("an answer");
    let mut found = names(&taken);
    found.sort();
    assert_eq!((found.len(), &*found[3]), (4, "u"), "{found:?}");
    assert!(found[0].starts_with('a') && found[2].starts_with('b'), "each in turn: {found:?}");
    assert!(taken.held);
    assert_eq!((taken.waiting, taken.next.is_none_or(|at| at > NOW)), (11, true));
    let paused = Target { tenant: "t".into(), origin: "https://a".into() };
    wish.targets.insert(paused, 0);
    wish.tenants.insert("u".into(), 0);
    let taken = store.take_due(NOW + 1, NOW + 11, wish).await.expect("an answer");
    assert!(names(&taken).iter().all(|name| name.starts_with('b')), "{taken:?}");
    assert_eq!((taken.parcels.len(), taken.held), (2, true));
    assert_eq!(names(&due(&*store, NOW).await), ["call"], "the other lane");
    let tallies = store.tallies().await.expect("an answer");
    let mut shown: Vec<_> = tallies
        .iter()
        .map(|t| (t.lane as u8, &*t.target.tenant, &*t.target.origin, t.waiting))
        .collect();
    shown.sort_unstable();
    let expected = [
        (0, "t", "https://a", 1),
        (1, "t", "https://a", 5),
        (1, "t", "https://b", 5),
        (1, "u", "https://a", 1),
    ];
    assert_eq!(shown, expected);
}

async fn what_waits_for_a_webhook_goes_with_it<H: Home>() {
    let home = H::start();
    let store = home.open();
    let of = |tenant: &str, hook: &str| Way {
        hook: hook.into(),
        ..way(Lane::Events, tenant, "https://a")
    };
    for (name, tenant, hook) in [("a", "t", "1"), ("b", "t", "1"), ("c", "t", "2"), ("d", "u", "1")]
    {
        put(&*store, name, of(tenant, hook), ROOM).await;
    }
    let wish = Wish { per_target: 1, ..Wish::any(Lane::Events, 1, 1 << 20) };
    let taken = store.take_due(NOW, NOW + 10, wish).await.expect("an answer");
    assert_eq!(taken.parcels.len(), 1);
    assert_eq!(store.discard_hook("t", "1").await.expect("an answer"), 2);
    assert_eq!(store.discard_hook("t", "1").await.expect("an answer"), 0);
    let under_way = names(&taken).remove(0);
    if under_way != "d" {
        let again = Settle::Again { at: NOW + 1, slip: vec![1] };
        assert!(!settle(&*store, &under_way, NOW + 10, again).await, "not tried again");
    }
    let mut left: Vec<_> =
        pile(&*store, Pile::Waiting).await.into_iter().map(|(name, _)| name).collect();
    left.sort();
    assert_eq!(left, ["c", "d"]);
}

stories! {
    lanes_and_tenants_have_bounds_of_their_own
    what_is_held_for_one_target_holds_up_no_other
    what_waits_for_a_webhook_goes_with_it
    one_key_is_drawn_and_kept
    what_is_owed_is_due_in_its_order_and_survives_a_restart
    the_same_twice_is_one_also_after_it_was_delivered
    only_the_holder_of_the_lease_settles
    dead_letters_are_revived_and_dropped
    the_queue_is_bounded_in_number_and_bytes
}
