//! Stories R10 and R11: what instances call for reaches the tenant's own server.

use std::time::Duration;

use bigblueswarm::actors::callbacks::Accepted;
use bigblueswarm::bbb::callback::Kind;
use bigblueswarm::domain::delivery::{Delivery, DeliveryId, Payload};
use bigblueswarm::domain::tenant::TenantId;
use bigblueswarm::outside::store::queue::Pile;
use bigblueswarm::outside::targets::TargetError;
use tokio::time::sleep;

use crate::world::{T, plan};

fn delivery(name: &str) -> Delivery {
    Delivery {
        id: DeliveryId::of(Kind::End, name, b""),
        tenant: TenantId::new(T.host),
        kind: Kind::End,
        target: format!("https://t.example.org/{name}"),
        query: Some("recordingmarks=false".into()),
        payload: Payload::Get,
    }
}

#[tokio::test(start_paused = true)]
async fn r10_what_was_accepted_is_delivered_once() {
    let world = plan(1).start().await;
    let callbacks = &world.swarm.world.actors.callbacks;
    assert_eq!(callbacks.accept(delivery("end")).await.expect("accepted"), Accepted::New);
    assert_eq!(callbacks.accept(delivery("end")).await.expect("accepted"), Accepted::Known);
    sleep(Duration::from_secs(100)).await;
    let calls = world.targets.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].url, "https://t.example.org/end?recordingmarks=false");
}

#[tokio::test(start_paused = true)]
async fn r10_what_fails_is_tried_again_with_growing_waits_and_dies_after_retry_for() {
    let world = plan(1).config(|c| c.callbacks.retry_for = Duration::from_secs(600)).start().await;
    let callbacks = &world.swarm.world.actors.callbacks;
    world.targets.answer("https://t.example.org/end", 500);
    callbacks.accept(delivery("end")).await.expect("accepted");
    for (after, attempts) in [(1, 1), (2, 2), (6, 3), (32, 4), (130, 5), (500, 6), (3000, 6)] {
        sleep(Duration::from_secs(after)).await;
        assert_eq!(world.targets.calls_of("https://t.example.org/end").len(), attempts, "{after}");
    }
    assert_eq!(callbacks.list(Pile::Waiting, 0, 10).await.expect("a list").total, 0);
    assert_eq!(callbacks.list(Pile::Dead, 0, 10).await.expect("a list").total, 1);
}

#[tokio::test(start_paused = true)]
async fn r11_what_is_refused_by_policy_is_a_dead_letter_at_once() {
    let world = plan(1).start().await;
    let callbacks = &world.swarm.world.actors.callbacks;
    world.targets.fail("https://t.example.org/inside", TargetError::Refused("not there"));
    callbacks.accept(delivery("inside")).await.expect("accepted");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.targets.calls().len(), 1);
    assert_eq!(callbacks.list(Pile::Dead, 0, 10).await.expect("a list").total, 1);
}
