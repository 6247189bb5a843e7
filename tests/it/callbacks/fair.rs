//! Stories X12 and X13: one tenant's targets that fail hold up nobody, and what waits for a webhook goes with it.

use serde_json::Value;

use super::*;

/// Makes a webhook at this URL; answers its id.
async fn hook(client: Client, world: &World, url: &str) -> String {
    let reply = client.call(world, "hooks/create", &query_of(&[("callbackURL", url)])).await;
    reply.assert_success().value("hookID").to_owned()
}

/// A short meeting with every callback.
async fn short_meeting(client: Client, world: &World, meeting: &str) {
    create(client, world, meeting).await;
    client.join(world, meeting).await;
    client.end(world, meeting).await.assert_success();
}

async fn targets(world: &World) -> Vec<Value> {
    let reply = world.admin(Method::GET, "/admin/api/callbacks?limit=0", "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let list: Value = serde_json::from_str(&reply.body).expect("JSON");
    list["targets"].as_array().cloned().unwrap_or_default()
}

/// T has a dozen webhooks whose servers never answer, each on its own or all on one that takes T's callbacks too.
async fn storm(hooks: &str) -> World {
    let world = started(with_callbacks(2)).await;
    for n in 0..12 {
        let url = hooks.replace('#', &n.to_string());
        world.targets.hang(&url);
        hook(T, &world, &url).await;
    }
    sleep(3 * SECOND).await;
    for n in 0..300 {
        short_meeting(T, &world, &format!("t{n}")).await;
    }
    world
}

async fn others_are_served(world: &World) {
    short_meeting(U, world, "of-u").await;
    // The simulated server has the recording and the figures after five seconds.
    sleep(15 * SECOND).await;
    for (path, times) in [("end?", 1), ("ended", 1), ("ready", 1), ("figures", 1)] {
        assert_eq!(got(&world.targets, U, path).len(), times, "U, {path}");
    }
    for sim in &world.sims {
        let refused = sim.outcomes().await.into_iter().filter(|outcome| !outcome.arrived).count();
        assert_eq!(refused, 0, "no instance has reason to drop our hooks");
    }
    sleep(60 * SECOND).await;
    for (path, times) in [("end?", 300), ("ended", 300), ("ready", 300), ("figures", 300)] {
        assert_eq!(got(&world.targets, T, path).len(), times, "T, {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn x12_hooks_that_never_answer_hold_up_no_callback_of_anyone() {
    let world = storm("https://h#.t.example.org/events").await;
    others_are_served(&world).await;
    let shown = targets(&world).await;
    // Now and then one is tried.
    let paused = shown.iter().filter(|target| target["paused_until"].is_string()).count();
    assert_eq!((shown.len(), paused > 3), (12, true), "{shown:?}");
    assert!(shown.iter().all(|target| target["failures"].as_u64() >= Some(3)), "{shown:?}");
    assert!(shown.iter().all(|target| target["lane"] == "events" && target["tenant"] == T.host));
    let waiting: u64 = shown.iter().filter_map(|target| target["waiting"].as_u64()).sum();
    assert!((1..=2_000).contains(&waiting), "{waiting}");
    let tried = world.targets.calls_of("https://h").len();
    sleep(60 * SECOND).await;
    let more = world.targets.calls_of("https://h").len() - tried;
    assert!(more <= 12 * 4, "a target that fails is tried rarely: {more}");
    // What could not be delivered in ten minutes is dropped, and is no dead letter.
    sleep(700 * SECOND).await;
    assert_eq!(pile(&world, Pile::Waiting).await.total, 0);
    assert_eq!(pile(&world, Pile::Dead).await.total, 0);
    let metrics = bigblueswarm::http::metrics::recorder().render();
    assert!(metrics.contains("outcome=\"dropped\",kind=\"hook\""), "{metrics}");
    assert!(metrics.contains("outcome=\"over_share\""), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn x12_callbacks_of_a_host_whose_hooks_never_answer_are_delivered_too() {
    let world = storm("https://t.example.org/events/#").await;
    others_are_served(&world).await;
}

#[tokio::test(start_paused = true)]
async fn x12_a_target_that_works_again_gets_what_is_news() {
    let world = started(with_callbacks(1)).await;
    world.targets.hang("https://t.example.org/events");
    hook(T, &world, "https://t.example.org/events").await;
    sleep(3 * SECOND).await;
    short_meeting(T, &world, "one").await;
    sleep(100 * SECOND).await;
    world.targets.answer("https://t.example.org/events", 200);
    let before = got(&world.targets, T, "events").len();
    sleep(90 * SECOND).await;
    assert!(got(&world.targets, T, "events").len() > before);
    assert_eq!(pile(&world, Pile::Waiting).await.total, 0);
    assert_eq!(targets(&world).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn x13_what_waits_for_a_hook_goes_when_it_is_destroyed() {
    let world = started(with_callbacks(1)).await;
    for url in ["https://t.example.org/gone", "https://t.example.org/stays"] {
        world.targets.hang(url);
    }
    let gone = hook(T, &world, "https://t.example.org/gone").await;
    hook(T, &world, "https://t.example.org/stays").await;
    sleep(3 * SECOND).await;
    for meeting in ["one", "two", "three"] {
        T.create(&world, meeting).await.assert_success();
    }
    sleep(SECOND).await;
    let waiting = async || pile(&world, Pile::Waiting).await.total;
    let before = waiting().await;
    assert!(before >= 4 && before % 2 == 0, "{before}");
    // Some of it is under way at this moment.
    T.call(&world, "hooks/destroy", &format!("hookID={gone}")).await.assert_success();
    assert_eq!(waiting().await, before / 2);
    let tried = got(&world.targets, T, "gone").len();
    // Longer than the meetings live, and then their last events.
    sleep(1100 * SECOND).await;
    assert_eq!(got(&world.targets, T, "gone").len(), tried, "it is not tried again");
    assert!(got(&world.targets, T, "stays").len() > tried);
    assert_eq!(waiting().await, 0);
}
