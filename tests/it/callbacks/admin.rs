//! What admins see and do of callbacks.

use serde_json::Value;

use super::*;

async fn list(world: &World, query: &str) -> Value {
    let reply = world.admin(Method::GET, &format!("/admin/api/callbacks{query}"), "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(!reply.body.contains("key=") && !reply.body.contains("/ended"), "{}", reply.body);
    serde_json::from_str(&reply.body).expect("JSON")
}

async fn done(world: &World, method: Method, path: &str) -> u16 {
    world.admin(method, &format!("/admin/api/callbacks/{path}"), "").await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn r10_admins_list_retry_and_drop_callbacks() {
    let world = started(with_callbacks(1).config(|c| c.callbacks.retry_for = 60 * SECOND)).await;
    world.targets.answer("https://t.example.org/", 500);
    for meeting in ["one", "two"] {
        create(T, &world, meeting).await;
        let path = ours(&world, 1, meeting, "ended").await;
        assert_eq!(visited(&world, &path).await, 200);
    }
    sleep(2 * SECOND).await;
    let waiting = list(&world, "?state=waiting").await;
    assert_eq!((waiting["waiting"].as_u64(), waiting["dead"].as_u64()), (Some(2), Some(0)));
    let first = &waiting["callbacks"][0];
    let seen = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
    assert_eq!((seen("tenant"), seen("kind")), (T.host.to_owned(), "ended".to_owned()));
    assert_eq!(
        (seen("target"), seen("error")),
        ("https://t.example.org".into(), "HTTP status 500".into())
    );
    assert_eq!(
        (first["attempts"].as_u64(), seen("next_at").len()),
        (Some(2), "2026-01-01T00:00:00.000Z".len())
    );
    // The target is left alone between attempts, so that the second dies later.
    sleep(200 * SECOND).await;
    let dead = list(&world, "").await;
    assert_eq!((dead["waiting"].as_u64(), dead["dead"].as_u64()), (Some(0), Some(2)));
    assert_eq!(
        list(&world, "?offset=1&limit=5").await["callbacks"].as_array().map(Vec::len),
        Some(1)
    );
    let id = |n: usize| dead["callbacks"][n]["id"].as_str().unwrap_or_default().to_owned();
    world.targets.answer("https://t.example.org/", 200);
    let before = world.targets.calls().len();
    assert_eq!(done(&world, Method::POST, &format!("{}/retry", id(0))).await, 202);
    sleep(SECOND).await;
    assert_eq!(world.targets.calls().len(), before + 1);
    assert_eq!(done(&world, Method::DELETE, &id(1)).await, 204);
    assert_eq!(done(&world, Method::DELETE, &id(1)).await, 404);
    assert_eq!(done(&world, Method::POST, "abc/retry").await, 404);
    let none = list(&world, "").await;
    assert_eq!((none["waiting"].as_u64(), none["dead"].as_u64()), (Some(0), Some(0)));
    let bad = world.admin(Method::GET, "/admin/api/callbacks?state=x", "").await;
    assert_eq!(bad.status, 400);
}
