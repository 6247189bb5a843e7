//! Replicas hear what others change, within a second, and not what they change themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bigblueswarm::domain::meeting::{InternalId, Route, RouteState, Version};
use bigblueswarm::domain::tenant::{TenantDocument, TenantSpec};
use bigblueswarm::outside::store::peers::{Chore, News, Turn};
use bigblueswarm::outside::store::redis::Redis;
use bigblueswarm::outside::store::{Became, Becomes, ChangeAsk, Shelf, Step, Store, Told};
use redis::Commands;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::home::{DEADLINE, claimed, key, record, redis_at, tenant};
use crate::services::redis::RedisServer;

const SECOND: Duration = Duration::from_secs(1);

/// A replica that follows.
struct Follower {
    store: Arc<Redis>,
    heard: mpsc::Receiver<Told>,
    following: JoinHandle<()>,
}

impl Follower {
    /// Starts to follow; the first it hears is that it should read everything.
    async fn start(server: &RedisServer) -> Self {
        let mut follower = Self::with_room_for(server, 16);
        assert_eq!(follower.next(DEADLINE).await, Some(Told::Everything));
        follower
    }

    fn with_room_for(server: &RedisServer, room: usize) -> Self {
        let store = Arc::new(redis_at(server, SECOND));
        let (tell, heard) = mpsc::channel(room);
        let follows = store.clone();
        let following = tokio::spawn(async move { follows.follow(tell).await });
        Self { store, heard, following }
    }

    /// The next it hears: what became of a route.
    async fn became(&mut self, meeting: &str) -> Became {
        match self.next(SECOND).await {
            Some(Told::Became(told, became)) if told == key(meeting) => *became,
            other => panic!("{other:?}"),
        }
    }

    /// The next it hears but that it has heard all.
    async fn next(&mut self, within: Duration) -> Option<Told> {
        let told = async {
            loop {
                match self.heard.recv().await.expect("it follows") {
                    Told::Heard(_) | Told::Away(_) => {}
                    told => return told,
                }
            }
        };
        timeout(within, told).await.ok()
    }
}

