//! F1 and F4: a create is acknowledged only for the meeting that every later call finds.

use bigblueswarm::sim::Fault;
use tokio::time::Instant;

use super::*;
use crate::world::{load, rising};

const SLOW: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Every call finds this meeting, and lists show it once.
async fn assert_found(world: &World, meeting: &str, acknowledged: &str, what: &str) {
    let info = T.info(world, meeting).await;
    assert_eq!(internal_id(&info), acknowledged, "{what}");
    let again = T.create(world, meeting).await;
    assert_eq!(internal_id(&again), acknowledged, "{what}");
    assert_eq!(again.key(), "duplicateWarning", "{what}");
    let listed = T.call(world, "getMeetings", "").await;
    assert_eq!(listed.body.matches(&format!(">{acknowledged}<")).count(), 1, "{what}: {listed:?}");
}

/// The meeting's home is the last choice for new meetings from now on.
async fn load_home(worlds: &[&World], meeting: &str) {
    let home = id(&worlds[0].sims[only_home(worlds[0], meeting).await - 1]);
    for world in worlds {
        let mut loads = rising(&world.sims);
        loads.insert(home.clone(), load(95.0, 20.0));
        world.loads.say(loads);
    }
    worlds[0].refreshed().await;
}

#[tokio::test(start_paused = true)]
async fn f1_a_create_that_crosses_an_end_is_found_and_counts() {
    for (before, slow_end, slow_create) in [(true, 50, 1_000), (true, 1_000, 50), (false, 50, 200)]
    {
        let what = format!("{before} {slow_end} {slow_create}");
        let world = plan(3).start().await;
        T.create(&world, "m1").await.assert_success();
        for sim in &world.sims {
            let late = |ms| Fault::Slow(Duration::from_millis(ms));
            sim.faults().on("end").set(late(slow_end)).await;
            sim.faults().on("create").set(late(slow_create)).await;
        }
        let end = async {
            sleep(if before { Duration::ZERO } else { PAUSE }).await;
            T.end(&world, "m1").await.assert_success();
        };
        let create = async {
            sleep(if before { PAUSE } else { Duration::ZERO }).await;
            T.create(&world, "m1").await
        };
        let ((), made) = tokio::join!(end, create);
        for sim in &world.sims {
            sim.faults().clear().await;
        }
        let acknowledged = internal_id(&made);
        if before {
            assert_eq!(meetings_counted(&world).await, 1, "{what}");
            load_home(&[&world], "m1").await;
            assert_found(&world, "m1", &acknowledged, &what).await;
            sleep(Duration::from_secs(120)).await;
            assert_found(&world, "m1", &acknowledged, &what).await;
            assert_eq!(meetings_counted(&world).await, 1, "{what}");
        }
        assert!(world.homes("m1").await.len() <= 1, "{what}");
    }
}

/// The server does first the end and then the create; either is answered first.
async fn f1_a_create_that_crosses_an_end_on_another_replica_is_found_and_counts<D: Deployment>() {
    let deployment = D::start();
    // No sweep makes good in time what a create leaves behind.
    let seldom = |plan: Plan| plan.config(|config| config.health.sweep_interval = SELDOM);
    let a = seldom(plan(3).config(quick)).store(deployment.store()).start().await;
    let b = seldom(further_replica(&a, deployment.store())).start().await;
    for (meeting, first, slow) in [("m1", "create", "end"), ("m2", "end", "create")] {
        let counted = meetings_counted(&a).await;
        T.create(&a, meeting).await.assert_success();
        within(PATIENTLY, "known", async || meetings_counted(&b).await == counted + 1).await;
        let home = &a.sims[only_home(&a, meeting).await - 1];
        // So that the create is sent before the answer to the end is seen.
        home.faults().on(first).set(Fault::Slow(SLOW / 3)).await;
        home.faults().on(slow).set(Fault::Slow(SLOW)).await;
        home.clear_requests().await;
        let create = async {
            within(PATIENTLY, "ended", async || !home.requests_of("end").await.is_empty()).await;
            T.create(&b, meeting).await
        };
        let (ended, made) = tokio::join!(T.end(&a, meeting), create);
        ended.assert_success();
        home.faults().clear().await;
        let acknowledged = internal_id(&made);
        load_home(&[&a, &b], meeting).await;
        for world in [&a, &b] {
            assert_found(world, meeting, &acknowledged, slow).await;
            let counts = async || meetings_counted(world).await == counted + 1;
            within(PATIENTLY, "counted once", counts).await;
        }
        only_home(&a, meeting).await;
    }
}

