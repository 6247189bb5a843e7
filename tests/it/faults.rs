//! Stories X4, X5, X17, X19, X20: a request's fault is not a server's, and a slow create is sent once.

mod hangs;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bigblueswarm::bbb::query;
use bigblueswarm::domain::instance::Health;
use bigblueswarm::outside::servers::{Incoming, Outgoing, SendError, Servers};
use bigblueswarm::sim::{Fault, SimServers};
use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::{sleep, timeout};

use crate::world::{Client, Plan, Reply, T, U, World, id, plan};

/// What a request that names it in its parameter `way` brings about on every server.
const WAYS: [&str; 9] =
    ["500", "502", "400", "garbage", "checksum", "hang", "reset", "broken", "made-500"];

/// A tenant of one story alone, as metrics are counted for all stories together.
const COUNTED: Client = Client::of("counted.example.org", "secret-of-counted-0123");

/// A network on which some requests go wrong, and no other does.
struct Rude(SimServers);

#[async_trait]
impl Servers for Rude {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError> {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let Some(way) = query::value(query, "way").map(|way| way.into_owned()) else {
            return self.0.send(request).await;
        };
        if let Ok(seconds) =
            way.parse::<u64>().map_err(drop).and_then(|n| (n < 100).then_some(n).ok_or(()))
        {
            let (takes, within) = (Duration::from_secs(seconds), request.first_byte_within);
            let answer = self.0.send(request).await;
            sleep(takes.min(within)).await;
            let late = || SendError::Unanswered("no answer in time".into());
            return if takes > within { Err(late()) } else { answer };
        }
        if let Some(status) = way.strip_prefix("made-") {
            self.0.send(request).await?;
            return Ok(page(status));
        }
        let checksum = "<response><returncode>FAILED</returncode>\
            <messageKey>checksumError</messageKey><message>Checksums do not match</message></response>";
        match way.as_str() {
            "garbage" => Ok(answer(StatusCode::OK, Body::from("\u{1}no XML"))),
            "checksum" => Ok(answer(StatusCode::OK, Body::from(checksum))),
            "broken" => {
                let parts = [Ok("<response>"), Err(std::io::Error::other("gone"))];
                let body = Body::from_stream(futures_util::stream::iter(parts));
                Ok(answer(StatusCode::OK, body))
            }
            "hang" => {
                sleep(request.first_byte_within).await;
                Err(SendError::Unanswered("no answer in time".into()))
            }
            "reset" => Err(SendError::Unanswered("connection reset".into())),
            status => Ok(page(status)),
        }
    }
}

fn page(status: &str) -> Incoming {
    let status = status.parse().expect("a status");
    answer(status, Body::from("<!doctype html><h1>No</h1>"))
}

fn answer(status: StatusCode, body: Body) -> Incoming {
    Incoming { status, headers: HeaderMap::new(), body }
}

async fn rude(instances: usize) -> World {
    rude_with(plan(instances), instances).await
}

async fn rude_with(plan: Plan, instances: usize) -> World {
    let calm = crate::world::plan(instances).start().await;
    plan.on(&calm).network(Arc::new(Rude(calm.servers.clone()))).start().await
}

/// Every instance takes meetings.
async fn assert_all_up(world: &World, after: &str) {
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    for member in roster.members() {
        assert_eq!(member.health, Health::Up, "{after}: {member:?}");
    }
}

