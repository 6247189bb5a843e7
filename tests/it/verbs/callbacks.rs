//! get callbacks, retry, delete: what tenants' servers are owed.

use bigblueswarm::sim::client::{Web, query_of};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::shell::Stage;
use crate::program::{free_address, until};
use crate::world::T;

const NOTHING: [Value; 0] = [];

/// A balancer whose instances call it back, and tenants' servers on loopback.
async fn calling_back() -> Stage {
    // Instances reach it by a path of its own, which is all that counts here.
    let more = "callbacks:\n  baseUrl: http://bbb.example.org\n  allow: [127.0.0.0/8]\n";
    Stage::ready_with(more, 1).await
}

/// Has the instance call for the end of a meeting whose tenant is to be called at this origin.
async fn owed(stage: &Stage, meeting: &str, origin: &str) {
    let ended = format!("{origin}/ended?key=of-the-tenant");
    let query = query_of(&[("name", "Room"), ("meetingID", meeting), ("meetingEndedURL", &ended)]);
    let made = stage.program.client(T).get("create", &query).await.expect("an answer");
    assert!(made.succeeded(), "{}", made.text());
    let lives = stage.sims[0].server.meeting(meeting).await.expect("it runs");
    let path = lives.ended_url.strip_prefix("http://bbb.example.org").expect("a URL of ours");
    let url = stage.program.url(path);
    let taken = Web::default().send(Method::GET, &url, HeaderMap::new(), Bytes::new()).await;
    assert_eq!(taken.expect("an answer").status, 200);
}

async fn shown(stage: &Stage, line: &str) -> Vec<Value> {
    serde_json::from_str(&stage.shell.out(line).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_listed_tried_again_and_dropped() {
    let stage = calling_back().await;
    assert_eq!(shown(&stage, "get callbacks --json").await, NOTHING);
    let address = free_address(); // nobody listens there yet
    let origin = format!("http://{address}");
    owed(&stage, "one", &origin).await;
    until("an attempt failed", async || {
        let listed = shown(&stage, "get callbacks -j").await;
        listed.len() == 1 && listed[0]["error"].is_string()
    })
    .await;
    let listed = shown(&stage, "get callbacks --json --state waiting").await;
    let [one] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&one["tenant"], &one["kind"]), (&json!(T.host), &json!("ended")));
    assert_eq!((&one["target"], &one["state"]), (&json!(origin), &json!("waiting")));
    assert_eq!(shown(&stage, "get callbacks --json --state dead").await, NOTHING);

    let id = one["id"].as_str().unwrap();
    let csv = stage.shell.out("get callbacks --csv").await;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "Tenant,Kind,State,Target,Attempts,Accepted,Next,Error,Id");
    assert!(lines[1].starts_with(&format!("{},ended,waiting,{origin},", T.host)), "{csv}");
    assert!(lines[1].ends_with(id) && !csv.contains("of-the-tenant"), "{csv}");
    let table = stage.shell.out("get callbacks").await;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.starts_with("Tenant  ") && table.contains("  waiting  "), "{table}");

    // Its server is there now.
    let listener = TcpListener::bind(address).await.expect("the same address");
    let routes = axum::Router::new().route("/ended", axum::routing::get(async || ""));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    // Now and then the next attempt of its own is under way just then.
    until("it is tried again", async || {
        let said = stage.shell.run(&format!("retry callback {id}")).await;
        assert!([Some(0), Some(64)].contains(&said.code), "{said:?}");
        shown(&stage, "get callbacks --json").await.is_empty()
    })
    .await;
    let gone = stage.shell.run(&format!("retry callback {id}")).await;
    assert_eq!(gone.code, Some(64));
    assert!(gone.err.contains("no such callback"), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_is_dropped_is_gone_and_dropping_it_again_changes_nothing() {
    let stage = calling_back().await;
    owed(&stage, "one", &format!("http://{}", free_address())).await;
    let id = async || {
        let listed = shown(&stage, "get callbacks --json").await;
        listed.first().and_then(|one| Some(one["id"].as_str()?.to_owned()))
    };
    let known = id().await.expect("one that waits");
    until("it is dropped", async || {
        let said = stage.shell.run(&format!("delete callback {known}")).await;
        // While an attempt is under way it is refused.
        assert!([Some(0), Some(64)].contains(&said.code), "{said:?}");
        said.code == Some(0)
    })
    .await;
    assert_eq!(id().await, None);
    let again = stage.shell.run(&format!("delete callback {known}")).await;
    assert_eq!((again.code, &*again.err), (Some(3), "no such callback\n"));
    assert_eq!(stage.shell.run("get callbacks --state lost").await.code, Some(64));
}
