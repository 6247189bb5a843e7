//! What it left may be wrong, outdated or too much: the start stays fast, and nothing is taken for gone that is not.

use std::time::Duration;

use bigblueswarm::sim::Fault;
use http::Method;
use redis::Commands;
use tokio::time::Instant;

use super::left::{B, KEY, LB, Left, V3, about, ask, success};
use crate::program::until;
use crate::world::Client;

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_that_ended_while_neither_ran_can_be_made_again() {
    let left = Left::behind().await;
    let program = left.start().await;
    let info = about(&program, B, "getMeetingInfo", "over").await;
    assert_eq!(info.key().as_deref(), Some("notFound"));
    assert_eq!(left.read().meeting("over"), None, "its server says that it is gone");
    success(about(&program, B, "create", "over").await);
    let home = left.homes("over", B).await;
    assert_eq!(left.read().meeting("over").as_ref(), Some(&left.sim(home[0]).url));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_names_an_unknown_instance_leads_nowhere_and_stays() {
    let left = Left::behind().await;
    let program = left.start().await;
    let gone = left.read().meeting("lost");
    assert!(gone.as_ref().is_some_and(|url| url.contains("gone.example.org")));
    let info = about(&program, LB, "getMeetingInfo", "lost").await;
    assert_eq!(info.key().as_deref(), Some("notFound"));
    assert_eq!(left.read().meeting("lost"), gone, "nobody said that it is gone");
    success(about(&program, LB, "create", "lost").await);
    let home = left.homes("lost", LB).await;
    assert_eq!(left.read().meeting("lost").as_ref(), Some(&left.sim(home[0]).url));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stays_while_its_server_cannot_be_asked() {
    let left = Left::behind().await;
    left.sim(2).server.faults().set(Fault::Hang).await;
    let program = left.start_on(V3, "-config config.yml").await;
    let named = left.read().meeting("over");
    let info = about(&program, B, "getMeetingInfo", "over").await;
    assert!(!info.succeeded());
    assert_eq!(left.read().meeting("over"), named);
    left.sim(2).server.faults().clear().await;
    until("it can be asked again, and says that it is gone", async || {
        let info = about(&program, B, "getMeetingInfo", "over").await;
        assert!(!info.succeeded());
        left.read().meeting("over").is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_meeting_id_of_two_tenants_the_key_names_one_that_lives() {
    let left = Left::behind().await;
    let program = left.start().await;
    let (of_b, of_lb) = (left.sim(2).url.clone(), left.sim(1).url.clone());
    for tenant in [B, LB] {
        success(about(&program, tenant, "create", "shared").await);
    }
    let named = left.read().meeting("shared").expect("a key");
    let (first, second, other) = if named == of_b { (B, LB, &of_lb) } else { (LB, B, &of_b) };
    success(about(&program, first, "end", "shared").await);
    assert_eq!(left.read().meeting("shared").as_ref(), Some(other));
    success(about(&program, second, "end", "shared").await);
    assert_eq!(left.read().meeting("shared"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_be_read_stands_alone() {
    let left = Left::behind().await;
    let program = left.start().await;
    const BROKEN: Client = Client::of("broken.example.org", LB.secret);
    let refused = ask(&program, BROKEN, "getMeetings", "").await;
    assert_eq!(refused.status, 200);
    assert_eq!(refused.key().as_deref(), Some("tenantNotFound"));
    success(about(&program, LB, "getMeetingInfo", "room-1").await);
    assert!(left.home.said().contains("broken.example.org"), "{}", left.home.said());
    assert_eq!(left.read().tenant(BROKEN.host), Some("kind: Tenant\nspec: [\n".into()));
    let listed = program.admin_by(KEY, Method::GET, "tenants", "").await;
    assert!(!listed.text().contains("broken"));
    // An admin can put it right.
    let document = r#"{"kind":"Tenant","spec":{"host":"broken.example.org"},"instances":[]}"#;
    assert_eq!(program.admin_by(KEY, Method::POST, "tenants", document).await.status, 201);
    success(ask(&program, BROKEN, "getMeetings", "").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_keys_of_meetings_long_gone_hold_nothing_up_and_go_one_by_one() {
    const MANY: usize = 50_000;
    let left = Left::behind().await;
    let mut connection = left.redis.connection();
    for part in (0..MANY).collect::<Vec<_>>().chunks(5_000) {
        let url = &left.sim(2).url;
        let pairs: Vec<_> = part.iter().map(|n| (format!("meeting:stale-{n}"), url)).collect();
        let () = connection.mset(&pairs).expect("set");
    }
    let began = Instant::now();
    let program = left.start().await;
    assert!(began.elapsed() < Duration::from_secs(10), "ready after {:?}", began.elapsed());
    success(about(&program, LB, "getMeetingInfo", "room-1").await);
    let stale = async || left.read().keys().keys().filter(|key| key.contains("stale-")).count();
    assert_eq!(stale().await, MANY);
    for n in [0, 7, MANY - 1] {
        let info = about(&program, LB, "getMeetingInfo", &format!("stale-{n}")).await;
        assert_eq!(info.key().as_deref(), Some("notFound"));
    }
    until("what was asked for is gone", async || stale().await == MANY - 3).await;
    success(about(&program, LB, "create", "stale-1").await);
    success(about(&program, LB, "end", "stale-1").await);
    assert_eq!(left.read().meeting("stale-1"), None);
}