fn document(host: &str) -> TenantDocument {
    TenantDocument {
        kind: "Tenant".into(),
        spec: TenantSpec { host: host.into(), ..TenantSpec::default() },
        metadata: Default::default(),
        instances: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_replica_changes_is_told_once_and_within_a_second() {
    let server = RedisServer::start();
    let mut follower = Follower::start(&server).await;
    let other = redis_at(&server, DEADLINE);
    other.set_instances(vec![record("a")]).await.expect("stored");
    assert_eq!(follower.next(SECOND).await, Some(Told::Instances));
    other.put_tenant(document("h")).await.expect("stored");
    assert_eq!(follower.next(SECOND).await, Some(Told::Tenants));
    other.delete_tenant(tenant("h")).await.expect("removed");
    assert_eq!(follower.next(SECOND).await, Some(Told::Tenants));
    other.shelve(Shelf::Hooks, vec![("1".into(), b"a".to_vec())]).await.expect("stored");
    assert_eq!(follower.next(SECOND).await, Some(Told::Shelf(Shelf::Hooks)));
    other.unshelve(Shelf::Hooks, vec!["1".into()]).await.expect("removed");
    assert_eq!(follower.next(SECOND).await, Some(Told::Shelf(Shelf::Hooks)));
    other.shelve(Shelf::Rooms, vec![("1".into(), b"a".to_vec())]).await.expect("stored");
    other.unshelve(Shelf::Rooms, vec!["1".into()]).await.expect("removed");
    let made = claimed(&other, "room", "t", &["a"]).await; // the next that is told
    let became = follower.became("room").await;
    assert_eq!(became, Became { tenant: tenant("t"), was: None, route: Some(made.clone()) });
    let ask = ChangeAsk {
        key: key("room"),
        meeting: None,
        tenant: tenant("t"),
        expect: Some(made.version),
        becomes: Becomes::State(RouteState::Confirmed),
        internal: Some(InternalId::new("ab-1")),
        version: Version(7),
        durable: true,
    };
    let confirmed = Route {
        state: RouteState::Confirmed,
        version: Version(7),
        internal: Some(InternalId::new("ab-1")),
        ..made.clone()
    };
    let removal = ChangeAsk {
        expect: Some(Version(7)),
        becomes: Becomes::Removed,
        version: Version(8),
        ..ask.clone()
    };
    for (ask, was, route) in [(ask, made.version, Some(confirmed)), (removal, Version(7), None)] {
        other.step(vec![Step::Change(ask)]).await.expect("stored");
        let expected = Became { tenant: tenant("t"), was: Some(was), route };
        assert_eq!(follower.became("room").await, expected);
    }
    assert_eq!(follower.next(SECOND * 2).await, None);
}

/// Looking alone would find each only 400 ms after the one before.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_heard_at_once() {
    let server = RedisServer::start();
    let mut follower = Follower::start(&server).await;
    let other = redis_at(&server, DEADLINE);
    let started = Instant::now();
    for n in 0..10 {
        other.set_instances(vec![record(&format!("a{n}"))]).await.expect("stored");
        assert_eq!(follower.next(SECOND).await, Some(Told::Instances));
    }
    assert!(started.elapsed() < SECOND * 2, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn own_changes_are_not_told_back_and_hide_no_others() {
    let server = RedisServer::start();
    let mut follower = Follower::start(&server).await;
    for n in 0..20 {
        follower.store.set_instances(vec![record(&format!("a{n}"))]).await.expect("stored");
        follower.store.put_tenant(document("h")).await.expect("stored");
        let meeting = format!("room {n}");
        let made = claimed(&*follower.store, &meeting, "t", &["a"]).await;
        // Of its own it hears only that a claim was told to all.
        let echo = Told::Echo(key(&meeting), tenant("t"), made.version);
        assert_eq!(follower.next(SECOND).await, Some(echo));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(follower.next(SECOND).await, None);
    redis_at(&server, DEADLINE).set_instances(vec![record("b")]).await.expect("stored");
    follower.store.set_instances(vec![record("a")]).await.expect("stored");
    assert_eq!(follower.next(SECOND).await, Some(Told::Instances));
    assert_eq!(follower.next(SECOND).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_to_nobody_is_found_by_looking() {
    let server = RedisServer::start();
    let mut follower = Follower::start(&server).await;
    let mut connection = server.connection();
    // What another replica's change leaves when its message is lost.
    let count = |connection: &mut redis::Connection, what: &str| {
        connection.hincr::<_, _, _, ()>("bigblueswarm:{pool}:revisions", what, 1).expect("counted");
    };
    count(&mut connection, "instances");
    assert_eq!(follower.next(SECOND).await, Some(Told::Instances));
    count(&mut connection, "tenants");
    assert_eq!(follower.next(SECOND).await, Some(Told::Tenants));
    // What a tool of the predecessor does: it counts nothing and tells nobody.
    connection.hset::<_, _, _, ()>("instances:list", "http://new", "s").expect("set");
    assert_eq!(follower.next(SECOND).await, Some(Told::Instances));
    redis::cmd("FLUSHALL").exec(&mut connection).expect("flushed");
    assert_eq!(follower.next(SECOND).await, Some(Told::Everything));
    assert_eq!(follower.next(SECOND).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_subscriptions_is_looked_at_all_the_same() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    let deny = ["SETUSER", "default", "-subscribe"];
    redis::cmd("ACL").arg(&deny).exec(&mut connection).expect("denied");
    let mut follower = Follower::start(&server).await;
    let other = redis_at(&server, DEADLINE);
    other.set_instances(vec![record("a")]).await.expect("stored");
    assert_eq!(follower.next(SECOND).await, Some(Told::Instances));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_broke_is_made_good_for() {
    let server = RedisServer::start();
    let mut follower = Follower::start(&server).await;
    let kill = ["KILL", "TYPE", "pubsub"];
    redis::cmd("CLIENT").arg(&kill).exec(&mut server.connection()).expect("killed");
    claimed(&redis_at(&server, DEADLINE), "room", "t", &["a"]).await;
    let told = follower.next(SECOND).await;
    assert!(matches!(told, Some(Told::Everything | Told::Became(..))), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_server_was_away_or_hung_everything_is_to_be_read_again() {
    let mut server = RedisServer::start();
    let mut follower = Follower::start(&server).await;
    server.stop();
    assert_eq!(follower.next(SECOND * 3).await, None);
    server.start_again();
    assert_eq!(follower.next(SECOND * 4).await, Some(Told::Everything));
    server.pause();
    assert_eq!(follower.next(SECOND * 3).await, None);
    server.resume();
    assert_eq!(follower.next(SECOND * 5).await, Some(Told::Everything));
    redis_at(&server, DEADLINE).put_tenant(document("h")).await.expect("stored");
    assert_eq!(follower.next(SECOND).await, Some(Told::Tenants));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_slow_holds_nothing_up_and_reads_everything_later() {
    let server = RedisServer::start();
    let mut follower = Follower::with_room_for(&server, 2);
    let other = redis_at(&server, DEADLINE);
    let by = Instant::now() + DEADLINE;
    for n in 0.. {
        claimed(&other, &format!("room {n}"), "t", &["a"]).await;
        if follower.heard.len() == 2 && n > 50 || Instant::now() > by {
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(follower.heard.len(), 2, "no more than there is room for");
    let mut told = Vec::new();
    while let Some(next) = follower.next(SECOND).await {
        told.push(next);
    }
    assert_eq!(told.last(), Some(&Told::Everything), "{told:?}");
    // A beat may have taken one of the places.
    assert!((2..=3).contains(&told.len()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_ends_when_nobody_listens_also_while_the_server_is_away() {
    let mut server = RedisServer::start();
    let follower = Follower::start(&server).await;
    drop(follower.heard);
    timeout(SECOND * 2, follower.following).await.expect("it ends").expect("no panic");
    server.stop();
    let follower = Follower::with_room_for(&server, 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(follower.heard);
    timeout(SECOND * 2, follower.following).await.expect("it ends").expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn news_is_told_and_what_is_not_understood_is_passed_over() {
    let server = RedisServer::start();
    let mut follower = Follower::start(&server).await;
    let other = redis_at(&server, DEADLINE);
    let mut connection = server.connection();
    for text in ["0 later news", "nonsense", "0 done dishes 00", "0 health {}"] {
        connection.publish::<_, _, ()>("bigblueswarm:news", text).expect("published");
    }
    let instance = record("a").id;
    let news = News::Joined(key("room"), tenant("t"));
    other.tell(&news).await;
    follower.store.tell(&news).await; // our own is not told back
    assert!(matches!(follower.next(SECOND).await, Some(Told::News(_, told)) if told == news));
    assert_eq!(follower.next(SECOND).await, None);
    let hold = Duration::from_millis(300);
    let turn = other.turn(Chore::Meetings, &instance, hold).await.expect("an answer");
    let Turn::Mine(asked) = turn else { panic!("{turn:?}") };
    let turn = async || follower.store.turn(Chore::Meetings, &instance, hold).await;
    assert_eq!(turn().await.expect("an answer"), Turn::Others);
    other.share(Chore::Meetings, &instance, asked, b"list", DEADLINE).await.expect("shared");
    let shared = follower.store.read_shared(Chore::Meetings, &instance).await.expect("an answer");
    let shared = shared.expect("a list");
    assert_eq!((shared.asked, shared.list.as_deref()), (asked, Some(&b"list"[..])));
    assert!(shared.age < SECOND, "{:?}", shared.age);
    // What was asked for before that does not take its place.
    other.share(Chore::Meetings, &instance, asked, b"old", DEADLINE).await.expect("an answer");
    let again = follower.store.read_shared(Chore::Meetings, &instance).await.expect("an answer");
    assert_eq!(again.expect("a list").list.as_deref(), Some(&b"list"[..]));
    other.leave(Chore::Meetings, &instance, true).await;
    assert!(matches!(turn().await.expect("an answer"), Turn::Mine(_)));
    // It is lost to whoever stops asking.
    tokio::time::sleep(hold * 2).await;
    let turn = other.turn(Chore::Meetings, &instance, hold).await.expect("an answer");
    assert!(matches!(turn, Turn::Mine(later) if later > asked), "{turn:?}");
    let huge = vec![b'x'; (4 << 20) + 1];
    let Turn::Mine(asked) = turn else { unreachable!() };
    other.share(Chore::Meetings, &instance, asked, &huge, DEADLINE).await.expect("shared");
    let shared = follower.store.read_shared(Chore::Meetings, &instance).await.expect("an answer");
    assert_eq!(shared.expect("that there is one").list, None);
}
