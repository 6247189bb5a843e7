//! import: what Scalelite and b3scale hold, taken over as documents.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use redis::Commands;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::shell::{Ended, Shell, Stage, ended};
use crate::program::free_address;
use crate::services::redis::RedisServer;

/// Writes what Scalelite writes for two servers, one of them cordoned, one disabled, and two tenants.
fn fill(redis: &RedisServer, prefix: &str) {
    let mut at = redis.connection();
    let key = |name: &str| format!("{prefix}{name}");
    let server = |id: &str, fields: &[(&str, &str)]| {
        let mut at = redis.connection();
        let _: () = at.sadd(key("servers"), id).unwrap();
        let _: () = at.hset_multiple(key(&format!("server:{id}")), fields).unwrap();
    };
    let common = [
        ("online", "true"),
        ("meetings", "3"),
        ("users", "12"),
        ("largest_meeting", "9"),
        ("videos", "2"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&common[..], more].concat();
    server(
        "0b6e",
        &with(&[
            ("url", "https://bbb1.example.org/bigbluebutton/api/"),
            ("secret", "secret-of-bbb1"),
            ("state", "enabled"),
            ("load_multiplier", "1.0"),
        ]),
    );
    server(
        "1c7f",
        &with(&[
            ("url", "https://bbb2.example.org/bigbluebutton/api"),
            ("secret", "secret-of-bbb2"),
            ("state", "cordoned"),
            ("tag", "large"),
            ("load_multiplier", "2.0"),
        ]),
    );
    server(
        "2d80",
        &with(&[
            ("url", "https://bbb3.example.org/bigbluebutton/api"),
            ("secret", "secret-of-bbb3"),
            ("state", "disabled"),
        ]),
    );
    // As versions wrote it that knew no states.
    server(
        "3e91",
        &with(&[
            ("url", "https://bbb4.example.org/bigbluebutton/api"),
            ("secret", "secret-of-bbb4"),
        ]),
    );
    let _: () = at.sadd(key("server_enabled"), &["0b6e", "3e91"]).unwrap();
    let _: () = at.zadd(key("server_load"), "0b6e", 3).unwrap();
    for (id, name, secrets) in
        [("9a87", "blue", "secret-of-blue"), ("4f3e", "red", "secret-of-red:further-of-red")]
    {
        let _: () = at.sadd(key("tenants"), id).unwrap();
        let _: () = at
            .hset_multiple(key(&format!("tenant:{id}")), &[("name", name), ("secrets", secrets)])
            .unwrap();
        let _: () = at.hset(key(&format!("tenant_name:{name}")), "id", id).unwrap();
    }
    let _: () = at.sadd(key("tenant_settings:9a87"), "18dc").unwrap();
    let setting = [("param", "record"), ("value", "false"), ("override", "true")];
    let _: () = at.hset_multiple(key("tenant_setting:18dc"), &setting).unwrap();
    // A running meeting, which stays where it is.
    let _: () = at.hset(key("meeting:room-1"), "server_id", "0b6e").unwrap();
}

#[tokio::test]
async fn a_scalelite_is_taken_over_and_applied() {
    let redis = RedisServer::start();
    fill(&redis, "");
    let stage = Stage::bare(1).await;
    let shell = &stage.shell;
    let line =
        format!("import scalelite --redis redis://{} --domain sl.example.org", redis.address());
    let said = shell.run(&line).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let left: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        left,
        [
            "not taken over: server 1c7f: load_multiplier 2.0; here its measured load counts",
            "not taken over: server 2d80: it is disabled there",
            "not taken over: tags: there, a create that asks for no tag gets a server without one; here it gets any server",
            "after applying: bigblueswarm drain https://bbb2.example.org/bigbluebutton # it is cordoned there",
            "after applying: bigblueswarm tag https://bbb2.example.org/bigbluebutton large",
        ]
    );
    assert_eq!(
        shell.read("instances.yml"),
        "kind: InstanceList\ninstances:\n  \
        https://bbb1.example.org/bigbluebutton: secret-of-bbb1\n  https://bbb2.example.org/bigbluebutton: secret-of-bbb2\n  \
        https://bbb4.example.org/bigbluebutton: secret-of-bbb4\n"
    );
    assert_eq!(shell.run(&line).await.code, Some(3), "the files stand already");

    assert_eq!(shell.out("apply -f instances.yml").await, "InstanceList of 3: 3 added\n");
    let applied = shell.out("apply -f tenants.yml").await;
    assert_eq!(
        applied,
        "Tenant red.sl.example.org: created\nTenant blue.sl.example.org: created\n"
    );
    let red: Value = serde_json::from_str(
        &shell.out("describe tenant red.sl.example.org -j --show-secrets").await,
    )
    .unwrap();
    assert_eq!(
        (&red["spec"]["secret"], &red["spec"]["secrets"]),
        (&json!("secret-of-red"), &json!(["further-of-red"]))
    );
    let blue: Value =
        serde_json::from_str(&shell.out("describe tenant blue.sl.example.org -j").await).unwrap();
    assert_eq!(blue["spec"]["create_overrides"], json!({"record": "false"}));
    assert_eq!(blue["spec"]["join_overrides"], json!({"record": "false"}));
    // The steps that were named are commands that work.
    shell.out("drain https://bbb2.example.org/bigbluebutton").await;
    shell.out("tag https://bbb2.example.org/bigbluebutton large").await;
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_shows_no_secret() {
    let redis = RedisServer::start();
    fill(&redis, "sl:");
    let shell = Shell::new();
    let line =
        format!("import scalelite --redis redis://{}/0 --namespace sl --dry-run", redis.address());
    let said = shell.run(&line).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("host: blue\n") && said.out.contains("\n---\nkind: Tenant\n"),
        "{}",
        said.out
    );
    shell.assert_untold(&said, "secret-of-");
    assert!(!shell.path("instances.yml").exists());
    let shown = shell.out(&format!("{line} --show-secrets")).await;
    assert!(shown.contains("secret: secret-of-blue\n"), "{shown}");

    // The namespace is found, unless there are two.
    let found = line.replace(" --namespace sl", "");
    assert_eq!(shell.out(&format!("{found} --show-secrets")).await, shown);
    let elsewhere = shell.run(&format!("{found} --namespace other")).await;
    assert_eq!(elsewhere.code, Some(64));
    assert!(elsewhere.err.contains("holds no servers of Scalelite"), "{elsewhere:?}");
    fill(&redis, "second:");
    let two = shell.run(&found).await;
    assert_eq!(two.code, Some(64));
    assert!(two.err.contains("second") && two.err.contains("sl"), "{two:?}");
}

