//! What follows when a meeting is over: callbacks, events, and later its recording.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::errand::{Errand, Reason};
use super::events;
use super::machine::{Machine, Times};
use super::meeting::Meeting;
use super::recording::Recording;
use crate::bbb::jwt::{self, Hash};
use crate::domain::moment::Moment;

/// How long a token of an analytics callback holds.
const ANALYTICS_HOLD: Duration = Duration::from_secs(24 * 3600);

/// Of these the script that tells of a published recording calls the first.
const READY: [&str; 3] =
    ["bbb-recording-ready-url", "bn-recording-ready-url", "canvas-recording-ready-url"];

/// A meeting that is over, and what is still to come of it.
pub(super) struct Aftermath {
    pub(super) due: Moment,
    meeting: Meeting,
    ended: u64,
}

/// A meeting is over: whoever asked for it is told, and what comes later is noted.
pub(super) fn over(machine: &mut Machine, meeting: &Meeting, times: Times) {
    if let Some(url) = meeting.meta("endcallbackurl") {
        let marks = meeting.recording.to_string();
        let url = with_parameters(url, &[("recordingmarks", &marks), ("meetingID", &meeting.id)]);
        machine.outbox.push(Errand::get(Reason::EndCallback, url));
    }
    if !meeting.ended_url.is_empty() {
        machine.outbox.push(Errand::get(Reason::Ended, meeting.ended_url.clone()));
    }
    for user in meeting.present() {
        events::user(machine, "user-left", meeting, user, times);
    }
    if meeting.recording && meeting.has_user_joined {
        events::meeting(machine, "meeting-recording-stopped", meeting, times);
    }
    events::meeting(machine, "meeting-ended", meeting, times);
    if meeting.recording || meeting.keeps_events {
        let due = Moment(times.now.0 + machine.settings.recording_after);
        machine.aftermaths.push(Aftermath { due, meeting: meeting.clone(), ended: times.wall });
    }
}

/// Does what is due by now.
pub(super) fn follow(machine: &mut Machine, times: Times) {
    let due = |after: &mut Aftermath| after.due <= times.now;
    let done: Vec<Aftermath> = machine.aftermaths.extract_if(.., due).collect();
    for after in done {
        analytics(machine, &after, times);
        if after.meeting.recording {
            publish(machine, &after, times);
        }
    }
}

/// The recording of a meeting is there from now on.
fn publish(machine: &mut Machine, after: &Aftermath, times: Times) {
    let meeting = &after.meeting;
    let recording = Recording {
        record_id: meeting.internal_id.clone(),
        name: meeting.name.clone(),
        end_time: after.ended.max(meeting.create_time),
        participants: meeting.joined,
        metadata: meeting.metadata.clone(),
        ..Recording::new(&meeting.id, meeting.create_time)
    };
    events::published(machine, &recording, times);
    machine.recordings.push(recording);
    let Some(url) = READY.iter().find_map(|name| meeting.meta(name)) else { return };
    let said = json!({"meeting_id": meeting.id, "record_id": meeting.internal_id});
    let Some(token) = token(machine, Hash::Hs256, said) else { return };
    let body = format!("signed_parameters={token}");
    let kind = "application/x-www-form-urlencoded";
    machine.outbox.push(Errand::post(Reason::RecordingReady, url.to_owned(), kind, body));
}

/// What happened in the meeting, as figures.
fn analytics(machine: &mut Machine, after: &Aftermath, times: Times) {
    let meeting = &after.meeting;
    let Some(url) = meeting.meta("analytics-callback-url") else { return };
    let expires = times.wall / 1000 + ANALYTICS_HOLD.as_secs();
    let Some(token) = token(machine, Hash::Hs512, json!({"exp": expires})) else { return };
    let attendees: Vec<Value> = meeting.users.iter().map(|user| {
        json!({"ext_user_id": user.external_id, "name": user.name, "moderator": user.role == super::meeting::Role::Moderator})
    }).collect();
    let date = |millis| super::create::iso_date(millis);
    let metadata: Map<String, Value> =
        meeting.metadata.iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
    let body = json!({
        "version": "1.0", "meeting_id": meeting.id, "internal_meeting_id": meeting.internal_id,
        "data": {
            "metadata": metadata, "duration": after.ended.saturating_sub(meeting.create_time) / 1000,
            "start": date(meeting.create_time), "finish": date(after.ended),
            "attendees": attendees, "files": [], "polls": [],
        },
    });
    let sent =
        Errand::post(Reason::Analytics, url.to_owned(), "application/json", body.to_string());
    machine.outbox.push(sent.bearer(&token).agent("BigBlueButton Analytics Callback"));
}

fn token(machine: &Machine, hash: Hash, said: Value) -> Option<String> {
    jwt::sign(hash, said.as_object()?, machine.settings.secret.reveal()).ok()
}

/// The URL with parameters behind those of its query, all of which are written anew, as Apache's URIBuilder does.
fn with_parameters(url: &str, more: &[(&str, &str)]) -> String {
    let (bare, fragment) = url.split_once('#').map_or((url, None), |(bare, f)| (bare, Some(f)));
    let (path, query) = bare.split_once('?').unwrap_or((bare, ""));
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let decode = |text: &str| crate::bbb::query::decoded(text).into_owned();
    let old =
        query.split('&').filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
            Some((name, value)) => format!("{}={}", encode(&decode(name)), encode(&decode(value))),
            None => encode(&decode(part)),
        });
    let new = more.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    let query = old.chain(new).collect::<Vec<_>>().join("&");
    let fragment = fragment.map(|f| format!("#{f}")).unwrap_or_default();
    format!("{path}?{query}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_anew_with_more_behind_it() {
        let more = [("recordingmarks", "true"), ("meetingID", "a b/é")];
        let check = |url: &str, expected: &str| assert_eq!(with_parameters(url, &more), expected);
        let added = "recordingmarks=true&meetingID=a+b%2F%C3%A9";
        check("https://l.example.org/end", &format!("https://l.example.org/end?{added}"));
        check(
            "https://l.example.org/end?id=a%20b&x='~&flag&#f",
            &format!("https://l.example.org/end?id=a+b&x=%27%7E&flag&{added}#f"),
        );
    }
}
