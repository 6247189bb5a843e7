//! O5: a configuration that changes on disk applies without a signal and without a restart.

use std::fs;
use std::os::unix::fs::symlink;

use bigblueswarm::sim::client::Web;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use crate::program::{Home, Program, TOKEN, servers, until};
use crate::world::{GLOBAL, KEY};

async fn cpu_limit(program: &Program) -> Value {
    let reply = program.admin(Method::GET, "configurations", "").await;
    let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
    shown["balancer"]["cpuLimit"].clone()
}

fn limited(home: &Home, limit: &str) -> String {
    format!("{}balancer:\n  cpuMetric: total\n  cpuLimit: {limit}\n", home.written(GLOBAL, KEY))
}

#[tokio::test(flavor = "multi_thread")]
async fn o5_a_file_that_is_written_or_replaced_applies_by_itself_and_a_faulty_one_does_not() {
    let home = Home::new("");
    let program = home.start().await;
    home.write(&limited(&home, "70"));
    until("what was written applies", async || cpu_limit(&program).await == 70).await;
    // As editors do: another file takes its place.
    fs::write(home.path("next.yml"), limited(&home, "60")).expect("written");
    fs::rename(home.path("next.yml"), home.path("config.yml")).expect("renamed");
    until("what took its place applies", async || cpu_limit(&program).await == 60).await;
    home.write(&limited(&home, "many"));
    until("the fault is said", async || home.said().contains("balancer.cpuLimit: expected")).await;
    assert_eq!(cpu_limit(&program).await, 60);
    fs::remove_file(home.path("config.yml")).expect("removed");
    home.write(&limited(&home, "50"));
    until("a good one applies", async || cpu_limit(&program).await == 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o5_how_figures_are_read_and_who_may_push_them_changes_without_a_restart() {
    let home = Home::new("balancer:\n  pollInterval: 200ms\n  cpuMetric: total\n");
    let program = home.start().await;
    let sims = servers(1).await;
    program.register(&sims).await;
    let url = &sims[0].url;
    let lines = format!(
        "cpu,bigblueswarm_host={url},cpu=cpu-total usage_idle=40,usage_system=10\n\
         mem,bigblueswarm_host={url} used_percent=20\n"
    );
    assert_eq!(push(&program, TOKEN, &lines).await, 204);
    until("the whole is shown", async || cpu_of(&program).await == 60).await;
    let text = home.written(GLOBAL, KEY).replace("total", "system").replace(TOKEN, NEXT);
    home.write(&text);
    until("the other token counts", async || push(&program, NEXT, &lines).await == 204).await;
    assert_eq!(push(&program, TOKEN, &lines).await, 401);
    until("the system's part is shown", async || {
        push(&program, NEXT, &lines).await;
        cpu_of(&program).await == 10
    })
    .await;
    assert!(!home.said().contains("needs a restart"), "{}", home.said());
    assert!(!home.said().contains(NEXT));
}

const NEXT: &str = "another-ingest-token-0123456789";

async fn push(program: &Program, token: &str, lines: &str) -> u16 {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Token {token}")).expect("a header");
    headers.insert(AUTHORIZATION, value);
    let url = program.url("/api/v2/write?org=o&bucket=b");
    let lines = Bytes::copy_from_slice(lines.as_bytes());
    Web::default()
        .send(Method::POST, &url, headers, lines)
        .await
        .expect("an answer")
        .status
        .as_u16()
}

async fn cpu_of(program: &Program) -> Value {
    let reply = program.admin(Method::GET, "cluster", "").await;
    let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
    shown[0]["cpu"].clone()
}

/// Kubernetes mounts a folder of links to a link to a folder, and moves the middle one.
#[tokio::test(flavor = "multi_thread")]
async fn o5_a_file_behind_links_that_are_moved_applies_by_itself() {
    let home = Home::new("");
    for (folder, limit) in [("one", "70"), ("two", "60")] {
        fs::create_dir(home.path(folder)).expect("a folder");
        let file = home.path(folder).join("config.yml");
        fs::write(file, limited(&home, limit)).expect("written");
    }
    fs::remove_file(home.path("config.yml")).expect("removed");
    symlink("one", home.path("..data")).expect("a link");
    symlink("..data/config.yml", home.path("config.yml")).expect("a link");
    let program = home.start().await;
    assert_eq!(cpu_limit(&program).await, 70);
    symlink("two", home.path("..next")).expect("a link");
    fs::rename(home.path("..next"), home.path("..data")).expect("renamed");
    until("what the links lead to now applies", async || cpu_limit(&program).await == 60).await;
}