#[tokio::test]
async fn what_is_printed_can_be_applied_as_a_whole() {
    let redis = RedisServer::start();
    fill(&redis, "scalelite:");
    let stage = Stage::bare(1).await;
    let shell = &stage.shell;
    let line = format!("import scalelite --redis redis://{}/0 --dry-run", redis.address());
    let printed = shell.out(&format!("{line} --show-secrets --domain sl.example.org")).await;
    let applied = shell.fed("apply -f -", &printed).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(applied.out.lines().count(), 3, "{applied:?}");
    assert_eq!(shell.fed("apply -f -", &printed).await.code, Some(3));
    // What was masked can't be meant.
    let masked = shell.out(&line).await;
    let refused = shell.fed("apply -f -", &masked).await;
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(refused.err.contains("--show-secrets"), "{refused:?}");
}

#[tokio::test]
async fn a_redis_that_is_away_or_refuses_is_told_apart() {
    let shell = Shell::new();
    let away = shell.run(&format!("import scalelite --redis redis://{}", free_address())).await;
    assert_eq!(away.code, Some(69), "{away:?}");
    let locked = RedisServer::start_with(&["--requirepass", "right-password"]);
    let said = shell.run(&format!("import scalelite --redis redis://{}", locked.address())).await;
    assert_eq!(said.code, Some(64), "{said:?}");
    let said = shell
        .run(&format!("import scalelite --redis redis://:wrong-password@{}", locked.address()))
        .await;
    assert_eq!(said.code, Some(64), "{said:?}");
    shell.assert_untold(&said, "wrong-password");
    let other = RedisServer::start();
    let _: () = other.connection().set("servers", "a text").unwrap();
    let said = shell.run(&format!("import scalelite --redis redis://{}", other.address())).await;
    assert_eq!(said.code, Some(64), "{said:?}");
    assert!(said.err.contains("something else than Scalelite"), "{said:?}");
    let wrong = shell.run("import scalelite --redis nonsense:hidden@x").await;
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
    shell.assert_untold(&wrong, "hidden");
}

