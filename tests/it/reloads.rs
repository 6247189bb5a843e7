//! O5: a configuration that changes on disk applies without a signal and without a restart.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::program::{Home, PATIENTLY, Program};
use crate::world::{GLOBAL, KEY};

async fn cpu_limit(program: &Program) -> Value {
    let reply = program.admin(Method::GET, "configurations", "").await;
    let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
    shown["balancer"]["cpuLimit"].clone()
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENTLY, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
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
