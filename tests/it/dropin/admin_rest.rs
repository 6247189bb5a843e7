//! The admin surface beside the predecessor's, as it was recorded from it in the same state.

use http::Method;
use serde_json::Value;

use super::compare::{Allowed, assert_allowed, compared, fields_of};
use super::left::{KEY, Left};
use crate::config_file;
use crate::program::{Program, until};

const RECORDED: &str = include_str!("../recorded/predecessor-admin-rest.json");

/// The call with which the predecessor lost its instances.
const WRONG_KIND: &str = "POST /admin/api/instances {\"kind\":\"Nonsense\"}";
/// The last one, which shows that.
const AFTER_IT: &str = "GET /admin/api/instances after a list of a wrong kind";

const ALLOWED: [Allowed; 3] = [
    Allowed {
        name: "more keys in configurations",
        why: "ours has further keys and sections, beside all of the predecessor's",
        is: |d| d.request == "GET /admin/api/configurations" && d.theirs.is_none(),
    },
    Allowed {
        name: "a wrong kind is refused",
        why: "the predecessor answers 201 and empties its list; ours says what is wrong and changes nothing",
        is: |d| d.request == WRONG_KIND && ["status", "content-type", "body"].contains(&&*d.field),
    },
    Allowed {
        name: "instances are still there",
        why: "the same fault of the predecessor's: its list is empty afterwards",
        is: |d| d.request == AFTER_IT && d.field.starts_with("body"),
    },
];

async fn with_loads(left: &Left) -> Program {
    let program = left.start_on(config_file::V3, "-config config.yml").await;
    program.ready().await;
    until("loads are read", async || {
        let cluster = program.admin_by(KEY, Method::GET, "cluster", "").await;
        let rows: Value = serde_json::from_slice(&cluster.body).expect("JSON");
        rows.as_array().is_some_and(|rows| rows.iter().all(|row| row["cpu"] != 0))
    })
    .await;
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_call_of_the_admin_surface_is_answered_alike_field_by_field() {
    let left = Left::as_recorded().await;
    let program = with_loads(&left).await;
    let exchanges: Vec<Value> = serde_json::from_str(RECORDED).expect("a recording");
    let mut differences = Vec::new();
    let mut last = String::new();
    for exchange in &exchanges {
        let (request, answer) = (&exchange["request"], &exchange["answer"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (method, path) = (text(&request["method"]), text(&request["path"]).expect("a path"));
        let method: Method = method.expect("a method").parse().expect("a method");
        let body = (!request["body"].is_null()).then(|| request["body"].to_string());
        let body = body.unwrap_or_default();
        let key = if request["key"] == "right" { KEY } else { "wrong" };
        let call = path.strip_prefix("/admin/api/").expect("an admin call");
        let ours = program.admin_by(key, method.clone(), call, &body).await;

        let mut request = format!("{method} {path} {body}").trim_end().to_owned();
        if last == WRONG_KIND {
            request = AFTER_IT.to_owned();
        }
        let mut expected = left.there(answer["body"].as_str().expect("a body"));
        if call == "configurations" {
            expected = left.configured(&expected);
        }
        let status = answer["status"].as_u64().and_then(|n| u16::try_from(n).ok());
        let kind = answer["content_type"].as_str();
        let theirs = fields_of(status.expect("a status"), kind, &expected);
        let kind = ours.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        let ours = fields_of(ours.status.as_u16(), kind, &ours.text());
        differences.extend(compared(&request, &theirs, &ours));
        last = request;
    }
    assert_eq!(exchanges.len(), 14);
    assert_allowed(&differences, &ALLOWED);
}