/// A service that answers as b3scale's documentation says.
async fn b3scale() -> String {
    async fn answered(headers: HeaderMap, body: Value) -> (StatusCode, String) {
        let given = headers.get("authorization").and_then(|value| value.to_str().ok());
        match given {
            Some("Bearer right-token") => (StatusCode::OK, body.to_string()),
            _ => {
                (StatusCode::UNAUTHORIZED, json!({"message": "invalid or expired jwt"}).to_string())
            }
        }
    }
    let backend = |n: u8, state: &str, tags: &[&str]| {
        json!({
            "id": format!("b056bc5e-372e-4562-b23a-bd6a9263000{n}"), "node_state": "ready", "admin_state": state,
            "agent_heartbeat": "2026-01-01T10:00:00Z", "agent_ref": null, "last_error": null, "latency": 92546636,
            "meetings_count": 3, "attendees_count": 20, "load_factor": 1.0,
            "bbb": {"host": format!("https://node{n}.example.org/bigbluebutton/api/"), "secret": format!("secret-of-node{n}")},
            "settings": {"tags": tags},
            "created_at": "2026-01-01T10:00:00Z", "updated_at": "2026-01-01T10:00:00Z", "synced_at": "2026-01-01T10:00:00Z"
        })
    };
    let backends = json!([
        backend(1, "ready", &["bbb_26"]),
        backend(2, "stopped", &[]),
        backend(3, "decommissioned", &[])
    ]);
    let frontend = |key: &str, active: bool, settings: Value| {
        json!({
            "id": "37dada5b-9fd0-41b5-8875-17037a4d5413", "active": active, "account_ref": null,
            "bbb": {"key": key, "secret": format!("secret-of-{key}")}, "settings": settings,
            "created_at": "2026-01-01T10:00:00Z", "updated_at": "2026-01-01T10:00:00Z"
        })
    };
    let frontends = json!([
        frontend(
            "greenlight01",
            true,
            json!({"required_tags": ["bbb_26"], "create_default_params": {"welcome": "Hello!"},
            "default_presentation": {"url": "https://assets.example.org/a.pdf", "force": false}})
        ),
        frontend("moodle", true, json!({})),
        frontend("old", false, json!({})),
    ]);
    let app = Router::new()
        .route("/api/v1/backends", get(async move |headers| answered(headers, backends).await))
        .route("/api/v1/frontends", get(async move |headers| answered(headers, frontends).await));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn a_b3scale_is_taken_over_and_applied() {
    let stage = Stage::bare(1).await;
    let shell = &stage.shell;
    let url = b3scale().await;
    let said = shell
        .run(&format!(
            "import b3scale --url {url} --token right-token --instances i.yml --tenants t.yml"
        ))
        .await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let left: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        left,
        [
            "not taken over: backend https://node3.example.org/bigbluebutton/api/: it is decommissioned there",
            "not taken over: frontend greenlight01: required_tags bbb_26; it is bound to the 1 that have them now",
            "not taken over: frontend old: it is disabled there",
            "after applying: bigblueswarm tag https://node1.example.org/bigbluebutton bbb_26",
            "after applying: bigblueswarm drain https://node2.example.org/bigbluebutton # it is stopped there",
        ]
    );
    assert_eq!(shell.out("apply -f i.yml").await, "InstanceList of 2: 2 added\n");
    assert_eq!(
        shell.out("apply -f t.yml").await,
        "Tenant greenlight01: created\nTenant moodle: created\n"
    );
    let tenant: Value =
        serde_json::from_str(&shell.out("describe tenant greenlight01 -j --show-secrets").await)
            .unwrap();
    assert_eq!(
        tenant["spec"],
        json!({"host": "greenlight01", "secret": "secret-of-greenlight01",
        "create_defaults": {"welcome": "Hello!"}, "default_presentation": "https://assets.example.org/a.pdf"})
    );
    assert_eq!(tenant["instances"], json!(["https://node1.example.org/bigbluebutton"]));
}

#[tokio::test]
async fn b3scale_wants_its_token() {
    let shell = Shell::new();
    let url = b3scale().await;
    let Ended { code, err, .. } =
        shell.run(&format!("import b3scale --url {url} --token wrong-token --dry-run")).await;
    assert_eq!(code, Some(64), "{err}");
    assert!(
        err.ends_with("refuses the token for backends\n") && !err.contains("wrong-token"),
        "{err}"
    );
    assert_eq!(shell.run(&format!("import b3scale --url {url}")).await.code, Some(64));
    let mut command = shell.command(&["import", "b3scale", "--url", &url, "--dry-run"]);
    command.env("B3SCALE_TOKEN", "right-token");
    let said = ended(command).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    shell.assert_untold(&said, "secret-of-");
    let away =
        shell.run(&format!("import b3scale --url http://{} --token t", free_address())).await;
    assert_eq!(away.code, Some(69), "{away:?}");
}
