//! Text tracks of recordings: answered in JSON.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::machine::{Ask, Machine};
use super::params::{Params, signed};
use super::recording::Track;
use super::reply::{Failure, Reply, of_type};

/// The call getRecordingTextTracks.
pub(super) fn list(machine: &Machine, params: &Params) -> Reply {
    let id = params.get("recordID").unwrap_or_default();
    let Some(recording) = machine.recordings.iter().find(|r| r.lives() && r.record_id == id) else {
        return failed("noRecordings", &format!("No recording found for {id}"));
    };
    let origin = &machine.settings.origin;
    let tracks: Vec<Value> = recording
        .tracks
        .iter()
        .map(|track| {
            let Track { kind, label, lang, .. } = track;
            let hash = hex::encode(Sha1::digest([id, kind, lang].concat()));
            let href = format!("{origin}/bigbluebutton/textTrack/{hash}/{id}/{kind}_{lang}.vtt");
            json!({"href": href, "kind": kind, "label": label, "lang": lang, "source": "upload"})
        })
        .collect();
    said(json!({"returncode": "SUCCESS", "tracks": tracks}))
}

/// The call putRecordingTextTrack.
pub(super) fn put(machine: &mut Machine, ask: &Ask, params: &Params) -> Reply {
    for name in ["checksum", "recordID", "kind", "lang"] {
        if params.get(name).is_none() {
            return failed("paramError", &format!("Missing param {name}."));
        }
    }
    if !signed(ask, "putRecordingTextTrack", &machine.settings) {
        let text = "You did not pass the checksum security check";
        return Failure::new("checksumError", text).reply();
    }
    let folder = machine.settings.captions_folder;
    let text = |name| params.get(name).unwrap_or_default().to_owned();
    let (id, kind, lang, label) = (text("recordID"), text("kind"), text("lang"), text("label"));
    let Some(recording) = machine.recordings.iter_mut().find(|r| r.lives() && r.record_id == id)
    else {
        return failed("noRecordings", &format!("No recording was found for {id}"));
    };
    if kind != "subtitles" && kind != "captions" {
        let text = format!("Invalid kind parameter, expected='subtitles|captions' actual={kind}");
        return failed("invalidKind", &text);
    }
    if !lang.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return failed("invalidLang", &format!("Malformed lang param, received={lang}"));
    }
    let bytes = file_len(ask).unwrap_or(0);
    if bytes == 0 {
        return failed("empty_uploaded_text_track", "Empty uploaded text track.");
    }
    if !folder {
        return super::reply::failed();
    }
    recording.tracks.push(Track { kind, label, lang, bytes });
    let (key, message) = ("upload_text_track_success", "Text track uploaded successfully");
    said(json!({"returncode": "SUCCESS", "recordId": id, "messageKey": key, "message": message}))
}

/// How long the part `file` of the body is.
fn file_len(ask: &Ask) -> Option<usize> {
    let kind = ask.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (_, boundary) = kind.split_once("boundary=")?;
    let boundary = format!("--{}", boundary.trim_matches('"'));
    let find = |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|w| w == wanted);
    let name = find(&ask.body, b"name=\"file\"")?;
    let start = name + find(&ask.body[name..], b"\r\n\r\n")? + 4;
    let end = find(&ask.body[start..], boundary.as_bytes())?;
    Some(end.saturating_sub(2))
}

fn failed(key: &str, message: &str) -> Reply {
    said(json!({"returncode": "FAILED", "messageKey": key, "message": message}))
}

fn said(response: Value) -> Reply {
    let body = json!({"response": response}).to_string();
    let mut reply = of_type(StatusCode::OK, "application/json;charset=utf-8", body);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}