/// The claim is lost while the server makes the meeting.
async fn f1_a_create_whose_claim_the_store_loses_is_one_meeting<D: Deployment>() {
    let mut deployment = D::start();
    let [a, b] = two_replicas(&deployment, 3).await;
    let meeting = deployment.losable("room");
    for sim in &a.sims {
        sim.faults().on("create").set(Fault::Slow(SLOW)).await;
    }
    deployment.begin_to_lose();
    let losing = async {
        within(PATIENTLY, "asked for", async || a.asked("create").await > 0).await;
        while_blocked(deployment, D::come_back_older).await
    };
    let creating = async {
        loop {
            // Whoever is refused before a server was asked tries again.
            let made = T.create(&a, &meeting).await;
            if a.asked("create").await > 0 {
                return made;
            }
            sleep(POLL).await;
        }
    };
    let (made, _deployment) = tokio::join!(creating, losing);
    for sim in &a.sims {
        sim.faults().clear().await;
    }
    let began = Instant::now();
    let mut acknowledged = made.succeeded().then(|| internal_id(&made));
    while began.elapsed() < Duration::from_secs(3) || acknowledged.is_none() {
        assert!(began.elapsed() < PATIENTLY, "it is never created");
        for world in [&b, &a] {
            let again = T.create(world, &meeting).await;
            if !again.succeeded() {
                again.assert_failed(500, "internalError");
                continue;
            }
            let known = acknowledged.get_or_insert_with(|| internal_id(&again));
            assert_eq!(&internal_id(&again), known, "another meeting was acknowledged");
        }
        sleep(POLL).await;
    }
    let acknowledged = acknowledged.expect("it is created");
    for world in [&a, &b] {
        assert_eq!(internal_id(&T.info(world, &meeting).await), acknowledged);
    }
    within(PATIENTLY, "one", async || a.homes(&meeting).await.len() == 1).await;
}

async fn f4_without_the_store_only_the_known_meeting_is_acknowledged<D: Deployment>() {
    let deployment = D::start();
    let world = plan(2).store(deployment.store()).start().await;
    let known = internal_id(&T.create(&world, "lives").await);
    T.create(&world, "over").await.assert_success();
    deployment.hang(true);
    assert_eq!(internal_id(&T.create(&world, "lives").await), known);
    // From here on it is known that the store does not answer, and the server is asked what it has before that ends.
    sleep(Duration::from_secs(2)).await;
    // That can't be stored, and a create of that meeting begins another one there.
    T.end(&world, "over").await.assert_success();
    T.create(&world, "over").await.assert_failed(500, "internalError");
    deployment.hang(false);
    let made = async || T.create(&world, "over").await.succeeded();
    within(PATIENTLY, "made once the store is back", made).await;
    within(PATIENTLY, "one", async || world.homes("over").await.len() == 1).await;
    assert_eq!(internal_id(&T.create(&world, "lives").await), known);
}

/// A replica alone without the store is no safer than all of them.
async fn f4_a_replica_that_is_cut_off_acknowledges_no_other_meeting<D: Deployment>() {
    let deployment = D::start();
    let a = first_replica(2, deployment.store()).await;
    let store = faulty_store::FaultyStore::new(deployment.store());
    let b = further_replica(&a, store.clone()).start().await;
    T.create(&a, "room").await.assert_success();
    let home = only_home(&a, "room").await;
    within(PATIENTLY, "known", async || joins_on(T, &b, "room", home).await).await;
    store.set(faulty_store::Link::Cut);
    T.end(&a, "room").await.assert_success();
    set(&a, "drain", home).await;
    let living = internal_id(&T.create(&a, "room").await);
    assert_eq!(only_home(&a, "room").await, 3 - home);
    sleep(deployment::LEASE_EXPIRED).await;
    for _ in 0..10 {
        let made = T.create(&b, "room").await;
        assert!(!made.succeeded(), "{made:?}");
        let to = T.join(&b, "room").await.location.unwrap_or_default();
        assert!(!to.starts_with(&a.sims[home - 1].origin()), "misled to {to}");
        sleep(Duration::from_millis(100)).await;
    }
    let degraded =
        b.send(http::Request::get("/readyz").body(Default::default()).expect("one")).await;
    assert!(degraded.body.contains("store"), "{degraded:?}");
    store.set(faulty_store::Link::Up);
    within(PATIENTLY, "followed", async || joins_on(T, &b, "room", 3 - home).await).await;
    assert_eq!(internal_id(&T.create(&b, "room").await), living);
}

on_shared_stores! {
    f1_a_create_that_crosses_an_end_on_another_replica_is_found_and_counts
    f1_a_create_whose_claim_the_store_loses_is_one_meeting
    f4_without_the_store_only_the_known_meeting_is_acknowledged
    f4_a_replica_that_is_cut_off_acknowledges_no_other_meeting
}
