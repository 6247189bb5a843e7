//! The calls that tell of meetings, and the one that ends them.

use super::create::java_date;
use super::endings;
use super::machine::{Machine, Times};
use super::meeting::{Meeting, User, Voice};
use super::params::Params;
use super::reply::{Reply, Xml, cacheable_xml, crlf, response, xml};

/// BBB's own start comes so many milliseconds after the creation.
const START_AFTER: u64 = 20;

/// The call isMeetingRunning: an unknown meeting is not running.
pub(super) fn running(machine: &Machine, params: &Params) -> Reply {
    let found = params.get("meetingID").and_then(|id| machine.find(id));
    let running = found.is_some_and(|at| machine.meetings[at].running());
    xml(crlf(response("SUCCESS", |x| {
        x.leaf("running", running);
    })))
}

/// The call getMeetingInfo.
pub(super) fn one(machine: &Machine, params: &Params) -> Reply {
    let found = params.get("meetingID").and_then(|id| machine.find(id));
    cacheable_xml(response("SUCCESS", |x| {
        if let Some(at) = found {
            fields(x, &machine.meetings[at], machine);
        }
    }))
}

/// The call getMeetings.
pub(super) fn all(machine: &Machine) -> Reply {
    if machine.meetings.is_empty() {
        return xml(response("SUCCESS", |x| {
            x.line("<meetings/>")
                .leaf("messageKey", "noMeetings")
                .leaf("message", "no meetings were found on this server");
        }));
    }
    xml(response("SUCCESS", |x| {
        x.open("meetings");
        for meeting in &machine.meetings {
            x.open("meeting");
            fields(x, meeting, machine);
            x.close("meeting");
        }
        x.close("meetings");
    }))
}

/// The call end: accepted at once; the meeting is shown as ended for a while, then it is gone.
pub(super) fn end(machine: &mut Machine, params: &Params, times: Times) -> Reply {
    if let Some(at) = params.get("meetingID").and_then(|id| machine.find(id)) {
        if machine.meetings[at].lives() {
            let meeting = machine.meetings[at].clone();
            endings::over(machine, &meeting, times);
        }
        let meeting = &mut machine.meetings[at];
        meeting.ended_at.get_or_insert(times.now);
        meeting.users.clear();
    }
    let text = "A request to end the meeting was sent.  Please wait a few seconds, and then use the \
        getMeetingInfo or isMeetingRunning API calls to verify that it was ended.";
    xml(crlf(response("SUCCESS", |x| {
        x.leaf("messageKey", "sentEndMeetingRequest").leaf("message", text);
    })))
}

fn fields(x: &mut Xml, meeting: &Meeting, machine: &Machine) {
    let start = meeting.create_time + START_AFTER;
    x.leaf("meetingName", &meeting.name)
        .leaf("meetingID", &meeting.id)
        .leaf("internalMeetingID", &meeting.internal_id)
        .leaf("createTime", meeting.create_time)
        .leaf("createDate", java_date(meeting.create_time))
        .leaf("voiceBridge", &meeting.voice_bridge)
        .leaf("dialNumber", &machine.settings.dial_number)
        .leaf_if_any("attendeePW", meeting.attendee_pw.reveal())
        .leaf_if_any("moderatorPW", meeting.moderator_pw.reveal())
        .leaf("running", meeting.running())
        .leaf("duration", meeting.duration.as_secs() / 60)
        .leaf("hasUserJoined", meeting.has_user_joined)
        .leaf("recording", meeting.recording)
        .leaf("hasBeenForciblyEnded", !meeting.lives())
        .leaf("startTime", start)
        .leaf("endTime", if meeting.lives() { 0 } else { start + 1 });
    counts(x, meeting);
    x.open("attendees");
    let presenter = meeting.present().find(|u| u.role == super::meeting::Role::Moderator);
    for user in meeting.present() {
        attendee(x, user, presenter.is_some_and(|p| p.internal_id == user.internal_id));
    }
    x.close("attendees").open("metadata");
    for (name, value) in &meeting.metadata {
        x.leaf(name, value);
    }
    x.close("metadata");
    rooms(x, meeting, machine);
}

fn counts(x: &mut Xml, meeting: &Meeting) {
    let moderator = |u: &User| u.role == super::meeting::Role::Moderator;
    x.leaf("participantCount", meeting.count(|_| true))
        .leaf("listenerCount", meeting.count(|u| u.voice == Voice::Listening))
        .leaf("voiceParticipantCount", meeting.count(|u| u.voice == Voice::Speaking))
        .leaf("videoCount", meeting.count(|u| u.video))
        .leaf("maxUsers", meeting.max_users)
        .leaf("moderatorCount", meeting.count(moderator));
}

fn attendee(x: &mut Xml, user: &User, presents: bool) {
    x.open("attendee")
        .leaf("userID", &user.external_id)
        .leaf("fullName", &user.name)
        .leaf("role", user.role.name())
        .leaf("isPresenter", presents)
        .leaf("isListeningOnly", user.voice == Voice::Listening)
        .leaf("hasJoinedVoice", user.voice == Voice::Speaking)
        .leaf("hasVideo", user.video)
        .leaf("clientType", "HTML5")
        .open("customdata");
    for (name, value) in &user.custom {
        x.leaf(name, value);
    }
    x.close("customdata").close("attendee");
}

/// Whether it is a breakout room, of which meeting, and which rooms it has.
fn rooms(x: &mut Xml, meeting: &Meeting, machine: &Machine) {
    x.leaf("isBreakout", meeting.breakout.is_some());
    if let Some(room) = &meeting.breakout {
        x.leaf("parentMeetingID", &room.parent)
            .leaf("sequence", room.sequence)
            .leaf("freeJoin", room.free_join);
        return;
    }
    let mut rooms = machine.rooms_of(meeting).peekable();
    if rooms.peek().is_some() {
        x.open("breakoutRooms");
        for room in rooms {
            x.leaf("breakout", &room.internal_id);
        }
        x.close("breakoutRooms");
    }
}
