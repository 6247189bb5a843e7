//! What clients ask, and how they read what is answered.

use bigblueswarm::bbb;
use http::StatusCode;

use crate::history::{Answer, Call, Room};

/// What a client is answered.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) body: String,
}

/// A call's name and query.
pub(crate) fn query(call: Call, room: &Room, op: u64) -> (&'static str, String) {
    let id = format!("meetingID={}", room.id);
    match call {
        Call::Create => {
            // Where the front end wants to hear of the end: the host names the create.
            let told = format!("http%3A%2F%2Fop-{op}.example.org%2Fended");
            ("create", format!("name=Room&{id}&meta_op={op}&meta_endCallbackUrl={told}"))
        }
        Call::Join => ("join", format!("fullName=Ada&{id}&role=VIEWER&userID=op-{op}")),
        Call::Info => ("getMeetingInfo", id),
        Call::Running => ("isMeetingRunning", id),
        Call::End => ("end", id),
        Call::List => ("getMeetings", String::new()),
    }
}

/// Reads what was answered.
pub(crate) fn read(call: Call, reply: &Reply) -> Answer {
    if reply.status.is_server_error() {
        return Answer::NotKnown(reply.status.as_u16().to_string());
    }
    let value = |name| value(&reply.body, name);
    if value("returncode") != "SUCCESS" {
        return match value("messageKey") {
            "notFound" | "invalidMeetingIdentifier" => Answer::Denied,
            key => Answer::Refused(format!("{} {key}", reply.status.as_u16())),
        };
    }
    match call {
        Call::Create => Answer::Made(value("internalMeetingID").to_owned()),
        Call::Join => Answer::Joins,
        Call::Info => Answer::Shown(value("internalMeetingID").to_owned()),
        Call::Running => Answer::Running(value("running") == "true"),
        Call::End => Answer::Ended,
        Call::List => Answer::Listed(listed(&reply.body)),
    }
}

/// The server that a join leads to refuses it.
pub(crate) fn stranded(reply: &Reply) -> Answer {
    let (_, query) = reply.location.split_once('?').unwrap_or_default();
    Answer::Stranded(bbb::query::value(query, "meetingID").unwrap_or_default().into_owned())
}

fn listed(body: &str) -> Vec<(String, String)> {
    let meetings = body.split("<meeting>").skip(1);
    let pair = |meeting| {
        let [id, internal] = ["meetingID", "internalMeetingID"].map(|name| value(meeting, name));
        (id.to_owned(), internal.to_owned())
    };
    meetings.map(pair).collect()
}

/// The text of the first element of this name.
fn value<'a>(body: &'a str, name: &str) -> &'a str {
    let open = format!("<{name}>");
    let rest = body.split_once(&open).map_or("", |(_, rest)| rest);
    rest.split_once("</").map_or("", |(value, _)| value)
}
