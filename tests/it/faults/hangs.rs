//! A server that hangs on creates alone.

use std::time::Duration;

use bigblueswarm::sim::Fault;
use http::Method;
use tokio::time::{Instant, sleep};

use super::assert_all_up;
use crate::world::{Client, T, U, World, plan};

/// How long a create took that succeeded.
async fn creates(world: &World, client: Client, meeting: &str) -> Duration {
    let began = Instant::now();
    client.create(world, meeting).await.assert_success();
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn x4_a_server_on_which_creates_of_two_tenants_hang_is_tried_last_and_by_one_tenant_never() {
    const SOON: Duration = Duration::from_secs(1);
    let world = plan(3).start().await;
    world.sims[0].faults().on("create").set(Fault::Hang).await;
    // What one tenant meets may be of its own making: the others go where they would.
    for n in 0..4 {
        assert!(creates(&world, T, &format!("t{n}")).await > SOON);
    }
    assert!(creates(&world, U, "u0").await > SOON);
    for (client, meeting) in [(T, "t5"), (U, "u1"), (T, "t6"), (U, "u2")] {
        assert!(creates(&world, client, meeting).await < SOON, "{meeting}");
    }
    assert_all_up(&world, "creates that hang").await;
    let told = world.admin(Method::GET, "/admin/api/placement?tenant=t.example.org", "").await;
    assert!(told.body.contains("last for a minute"), "{told:?}");
    // It is out of use for nobody: when no other takes it, it is tried.
    world.sims[0].faults().clear().await;
    for sim in &world.sims[1..] {
        sim.faults().on("create").set(Fault::Refuse).await;
    }
    T.create(&world, "elsewhere").await.assert_success();
    assert_eq!(world.homes("elsewhere").await, [1]);
    for sim in &world.sims[1..] {
        sim.faults().clear().await;
    }
    sleep(Duration::from_secs(70)).await;
    T.create(&world, "later").await.assert_success();
    assert_eq!(world.homes("later").await, [1]);
}
