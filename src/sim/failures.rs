//! Requests that make a healthy BBB answer 500: faults of the request, which say nothing about the server.

use super::machine::{Ask, Machine};
use super::params::{Params, form_of};
use super::rules::has_body;
use super::version::Version;
use crate::bbb::query;

/// Whether BBB fails at this request, which is signed rightly, before it does anything.
pub(super) fn fails(machine: &Machine, call: &str, ask: &Ask, params: &Params) -> bool {
    let version = machine.settings.version;
    machine.stumbles(call, params)
        || version <= Version::V2_7 && (given_twice(ask) || no_id(call, params))
        || match call {
            "create" => creation(version, params),
            "join" => params.sent("fullName").is_none() || params.sent("createTime") == Some(""),
            _ => false,
        }
}

fn creation(version: Version, params: &Params) -> bool {
    let groups = params.get("groups").is_some_and(|text| !is_json(text));
    let room = params.flag("isBreakout");
    let orphan = version == Version::V2_5 && params.get("parentMeetingID").is_none();
    let unnumbered = params.number("sequence").is_none()
        && (version == Version::V2_5 || params.get("parentMeetingID").is_some());
    let bridge = version == Version::V2_7
        && params.get("voiceBridge").is_some_and(|bridge| bridge.trim().parse::<i64>().is_err());
    groups || room && (orphan || unnumbered) || bridge
}

/// Whether slides were sent in a form that nobody can read; the oldest version does not look at the type before
/// either. The meeting is made all the same.
pub(super) fn slides_are_unreadable(version: Version, ask: &Ask) -> bool {
    if version == Version::V2_5 && has_body(ask) && !is_known_type(ask) {
        return true;
    }
    let is_xml = ask.kind().is_some_and(|kind| kind.ends_with("/xml"));
    is_xml && !ask.body.is_empty() && !is_xml_document(&ask.body)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn is_xml_document(bytes: &[u8]) -> bool {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let mut depth = 0usize;
    let mut seen = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => (depth, seen) = (depth + 1, true),
            Ok(Event::Empty(_)) => seen = true,
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) => return seen && depth == 0,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn no_id(call: &str, params: &Params) -> bool {
    ["create", "isMeetingRunning"].contains(&call) && params.sent("meetingID").is_none()
}

/// The same parameter twice in one place becomes a list, which older versions take for a text.
fn given_twice(ask: &Ask) -> bool {
    let form = form_of(ask);
    let names: Vec<_> =
        query::pairs(ask.query()).chain(query::pairs(&form)).map(|(name, _)| name).collect();
    let twice = |at: usize| names[at] != "checksum" && names[..at].contains(&names[at]);
    (0..names.len()).any(twice)
}

fn is_known_type(ask: &Ask) -> bool {
    const KNOWN: [&str; 4] =
        ["application/x-www-form-urlencoded", "multipart/form-data", "application/xml", "text/xml"];
    ask.kind().is_some_and(|kind| KNOWN.contains(&kind.as_str()))
}
