//! F11: a store that answers and takes no writes is named.

use super::*;
use crate::program::{Home, Program, servers};

/// What `/readyz` says of the store, and whether the gauge says that it takes writes.
async fn said(program: &Program) -> (String, bool) {
    let (status, body) = program.readiness().await;
    assert_eq!(status, 200, "{body}");
    let degraded = body["degraded"].as_array().expect("a list");
    let of_store = degraded.iter().filter(|part| part["part"] == "store");
    let why = of_store.filter_map(|part| part["why"].as_str()).collect();
    let metrics = program.get("/metrics").await.expect("an answer").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("bigblueswarm_store_writable "));
    (why, line.expect("a gauge") == "1")
}

/// In a Cluster one master alone is full.
async fn f11_a_master_that_takes_no_writes_is_named<D: Deployment>() {
    let deployment = D::start();
    let (home, sims) = (Home::new(&deployment.section()), servers(1).await);
    let program = home.start().await;
    program.register(&sims).await;
    program.ready().await;
    within(PATIENTLY, "well", async || said(&program).await == (String::new(), true)).await;
    deployment.fill(true);
    within(PATIENTLY, "named", async || {
        let (why, writable) = said(&program).await;
        why.contains("OOM") && !writable
    })
    .await;
    deployment.fill(false);
    within(PATIENTLY, "well again", async || said(&program).await == (String::new(), true)).await;
}

on_shared_stores! {
    f11_a_master_that_takes_no_writes_is_named
}
