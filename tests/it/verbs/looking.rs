//! get, describe, cluster-info, explain: for people aligned, for programs exact.

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::shell::{Ended, Stage, ended};
use crate::program::PATIENTLY;
use crate::world::{T, U};

/// Creates meetings, and waits until the sweeps have listed so many.
async fn listed(stage: &Stage, meetings: &[(&str, &str)]) -> Vec<Value> {
    for (id, name) in meetings {
        let tenant = if id.starts_with('u') { U } else { T };
        let query = format!("name={name}&meetingID={id}");
        let reply = stage.program.client(tenant).get("create", &query).await.expect("an answer");
        assert!(reply.succeeded(), "{}", reply.text());
    }
    let began = Instant::now();
    loop {
        let json = stage.shell.out("get meetings --json").await;
        let shown: Vec<Value> = serde_json::from_str(&json).unwrap();
        if shown.len() == meetings.len() {
            return shown;
        }
        assert!(began.elapsed() < PATIENTLY, "{json}");
        sleep(std::time::Duration::from_millis(100)).await;
    }
}

fn instance(meeting: &Value) -> &str {
    meeting["instance"].as_str().unwrap()
}

#[tokio::test]
async fn instances_are_listed_without_their_secrets_unless_asked() {
    let stage = Stage::ready(1).await;
    let sim = &stage.sims[0];
    let json = stage.shell.out("get instances --json").await;
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown, json!([{"url": sim.url, "secret": "********"}]));
    let json = stage.shell.out("get instances -j --show-secrets").await;
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown, json!([{"url": sim.url, "secret": sim.secret()}]));

    let csv = stage.shell.out("get instances -c").await;
    let expected = format!(
        "Url,Secret,State,Health,Meetings,Participants,Tags\n{},********,enabled,up,0,0,\n",
        sim.url
    );
    assert_eq!(csv, expected);
    let table = stage.shell.out("get instances").await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("Url  ") && lines[0].ends_with("Participants  Tags"), "{table}");
    assert!(
        lines[1].starts_with(&sim.url) && lines[1].contains("  ********  enabled  up "),
        "{table}"
    );
    assert_eq!(lines[0].find("Secret"), lines[1].find("********"), "{table}");
    assert!(!lines[1].ends_with(' '), "{table:?}");
}

#[tokio::test]
async fn tenants_are_listed_as_bbsctl_lists_them() {
    let stage = Stage::ready(1).await;
    let table = stage.shell.out("get tenants").await;
    assert_eq!(
        table,
        "Hostname       Instances\nt.example.org          0\nu.example.org          0\n"
    );
    let json: Value = serde_json::from_str(&stage.shell.out("get tenants --json").await).unwrap();
    assert_eq!(json[1], json!({"hostname": "u.example.org", "instance_count": 0}));
}

#[tokio::test]
async fn meetings_are_listed_as_the_sweeps_saw_them() {
    let stage = Stage::ready(2).await;
    let meetings =
        listed(&stage, &[("b1", "Algebra%2C%20%1B%5B2J"), ("a1", "Bee"), ("u1", "Cee")]).await;
    let ids: Vec<&str> = meetings.iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a1", "b1", "u1"]);
    assert_eq!(meetings[2]["tenant"], "u.example.org");
    assert_eq!((&meetings[0]["name"], &meetings[0]["participants"]), (&json!("Bee"), &json!(0)));
    let created = meetings[0]["created"].as_str().unwrap();
    assert!(created.starts_with("20") && created.ends_with('Z'), "{created}");

    let csv = stage.shell.out("get meetings --csv --tenant u.example.org").await;
    let url = instance(&meetings[2]);
    let line = csv.lines().nth(1).unwrap();
    assert!(line.starts_with(&format!("u1,Cee,u.example.org,{url},0,no,20")), "{csv}");
    assert_eq!(csv.lines().count(), 2, "{csv}");

    let url = instance(&meetings[1]);
    let table = stage.shell.out(&format!("get meetings --instance {url}")).await;
    assert!(table.contains("b1  Algebra, ") && !table.contains('\u{1b}'), "{table}");
    let unknown = stage.shell.run("get meetings --instance http://nowhere").await;
    assert_eq!(unknown.code, Some(64));
    assert!(unknown.err.ends_with("instance http://nowhere is not in the pool\n"), "{unknown:?}");

    let described = stage.shell.out(&format!("describe instance {url}")).await;
    assert!(
        described.starts_with(&format!("Url:          {url}\nState:        enabled\n")),
        "{described}"
    );
    assert!(described.contains("Signed with:  sha256\n"), "{described}");
    assert!(described.contains("\nId "), "{described}");
    let json = stage.shell.out(&format!("describe instance {url} --json")).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["listed"].as_array().unwrap().contains(&meetings[1]), "{json}");
    assert_eq!(stage.shell.run("describe instance http://nowhere").await.code, Some(64));
}

