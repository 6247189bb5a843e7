//! Events for hooks, in the shapes of bbb-webhooks.

use serde_json::{Value, json};

use super::errand::{Errand, Reason};
use super::hooks::Hook;
use super::machine::{Machine, Times};
use super::meeting::{Meeting, User};
use super::recording::Recording;
use crate::bbb::checksum::sign;

/// An event about a meeting: `meeting-created`, `meeting-ended`, `meeting-recording-started`.
pub(super) fn meeting(machine: &mut Machine, id: &str, meeting: &Meeting, times: Times) {
    if machine.hooks.is_empty() {
        return;
    }
    let attributes = match id {
        "meeting-created" => json!({"meeting": created(machine, meeting)}),
        _ => json!({"meeting": ids(&meeting.internal_id, &meeting.id)}),
    };
    emit(machine, id, attributes, times);
}

/// An event about a user: `user-joined`, `user-left`.
pub(super) fn user(machine: &mut Machine, id: &str, meeting: &Meeting, user: &User, times: Times) {
    if machine.hooks.is_empty() {
        return;
    }
    let who = match id {
        "user-joined" => json!({
            "internal-user-id": user.internal_id, "external-user-id": user.external_id,
            "name": user.name, "role": user.role.name(), "presenter": false,
            // Since 3.4 of the service; none of it is for others.
            "ip-address": "192.0.2.7", "user-agent": "Mozilla/5.0", "session-token": user.session.reveal(),
        }),
        _ => json!({"internal-user-id": user.internal_id, "external-user-id": user.external_id}),
    };
    let attributes = json!({"meeting": ids(&meeting.internal_id, &meeting.id), "user": who});
    emit(machine, id, attributes, times);
}

/// The events of a recording that has just been made.
pub(super) fn published(machine: &mut Machine, recording: &Recording, times: Times) {
    if machine.hooks.is_empty() {
        return;
    }
    let Recording { record_id: id, meeting_id, .. } = recording;
    let step = |id: &str| json!({"meeting": ids(id, meeting_id), "record-id": id, "success": true, "step-time": 1});
    emit(machine, "rap-archive-ended", step(id), times);
    let mut ended = step(id);
    ended["workflow"] = "presentation".into();
    let metadata: serde_json::Map<String, Value> =
        recording.metadata.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
    let link = format!("{}/playback/presentation/2.3/{id}", machine.settings.origin);
    ended["recording"] = json!({
        "name": recording.name, "is-breakout": "false", "start-time": recording.start_time,
        "end-time": recording.end_time, "size": 1024, "raw-size": 4096, "metadata": metadata,
        "playback": {"format": "presentation", "link": link, "processing_time": 7177, "duration": 60000},
        "download": {},
    });
    emit(machine, "rap-publish-ended", ended, times);
}

/// An event about a recording that was changed: `rap-published`, `rap-unpublished`, `rap-deleted`.
pub(super) fn changed(machine: &mut Machine, id: &str, recording: &Recording, times: Times) {
    let attributes = json!({"meeting": ids(&recording.record_id, &recording.meeting_id), "record-id": recording.record_id});
    emit(machine, id, attributes, times);
}

fn ids(internal: &str, external: &str) -> Value {
    json!({"internal-meeting-id": internal, "external-meeting-id": external})
}

fn created(machine: &Machine, meeting: &Meeting) -> Value {
    let metadata: serde_json::Map<String, Value> =
        meeting.metadata.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
    json!({
        "internal-meeting-id": meeting.internal_id, "external-meeting-id": meeting.id, "name": meeting.name,
        "is-breakout": meeting.breakout.is_some(),
        "parent-id": meeting.breakout.as_ref().map_or("bbb-none", |b| b.parent.as_str()),
        "duration": meeting.duration.as_secs() / 60, "create-time": meeting.create_time,
        "create-date": super::create::java_date(meeting.create_time),
        "moderator-pass": meeting.moderator_pw.reveal(), "viewer-pass": meeting.attendee_pw.reveal(),
        "record": meeting.recording, "voice-conf": meeting.voice_bridge,
        "dial-number": machine.settings.dial_number, "max-users": meeting.max_users, "metadata": metadata,
    })
}

/// Puts an event into the outbox for every hook that wants it.
fn emit(machine: &mut Machine, id: &str, attributes: Value, times: Times) {
    let meeting = &attributes["meeting"];
    let external = meeting["external-meeting-id"].as_str().unwrap_or_default();
    let internal = meeting["internal-meeting-id"].as_str().unwrap_or_default().to_owned();
    let wanted: Vec<Hook> =
        machine.hooks.iter().filter(|h| h.wants(id, external)).cloned().collect();
    let cooked = json!({"data": {"type": "event", "id": id, "attributes": attributes, "event": {"ts": times.wall}}});
    for hook in wanted {
        let event = if hook.raw { raw(id, &internal, times) } else { cooked.clone() };
        let errand = errand(machine, &hook, &event, times);
        machine.outbox.push(errand);
    }
}

/// The message of BBB's own that stands behind an event.
fn raw(id: &str, meeting: &str, times: Times) -> Value {
    let name = match id {
        "meeting-created" => "MeetingCreatedEvtMsg",
        "meeting-ended" => "MeetingDestroyedEvtMsg",
        "user-joined" => "UserJoinedMeetingEvtMsg",
        "user-left" => "UserLeftMeetingEvtMsg",
        _ => "RecordingStatusChangedEvtMsg",
    };
    json!({
        "envelope": {"name": name, "routing": {"meetingId": meeting}, "timestamp": times.wall},
        "core": {"header": {"name": name, "meetingId": meeting}, "body": {"meetingId": meeting}},
    })
}

/// The request that carries an event to a hook, signed.
fn errand(machine: &Machine, hook: &Hook, event: &Value, times: Times) -> Errand {
    let settings = &machine.settings;
    let domain =
        settings.origin.split_once("://").map_or(settings.origin.as_str(), |(_, host)| host);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("domain", domain);
    form.append_pair("event", &format!("[{event}]"));
    form.append_pair("timestamp", &times.wall.to_string());
    let (body, secret) = (form.finish(), settings.secret.reveal());
    let kind = "application/x-www-form-urlencoded;charset=UTF-8";
    let mut sent = if settings.hooks_bearer {
        Errand::post(Reason::Event, hook.callback_url.clone(), kind, body).bearer(secret)
    } else {
        let checksum = sign(settings.hooks_sign_with, &hook.callback_url, &body, secret);
        let joint = if hook.callback_url.contains('?') { '&' } else { '?' };
        let url = format!("{}{joint}checksum={checksum}", hook.callback_url);
        Errand::post(Reason::Event, url, kind, body)
    };
    (sent.hook, sent.insists) = (Some(hook.id.clone()), hook.permanent);
    sent
}
