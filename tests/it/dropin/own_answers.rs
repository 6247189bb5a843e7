//! The BBB API's own answers beside the predecessor's, as they were recorded from it in the same state.

use bigblueswarm::bbb::checksum::Algorithm;
use serde_json::Value;

use super::compare::{Allowed, assert_allowed, compared, fields_of};
use super::left::{LB, Left, V3};
use crate::world::Client;

const RECORDED: &str = include_str!("../recorded/predecessor-own-answers.json");

const ALLOWED: [Allowed; 9] = [
    Allowed {
        name: "certain refusals are HTTP 200",
        why: "clients lose key and text of a 403 or 500, or take the server for broken; `compat.v3Statuses` brings \
              these back",
        is: |d| {
            d.field == "status"
                && matches!(d.theirs.as_deref(), Some("403" | "500"))
                && d.ours.as_deref() == Some("200")
        },
    },
    Allowed {
        name: "a call without a meeting id",
        why: "BBB's key is missingParamMeetingID, with the same message",
        is: |d| d.field == "body.messageKey" && d.ours.as_deref() == Some("missingParamMeetingID"),
    },
    Allowed {
        name: "content types are BBB's",
        why: "BBB says text/xml and application/json, without a blank; some clients compare the whole text",
        is: |d| d.field == "content-type" && d.theirs.as_deref().is_some_and(|t| t.contains("; ")),
    },
    Allowed {
        name: "create is passed through",
        why: "the predecessor rebuilds the answer with misspelt and empty elements and an own createTime; ours is the \
              instance's, byte for byte",
        is: |d| d.request.starts_with("create meetingID=") && is_of_the_meeting(&d.field),
    },
    Allowed {
        name: "a refused create has no empty elements",
        why: "the predecessor's instance refused it, and the answer was rebuilt; ours refuses it as BBB does",
        is: |d| d.request == "create name=n" && d.theirs.as_deref() == Some("") && d.ours.is_none(),
    },
    Allowed {
        name: "an unknown meeting at join",
        why: "BBB calls it invalidMeetingIdentifier there, with the same message",
        is: |d| d.request.starts_with("join ") && d.field == "body.messageKey",
    },
    Allowed {
        name: "an unknown meeting is not running",
        why: "BBB says SUCCESS and running false; front ends take FAILED for an outage",
        is: |d| d.request.starts_with("isMeetingRunning ") && d.field.starts_with("body."),
    },
    Allowed {
        name: "a recording without text tracks is named",
        why: "BBB's message names the id",
        is: |d| d.request.starts_with("getRecordingTextTracks ") && d.field.ends_with(".message"),
    },
    Allowed {
        name: "a wrong checksum in BBB's words",
        why: "the key is the same; BBB's message is `Checksums do not match`, but for calls about recordings",
        is: |d| d.request == "getMeetings wrong checksum" && d.field == "body.message",
    },
];

/// Whether it says what the meeting is like; not whether all went well.
fn is_of_the_meeting(field: &str) -> bool {
    field.starts_with("body.") && !["returncode", "meetingID", "moderatorPW"].contains(&&field[5..])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_answer_of_its_own_is_given_alike_field_by_field() {
    let left = Left::as_recorded().await;
    let program = left.start_on(V3, "-config config.yml").await;
    program.ready().await;
    let exchanges: Vec<Value> = serde_json::from_str(RECORDED).expect("a recording");
    let mut differences = Vec::new();
    for recorded in &exchanges {
        let text = |name: &str| recorded[name].as_str().unwrap_or_default();
        let (call, query) = (text("call"), text("query"));
        let wrong = query == "wrong checksum";
        let tenant = match text("host") {
            "nobody.example.org" => Client::of("nobody.example.org", LB.secret),
            _ if wrong => Client { secret: "another-secret-0123456789", ..LB },
            _ => LB,
        };
        // The servers of the recording took a name of one letter; BBB does not.
        let sent = if wrong { String::new() } else { query.replace("&name=n&", "&name=nn&") };
        let client = program.client(tenant).algorithm(Algorithm::Sha1);
        let ours = client.get(call, &sent).await.expect("an answer");
        let status = recorded["status"].as_u64().and_then(|n| u16::try_from(n).ok());
        let kind = recorded["content_type"].as_str();
        let theirs = fields_of(status.expect("a status"), kind, text("body"));
        let header = |name| ours.headers.get(name).and_then(|value| value.to_str().ok());
        let mut fields = fields_of(ours.status.as_u16(), header("content-type"), &ours.text());
        fields.extend(header("location").map(|to| ("location".into(), to.to_owned())));
        let request = format!("{call} {query}").trim_end().to_owned();
        differences.extend(compared(&request, &theirs, &fields));
    }
    assert_eq!(exchanges.len(), 12);
    assert_allowed(&differences, &ALLOWED);
}