/// The whole answer says what went wrong, and whose fault it is not.
#[track_caller]
fn assert_told(way: &str, reply: &Reply) {
    assert!(reply.body.contains("<returncode>FAILED</returncode>"), "{way}: {reply:?}");
    assert!(!reply.value("message").is_empty(), "{way}: {reply:?}");
    let (status, key) = match way {
        "hang" | "reset" | "broken" => (500, "internalError"),
        "400" => (200, "validationError"),
        _ => (200, "internalError"),
    };
    reply.assert_failed(status, key);
    if way.parse::<u16>().is_ok() {
        assert!(reply.value("message").contains(way), "{way}: {reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn x4_a_storm_of_creates_that_make_every_server_fail_leaves_the_others_untouched() {
    for way in WAYS {
        let world = rude(3).await;
        for sim in &world.sims {
            sim.clear_requests().await;
        }
        let storm = (0..100_u64).map(|n| {
            let world = &world;
            async move {
                sleep(Duration::from_millis(50 * n)).await;
                let query = format!("name=Room&meetingID=bad-{n}&way={way}");
                T.call(world, "create", &query).await
            }
        });
        let others = async {
            for n in 0..12 {
                let meeting = format!("good-{n}");
                U.create(&world, &meeting).await.assert_success();
                assert!(U.join(&world, &meeting).await.location.is_some());
                assert_all_up(&world, way).await;
                sleep(Duration::from_millis(400)).await;
            }
        };
        let (told, ()) = tokio::join!(join_all(storm), others);
        told.iter().for_each(|reply| assert_told(way, reply));
        assert_all_up(&world, way).await;
        for sim in &world.sims {
            // Five seconds of storm, and for as long again the last of them: one call of our own a second.
            let own = sim.requests_of("").await.len();
            assert!(own < 30, "{way}: {own} probes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn x4_a_request_that_two_servers_answer_alike_reaches_no_third() {
    for way in ["500", "400", "garbage", "checksum", "414"] {
        let world = rude_with(plan(3).tenant(COUNTED.document()), 3).await;
        let before = failures(&world).await;
        let query = format!("name=Room&meetingID=m1&way={way}");
        let heard = COUNTED.call(&world, "create", &query).await;
        assert_eq!(heard.status, 200, "{way}: {heard:?}");
        assert_ne!(heard.key(), "checksumError");
        let tried = failures(&world).await - before;
        assert_eq!(tried, 2, "{way}");
        assert_eq!(world.store.all_routes().await.expect("routes"), vec![], "{way}");
    }
}

/// How many instances the metrics of this process say have failed for it.
async fn failures(world: &World) -> usize {
    let mut request = http::Request::get("/metrics");
    request = request.header(header::HOST, "admin.example.org");
    let text = world.send(request.body(Body::empty()).expect("a request")).await.body;
    let lines = text.lines().filter(|line| {
        line.starts_with("bigblueswarm_calls_failed_total") && line.contains(COUNTED.host)
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

#[tokio::test(start_paused = true)]
async fn x4_a_meeting_that_was_made_in_spite_of_a_500_is_kept_and_found_again() {
    let world = rude(3).await;
    let query = "name=Room&meetingID=slides";
    let heard = T.call(&world, "create", &format!("{query}&way=made-500")).await;
    heard.assert_failed(200, "internalError");
    assert!(heard.value("message").contains("500"), "{heard:?}");
    assert_eq!(world.homes("slides").await, [1]);
    let again = T.call(&world, "create", query).await;
    assert_eq!(again.assert_success().key(), "duplicateWarning");
    assert_eq!((world.homes("slides").await, world.asked("create").await), (vec![1], 2));
    let routes = world.store.all_routes().await.expect("routes");
    assert_eq!(routes.len(), 1);
    sleep(Duration::from_secs(40)).await;
    T.info(&world, "slides").await.assert_success();
    T.end(&world, "slides").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn x5_no_call_puts_an_instance_in_doubt_by_what_it_asks() {
    let recording = bigblueswarm::sim::Recording::new("m1", 10).of(T.host);
    let record = format!("recordID={}", recording.record_id);
    for way in ["500", "400", "garbage", "checksum", "hang", "reset"] {
        let world = rude(2).await;
        T.create(&world, "m1").await.assert_success();
        world.sims[0].add_recording(recording.clone()).await;
        sleep(Duration::from_secs(2)).await;
        let calls = [
            ("join", "fullName=Ada&meetingID=m1&role=VIEWER&redirect=false&createTime="),
            ("getMeetingInfo", "meetingID=m1"),
            ("isMeetingRunning", "meetingID=m1"),
            ("end", "meetingID=m1"),
            ("sendChatMessage", "meetingID=m1&message=hello"),
            ("create", "name=Room&meetingID=m1"),
            ("getRecordingTextTracks", &record),
            ("updateRecordings", &format!("{record}&meta_a=b")),
        ];
        for (call, query) in calls {
            for _ in 0..2 {
                let heard = T.call(&world, call, &format!("{query}&way={way}")).await;
                let failed = heard.body.contains("FAILED");
                assert!(failed && !heard.body.contains("checksumError"), "{call} {way}: {heard:?}");
                let away = call == "join" && matches!(way, "hang" | "reset");
                if away {
                    heard.assert_failed(200, "meetingUnavailable");
                } else if !matches!(way, "400") {
                    assert_eq!(heard.status, 500, "{call} {way}: {heard:?}");
                }
                assert_all_up(&world, way).await;
            }
        }
        sleep(Duration::from_secs(3)).await;
        assert_all_up(&world, way).await;
        T.info(&world, "m1").await.assert_success();
    }
}

#[tokio::test(start_paused = true)]
async fn x4_what_the_meetings_own_server_makes_of_a_repeated_create_is_not_known_or_the_requests() {
    let world = rude(3).await;
    T.create(&world, "m1").await.assert_success();
    for (way, status, key, says) in [
        ("500", 500, "internalError", "500"),
        ("502", 500, "internalError", "502"),
        ("garbage", 500, "internalError", "understood"),
        ("checksum", 500, "internalError", "signature"),
        ("broken", 500, "internalError", "server"),
        ("reset", 500, "internalError", "server"),
        ("hang", 500, "internalError", ""),
        // That is certain, whoever else would be asked.
        ("400", 200, "validationError", "400"),
        ("413", 200, "requestTooLong", "413"),
    ] {
        let told = T.call(&world, "create", &format!("name=Room&meetingID=m1&way={way}")).await;
        told.assert_failed(status, key);
        assert!(told.value("message").contains(says), "{way}: {told:?}");
        // It lives on where it was, and is in nobody's way.
        let again = T.create(&world, "m1").await;
        assert_eq!(again.assert_success().key(), "duplicateWarning", "{way}");
        assert_eq!(world.homes("m1").await, [1], "{way}");
        assert_all_up(&world, way).await;
    }
}

async fn insert(world: &World, client: Client, query: &str) -> Reply {
    let body = "<modules><module name=\"presentation\"><document url=\"https://example.org/a.pdf\"/></module></modules>";
    let request = client.request(Method::POST, &client.path("insertDocument", query));
    let request = request.header(header::CONTENT_TYPE, "application/xml");
    let request = request.header(header::CONTENT_LENGTH, body.len());
    world.send(request.body(Body::from(body)).expect("a request")).await
}

#[tokio::test(start_paused = true)]
async fn x5_a_document_that_takes_14_seconds_is_waited_for() {
    let world = rude(2).await;
    T.create(&world, "m1").await.assert_success();
    insert(&world, T, "meetingID=m1&way=14").await.assert_success();
    assert_all_up(&world, "14 s").await;
    insert(&world, T, "meetingID=m1&way=50").await.assert_failed(500, "internalError");
    assert_all_up(&world, "50 s").await;
}

#[tokio::test(start_paused = true)]
async fn x5_what_our_own_calls_find_makes_an_instance_suspect_at_once() {
    let world = rude(2).await;
    T.create(&world, "m1").await.assert_success();
    // Only the next probe would tell, and that may be 5 s away.
    world.sims[0].faults().on("").set(Fault::Internal).await;
    T.call(&world, "getMeetingInfo", "meetingID=m1&way=500").await;
    sleep(Duration::from_secs(1)).await;
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    assert_eq!(roster.get(&id(&world.sims[0])).expect("a member").health, Health::Suspect);
}

#[tokio::test(start_paused = true)]
async fn x17_a_create_of_seven_seconds_succeeds_with_the_first_answer_and_is_sent_once() {
    let world = rude(3).await;
    let took = tokio::time::Instant::now();
    let made = T.call(&world, "create", "name=Room&meetingID=m1&way=7").await;
    made.assert_success();
    assert_eq!(made.key(), "", "the first answer's words: {made:?}");
    assert!(took.elapsed() < Duration::from_secs(8), "{:?}", took.elapsed());
    assert_eq!((world.homes("m1").await, world.asked("create").await), (vec![1], 1));
    assert_eq!(T.info(&world, "m1").await.value("moderatorPW"), made.value("moderatorPW"));
    assert_all_up(&world, "7 s").await;
}

#[tokio::test(start_paused = true)]
async fn x17_a_create_that_is_not_answered_in_time_is_found_by_the_next_one() {
    let world = rude(3).await;
    let (query, began) = ("name=Room&meetingID=m1", tokio::time::Instant::now());
    let late = T.call(&world, "create", &format!("{query}&way=30")).await;
    late.assert_failed(500, "internalError");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(world.asked("create").await, 1);
    let again = T.call(&world, "create", query).await;
    assert_eq!(again.assert_success().key(), "duplicateWarning");
    sleep(Duration::from_secs(40)).await;
    assert_eq!(world.homes("m1").await, [1], "no tomb, and no copy");
    assert_all_up(&world, "30 s").await;
}

#[tokio::test(start_paused = true)]
async fn x17_an_instance_that_does_not_have_the_meeting_after_four_seconds_is_left() {
    let world = plan(3).start().await;
    world.sims[0].faults().on("create").set(Fault::Hang).await;
    let began = tokio::time::Instant::now();
    let made = timeout(Duration::from_secs(9), T.create(&world, "m1")).await.expect("in time");
    assert_eq!(made.assert_success().key(), "");
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(world.homes("m1").await, [2]);
}

#[tokio::test(start_paused = true)]
async fn x19_a_voice_bridge_that_is_taken_everywhere_is_told_in_the_instances_words() {
    let world = plan(3).start().await;
    for sim in &world.sims {
        let fault =
            Fault::Failed { key: "nonUniqueVoiceBridge".into(), message: "It is taken.".into() };
        sim.faults().on("create").set(fault).await;
    }
    let heard = T.call(&world, "create", "name=Room&meetingID=m1&voiceBridge=70000").await;
    assert_eq!(heard.status, StatusCode::OK);
    let theirs = "<key>nonUniqueVoiceBridge</key>\r\n<message>It is taken.</message>";
    assert!(heard.body.contains(theirs), "{heard:?}");
    assert_eq!(world.store.all_routes().await.expect("routes"), vec![]);
    assert_all_up(&world, "a voice bridge").await;
}

#[tokio::test(start_paused = true)]
async fn x20_an_instance_that_refuses_our_signature_is_named_and_no_client_reads_it() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    let calls = [
        ("create", "name=Room&meetingID=m1"),
        ("getMeetingInfo", "meetingID=m1"),
        ("isMeetingRunning", "meetingID=m1"),
        ("end", "meetingID=m1"),
        ("sendChatMessage", "meetingID=m1&message=hello"),
        ("join", "fullName=Ada&meetingID=m1&role=VIEWER&redirect=false"),
    ];
    for call in calls.map(|(call, _)| call).into_iter().chain(["insertDocument", "getMeetings"]) {
        world.sims[0].faults().on(call).set(Fault::ChecksumError).await;
    }
    for (call, query) in calls {
        let heard = T.call(&world, call, query).await;
        heard.assert_failed(500, "internalError");
        assert!(!heard.body.contains("checksum"), "{call}: {heard:?}");
    }
    insert(&world, T, "meetingID=m1").await.assert_failed(500, "internalError");
    sleep(Duration::from_secs(1)).await;
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    let member = roster.get(&id(&world.sims[0])).expect("a member");
    assert_eq!(member.health, Health::Suspect);
    assert!(member.why.as_deref().is_some_and(|why| why.contains("checksumError")), "{member:?}");
    T.create(&world, "m2").await.assert_success();
    assert_eq!(world.homes("m2").await, [2]);
    world.sims[0].faults().clear().await;
    world.until(|roster| roster.members().iter().all(|m| m.health == Health::Up)).await;
    T.info(&world, "m1").await.assert_success();
}
