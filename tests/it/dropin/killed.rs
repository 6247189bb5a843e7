//! Whenever it is killed, the predecessor's keys say what our own records say: they are written in one step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bigblueswarm::bbb::checksum::Algorithm;
use futures_util::future::join_all;
use rand::RngExt;
use redis::Commands;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::left::{LB, Left, about};
use crate::program::{PATIENTLY, Program, until};

const KILLS: usize = 12;
const CLIENTS: usize = 24;
/// So many creates are acknowledged in each life at least, be the machine as busy as it may.
const A_LIFE: usize = 20;

/// Clients that create meetings and end every other one, until the program is gone.
async fn storm(program: &Program, life: usize, acknowledged: &watch::Sender<usize>) {
    let clients = (0..CLIENTS).map(async |client| {
        let caller = program.client(LB).algorithm(Algorithm::Sha1);
        for n in 0.. {
            let meeting = format!("m-{life}-{client}-{n}");
            let query = format!("name=Room&meetingID={meeting}&attendeePW=ap&moderatorPW=mp");
            let made = caller.get("create", &query).await;
            if !made.is_ok_and(|reply| reply.succeeded()) {
                return;
            }
            acknowledged.send_modify(|count| *count += 1);
            let query = format!("meetingID={meeting}&password=mp");
            if n % 2 == 0 && caller.get("end", &query).await.is_err() {
                return;
            }
        }
    });
    join_all(clients).await;
}

/// By meeting: the instances of its confirmed routes, and whether there is any route.
fn routes(left: &Left) -> BTreeMap<String, BTreeSet<String>> {
    let mut connection = left.redis.connection();
    let keys: Vec<String> = connection.keys("bigblueswarm:route:{*}").expect("keys");
    let mut homes = BTreeMap::<String, BTreeSet<String>>::new();
    for key in keys {
        let record: BTreeMap<String, String> = connection.hgetall(key).expect("a record");
        for route in record.values() {
            let route: Value = serde_json::from_str(route).expect("a route");
            let text = |name: &str| route[name].as_str().expect("text").to_owned();
            let here = homes.entry(text("meeting")).or_default();
            if text("state") == "confirmed" {
                here.insert(text("instance"));
            }
        }
    }
    homes
}

/// Every confirmed meeting has its key, and no other meeting of ours has one.
fn check(left: &Left) -> usize {
    let routes = routes(left);
    let keys: Vec<String> = left.redis.connection().keys("meeting:m-*").expect("keys");
    for key in &keys {
        let meeting = key.strip_prefix("meeting:").expect("a prefix");
        assert!(routes.contains_key(meeting), "{key} stands for no route");
    }
    let mut confirmed = 0;
    for (meeting, homes) in routes.iter().filter(|(meeting, _)| meeting.starts_with("m-")) {
        let named = left.read().meeting(meeting);
        assert_eq!(named.is_some(), !homes.is_empty(), "{meeting}: {named:?}, {homes:?}");
        assert!(named.is_none_or(|named| homes.contains(&named)), "{meeting}");
        confirmed += homes.len();
    }
    confirmed
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_its_keys_say_what_our_records_say() {
    let left = Left::behind().await;
    for life in 0..KILLS {
        let program = left.start().await;
        let acknowledged = watch::Sender::new(0);
        let mut heard = acknowledged.subscribe();
        let killing = async {
            heard.wait_for(|&count| count >= A_LIFE).await.expect("there are clients");
            sleep(Duration::from_millis(rand::rng().random_range(0..300))).await;
            program.signal("-KILL");
        };
        let both = async { tokio::join!(storm(&program, life, &acknowledged), killing) };
        timeout(PATIENTLY, both).await.expect("it is killed");
        drop(program);
        // What it had sent is done when its connections are gone.
        let mut connection = left.redis.connection();
        until("Redis has noticed", async || {
            let clients: String =
                redis::cmd("CLIENT").arg("LIST").query(&mut connection).expect("a list");
            clients.lines().count() == 1
        })
        .await;
        check(&left);
    }
    assert!(check(&left) > KILLS);
    let program = left.start().await;
    let again = about(&program, LB, "getMeetingInfo", "room-1").await;
    assert!(again.succeeded(), "{}", again.text());
}
