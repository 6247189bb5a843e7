//! What is owed: once, again, over a restart, with the secret of the day, or a dead letter.

use bigblueswarm::outside::targets::TargetError;

use super::*;

const READY: &str = "https://t.example.org/ready";

/// Posts the recording-ready callback of a meeting on the first server.
async fn post_ready(world: &World, path: &str, meeting: &str) -> StatusCode {
    let claims = claims(&[("meeting_id", meeting), ("record_id", "rec-1")]);
    let form = ready(&claims, world.sims[0].secret().reveal());
    called(world, Method::POST, path, "", form).await
}

#[tokio::test(start_paused = true)]
async fn r10_an_instance_that_repeats_its_call_is_delivered_once_over_a_restart_too() {
    let first = started(with_callbacks(1)).await;
    create(T, &first, "room").await;
    let path = ours(&first, 1, "room", "bbb-recording-ready-url").await;
    first.targets.answer(READY, 503);
    assert_eq!(post_ready(&first, &path, "room").await, 200);
    assert_eq!(post_ready(&first, &path, "room").await, 200);
    sleep(3 * SECOND).await;
    let tried = first.targets.calls().len();
    assert_eq!(tried, 2, "at once and after a second");
    let (store, targets) = (first.store.clone(), first.targets.clone());
    let again = with_callbacks(1).on(&first).store(store).with_what_is_stored();
    first.swarm.stop().await;
    targets.answer(READY, 200);
    let second = again.start().await;
    assert_eq!(post_ready(&second, &path, "room").await, 200);
    sleep(100 * SECOND).await;
    assert_eq!(targets.calls().len(), tried + 1);
    assert_eq!(post_ready(&second, &path, "room").await, 200);
    sleep(100 * SECOND).await;
    assert_eq!(targets.calls().len(), tried + 1);
    assert_eq!(pile(&second, Pile::Waiting).await.total, 0);
}

