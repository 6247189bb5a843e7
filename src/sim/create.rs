//! The call create.

use super::breakouts;
use super::events;
use super::machine::{Machine, Times, minutes};
use super::meeting::{Breakout, GuestPolicy, Meeting};
use super::params::Params;
use super::reply::{Failure, Reply, crlf, response, xml};
use super::rules::cleaned;
use super::version::Version;
use crate::bbb::lrs;
use crate::domain::secret::Secret;

/// A voice bridge is drawn so often before BBB gives up.
const DRAWS: usize = 10;

/// Makes a meeting, or says that it is there already.
pub(super) fn create(machine: &mut Machine, params: &Params, times: Times) -> Reply {
    let answer = attempt(machine, params, times);
    answer.unwrap_or_else(|failure| failure.reply())
}

fn attempt(machine: &mut Machine, params: &Params, times: Times) -> Result<Reply, Failure> {
    let id = params.get("meetingID").unwrap_or_default();
    if id != cleaned(id) {
        return Err(Failure::new("validationError", "Invalid meeting ID"));
    }
    let breakout = breakout(machine, params)?;
    if let Some(at) = machine.live(id) {
        return repeated(&machine.meetings[at], params, machine);
    }
    let voice_bridge = voice_bridge(machine, params)?;
    let meeting = new_meeting(machine, params, times, breakout, voice_bridge);
    let reply = created(&meeting, &machine.settings.dial_number, "", "");
    events::meeting(machine, "meeting-created", &meeting, times);
    machine.meetings.push(meeting);
    Ok(reply)
}

fn breakout(machine: &Machine, params: &Params) -> Result<Option<Breakout>, Failure> {
    if !params.flag("isBreakout") {
        return Ok(None);
    }
    let key = if machine.settings.version < Version::V3_0 {
        "parentMeetingIdMissing"
    } else {
        "parentMeetingIDMissing"
    };
    let missing = || Failure::new(key, "No parent meeting ID was provided for the breakout room");
    let parent = params.get("parentMeetingID").ok_or_else(missing)?;
    let unknown = || {
        Failure::new("parentMeetingDoesNotExist", "No parent meeting exists for the breakout room")
    };
    let at = machine.find(parent).filter(|&at| machine.meetings[at].lives());
    let parent = match at {
        Some(at) => machine.meetings[at].internal_id.clone(),
        None if machine.settings.version == Version::V2_5 => parent.to_owned(),
        None => return Err(unknown()),
    };
    Ok(Some(Breakout {
        parent,
        sequence: params.number("sequence").unwrap_or(0),
        free_join: params.flag("freeJoin"),
    }))
}

/// What a create of a meeting that lives is answered: only who sends both its passwords, or none, is told of it.
fn repeated(meeting: &Meeting, params: &Params, machine: &Machine) -> Result<Reply, Failure> {
    let same = match (params.get("attendeePW"), params.get("moderatorPW")) {
        (None, None) => !machine.settings.refuses_bare_repeats,
        (Some(attendee), Some(moderator)) => {
            attendee == meeting.attendee_pw.reveal() && moderator == meeting.moderator_pw.reveal()
        }
        _ => false,
    };
    if !same {
        let text =
            "A meeting already exists with that meeting ID.  Please use a different meeting ID.";
        return Err(Failure::new("idNotUnique", text));
    }
    let text = "This conference was already in existence and may currently be in progress.";
    Ok(created(meeting, &machine.settings.dial_number, "duplicateWarning", text))
}

fn voice_bridge(machine: &mut Machine, params: &Params) -> Result<String, Failure> {
    let taken =
        || Failure::new("nonUniqueVoiceBridge", "The selected voice bridge is already in use.");
    let used = |machine: &Machine, bridge: &str| {
        machine.meetings.iter().any(|m| m.lives() && m.voice_bridge == bridge)
    };
    let web = params.get("webVoice").filter(|_| machine.settings.version < Version::V4_0);
    let chosen = params.get("voiceBridge").or(web);
    if let Some(bridge) = chosen.map(str::trim) {
        return if used(machine, bridge) { Err(taken()) } else { Ok(bridge.to_owned()) };
    }
    for _ in 0..DRAWS {
        let drawn = machine.digits();
        if !used(machine, &drawn) {
            return Ok(drawn);
        }
    }
    Err(taken())
}

