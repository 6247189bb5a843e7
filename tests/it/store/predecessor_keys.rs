//! The predecessor's keys beside ours: each changes in one step with what it stands for, so that one can go back.

use bigblueswarm::config::RedisConfig;
use bigblueswarm::domain::instance::InstanceId;
use bigblueswarm::domain::meeting::{MeetingId, RouteRecord, RouteState, Version};
use bigblueswarm::outside::store::redis::Redis;
use bigblueswarm::outside::store::{Becomes, RecordingsKept, Shelf, Step, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::Commands;

use super::home::{
    DEADLINE, change, changed, claim, claimed, instance, instances, key, redis_at, take, tenant,
};
use crate::services::redis::RedisServer;

const ROOM: &str = "room 2/é";
const CONFIRMED: Becomes = Becomes::State(RouteState::Confirmed);
const ENDING: Becomes = Becomes::State(RouteState::Ending);

/// What the predecessor would read of the meeting.
fn named(server: &RedisServer) -> Option<InstanceId> {
    let url: Option<String> = server.connection().get(format!("meeting:{ROOM}")).expect("a key");
    url.map(InstanceId::new)
}

/// Changes the route as it stands.
async fn becomes(store: &Redis, by: &str, becomes: Becomes) {
    let record = store.routes(vec![key(ROOM)]).await.expect("a record").remove(0);
    let version = record.get(&tenant(by)).map(|route| route.version);
    changed(store, ROOM, by, version, becomes).await;
}

fn moved(to: &str) -> Becomes {
    Becomes::Moved { candidates: instances(&[to]), tomb: true, most: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_meeting_follows_its_route() {
    let server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    claimed(&store, ROOM, "t", &["a"]).await;
    assert_eq!(named(&server), None, "nobody knows yet whether the meeting exists");
    becomes(&store, "t", moved("b")).await;
    assert_eq!(named(&server), None);
    becomes(&store, "t", CONFIRMED).await;
    assert_eq!(named(&server), Some(instance("b")));
    becomes(&store, "t", moved("c")).await;
    assert_eq!(named(&server), Some(instance("c")), "its old home has lost it");
    becomes(&store, "t", CONFIRMED).await;
    becomes(&store, "t", ENDING).await;
    assert_eq!(named(&server), None);
    becomes(&store, "t", CONFIRMED).await;
    becomes(&store, "t", Becomes::Removed).await;
    assert_eq!(named(&server), None);
    becomes(&store, "t", Becomes::Adopted { instance: instance("d") }).await;
    assert_eq!(named(&server), Some(instance("d")));
    let lost = take(&store, change(ROOM, "t", Some(Version(7)), Becomes::Removed)).await;
    assert_eq!(named(&server), Some(instance("d")), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tenants_meetings_of_one_id_the_key_names_one_that_lives() {
    let server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    claimed(&store, ROOM, "t", &["a"]).await;
    becomes(&store, "t", CONFIRMED).await;
    claimed(&store, ROOM, "u", &["a", "b"]).await;
    becomes(&store, "u", moved("c")).await;
    assert_eq!(named(&server), Some(instance("a")), "a claim on its way takes no key");
    becomes(&store, "u", CONFIRMED).await;
    assert_eq!(named(&server), Some(instance("c")));
    becomes(&store, "u", ENDING).await;
    assert_eq!(named(&server), Some(instance("a")), "the other one lives");
    becomes(&store, "u", Becomes::Removed).await;
    assert_eq!(named(&server), Some(instance("a")), "it names another instance");
    becomes(&store, "t", Becomes::Removed).await;
    assert_eq!(named(&server), None);
}

/// Of whatever is done, in whatever order.
#[test]
fn the_key_names_a_living_meeting_whenever_there_is_one_and_no_other() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    let one = || prop::sample::select(vec!["a", "b", "c"]);
    let what = prop_oneof![
        2 => one().prop_map(|at| Some(moved(at))),
        3 => Just(Some(CONFIRMED)),
        1 => Just(Some(ENDING)),
        1 => Just(Some(Becomes::Removed)),
        1 => one().prop_map(|at| Some(Becomes::Adopted { instance: instance(at) })),
        2 => Just(None),
    ];
    let steps = vec((prop::sample::select(vec!["t", "u"]), what), 1..20);
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            for (by, what) in steps {
                let record = record(&store).await;
                let version = record.get(&tenant(by)).map(|route| route.version);
                let step = match what {
                    Some(becomes) => change(ROOM, by, version, becomes),
                    None => claim(ROOM, by, &["a", "b"]),
                };
                take(&store, step.clone()).await;
                check_named(named(&server), &self::record(&store).await, &step)?;
            }
            Ok(())
        })
    });
    result.unwrap_or_else(|e| panic!("{e}"));
}

