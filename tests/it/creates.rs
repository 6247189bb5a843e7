//! Stories M1 to M12: where a meeting is created, and what happens when that goes wrong.

use std::time::Duration;

use axum::body::Body;
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::domain::instance::{AdminState, Health, Roster};
use bigblueswarm::sim::{Fault, SimServer, SimSettings};
use futures_util::future::join_all;
use http::{Method, header};
use sha2::{Digest, Sha256};

use crate::world::{T, U, World, id, plan};

fn health(roster: &Roster, sim: &SimServer) -> Health {
    roster.get(&id(sim)).expect("a member").health
}

async fn health_now(world: &World, n: usize) -> Health {
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    health(&roster, &world.sims[n - 1])
}

#[tokio::test(start_paused = true)]
async fn m1_a_create_reaches_the_least_loaded_instance_once_and_its_answer_is_passed_on() {
    let world = plan(3).start().await;
    let reply = T.create(&world, "m1").await;
    reply.assert_success();
    assert_eq!(world.homes("m1").await, [1]);
    let seen = world.sims[0].requests_of("create").await;
    assert_eq!((seen.len(), world.asked("create").await), (1, 1));
    assert_eq!(seen[0].value("meta_bigblueswarm-tenant").as_deref(), Some(T.host));
    for element in ["internalMeetingID", "createTime", "voiceBridge", "dialNumber", "createDate"] {
        assert!(!reply.value(element).is_empty(), "{element}: {reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn m2_the_same_create_again_finds_the_same_instance() {
    let world = plan(3).start().await;
    let first = T.create(&world, "m1").await;
    world.loads.say(Default::default());
    let again = T.create(&world, "m1").await;
    assert_eq!(again.assert_success().key(), "duplicateWarning");
    assert_eq!(again.value("internalMeetingID"), first.value("internalMeetingID"));
    assert_eq!(world.homes("m1").await, [1]);
}

#[tokio::test(start_paused = true)]
async fn m2_fifty_creates_at_the_same_instant_make_one_meeting() {
    let world = plan(3).start().await;
    let replies = join_all((0..50).map(|_| T.create(&world, "m1"))).await;
    let ids: std::collections::HashSet<_> =
        replies.iter().map(|reply| reply.assert_success().value("internalMeetingID")).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.homes("m1").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn m3_a_create_without_meeting_id_or_name_calls_no_instance() {
    let world = plan(1).start().await;
    T.call(&world, "create", "name=Room").await.assert_failed(200, "missingParamMeetingID");
    for query in ["name=Room&meetingID=", "meetingID=m1", "meetingID=m1&name="] {
        T.call(&world, "create", query).await.assert_failed(200, "validationError");
    }
    let twice = T.call(&world, "create", "name=Room&meetingID=m1&meetingID=m2").await;
    twice.assert_failed(200, "validationError");
    assert!(twice.value("message").contains("meetingID"), "{twice:?}");
    assert_eq!(world.asked("create").await, 0);
}

async fn fails_over(fault: Fault) {
    let world = plan(2).start().await;
    world.sims[0].faults().on("create").set(fault.clone()).await;
    T.create(&world, "m1").await.assert_success();
    assert!(world.homes("m1").await.contains(&2), "{fault:?}");
    let suspect = health_now(&world, 1).await != Health::Up;
    assert_eq!(suspect, fault == Fault::Refuse, "{fault:?}: only who can't be reached is suspect");
    assert!(T.join(&world, "m1").await.location.is_some_and(|to| to.contains("s2.example.org")));
    world.sims[0].faults().clear().await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(world.homes("m1").await, [2], "{fault:?}: a copy is ended when it is seen");
    T.info(&world, "m1").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn m4_an_instance_that_refuses_connections_is_passed_over() {
    fails_over(Fault::Refuse).await;
}

#[tokio::test(start_paused = true)]
async fn m4_an_instance_that_answers_500_is_passed_over() {
    fails_over(Fault::Internal).await;
}

#[tokio::test(start_paused = true)]
async fn m4_an_instance_that_hangs_is_passed_over() {
    fails_over(Fault::Hang).await;
}

#[tokio::test(start_paused = true)]
async fn m4_garbage_and_a_wrong_secret_are_the_instances_fault() {
    fails_over(Fault::Garbage).await;
    fails_over(Fault::ChecksumError).await;
    fails_over(Fault::NotFoundPage).await;
}

#[tokio::test(start_paused = true)]
async fn m4_a_copy_that_a_hanging_instance_made_after_all_is_ended_when_seen() {
    let world = plan(2).start().await;
    world.sims[0].faults().on("create").set(Fault::HangAfterWork).await;
    world.sims[0].faults().on("getMeetingInfo").set(Fault::Hang).await;
    T.create(&world, "m1").await.assert_success();
    assert_eq!(world.homes("m1").await, [1, 2]);
    world.sims[0].faults().clear().await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(world.homes("m1").await, [2]);
}

#[tokio::test(start_paused = true)]
async fn m4_a_create_that_was_done_but_not_answered_stays_where_it_is() {
    let world = plan(2).start().await;
    world.sims[0].faults().on("create").times(1).set(Fault::HangAfterWork).await;
    T.create(&world, "m1").await.assert_failed(500, "internalError");
    let again = T.create(&world, "m1").await;
    assert_eq!(again.assert_success().key(), "duplicateWarning");
    assert_eq!(world.homes("m1").await, [1]);
}

#[tokio::test(start_paused = true)]
async fn m4_when_every_instance_fails_nothing_stays_claimed() {
    let world = plan(2).start().await;
    for sim in &world.sims {
        sim.faults().on("create").set(Fault::Internal).await;
    }
    T.create(&world, "m1").await.assert_failed(200, "internalError");
    assert_eq!(world.store.all_routes().await.expect("routes"), vec![]);
}

#[tokio::test(start_paused = true)]
async fn m5_a_refusal_of_the_confirmed_instance_is_passed_on_unchanged() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    let other = "name=Room&meetingID=m1&attendeePW=xx&moderatorPW=yy";
    let refused = T.call(&world, "create", other).await;
    refused.assert_failed(200, "idNotUnique");
    assert_eq!(world.sims[1].requests_of("create").await.len(), 0);
    T.info(&world, "m1").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn m5_a_refusal_of_a_new_meeting_leaves_no_claim() {
    let world = plan(2).start().await;
    let fault = Fault::Failed { key: "validationError".into(), message: "No.".into() };
    world.sims[0].faults().on("create").set(fault).await;
    T.create(&world, "m1").await.assert_failed(200, "validationError");
    assert_eq!(world.asked("create").await, 1);
    assert_eq!(world.store.all_routes().await.expect("routes"), vec![]);
}

#[tokio::test(start_paused = true)]
async fn m6_without_a_candidate_there_is_no_instance() {
    let none = plan(0).start().await;
    T.create(&none, "m1").await.assert_failed(200, "noInstanceFound");
    let mut elsewhere = T.document();
    elsewhere.instances = vec!["http://other.example.org/bigbluebutton".into()];
    let pool = plan(1).tenant(elsewhere).start().await;
    T.create(&pool, "m1").await.assert_failed(200, "noInstanceFound");
    let full = plan(2).config(|c| c.balancer.cpu_limit = 5.0).start().await;
    T.create(&full, "m1").await.assert_failed(200, "noInstanceFound");
}

#[tokio::test(start_paused = true)]
async fn m7_a_meeting_of_a_dead_instance_is_created_again_elsewhere() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    world.sims[0].faults().set(Fault::Refuse).await;
    world.until(|roster| health(roster, &world.sims[0]) == Health::Dead).await;
    T.info(&world, "m1").await.assert_failed(500, "internalError");
    T.join(&world, "m1").await.assert_failed(200, "meetingUnavailable");
    T.create(&world, "m1").await.assert_success();
    assert!(T.join(&world, "m1").await.location.is_some_and(|to| to.contains("s2.example.org")));
    // Back with its copy: the stored route wins, the empty copy is hidden and ended.
    world.sims[0].faults().clear().await;
    world.until(|roster| health(roster, &world.sims[0]) == Health::Up).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(world.homes("m1").await, [2]);
}

#[tokio::test(start_paused = true)]
async fn m8_a_draining_instance_keeps_a_running_meeting_and_takes_no_new_one() {
    let world = plan(2).start().await;
    T.create(&world, "running").await.assert_success();
    T.create(&world, "gone").await.assert_success();
    let homes = (world.homes("running").await, world.homes("gone").await);
    for n in [homes.0[0], homes.1[0]] {
        let instance = id(&world.sims[n - 1]);
        let registry = &world.swarm.world.actors.registry;
        registry.set_admin(instance, AdminState::Draining).await.expect("it drains");
    }
    T.end(&world, "gone").await.assert_success();
    let other = 3 - homes.1[0];
    if homes.0[0] == homes.1[0] {
        T.create(&world, "gone").await.assert_success();
        assert!(world.homes("gone").await.contains(&other));
    }
    T.create(&world, "running").await.assert_success();
    assert_eq!(world.homes("running").await, homes.0);
}

#[tokio::test(start_paused = true)]
async fn m9_one_failed_probe_forgets_nothing() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    world.sims[0].faults().on("").times(1).set(Fault::Internal).await;
    world.until(|roster| health(roster, &world.sims[0]) == Health::Suspect).await;
    T.info(&world, "m1").await.assert_success();
    assert!(T.join(&world, "m1").await.location.is_some_and(|to| to.contains("s1.example.org")));
    T.create(&world, "m2").await.assert_success();
    assert_eq!(world.homes("m2").await, [2], "no new meeting for a suspect");
}

#[tokio::test(start_paused = true)]
async fn m10_a_meeting_is_found_again_after_the_store_was_emptied() {
    let world = plan(3).start().await;
    T.create(&world, "m1").await.assert_success();
    T.create(&world, "m2").await.assert_success();
    // Another program on an empty store; no sweep has ended when it is asked.
    for sim in &world.sims {
        sim.faults().on("getMeetings").set(Fault::Slow(Duration::from_secs(5))).await;
    }
    let fresh = plan(3).on(&world).start_unready().await;
    T.info(&fresh, "m1").await.assert_success();
    let again = T.create(&fresh, "m2").await;
    assert_eq!(again.assert_success().key(), "duplicateWarning");
    assert!(T.join(&fresh, "m1").await.location.is_some());
    T.end(&fresh, "m1").await.assert_success();
    assert_eq!(fresh.homes("m2").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn m11_two_tenants_use_one_meeting_id_on_two_instances() {
    let world = plan(2).start().await;
    T.create(&world, "x1").await.assert_success();
    U.create(&world, "x1").await.assert_success();
    assert_eq!(world.homes("x1").await, [1, 2]);
    let (ours, theirs) = (T.info(&world, "x1").await, U.info(&world, "x1").await);
    assert_ne!(ours.value("internalMeetingID"), "");
    assert!(ours.body.contains(T.host) && !ours.body.contains(U.host), "{ours:?}");
    assert!(theirs.body.contains(U.host) && !theirs.body.contains(T.host), "{theirs:?}");
    assert_ne!(T.join(&world, "x1").await.location, U.join(&world, "x1").await.location);
    T.end(&world, "x1").await.assert_success();
    U.info(&world, "x1").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn m11_on_one_instance_the_second_tenants_meeting_id_is_not_unique() {
    let world = plan(1).start().await;
    T.create(&world, "x1").await.assert_success();
    U.create(&world, "x1").await.assert_failed(200, "idNotUnique");
    U.info(&world, "x1").await.assert_failed(200, "notFound");
    U.end(&world, "x1").await.assert_failed(200, "notFound");
    T.info(&world, "x1").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn m12_a_posted_body_reaches_the_instance_with_the_same_bytes() {
    let world = plan(2).start().await;
    let inline = "QUJD".repeat(2 << 20);
    let body = format!(
        "<?xml version=\"1.0\"?><modules><module name=\"presentation\"><document name=\"a.pdf\">{inline}</document></module></modules>"
    );
    let sum = hex::encode(Sha256::digest(body.as_bytes()));
    for (n, kind) in
        ["application/xml", "text/xml", "application/xml; charset=UTF-8"].iter().enumerate()
    {
        // The first attempt fails on the way, so that the body is sent twice.
        world.sims[0].faults().on("create").times(1).set(Fault::Internal).await;
        let path = T.path("create", &format!("name=Room&meetingID=posted-{n}"));
        let request = T.request(Method::POST, &path).header(header::CONTENT_TYPE, *kind);
        let request = request.header(header::CONTENT_LENGTH, body.len());
        world
            .send(request.body(Body::from(body.clone())).expect("a request"))
            .await
            .assert_success();
        let home = world.homes(&format!("posted-{n}")).await[0];
        let seen = world.sims[home - 1].requests_of("create").await;
        let seen = seen.last().expect("a create");
        assert_eq!(seen.content_type.as_deref(), Some("application/xml"));
        assert_eq!((seen.body_len, seen.body_sha256.as_str()), (body.len(), sum.as_str()));
        tokio::time::sleep(Duration::from_secs(15)).await;
    }
    let wrong = T.request(Method::POST, &T.path("create", "name=Room&meetingID=wrong"));
    let wrong =
        wrong.header(header::CONTENT_TYPE, "application/json").header(header::CONTENT_LENGTH, 2);
    let wrong = world.send(wrong.body(Body::from("{}")).expect("a request")).await;
    wrong.assert_failed(200, "unsupportedContentType");
}

#[tokio::test(start_paused = true)]
async fn a_breakout_room_follows_its_parent() {
    let world = plan(3).start().await;
    T.create(&world, "parent").await.assert_success();
    let query = "name=Room&meetingID=room-1&isBreakout=true&parentMeetingID=parent&sequence=1";
    for n in 1..=3 {
        T.call(&world, "create", &query.replace("room-1", &format!("room-{n}")))
            .await
            .assert_success();
        assert_eq!(world.homes(&format!("room-{n}")).await, world.homes("parent").await);
    }
    let orphan = query.replace("=parent&", "=nobody&").replace("room-1", "orphan");
    T.call(&world, "create", &orphan).await.assert_failed(200, "parentMeetingDoesNotExist");
}

#[tokio::test(start_paused = true)]
async fn an_instance_with_another_secret_is_named_and_takes_no_meetings() {
    let world = plan(2).start().await;
    let wrong = bigblueswarm::domain::secret::Secret::new("not-the-secret");
    let list =
        vec![(world.sims[0].url(), wrong), (world.sims[1].url(), world.sims[1].secret().clone())];
    world.swarm.world.actors.registry.replace(list).await.expect("the list is taken");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    let member = roster.get(&id(&world.sims[0])).expect("a member");
    assert_eq!(member.health, Health::Suspect);
    assert!(member.why.as_deref().is_some_and(|why| why.contains("checksumError")), "{member:?}");
    world.sims[0].clear_requests().await;
    T.create(&world, "m1").await.assert_success();
    assert_eq!(world.sims[0].requests_of("create").await.len(), 0);
    world.register().await;
    world.until(|roster| health(roster, &world.sims[0]) == Health::Up).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_meeting_pool_takes_no_new_meeting() {
    let mut document = T.document();
    document.spec.meeting_pool = Some(2);
    let world = plan(2).tenant(document).start().await;
    for meeting in ["m1", "m2", "m1"] {
        T.create(&world, meeting).await.assert_success();
    }
    T.create(&world, "m3").await.assert_failed(200, "meetingPoolReached");
    T.end(&world, "m1").await.assert_success();
    T.create(&world, "m3").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_knows_sha1_only_is_signed_for_with_sha1() {
    let clock = std::sync::Arc::new(bigblueswarm::outside::clock::RuntimeClock::start());
    let settings = SimSettings::new("http://old.example.org", "secret-of-the-old-one");
    let old = SimServer::start(settings.algorithms(&[Algorithm::Sha1]), clock);
    let world = plan(0).servers(vec![old]).start().await;
    T.create(&world, "m1").await.assert_failed(200, "noInstanceFound");
    let sign = async |query: &str| {
        let path = format!("/admin/api/instances/sign?{query}");
        world.admin(Method::POST, &path, "").await.status.as_u16()
    };
    let url = world.sims[0].url();
    assert_eq!(sign(&format!("url={url}&hash=md5")).await, 400);
    assert_eq!(sign("hash=sha1").await, 400);
    assert_eq!(sign("url=http://nobody/bigbluebutton&hash=sha1").await, 404);
    assert_eq!(sign(&format!("url={url}&hash=sha1")).await, 204);
    world.until(|roster| health(roster, &world.sims[0]) == Health::Up).await;
    T.create(&world, "m1").await.assert_success();
}
