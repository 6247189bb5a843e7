//! The calls of a browser that is in a meeting: a session token instead of a checksum. And the list of sessions.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::events;
use super::join;
use super::machine::{Ask, Machine, Times};
use super::meeting::{Meeting, Role, User};
use super::params::{Params, signature};
use super::reply::{Failure, Reply, html, pretty, response, xml};
use super::version::Version;
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
    let old = machine.settings.version < Version::V3_0;
    let known = ["getSessions", "getJoinUrl", "learningDashboard", "stuns", "signOut"];
    if !(known.contains(&call) || old && call == "enter") {
        return None;
    }
    if ![Method::GET, Method::HEAD, Method::POST].contains(&ask.method) {
        return Some(html(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    Some(match call {
        "getSessions" => list(machine, ask),
        "getJoinUrl" => join_url(machine, params),
        "learningDashboard" => dashboard(machine, params),
        "enter" => enter(machine, params, times),
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
    if let Err(text) = signature(ask, "getSessions", &machine.settings) {
        return Failure::new("checksumError", text).reply();
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
    let Some((meeting, user)) = session(machine, params) else { return no_session(params) };
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
    pretty(&json!({"response": {"returncode": "SUCCESS", "message": message, "url": url}}))
}

/// What the dashboard of a moderator shows.
fn dashboard(machine: &Machine, params: &Params) -> Reply {
    let Some((meeting, user)) = session(machine, params) else { return no_session(params) };
    if user.role != Role::Moderator {
        return failed("Access denied");
    }
    let users: serde_json::Map<String, Value> = meeting
        .present()
        .map(|user| (user.internal_id.clone(), json!({"name": user.name})))
        .collect();
    let data = json!({"users": users}).to_string();
    pretty(&json!({"response": {"returncode": "SUCCESS", "data": data}}))
}

fn stuns(machine: &Machine, params: &Params, times: Times) -> Reply {
    let Some((_, user)) = session(machine, params) else {
        let (message, url) = ("Could not find conference.", &machine.settings.origin);
        return pretty(&json!({"returncode": "FAILED", "message": message, "logoutURL": url}));
    };
    let name = format!("{}:{}", times.wall / 1000 + TURN_HOLDS, user.internal_id);
    pretty(&json!({
        "stunServers": [{"url": "stun:stun.example.org"}],
        "turnServers": [{
            "username": name, "password": "c2VjcmV0",
            "url": "turns:turn.example.org:443?transport=tcp", "ttl": TURN_HOLDS,
        }],
        "remoteIceCandidates": [],
    }))
}

/// How the client of old versions comes in: it asks by this call who it is.
fn enter(machine: &mut Machine, params: &Params, times: Times) -> Reply {
    let token = params.get("sessionToken").unwrap_or_default().to_owned();
    join::connect(machine, |user| user.session.reveal() == token, times);
    let Some((meeting, user)) = session(machine, params) else {
        let (message, url) = ("User denied access for this session", &machine.settings.origin);
        let said = json!({"returncode": "FAILED", "message": message, "logoutURL": url});
        return pretty(&json!({ "response": said }));
    };
    pretty(&json!({"response": {
        "returncode": "SUCCESS", "fullname": user.name, "confname": meeting.name,
        "meetingID": meeting.internal_id, "externMeetingID": meeting.id,
        "externUserID": user.external_id, "internalUserID": user.internal_id,
        "role": user.role.name(), "conference": meeting.internal_id, "room": meeting.internal_id,
        "voicebridge": meeting.voice_bridge, "dialnumber": machine.settings.dial_number,
        "record": meeting.recording.to_string(), "isBreakout": meeting.breakout.is_some(),
        "logoutUrl": machine.settings.origin,
    }}))
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
    xml("<response><returncode>SUCCESS</returncode></response>".to_owned())
}

fn no_session(params: &Params) -> Reply {
    match params.get("sessionToken") {
        Some(_) => failed("Invalid session token"),
        None => failed("You must provide a session token"),
    }
}

fn failed(message: &str) -> Reply {
    pretty(&json!({"response": {"returncode": "FAILED", "message": message}}))
}
