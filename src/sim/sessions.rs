//! The calls of a browser that is in a meeting: a session token instead of a checksum. And the list of sessions.

use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Value, json};

use super::events;
use super::machine::{Ask, Machine, Times};
use super::meeting::{Meeting, Role, User};
use super::params::{Params, signed};
use super::reply::{Failure, Reply, html, of_type, response, xml};
use crate::bbb::checksum::Algorithm;
use crate::bbb::query;

/// A credential for a TURN server holds so many seconds.
const TURN_HOLDS: u64 = 86_400;

/// Answers a call about sessions; none when it is about something else.
pub(super) fn answer(
    machine: &mut Machine,
    call: &str,
    ask: &Ask,
    params: &Params,
    times: Times,
) -> Option<Reply> {
    if !["getSessions", "getJoinUrl", "learningDashboard", "stuns", "signOut"].contains(&call) {
        return None;
    }
    if ![Method::GET, Method::HEAD, Method::POST].contains(&ask.method) {
        return Some(html(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    Some(match call {
        "getSessions" => list(machine, ask),
        "getJoinUrl" => join_url(machine, params),
        "learningDashboard" => dashboard(machine, params),
        "stuns" => stuns(machine, params, times),
        _ => sign_out(machine, params, times),
    })
}

/// Who has this session, and where.
fn session<'m>(machine: &'m Machine, params: &Params) -> Option<(&'m Meeting, &'m User)> {
    let token = params.get("sessionToken")?;
    let mut everybody = machine
        .meetings
        .iter()
        .filter(|m| m.lives())
        .flat_map(|meeting| meeting.users.iter().map(move |user| (meeting, user)));
    everybody.find(|(_, user)| user.session.reveal() == token)
}

fn list(machine: &Machine, ask: &Ask) -> Reply {
    let settings = &machine.settings;
    if !signed(ask, "getSessions", settings.secret.reveal(), settings.algorithms) {
        return Failure::new("checksumError", "Checksums do not match").reply();
    }
    let mut sessions = machine
        .meetings
        .iter()
        .filter(|m| m.lives())
        .flat_map(|meeting| meeting.present().map(move |user| (meeting, user)))
        .peekable();
    xml(response("SUCCESS", |x| {
        if sessions.peek().is_none() {
            x.line("<sessions/>")
                .leaf("messageKey", "noSessions")
                .leaf("message", "no sessions were found on this serverr");
            return;
        }
        x.open("sessions");
        for (meeting, user) in sessions {
            x.open("meeting")
                .leaf("meetingID", &meeting.internal_id)
                .leaf("meetingName", &meeting.name)
                .leaf("userName", &user.name)
                .close("meeting");
        }
        x.close("sessions");
    }))
}

/// The URL by which the same user may come once more: always signed with SHA-1, its values escaped twice.
fn join_url(machine: &Machine, params: &Params) -> Reply {
    let Some((meeting, user)) = session(machine, params) else { return no_session() };
    let twice = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut query = String::new();
    for (name, value) in [
        ("fullName", user.name.as_str()),
        ("meetingID", &meeting.id),
        ("role", user.role.name()),
        ("redirect", "true"),
        ("existingUserID", &user.internal_id),
    ] {
        query.push('&');
        query += &format!("{name}={}", twice(&twice(value)));
    }
    for name in ["sessionName", "enforceLayout"] {
        if let Some(value) = params.get(name) {
            query += &format!("&{name}={}", twice(&twice(value)));
        }
    }
    let settings = &machine.settings;
    let signed = query::signed(&query, "join", settings.secret.reveal(), Algorithm::Sha1);
    let url = format!("{}/bigbluebutton/api/join?{signed}", settings.origin);
    let message = "Join URL provided successfully.";
    said(json!({"response": {"returncode": "SUCCESS", "message": message, "url": url}}))
}

/// What the dashboard of a moderator shows.
fn dashboard(machine: &Machine, params: &Params) -> Reply {
    let Some((meeting, user)) = session(machine, params) else { return no_session() };
    if user.role != Role::Moderator {
        return failed("Access denied");
    }
    let users: serde_json::Map<String, Value> = meeting
        .present()
        .map(|user| (user.internal_id.clone(), json!({"name": user.name})))
        .collect();
    let data = json!({"users": users}).to_string();
    said(json!({"response": {"returncode": "SUCCESS", "data": data}}))
}

fn stuns(machine: &Machine, params: &Params, times: Times) -> Reply {
    let Some((_, user)) = session(machine, params) else {
        let (message, url) = ("Could not find conference.", &machine.settings.origin);
        return said(
            json!({"response": {"returncode": "FAILED", "message": message, "logoutURL": url}}),
        );
    };
    let name = format!("{}:{}", times.wall / 1000 + TURN_HOLDS, user.internal_id);
    said(json!({
        "stunServers": [{"url": "stun:stun.example.org"}],
        "turnServers": [{
            "username": name, "password": "c2VjcmV0",
            "url": "turns:turn.example.org:443?transport=tcp", "ttl": TURN_HOLDS,
        }],
        "remoteIceCandidates": [],
    }))
}

/// Leaves; it is always a success.
fn sign_out(machine: &mut Machine, params: &Params, times: Times) -> Reply {
    let found = session(machine, params).map(|(meeting, user)| (meeting.clone(), user.clone()));
    if let Some((meeting, user)) = found {
        for known in machine.meetings.iter_mut().filter(|m| m.internal_id == meeting.internal_id) {
            known.users.retain(|other| other.internal_id != user.internal_id);
            known.note_presence(times.now);
        }
        events::user(machine, "user-left", &meeting, &user, times);
    }
    let text = "<response><returncode>SUCCESS</returncode></response>";
    of_type(StatusCode::OK, "text/xml;charset=utf-8", text)
}

fn no_session() -> Reply {
    failed("Invalid session token")
}

fn failed(message: &str) -> Reply {
    said(json!({"response": {"returncode": "FAILED", "message": message}}))
}

/// JSON as BBB prints it: four blanks a level.
fn said(value: Value) -> Reply {
    let mut text = Vec::new();
    let format = PrettyFormatter::with_indent(b"    ");
    let mut json = serde_json::Serializer::with_formatter(&mut text, format);
    if value.serialize(&mut json).is_err() {
        return html(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    }
    let mut reply = of_type(StatusCode::OK, "application/json", text);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}