fn new_meeting(
    machine: &mut Machine,
    params: &Params,
    times: Times,
    breakout: Option<Breakout>,
    voice_bridge: String,
) -> Meeting {
    let id = params.get("meetingID").unwrap_or_default().to_owned();
    let old_room = breakout.as_ref().filter(|_| machine.settings.version == Version::V2_5);
    let (id, (internal_id, create_time)) = match old_room {
        Some(room) => (breakouts::external_id(room), (id, times.wall)),
        None => (id.clone(), machine.internal_id(&id, times.wall)),
    };
    let mut password = |name| match params.get(name) {
        Some(sent) => Secret::new(sent),
        None => machine.password(),
    };
    let (attendee_pw, moderator_pw) = (password("attendeePW"), password("moderatorPW"));
    let expires = |name, default| minutes(params.number(name).unwrap_or(default));
    let lrs = params.get("meta_secret-lrs-payload");
    let opens = |sealed: &str| lrs::open(sealed, machine.settings.secret.reveal()).is_some();
    Meeting {
        lrs_payload_opened: lrs.map(opens),
        id,
        internal_id,
        name: cleaned(params.get("name").unwrap_or_default()),
        attendee_pw,
        moderator_pw,
        voice_bridge,
        create_time,
        created_at: times.now,
        duration: expires("duration", 0),
        recording: params.flag("record"),
        keeps_events: params.flag("meetingKeepEvents"),
        ended_url: params.get("meetingEndedURL").unwrap_or_default().to_owned(),
        max_users: params.number("maxParticipants").unwrap_or(0),
        metadata: metadata(params),
        breakout,
        guest_policy: guest_policy(params),
        users: Vec::new(),
        has_user_joined: false,
        joined: 0,
        expires_unused: expires("meetingExpireIfNoUserJoinedInMinutes", 5),
        expires_empty: expires("meetingExpireWhenLastUserLeftInMinutes", 1),
        empty_since: Some(times.now),
        ended_at: None,
        crowd: machine.settings.crowd.map(|crowd| (crowd, times.now)),
    }
}

fn guest_policy(params: &Params) -> GuestPolicy {
    match params.get("guestPolicy") {
        Some("ALWAYS_DENY") => GuestPolicy::Deny,
        Some("ASK_MODERATOR") => GuestPolicy::Ask,
        _ => GuestPolicy::Accept,
    }
}

/// The `meta_` parameters whose names BBB takes, in lower case; the first of a name counts.
fn metadata(params: &Params) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, value) in params.iter() {
        let Some(name) = name.strip_prefix("meta_").filter(|name| is_meta_name(name)) else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        if !kept.iter().any(|(known, _)| *known == name) {
            kept.push((name, value.to_owned()));
        }
    }
    kept
}

fn is_meta_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// `Date.toString()` of Java, in UTC.
pub(super) fn java_date(millis: u64) -> String {
    let at = i64::try_from(millis).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map(|at| at.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()).unwrap_or_default()
}

/// The moment as figures write it.
pub(super) fn iso_date(millis: u64) -> String {
    let at = i64::try_from(millis).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn created(meeting: &Meeting, dial_number: &str, key: &str, message: &str) -> Reply {
    let parent = meeting.breakout.as_ref().map_or("bbb-none", |b| b.parent.as_str());
    xml(crlf(response("SUCCESS", |x| {
        x.leaf("meetingID", &meeting.id)
            .leaf("internalMeetingID", &meeting.internal_id)
            .leaf("parentMeetingID", parent)
            .leaf_if_any("attendeePW", meeting.attendee_pw.reveal())
            .leaf_if_any("moderatorPW", meeting.moderator_pw.reveal())
            .leaf("createTime", meeting.create_time)
            .leaf("voiceBridge", &meeting.voice_bridge)
            .leaf("dialNumber", dial_number)
            .leaf("createDate", java_date(meeting.create_time))
            .leaf("hasUserJoined", meeting.has_user_joined)
            .leaf("duration", meeting.duration.as_secs() / 60)
            .leaf("hasBeenForciblyEnded", !meeting.lives())
            .leaf("messageKey", key)
            .leaf("message", message);
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_java() {
        assert_eq!(java_date(1_767_225_600_123), "Thu Jan 01 00:00:00 UTC 2026");
        assert_eq!(java_date(1_767_225_700_000), "Thu Jan 01 00:01:40 UTC 2026");
    }

    #[test]
    fn only_names_that_bbb_takes_are_metadata() {
        let check = |name, expected| assert_eq!(is_meta_name(name), expected, "{name}");
        check("endCallbackUrl", true);
        check("bbb-origin", true);
        check("a1", true);
        check("", false);
        check("1a", false);
        check("a_b", false);
        check("-a", false);
    }
}
