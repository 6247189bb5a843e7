//! What stands beside a BBB server and is asked for figures: an address that answers in line protocol.

use std::time::SystemTime;

use axum::Router;
use axum::routing::get;
use bigblueswarm::sim::telegraf::lines;
use bigblueswarm::sim::{SimHandle, SimServer};
use tokio::net::TcpListener;

/// Serves what the BBB plugin beside this server would say; the machine itself is measured by the agent.
pub(super) async fn of_bbb(sim: &SimHandle) -> String {
    serve(sim, |line| line.starts_with("bigbluebutton")).await
}

/// Serves what the plugin says, and the simulated machine's processor and memory.
pub(super) async fn of_all(sim: &SimHandle) -> String {
    serve(sim, |_| true).await
}

/// What the plugin beside this server says now.
pub(super) async fn lines_of_bbb(server: &SimServer) -> String {
    let all = lines(&server.figures().await, &server.url(), SystemTime::now());
    let plugin = all.lines().filter(|line| line.starts_with("bigbluebutton"));
    plugin.map(|line| format!("{line}\n")).collect()
}

async fn serve(sim: &SimHandle, wanted: fn(&str) -> bool) -> String {
    let (server, url) = (sim.server.clone(), sim.url.clone());
    let say = move || {
        let (server, url) = (server.clone(), url.clone());
        async move {
            let all = lines(&server.figures().await, &url, SystemTime::now());
            let wanted = all.lines().filter(|line| wanted(line));
            wanted.map(|line| format!("{line}\n")).collect::<String>()
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let routes = Router::new().route("/metrics", get(say));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}/metrics")
}
