//! One can go back: what is written is what the predecessor would have written, and its keys say what is so.

use std::collections::BTreeMap;

use bigblueswarm::sim::Recording;
use http::Method;
use serde_json::{Value, json};

use super::left::{
    B, FULL, HAND, KEY, LB, Left, MEETINGS, OLD, RECORDINGS, SCHOOL, about, ask, success,
};
use crate::program::until;

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_read_and_posted_again_are_the_same_bytes() {
    let left = Left::behind().await;
    let program = left.start().await;
    let mut go = left.read();
    let instances = go.instances();
    for tenant in [LB, B, FULL, SCHOOL, OLD] {
        let path = format!("tenants/{}", tenant.host);
        let shown = program.admin_by(KEY, Method::GET, &path, "").await;
        assert_eq!(shown.status, 200, "{}", tenant.host);
        let gone = program.admin_by(KEY, Method::DELETE, &path, "").await;
        assert_eq!((gone.status.as_u16(), go.tenant(tenant.host)), (204, None));
        let put = program.admin_by(KEY, Method::POST, "tenants", &shown.text()).await;
        assert_eq!(put.status, 201, "{}", put.text());
        let key = format!("tenant:{}", tenant.host);
        assert_eq!(go.tenant(tenant.host), Some(left.filled(&key)), "{}", tenant.host);
    }
    // One that somebody wrote by hand stays as it is until it is posted; then it is as the predecessor writes it.
    let by_hand = "tenant:hand.example.org";
    assert_eq!(go.tenant(HAND.host), Some(left.filled(by_hand)));
    let shown = program.admin_by(KEY, Method::GET, "tenants/hand.example.org", "").await;
    program.admin_by(KEY, Method::POST, "tenants", &shown.text()).await;
    let expected = "kind: Tenant\nspec:\n    host: hand.example.org\n    secret: by-hand-0123456789\n\
                    instances:\n    - http://bbb1.example.org/bigbluebutton\n";
    assert_eq!(go.tenant(HAND.host), Some(left.there(expected)));

    let listed = program.admin_by(KEY, Method::GET, "instances", "").await;
    let listed: Vec<Value> = serde_json::from_slice(&listed.body).expect("JSON");
    let list: BTreeMap<_, _> = listed
        .iter()
        .map(|one| (one["url"].as_str().expect("a URL"), one["secret"].as_str().expect("a secret")))
        .collect();
    let document = json!({"kind": "InstanceList", "instances": list}).to_string();
    let put = program.admin_by(KEY, Method::POST, "instances", &document).await;
    assert_eq!(put.status, 201, "{}", put.text());
    assert_eq!(go.instances(), instances);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_is_touched_by_starting_and_stopping() {
    let left = Left::behind().await;
    let mut go = left.read();
    let before = go.keys();
    let mut program = left.start().await;
    // Where a key named an instance that is not in the list, it says where the meeting was found.
    until("it is found", async || left.read().meeting("moved").as_ref() == Some(&left.sim(2).url))
        .await;
    program.signal("-TERM");
    assert_eq!(program.ended().await, Some(0));
    let after = go.keys();
    let changed: Vec<_> = after.keys().filter(|key| !before.contains_key(*key)).collect();
    assert_eq!(changed, Vec::<&String>::new());
    let gone: Vec<_> = before.keys().filter(|key| !after.contains_key(*key)).collect();
    assert_eq!(gone, Vec::<&String>::new(), "what nobody asked for is not known to be gone");
    for tenant in [LB, B, FULL, SCHOOL, OLD, HAND] {
        let key = format!("tenant:{}", tenant.host);
        assert_eq!(go.tenant(tenant.host), Some(left.filled(&key)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_our_time_its_keys_say_where_everything_is() {
    let left = Left::behind().await;
    let mut program = left.start().await;
    let mut go = left.read();
    // Meetings that were made, ended, and ended by themselves.
    for (meeting, tenant) in [("new 1/ü", LB), ("new-2", B), ("new-3", FULL)] {
        success(about(&program, tenant, "create", meeting).await);
        let home = left.homes(meeting, tenant).await;
        assert_eq!(go.meeting(meeting).as_ref(), Some(&left.sim(home[0]).url), "{meeting}");
    }
    success(about(&program, B, "end", "room 2/é").await);
    success(about(&program, FULL, "end", "new-3").await);
    assert_eq!((go.meeting("room 2/é"), go.meeting("new-3")), (None, None));
    left.sim(3).server.forget_meetings().await;
    // Recordings that came and went.
    let new = Recording::new("new-2", 1_800_000_000_000).of(B.host);
    let new_id = new.record_id.clone();
    left.sim(3).server.add_recording(new).await;
    let [first, ..] = RECORDINGS;
    let first = Recording::new(first.0, first.1).record_id;
    success(ask(&program, LB, "deleteRecordings", &format!("recordID={first}")).await);
    until("what ended by itself is known to be gone", async || {
        left.read().meeting("lesson-7").is_none()
    })
    .await;
    until("recordings are known", async || {
        let mut go = left.read();
        go.recording(&new_id).is_some() && go.recording(&first).is_none()
    })
    .await;
    program.signal("-TERM");
    assert_eq!(program.ended().await, Some(0));

    assert_eq!(go.recording(&new_id).as_ref(), Some(&left.sim(3).url));
    for (meeting, start, _, n) in &RECORDINGS[1..] {
        let id = Recording::new(meeting, *start).record_id;
        assert_eq!(go.recording(&id).as_ref(), Some(&left.sim(*n).url), "{meeting}");
    }
    for (meeting, ..) in MEETINGS {
        let named = go.meeting(meeting);
        let lives = left.lives_on(meeting).await;
        match &named {
            Some(named) => assert!(lives.contains(named), "{meeting} is not at {named}"),
            None => assert!(lives.is_empty(), "{meeting} runs at {lives:?} without a key"),
        }
    }
    for (key, kind) in go.keys() {
        let expected = if key == "instances:list" { "hash" } else { "string" };
        assert_eq!(kind, (expected.to_owned(), -1), "{key}: the predecessor's have no TTL");
    }
}