async fn record(store: &Redis) -> RouteRecord {
    store.routes(vec![key(ROOM)]).await.expect("a record").remove(0)
}

fn check_named(
    named: Option<InstanceId>,
    record: &RouteRecord,
    after: &Step,
) -> Result<(), TestCaseError> {
    let homes = |state| record.values().filter(move |r| r.state == state).map(|r| &r.instance);
    let lives = homes(RouteState::Confirmed).next().is_some();
    match &named {
        None => prop_assert!(!lives, "{after:?} left {record:?} without a key"),
        Some(named) => {
            let mut may = homes(RouteState::Confirmed).chain(homes(RouteState::Claimed));
            prop_assert!(may.any(|home| home == named), "{after:?} left {record:?} at {named}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_ids_text_there_is_no_key_and_the_step_is_taken_all_the_same() {
    let server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    let adopted = Becomes::Adopted { instance: instance("a") };
    let Step::Change(mut ask) = change(ROOM, "t", None, adopted) else { unreachable!() };
    ask.meeting = None;
    take(&store, Step::Change(ask)).await;
    assert_eq!(record(&store).await.len(), 1);
    let keys: Vec<String> = server.connection().keys("meeting:*").expect("keys");
    assert_eq!(keys, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_the_way_of_a_key_does_not_hinder_the_route() {
    let server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    let name = format!("meeting:{ROOM}");
    let () = server.connection().hset(&name, "a", "b").expect("set");
    claimed(&store, ROOM, "t", &["a"]).await;
    becomes(&store, "t", ENDING).await;
    let kept: bool = server.connection().hexists(&name, "a").expect("a hash");
    assert!(kept, "a key of another type is nobody's of ours");
    let () = server.connection().del(&name).expect("removed");
    becomes(&store, "t", CONFIRMED).await;
    let version = record(&store).await[&tenant("t")].version;
    let unreadable = format!("bigblueswarm:route:{{{}}}", key(ROOM));
    let () = server.connection().hset(&unreadable, "u", "{").expect("set");
    changed(&store, ROOM, "t", Some(version), Becomes::Removed).await;
    assert_eq!(named(&server), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_forgotten_only_for_who_it_names_and_while_no_route_leads_there() {
    let server = RedisServer::start();
    let (store, meeting) = (redis_at(&server, DEADLINE), MeetingId::new(ROOM));
    let name = format!("meeting:{ROOM}");
    let () = server.connection().set(&name, instance("a").as_str()).expect("set");
    store.forget_hint(&meeting, &instance("b")).await;
    assert_eq!(named(&server), Some(instance("a")));
    assert_eq!(store.hint(&meeting).await.expect("an answer"), Some(instance("a")));
    claimed(&store, ROOM, "t", &["a"]).await;
    store.forget_hint(&meeting, &instance("a")).await;
    assert_eq!(named(&server), Some(instance("a")), "a meeting is being made there");
    becomes(&store, "t", moved("b")).await;
    becomes(&store, "t", moved("c")).await;
    let () = server.connection().set(&name, instance("a").as_str()).expect("set");
    store.forget_hint(&meeting, &instance("a")).await;
    assert_eq!(named(&server), None);
}

fn recordings(ids: &[&str], on: &str) -> RecordingsKept {
    let there = ids.iter().map(|id| (id.to_string(), b"bytes".to_vec())).collect();
    let named = ids.iter().map(|id| (id.to_string(), instance(on))).collect();
    RecordingsKept { there, named, ..RecordingsKept::default() }
}

fn gone(ids: &[(&str, &str)]) -> RecordingsKept {
    let gone = ids.iter().map(|(id, _)| id.to_string()).collect();
    let unnamed = ids.iter().map(|(id, on)| (id.to_string(), instance(on))).collect();
    RecordingsKept { gone, unnamed, ..RecordingsKept::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_recordings_change_with_their_records() {
    let server = RedisServer::start();
    let store = redis_at(&server, DEADLINE);
    let ids: Vec<_> = (0..1_000).map(|n| format!("r-{n}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    store.keep_recordings(recordings(&ids, "a")).await.expect("kept");
    let mut connection = server.connection();
    assert_eq!(connection.get::<_, String>("recording:r-999"), Ok(instance("a").to_string()));
    let () = connection
        .del("recording:r-3")
        .and_then(|()| connection.hset("recording:r-3", "a", "b"))
        .expect("set");
    let mut both = recordings(&["r-0"], "b");
    let away = gone(&[("r-1", "a"), ("r-2", "b"), ("r-3", "a")]);
    (both.gone, both.unnamed) = (away.gone, away.unnamed);
    store.keep_recordings(both).await.expect("kept");
    assert_eq!(connection.get::<_, String>("recording:r-0"), Ok(instance("b").to_string()));
    let there = |connection: &mut redis::Connection, id: &str| {
        connection.exists::<_, bool>(format!("recording:{id}"))
    };
    assert_eq!(there(&mut connection, "r-1"), Ok(false));
    assert_eq!(there(&mut connection, "r-2"), Ok(true), "it names another instance");
    assert_eq!(there(&mut connection, "r-3"), Ok(true), "it is of another type");
    assert_eq!(store.shelf(Shelf::Recordings).await.expect("records").len(), 997);
    store.keep_recordings(gone(&[])).await.expect("nothing to keep");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keep_predecessor_keys_none_is_written_or_removed_and_they_are_still_read() {
    let server = RedisServer::start();
    let config = RedisConfig { keep_predecessor_keys: false, ..RedisConfig::at(server.address()) };
    let store = Redis::new(&config, DEADLINE).expect("an address");
    claimed(&store, ROOM, "t", &["a"]).await;
    becomes(&store, "t", CONFIRMED).await;
    store.keep_recordings(recordings(&["r-1", "r-2"], "a")).await.expect("kept");
    let ours = |connection: &mut redis::Connection| {
        let all: Vec<String> = connection.keys("*").expect("keys");
        all.into_iter()
            .filter(|key| key.starts_with("meeting:") || key.starts_with("recording:"))
            .count()
    };
    let mut connection = server.connection();
    assert_eq!(ours(&mut connection), 0);
    let left = instance("a");
    let () = connection.set(format!("meeting:{ROOM}"), left.as_str()).expect("set");
    let () = connection.set("recording:r-1", left.as_str()).expect("set");
    becomes(&store, "t", Becomes::Removed).await;
    store.keep_recordings(gone(&[("r-1", "a")])).await.expect("kept");
    store.forget_hint(&MeetingId::new(ROOM), &left).await;
    assert_eq!(store.hint(&MeetingId::new(ROOM)).await.expect("an answer"), Some(left));
    assert_eq!(ours(&mut connection), 2);
    assert_eq!(store.shelf(Shelf::Recordings).await.expect("records").len(), 1);
}
