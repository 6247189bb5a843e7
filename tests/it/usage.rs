//! What tenants use: as sweeps count it, and as agents measured it where no sweep has said anything yet.

use bigblueswarm::determinism::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::domain::load::TenantUsage;
use bigblueswarm::domain::tenant::TenantId;
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::{Fault, SimServer, SimSettings};
use http::Method;
use serde_json::{Value, json};

use crate::world::{T, World, plan};

fn measured(meetings: u64, participants: u64) -> HashMap<TenantId, TenantUsage> {
    HashMap::from_iter([(TenantId::new(T.host), TenantUsage { meetings, participants })])
}

async fn usage(world: &World, tenant: &str) -> Value {
    let reply = world.admin(Method::GET, "/admin/api/usage", "").await;
    let rows: Value = serde_json::from_str(&reply.body).expect("JSON");
    let rows = rows.as_array().expect("a list").clone();
    rows.into_iter().find(|row| row["tenant"] == tenant).expect("the tenant")
}

#[tokio::test(start_paused = true)]
async fn users_that_agents_measured_count_until_every_instance_was_swept() {
    let clock = Arc::new(RuntimeClock::start());
    let sims: Vec<_> = [1, 2]
        .map(|n| {
            let origin = format!("http://s{n}.example.org");
            SimServer::start(SimSettings::new(&origin, "secret-0123456789"), clock.clone())
        })
        .into();
    // The second one is there, but says nothing of its meetings.
    sims[1].faults().on("getMeetings").set(Fault::Internal).await;
    let mut tenant = T.document();
    tenant.spec.user_pool = Some(3);
    let world = plan(2).servers(sims).tenant(tenant).start_unready().await;
    world.until(|roster| roster.members().iter().any(|member| member.swept)).await;
    T.create(&world, "m1").await.assert_success();
    world.loads.say_tenants(measured(2, 3));
    world.refreshed().await;
    T.join(&world, "m1").await.assert_failed(200, "userPoolReached");
    assert_eq!(
        usage(&world, T.host).await,
        json!({
            "tenant": T.host, "meetings": 1, "participants": 0, "meeting_pool": null,
            "user_pool": 3, "measured": {"meetings": 2, "participants": 3},
        })
    );

    world.sims[1].faults().clear().await;
    world.until(|roster| roster.all_accounted()).await;
    assert_eq!(T.join(&world, "m1").await.status, 302, "own counts are better");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whom_no_agent_measures_is_shown_as_not_measured() {
    let world = plan(1).start().await;
    T.create(&world, "m1").await.assert_success();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let row = usage(&world, T.host).await;
    assert_eq!((&row["meetings"], &row["measured"]), (&json!(1), &Value::Null));
}
