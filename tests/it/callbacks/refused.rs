//! Calls that no instance made, or that can't be taken.

use super::*;

#[tokio::test(start_paused = true)]
async fn r10_what_no_instance_signed_is_refused() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    let secret = world.sims[0].secret().reveal().to_owned();
    let end = ours(&world, 1, "room", "endcallbackurl").await;
    let recording = ours(&world, 1, "room", "bbb-recording-ready-url").await;
    let analytics = ours(&world, 1, "room", "analytics-callback-url").await;
    let (head, tail) = end.split_at(end.len() - 9);
    let bent = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    let other_kind = end.replace("/end/", "/ended/");
    for path in [bent.as_str(), &other_kind, "/bigblueswarm/callbacks/end/AAAA"] {
        assert_eq!(visited(&world, path).await, 401, "{path}");
    }
    assert_eq!(visited(&world, "/bigblueswarm/callbacks/other/AAAA").await, 404);
    assert_eq!(visited(&world, &recording).await, 405);

    let mine = claims(&[("meeting_id", "room"), ("record_id", "r")]);
    let theirs = claims(&[("meeting_id", "another"), ("record_id", "r")]);
    let hs512 = jwt::sign(Hash::Hs512, &mine, &secret).expect("a token");
    for form in [
        ready(&mine, T.secret),
        ready(&mine, "a guess"),
        ready(&theirs, &secret),
        format!("signed_parameters={hs512}"),
        "signed_parameters=".to_owned(),
        String::new(),
    ] {
        assert_eq!(called(&world, Method::POST, &recording, "", form).await, 401);
    }

    let exp = |at: u64| Claims::from_iter([("exp".to_owned(), at.into())]);
    let signed =
        |claims: &Claims, secret: &str| jwt::sign(Hash::Hs512, claims, secret).expect("a token");
    let far = exp(9_999_999_999);
    for (bearer, body, status) in [
        (signed(&far, T.secret), r#"{"meeting_id":"room"}"#, 401),
        (signed(&exp(1), &secret), r#"{"meeting_id":"room"}"#, 401),
        (signed(&Claims::new(), &secret), r#"{"meeting_id":"room"}"#, 401),
        (signed(&far, &secret), r#"{"meeting_id":"another"}"#, 401),
        (signed(&far, &secret), "no JSON", 400),
        (signed(&far, &secret), r#"{"meeting_id":"room"}"#, 200),
    ] {
        let answer = called(&world, Method::POST, &analytics, &bearer, body.into()).await;
        assert_eq!(answer, status, "{body}");
    }
    sleep(SECOND).await;
    assert_eq!(world.targets.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r10_a_retired_instances_signature_counts_and_a_body_is_bounded() {
    let world = started(with_callbacks(2).config(|c| c.callbacks.body_bytes = 2_000_000)).await;
    create(T, &world, "room").await;
    let path = ours(&world, 1, "room", "analytics-callback-url").await;
    let kept = vec![(world.sims[1].url(), world.sims[1].secret().clone())];
    world.swarm.world.actors.registry.replace(kept).await.expect("the list is taken");
    let claims = Claims::from_iter([("exp".to_owned(), 9_999_999_999_u64.into())]);
    let bearer = jwt::sign(Hash::Hs512, &claims, world.sims[0].secret().reveal()).expect("a token");
    for (length, status) in [(2_000_000, 413), (1_900_000, 200)] {
        let body = format!(r#"{{"meeting_id":"room","x":"{}"}}"#, "x".repeat(length));
        let answer = called(&world, Method::POST, &path, &bearer, body).await;
        assert_eq!(answer, status, "{length}");
    }
    sleep(SECOND).await;
    assert!(got(&world.targets, T, "figures")[0].body.len() > 1_900_000);
}

#[tokio::test(start_paused = true)]
async fn r11_a_target_that_is_refused_by_policy_is_a_dead_letter_at_once() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    let refused = bigblueswarm::outside::targets::TargetError::Refused("may not be reached");
    world.targets.fail("https://t.example.org/", refused);
    let path = ours(&world, 1, "room", "ended").await;
    assert_eq!(visited(&world, &path).await, 200);
    sleep(100 * SECOND).await;
    assert_eq!(world.targets.calls().len(), 1);
    assert_eq!(errors(&world).await, ["may not be reached"]);
}
