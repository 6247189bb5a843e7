//! A balancer that starts beside thousands of meetings knows each as soon as it says that it is ready, though their
//! routes are still being written.

use std::sync::Arc;

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query;
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::{Ask, SimServer, SimSettings};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::program::PATIENTLY;
use crate::services::redis::RedisServer;
use crate::store::home::{DEADLINE, redis_at};
use crate::world::{Plan, T, plan};

const MANY: usize = 4_000;

/// A server on which so many of T's meetings run, made without us.
async fn busy() -> SimServer {
    let settings = SimSettings::new("http://s1.example.org", "secret-of-s1-0123456789");
    let sim = SimServer::start(settings, Arc::new(RuntimeClock::start()));
    for n in 0..MANY {
        let query = query::tagged(&format!("name=Room&meetingID=m{n}"), T.host);
        let signed = query::signed(&query, "create", sim.secret().reveal(), Algorithm::Sha256);
        let ask = Ask::get(format!("/bigbluebutton/api/create?{signed}"));
        assert_eq!(sim.handle(ask).await.expect("an answer").status(), 200);
    }
    sim
}

async fn every_meeting_is_known_at_once(plan: Plan) {
    let world = plan.servers(vec![busy().await]).start().await;
    // The last of them at first, as they are written in the order of the list.
    for part in (0..MANY).rev().collect::<Vec<_>>().chunks(200) {
        join_all(part.iter().map(async |n| {
            let meeting = format!("m{n}");
            let mut info = T.info(&world, &meeting).await;
            // A machine that is busy may give no answer in time, which says nothing; it never says that there is none.
            let patience = Instant::now() + PATIENTLY;
            while info.status.is_server_error() && Instant::now() < patience {
                info = T.info(&world, &meeting).await;
            }
            assert!(info.succeeded(), "{meeting}: {info:?}");
        }))
        .await;
    }
    assert_eq!(world.asked("create").await, MANY, "none was made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_meeting_is_known_when_it_is_ready_on_the_embedded_store() {
    every_meeting_is_known_at_once(plan(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_meeting_is_known_when_it_is_ready_on_redis() {
    let redis = RedisServer::start();
    every_meeting_is_known_at_once(plan(1).store(Arc::new(redis_at(&redis, DEADLINE)))).await;
}