#[tokio::test]
async fn meetings_come_by_pages() {
    let stage = Stage::ready(2).await;
    listed(&stage, &[("m1", "Room"), ("m2", "Room"), ("m3", "Room")]).await;
    let get = async |query: &str| {
        let reply = stage.program.admin(http::Method::GET, &format!("meetings{query}"), "").await;
        (reply.status.as_u16(), reply.text().to_string())
    };
    let (status, first) = get("?limit=2").await;
    let page: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((status, &page["total"], &page["next"]), (200, &json!(3), &json!(2)));
    assert_eq!((page["meetings"].as_array().unwrap().len(), &page["unlisted"]), (2, &json!([])));
    let page: Value = serde_json::from_str(&get("?limit=2&offset=2").await.1).unwrap();
    assert_eq!((&page["next"], &page["meetings"][0]["id"]), (&Value::Null, &json!("m3")));
    for (query, says) in
        [("?limit=0", "limit: must be"), ("?limit=1001", "limit: must be"), ("?offset=x", "")]
    {
        let (status, text) = get(query).await;
        assert_eq!(status, 400, "{query}: {text}");
        assert!(text.starts_with(says), "{query}: {text}");
    }
}

#[tokio::test]
async fn the_pool_is_summed_up_as_bbsctl_does() {
    let stage = Stage::ready(2).await;
    let shown = stage.shell.out("cluster-info").await;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[..4],
        ["BigBlueSwarm API     Up", "Active meetings      0", "Active participants  0", ""]
    );
    assert_eq!(
        lines[4].split("  ").filter(|word| !word.is_empty()).map(str::trim).collect::<Vec<_>>(),
        ["API", "Host", "CPU", "Mem", "Active Meetings", "Active Participants"]
    );
    assert!(lines[5].starts_with("Up   http://"), "{shown}");
    let json: Value = serde_json::from_str(&stage.shell.out("cluster-info --json").await).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(2));
    assert_eq!(json[0]["api_status"], "Up");
}

#[tokio::test]
async fn a_placement_is_explained() {
    let stage = Stage::ready(2).await;
    let url = &stage.sims[1].url;
    stage.shell.out(&format!("drain {url}")).await;
    let Ended { code, out, err } = stage.shell.run("explain --tenant t.example.org").await;
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("no candidate was measured"), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("Tenant  ") && lines[1].contains("   1  http://"), "{out}");
    assert!(lines[2].contains(&format!("-  {url}")) && lines[2].contains("draining"), "{out}");
    let one: Value =
        serde_json::from_str(&stage.shell.out("explain --tenant t.example.org --json").await)
            .unwrap();
    assert_eq!((&one["tenant"], &one["policy"]), (&json!("t.example.org"), &json!("predictive")));
    let all: Value =
        serde_json::from_str(&stage.shell.out("explain -j --tag blue!").await).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    assert_eq!(all[0]["instances"][0]["rank"], Value::Null);
    assert_eq!(stage.shell.run("explain --tenant nobody.example.org").await.code, Some(64));
}

#[tokio::test]
async fn the_configuration_is_shown_without_secrets_unless_asked() {
    let stage = Stage::ready(1).await;
    let masked = stage.shell.run("describe config").await;
    assert_eq!(masked.code, Some(0), "{masked:?}");
    for secret in [crate::world::GLOBAL, crate::world::KEY, crate::program::TOKEN] {
        stage.shell.assert_untold(&masked, secret);
    }
    assert!(masked.out.contains("bigblueswarm:\n  secret: '********'\n"), "{}", masked.out);
    let json = stage.shell.out("describe config --json --show-secrets").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["admin"]["apiKey"], crate::world::KEY);
}

#[tokio::test]
async fn colours_are_for_terminals() {
    let stage = Stage::ready(1).await;
    let colours = async |name: &str| {
        let mut command = stage.shell.command(&["get", "instances"]);
        command.env("TERM", "xterm-256color");
        command.envs(name.split_whitespace().map(|name| (name, "1")));
        ended(command).await.out.contains("\u{1b}[")
    };
    assert!(!colours("").await, "standard output is no terminal");
    assert!(colours("CLICOLOR_FORCE").await, "the text has colours to take away");
    assert!(!colours("CLICOLOR_FORCE NO_COLOR").await);
}