#[tokio::test(start_paused = true)]
async fn r10_two_meetings_of_one_name_are_two_callbacks() {
    let world = started(with_callbacks(1)).await;
    for _ in 0..2 {
        create(T, &world, "room").await;
        T.end(&world, "room").await.assert_success();
        sleep(20 * SECOND).await;
    }
    assert_eq!(got(&world.targets, T, "end?").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn r10_what_fails_is_tried_again_with_growing_waits_and_dies_after_retry_for() {
    let plan = with_callbacks(1).config(|c| c.callbacks.retry_for = 600 * SECOND);
    let world = started(plan).await;
    create(T, &world, "room").await;
    let path = ours(&world, 1, "room", "ended").await;
    world.targets.answer("https://t.example.org/", 500);
    assert_eq!(visited(&world, &path).await, 200);
    for (after, attempts) in [(2, 2), (2, 2), (4, 3), (32, 4), (130, 5), (300, 5), (500, 6)] {
        sleep(after * SECOND).await;
        assert_eq!(got(&world.targets, T, "ended").len(), attempts, "{after}");
    }
    sleep(4000 * SECOND).await;
    assert_eq!(got(&world.targets, T, "ended").len(), 6);
    assert_eq!(pile(&world, Pile::Waiting).await.total, 0);
    let errors = errors(&world).await;
    assert!(!errors.is_empty() && errors.iter().all(|error| error == "HTTP status 500"));
}

#[tokio::test(start_paused = true)]
async fn r10_answers_that_end_a_delivery_are_those_of_bbb() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    let path = ours(&world, 1, "room", "bbb-recording-ready-url").await;
    // 410 says that nobody waits for this recording; 401 may be a secret that is being changed.
    for (status, times, record) in [(410, 1, "a"), (204, 1, "b"), (401, 3, "c"), (302, 3, "d")] {
        let before = world.targets.calls().len();
        world.targets.answer(READY, status);
        let claims = claims(&[("meeting_id", "room"), ("record_id", record)]);
        let form = ready(&claims, world.sims[0].secret().reveal());
        assert_eq!(called(&world, Method::POST, &path, "", form).await, 200);
        sleep(8 * SECOND).await;
        assert_eq!(world.targets.calls().len() - before, times, "{status}");
        world.targets.answer(READY, 200);
        sleep(60 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn r10_a_secret_that_was_rotated_meanwhile_signs() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    let path = ours(&world, 1, "room", "bbb-recording-ready-url").await;
    world.targets.fail(READY, TargetError::Failed("no answer in time".into()));
    assert_eq!(post_ready(&world, &path, "room").await, 200);
    sleep(2 * SECOND).await;
    let mut document = T.document();
    document.spec.secret = Some("the-new-secret-of-t-012345".into());
    document.spec.secrets = vec![T.secret.into()];
    world.swarm.world.actors.tenants.put(document).await.expect("stored");
    world.targets.answer(READY, 200);
    sleep(60 * SECOND).await;
    let calls = world.targets.calls();
    let signed_by = |call: &Call, secret: &str| {
        let form = String::from_utf8_lossy(&call.body).into_owned();
        let token = query::value(&form, "signed_parameters").expect("a form");
        jwt::verify(Hash::Hs256, &token, secret, 0).is_ok()
    };
    let (first, last) = (&calls[0], &calls[calls.len() - 1]);
    assert!(signed_by(first, T.secret));
    assert!(signed_by(last, "the-new-secret-of-t-012345"));
    assert_eq!(pile(&world, Pile::Waiting).await.total, 0);
}

#[tokio::test(start_paused = true)]
async fn r10_callbacks_of_a_deleted_tenant_are_dead_letters_and_new_ones_are_gone() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    let [end, ended] =
        [ours(&world, 1, "room", "endcallbackurl").await, ours(&world, 1, "room", "ended").await];
    world.targets.answer("https://t.example.org/", 500);
    assert_eq!(visited(&world, &ended).await, 200);
    sleep(SECOND).await;
    let id = bigblueswarm::domain::tenant::TenantId::new(T.host);
    world.swarm.world.actors.tenants.delete(id.to_string()).await.expect("deleted");
    sleep(60 * SECOND).await;
    assert_eq!(errors(&world).await, ["there is no such tenant any more"]);
    assert_eq!(visited(&world, &end).await, 410);
    assert!(got(&world.targets, T, "end?").is_empty());
}

#[tokio::test(start_paused = true)]
async fn r10_the_actor_goes_on_after_a_crash() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    let path = ours(&world, 1, "room", "ended").await;
    world.targets.answer("https://t.example.org/", 500);
    assert_eq!(visited(&world, &path).await, 200);
    sleep(SECOND / 2).await;
    world.swarm.world.actors.crash(bigblueswarm::actors::supervisor::Role::Callbacks);
    world.targets.answer("https://t.example.org/", 200);
    assert_eq!(visited(&world, &path).await, 200);
    sleep(70 * SECOND).await;
    assert_eq!(world.targets.calls().len(), 2);
    assert_eq!(pile(&world, Pile::Waiting).await.total, 0);
}

#[tokio::test(start_paused = true)]
async fn r10_a_full_queue_refuses_and_one_slow_host_does_not_hold_up_others() {
    let world = started(with_callbacks(1).config(|c| c.callbacks.most = 6)).await;
    let mut paths = Vec::new();
    for n in 0..8 {
        let meeting = format!("room-{n}");
        create(T, &world, &meeting).await;
        paths.push(ours(&world, 1, &meeting, "ended").await);
    }
    create(U, &world, "theirs").await;
    let theirs = ours(&world, 1, "theirs", "ended").await;
    world.targets.answer("https://t.example.org/", 500);
    for path in &paths[..5] {
        assert_eq!(visited(&world, path).await, 200);
    }
    assert_eq!(visited(&world, &theirs).await, 200);
    sleep(SECOND / 10).await;
    assert_eq!(got(&world.targets, U, "").len(), 1);
    assert_eq!(visited(&world, &paths[5]).await, 200);
    assert_eq!(visited(&world, &paths[6]).await, 503);
    assert_eq!(visited(&world, &paths[5]).await, 200, "that one is known");
}
