//! The configuration comes from Consul: read at the start, and live from then on.

use http::Method;
use serde_json::Value;

use crate::program::{Home, Program, until};
use crate::services::consul::Consul;
use crate::services::redis::Certificates;
use crate::world::{GLOBAL, KEY};

/// Puts a configuration there, each section under the name that v3 or v1 gave it.
async fn configure(consul: &Consul, home: &Home, old_names: bool) {
    let (first, api_key) = match old_names {
        true => ("bigbluebutton", "api_key"),
        false => ("bigblueswarm", "apiKey"),
    };
    consul.put(first, &format!("secret: {GLOBAL}\nrecordingsPollInterval: 1m\n")).await;
    consul.put("admin", &format!("{api_key}: {KEY}\n")).await;
    consul.put("balancer", "metricsRange: -5m\ncpuMetric: total\ncpuLimit: 80\n").await;
    consul.put("port", &home.address.port().to_string()).await;
    consul.put("http", "address: 127.0.0.1\n").await;
    consul.put("store", "path: state.redb\n").await;
}

async fn started(old_names: bool) -> (Consul, Home, Program) {
    let (consul, home) = (Consul::start().await, Home::new(""));
    configure(&consul, &home, old_names).await;
    let program = home.start_with(&format!("-config {}", consul.source())).await;
    (consul, home, program)
}

/// What is in force for a key, as an admin sees it.
async fn in_force(program: &Program, section: &str, key: &str) -> Value {
    let reply = program.admin(Method::GET, "configurations", "").await;
    let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
    shown[section][key].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_are_read_from_consul_and_changes_apply_without_a_restart() {
    let (consul, home, program) = started(false).await;
    assert_eq!(in_force(&program, "balancer", "cpuLimit").await, 80);
    consul.put("balancer", "metrics_range: -5m\ncpu_metric: total\ncpu_limit: 70\n").await;
    until("the limit applies", async || in_force(&program, "balancer", "cpuLimit").await == 70)
        .await;
    const NEXT: &str = "another-admin-key-0123456789";
    consul.put("admin", &format!("api_key: {NEXT}\n")).await;
    until("the key applies", async || {
        program.admin_by(NEXT, Method::GET, "tenants", "").await.status == 200
    })
    .await;
    let said = home.said();
    assert!(said.contains("balancer.cpuLimit: 80 → 70"), "{said}");
    assert!(said.contains("admin.apiKey changed") && !said.contains(NEXT), "{said}");
    drop(program);

    let (_consul, _home, program) = started(true).await;
    assert_eq!(in_force(&program, "balancer", "cpuLimit").await, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_value_and_a_deleted_key_leave_the_last_good_configuration() {
    let (consul, home, program) = started(false).await;
    consul.put("balancer", "cpuMetric: total\ncpuLimit: many\n").await;
    until("the fault is said", async || {
        home.said().contains("configuration/balancer:2: balancer.cpuLimit")
    })
    .await;
    assert_eq!(in_force(&program, "balancer", "cpuLimit").await, 80);
    consul.put("balancer", "cpuMetric: total\ncpuLimit: 60\n").await;
    until("a good one applies", async || in_force(&program, "balancer", "cpuLimit").await == 60)
        .await;
    consul.delete("balancer").await;
    until("it is said", async || home.said().contains("configuration/balancer: was deleted")).await;
    consul.delete("admin").await;
    consul.put("health", "failures: 7\n").await;
    until("others still apply", async || in_force(&program, "health", "failures").await == 7).await;
    assert_eq!(in_force(&program, "balancer", "cpuLimit").await, 60);
    assert!(!home.said().contains(KEY) && !home.said().contains(GLOBAL));
}

#[tokio::test(flavor = "multi_thread")]
async fn consul_may_be_away_at_the_start_and_later_and_come_back_as_another() {
    let (mut consul, home) = (Consul::start().await, Home::new(""));
    for n in 0..50 {
        consul.put("balancer", &format!("cpuMetric: total\ncpuLimit: {}\n", n + 40)).await;
    }
    consul.stop();
    let line = format!("-config {}", consul.source());
    let mut waiting = home.command(&line).spawn().expect("started");
    until("it waits", async || home.said().contains("waiting for it")).await;
    assert!(waiting.try_wait().expect("a child").is_none());
    waiting.kill().expect("killed");
    waiting.wait().expect("it ends");

    consul.start_again().await;
    configure(&consul, &home, false).await;
    for n in 0..50 {
        consul.put("balancer", &format!("cpuMetric: total\ncpuLimit: {}\n", n + 40)).await;
    }
    let program = home.start_with(&line).await;
    until("the last one applies", async || in_force(&program, "balancer", "cpuLimit").await == 89)
        .await;
    consul.stop();
    until("it is said", async || {
        home.said().contains("changes of the configuration are not heard")
    })
    .await;
    assert_eq!(program.get("/healthz").await.expect("an answer").status, 200);
    // Started anew it counts from the beginning, so that its numbers are lower than those seen.
    consul.start_again().await;
    configure(&consul, &home, false).await;
    consul.put("balancer", "cpuMetric: total\ncpuLimit: 33\n").await;
    until("what it says now applies", async || {
        in_force(&program, "balancer", "cpuLimit").await == 33
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_from_the_environment_and_shown_to_nobody() {
    const CONSUL_TOKEN: &str = "7f2c3a52-3b3f-4c50-8d1d-1f9a7b0c5d11";
    let (consul, home) = (Consul::start_guarded(CONSUL_TOKEN).await, Home::new(""));
    configure(&consul, &home, false).await;
    let checked = |token: &str| {
        let mut command = home.command(&format!("check -config {}", consul.source()));
        command.env("CONSUL_HTTP_TOKEN", token).status().expect("it runs").code()
    };
    assert_eq!(checked(CONSUL_TOKEN), Some(0));
    assert_eq!(checked("11111111-3b3f-4c50-8d1d-1f9a7b0c5d11"), Some(69), "{}", home.said());
    assert!(!home.said().contains(CONSUL_TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_agent_is_heard_if_the_named_authority_signed_its_certificate() {
    let (ours, others) = (Certificates::new(), Certificates::new());
    let (consul, source) = Consul::start_with_tls(&ours).await;
    let home = Home::new("");
    configure(&consul, &home, false).await;
    let checked = |authority: &Certificates| {
        let mut command = home.command(&format!("check -config {source}"));
        command.env("CONSUL_CACERT", authority.path("ca.pem")).status().expect("it runs").code()
    };
    assert_eq!(checked(&others), Some(69), "{}", home.said());
    assert!(home.said().contains("certificate"), "{}", home.said());
    let mut command = home.command(&format!("-config {source}"));
    command.env("CONSUL_CACERT", ours.path("ca.pem"));
    let program = home.run(command).await;
    assert_eq!(in_force(&program, "balancer", "cpuLimit").await, 80);
    consul.put("balancer", "cpuMetric: total\ncpuLimit: 70\n").await;
    until("the limit applies", async || in_force(&program, "balancer", "cpuLimit").await == 70)
        .await;
}
