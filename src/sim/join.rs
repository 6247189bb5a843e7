//! The call join.

use http::HeaderValue;
use http::header::SET_COOKIE;

use super::events;
use super::machine::{Machine, Times};
use super::meeting::{GuestPolicy, Role, User};
use super::params::Params;
use super::reply::{Failure, Reply, crlf, redirect, response, xml};
use super::rules::cleaned;
use super::version::Version;
use crate::domain::moment::Moment;

/// Lets somebody in, or says why not.
pub(super) fn join(machine: &mut Machine, params: &Params, times: Times) -> Reply {
    let id = params.get("meetingID").unwrap_or_default();
    let Some(at) = machine.find(id) else {
        let unknown =
            Failure::new("invalidMeetingIdentifier", "A meeting with that ID does not exist");
        return refuse(machine, params, &unknown);
    };
    let role = match role(machine, at, params) {
        Ok(role) => role,
        Err(failure) if machine.settings.version == Version::V2_5 => {
            return refuse(machine, params, &failure);
        }
        Err(failure) => return failure.reply(),
    };
    if let Some(failure) = refusal(machine, at, params) {
        return refuse(machine, params, &failure);
    }
    let user = enter(machine, at, params, role, times.now);
    connect_who_is_due(machine, times);
    welcome(machine, at, params, &user)
}

/// The browsers of those who are due connect.
pub(super) fn connect_who_is_due(machine: &mut Machine, times: Times) {
    connect(machine, |user| user.connects_at.is_some_and(|at| at <= times.now), times);
}

/// The browsers of these users connect: they are in the meeting from now on.
pub(super) fn connect(machine: &mut Machine, who: impl Fn(&User) -> bool, times: Times) {
    for at in 0..machine.meetings.len() {
        let mut come = Vec::new();
        for user in machine.meetings[at].users.iter_mut().filter(|u| !u.connected && who(u)) {
            (user.connected, user.connects_at) = (true, None);
            come.push(user.clone());
        }
        if !come.is_empty() {
            come_in(machine, at, &come, times);
        }
    }
}

fn come_in(machine: &mut Machine, at: usize, users: &[User], times: Times) {
    let meeting = &mut machine.meetings[at];
    let starts = meeting.recording && !meeting.has_user_joined;
    meeting.joined += users.len() as u32;
    meeting.note_presence(times.now);
    let meeting = meeting.clone();
    for user in users {
        events::user(machine, "user-joined", &meeting, user, times);
    }
    if starts {
        events::meeting(machine, "meeting-recording-started", &meeting, times);
    }
}

fn wants_xml(params: &Params) -> bool {
    params.get("redirect").is_some_and(|value| value.eq_ignore_ascii_case("false"))
}

/// A valid role decides; without one, the password does. The oldest version lets in who sends neither.
fn role(machine: &Machine, at: usize, params: &Params) -> Result<Role, Failure> {
    if let Some(role) = params.get("role").and_then(Role::parse) {
        return Ok(role);
    }
    let meeting = &machine.meetings[at];
    let old = machine.settings.version == Version::V2_5;
    let asked_for = |text| Err(Failure::new("Params required", text));
    match params.get("password") {
        Some(password) if password == meeting.moderator_pw.reveal() => Ok(Role::Moderator),
        Some(password) if password == meeting.attendee_pw.reveal() => Ok(Role::Viewer),
        Some(_) if old => Err(Failure::new(
            "invalidPassword",
            "The provided password is neither a moderator or attendee password",
        )),
        Some(_) => asked_for("You must enter a valid password"),
        None if old => Ok(Role::Viewer),
        None => asked_for(
            "You must either send the valid role of the user, or the password, sould the meeting has one.",
        ),
    }
}

fn refusal(machine: &Machine, at: usize, params: &Params) -> Option<Failure> {
    let meeting = &machine.meetings[at];
    let another_time = |sent: &str| sent.trim() != meeting.create_time.to_string();
    if params.get("createTime").is_some_and(another_time) {
        let text = "The createTime parameter submitted mismatches with the current meeting.";
        return Some(Failure::new("mismatchCreateTimeParam", text));
    }
    if meeting.max_users > 0 && meeting.users.len() as u64 >= meeting.max_users {
        let text = "The number of participants allowed for this meeting has been reached.";
        return Some(Failure::new("maxParticipantsReached", text));
    }
    if params.flag("guest") && meeting.guest_policy == GuestPolicy::Deny {
        let text =
            "You have been denied access to this meeting based on the meeting's guest policy";
        return Some(Failure::new("guestDeniedAccess", text));
    }
    None
}

