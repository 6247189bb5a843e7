//! The admin key (row O6).

use std::sync::Arc;

use bigblueswarm::config::Config;
use bigblueswarm::domain::secret::Secret;

use super::scene::{Answer, Held, KEY, Scene};

const PATH: &str = "/admin/api/instances";

async fn knock(scene: &Scene, peer: &str, headers: &[(&str, &str)]) -> Answer {
    scene.from(peer, "GET", PATH, headers, String::new()).await
}

#[tokio::test]
async fn only_the_right_key_opens() {
    let scene = Scene::open(Held::nothing()).await;
    let bearer = format!("Bearer {KEY}");
    let lower = KEY.to_lowercase();
    for (key, status) in [(KEY, 200), (&*bearer, 200), (&*lower, 401), ("wrong", 401), ("", 401)] {
        let answer = knock(&scene, "192.0.2.1:1", &[("authorization", key)]).await;
        assert_eq!(answer.status, status, "{key}");
        assert!(status == 200 || answer.body.is_empty() && answer.content_type.is_none());
    }
    assert_eq!(knock(&scene, "192.0.2.1:1", &[]).await.status, 401);
    let nowhere = scene.from("192.0.2.1:1", "GET", "/admin/api/x", &[], String::new()).await;
    assert_eq!(nowhere.status, 401, "what exists is not told");
    assert_eq!(scene.get("/admin/api/x").await.status, 404);
}

#[tokio::test]
async fn a_changed_key_is_in_force_at_once() {
    let scene = Scene::open(Held::nothing()).await;
    let config = Config::with_secrets(Secret::new("secret"), Secret::new("another"));
    scene.held.send_modify(|held| held.config = Arc::new(config));
    assert_eq!(knock(&scene, "192.0.2.1:1", &[("authorization", KEY)]).await.status, 401);
    assert_eq!(knock(&scene, "192.0.2.1:1", &[("authorization", "another")]).await.status, 200);
}

#[tokio::test]
async fn whoever_guesses_is_slowed_down_and_a_right_key_always_passes() {
    let scene = Scene::open(Held::nothing()).await;
    let wrong = [("authorization", "guess")];
    for _ in 0..10 {
        assert_eq!(knock(&scene, "192.0.2.1:1", &wrong).await.status, 401);
    }
    let answer = knock(&scene, "192.0.2.1:2", &wrong).await;
    assert_eq!((answer.status, &*answer.body), (429, ""));
    let wait: u64 = answer.retry_after.unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(knock(&scene, "192.0.2.1:3", &[("authorization", KEY)]).await.status, 200);
    assert_eq!(knock(&scene, "192.0.2.2:1", &wrong).await.status, 401);
}

fn by(client: &str) -> [(&str, &str); 2] {
    [("authorization", "guess"), ("x-forwarded-for", client)]
}

#[tokio::test]
async fn guesses_are_counted_by_the_client_that_a_trusted_proxy_names() {
    let scene = Scene::open(Held::nothing()).await;
    for _ in 0..11 {
        knock(&scene, "127.0.0.1:1", &by("198.51.100.7")).await;
    }
    assert_eq!(knock(&scene, "127.0.0.1:1", &by("198.51.100.7")).await.status, 429);
    assert_eq!(knock(&scene, "127.0.0.1:1", &by("198.51.100.8")).await.status, 401);
    for n in 0..10 {
        knock(&scene, "192.0.2.1:1", &by(&format!("198.51.100.{n}"))).await;
    }
    let answer = knock(&scene, "192.0.2.1:1", &by("198.51.100.99")).await;
    assert_eq!(answer.status, 429, "a stranger can't choose his address");
}