fn enter(machine: &mut Machine, at: usize, params: &Params, role: Role, now: Moment) -> User {
    let mut user = machine.newcomer(&cleaned(params.get("fullName").unwrap_or_default()), role);
    if let Some(id) = params.get("userID") {
        user.external_id = id.to_owned();
    }
    let named =
        params.iter().filter_map(|(name, value)| Some((name.strip_prefix("userdata-")?, value)));
    let kept = named.filter(|(name, _)| is_data_name(name));
    user.custom = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let meeting = &mut machine.meetings[at];
    user.waiting = params.flag("guest") && meeting.guest_policy == GuestPolicy::Ask;
    user.connects_at = machine.settings.browsers_connect.map(|after| Moment(now.0 + after));
    meeting.users.push(user.clone());
    user
}

/// The key holds one `-` in all, and its rest can be an element's name.
fn is_data_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

fn welcome(machine: &mut Machine, at: usize, params: &Params, user: &User) -> Reply {
    let wait = if params.flag("enforceLayout") || params.get("enforceLayout").is_some() {
        "waitLayout=1&"
    } else {
        ""
    };
    let token = user.session.reveal();
    let page = if machine.settings.version < Version::V3_0 { "join" } else { "" };
    let url = format!("{}/html5client/{page}?{wait}sessionToken={token}", machine.settings.origin);
    let mut reply = if wants_xml(params) {
        let auth = machine.letters(12);
        let meeting = &machine.meetings[at];
        xml(crlf(response("SUCCESS", |x| {
            x.leaf("messageKey", "successfullyJoined")
                .leaf("message", "You have joined successfully.")
                .leaf("meeting_id", &meeting.internal_id)
                .leaf("user_id", &user.internal_id)
                .leaf("auth_token", auth)
                .leaf("session_token", token)
                .leaf("guestStatus", if user.waiting { "WAIT" } else { "ALLOW" })
                .leaf("url", url);
        })))
    } else {
        redirect(&url)
    };
    let cookie = format!("JSESSIONID={}; Path=/bigbluebutton; Secure; HttpOnly", machine.cookie());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply
}

/// Sends the browser away with the reason in its URL. BBB does so even when it was asked not to redirect.
pub(super) fn refuse(machine: &Machine, params: &Params, failure: &Failure) -> Reply {
    let own = params.get("errorRedirectUrl").filter(|_| machine.settings.version > Version::V2_5);
    let target = own.or(params.get("logoutURL"));
    redirect(&with_errors(target.unwrap_or(&machine.settings.origin), failure))
}

/// The target with `errors=` in its query, as `java.net.URI` writes it; what its query held is decoded and
/// written anew.
fn with_errors(target: &str, failure: &Failure) -> String {
    let (bare, old) = target.split_once('?').unwrap_or((target, ""));
    let old = percent_encoding::percent_decode_str(old).decode_utf8_lossy();
    let joint = if old.is_empty() { "" } else { "&" };
    let errors = format!(r#"errors=[{{"message":"{}","key":"{}"}}]"#, failure.message, failure.key);
    format!("{bare}?{}", java_quoted(&format!("{old}{joint}{errors}")))
}

/// Escapes what `java.net.URI` finds illegal in a query.
fn java_quoted(query: &str) -> String {
    let legal =
        |c: char| c.is_ascii_alphanumeric() || "_-!.~'()*;/?:@&=+$,[]".contains(c) || !c.is_ascii();
    let mut quoted = String::with_capacity(query.len() + 32);
    for c in query.chars() {
        if legal(c) {
            quoted.push(c);
        } else {
            quoted.push_str(&format!("%{:02X}", u32::from(c)));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_written_as_java_writes_them() {
        let failure =
            Failure::new("invalidMeetingIdentifier", "A meeting with that ID does not exist");
        let check = |target, expected: &str| assert_eq!(with_errors(target, &failure), expected);
        let errors = "errors=[%7B%22message%22:%22A%20meeting%20with%20that%20ID%20does%20not%20exist%22,\
            %22key%22:%22invalidMeetingIdentifier%22%7D]";
        check("https://node1.example.org", &format!("https://node1.example.org?{errors}"));
        check(
            "https://l.example.org/e?a=%20b",
            &format!("https://l.example.org/e?a=%20b&{errors}"),
        );
    }

    #[test]
    fn user_data_has_one_hyphen() {
        assert!(is_data_name("bbb_skip_check_audio"));
        assert!(!is_data_name("a-b"));
        assert!(!is_data_name(""));
    }
}
