//! The calls about recordings, with their own old order of checks and their own words.

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use sha1::{Digest, Sha1};

use super::events;
use super::machine::{Ask, Machine, Times};
use super::params::{Params, signed};
use super::recording::Recording;
use super::reply::{Failure, Reply, cacheable_xml, flat, html, indented};
use super::settings::RecordingsPaging;
use super::tracks;
use super::version::Version;

/// Recordings of one page at most.
const MOST_OF_A_PAGE: i64 = 100;

/// Answers a call about recordings; none when it is about something else.
pub(super) fn answer(
    machine: &mut Machine,
    call: &str,
    ask: &Ask,
    params: &Params,
    times: Times,
) -> Option<Reply> {
    let (get, post) =
        (ask.method == Method::GET || ask.method == Method::HEAD, ask.method == Method::POST);
    let may = match call {
        "getRecordings" | "updateRecordings" | "getRecordingTextTracks" => get || post,
        "publishRecordings" | "deleteRecordings" => get,
        "putRecordingTextTrack" => post,
        _ => return None,
    };
    if !may && machine.settings.version > Version::V2_5 {
        return Some(html(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    if call == "putRecordingTextTrack" {
        return Some(tracks::put(machine, ask, params));
    }
    if let Err(failure) = check(machine, call, ask, params) {
        return Some(failure.reply());
    }
    Some(match call {
        "getRecordings" => list(machine, params),
        "getRecordingTextTracks" => tracks::list(machine, params),
        _ => change(machine, call, params, times),
    })
}

/// The old order: is there a checksum, are the parameters there, does the checksum fit.
fn check(machine: &Machine, call: &str, ask: &Ask, params: &Params) -> Result<(), Failure> {
    let unsigned = || Failure::new("checksumError", "You did not pass the checksum security check");
    if params.get("checksum").is_none() {
        return Err(unsigned());
    }
    if call != "getRecordings" && params.get("recordID").is_none() {
        return Err(Failure::new("missingParamRecordID", "You must specify a recordID."));
    }
    if call == "publishRecordings" && params.get("publish").is_none() {
        let text = "You must specify a publish value true or false.";
        return Err(Failure::new("missingParamPublish", text));
    }
    if !signed(ask, call, &machine.settings) {
        return Err(unsigned());
    }
    Ok(())
}

/// A list of ids: decoded once more, then split.
fn ids(params: &Params, name: &str) -> Vec<String> {
    let list = params.get(name).unwrap_or_default().replace('+', " ");
    let list = percent_decode_str(&list).decode_utf8_lossy().into_owned();
    list.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// The call getRecordings.
fn list(machine: &Machine, params: &Params) -> Reply {
    let (records, meetings) = (ids(params, "recordID"), ids(params, "meetingID"));
    let limit = params.get("limit").and_then(|n| n.trim().parse::<i64>().ok());
    let everything = records.is_empty() && meetings.is_empty() && limit.is_none();
    if everything && !machine.settings.fetch_all_recordings {
        let text = "No recordings found. This may occur if you attempt to retrieve all recordings.";
        return cacheable_xml(indented(|x| {
            x.leaf("messageKey", "noRecordings").leaf("message", text);
        }));
    }
    let hashed = |id: &String| hex::encode(Sha1::digest(id.as_bytes()));
    let prefixes = if records.is_empty() { meetings.iter().map(hashed).collect() } else { records };
    let found: Vec<&Recording> =
        machine.recordings.iter().filter(|r| is_wanted(r, &prefixes, params)).collect();
    let paging = machine.settings.paging_of_recordings();
    let places = places(&found, paging);
    let limit = limit.filter(|_| paging != RecordingsPaging::None);
    let shown = match limit {
        None => places.as_slice(),
        Some(limit) => {
            let offset = params.get("offset").and_then(|n| n.trim().parse::<i64>().ok());
            let from = usize::try_from(offset.unwrap_or(0).max(0)).unwrap_or(usize::MAX);
            if from > places.len() {
                return html(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
            }
            let most = usize::try_from(limit.clamp(1, MOST_OF_A_PAGE)).unwrap_or(1);
            &places[from..places.len().min(from + most)]
        }
    };
    cacheable_xml(indented(|x| {
        x.open("recordings");
        for (recording, formats) in merged(shown) {
            recording.print(x, &machine.settings.origin, &formats);
        }
        x.close("recordings");
        if found.is_empty() {
            x.leaf("messageKey", "noRecordings")
                .leaf("message", "There are no recordings for the meeting(s).");
        }
        match (limit, paging) {
            (None, _) => {}
            (Some(_), RecordingsPaging::ByFormatNested) => {
                x.open("pagination").leaf("totalElements", places.len()).close("pagination");
            }
            (Some(_), _) => drop(x.leaf("totalElements", places.len())),
        }
    }))
}

/// What takes one place of a page: a recording with all its formats, or with one.
type Placed<'a> = (&'a Recording, Vec<&'a str>);

/// Everything found, in the order and the pieces in which pages are cut.
fn places<'a>(found: &[&'a Recording], paging: RecordingsPaging) -> Vec<Placed<'a>> {
    let all = |r: &&'a Recording| (*r, r.formats.iter().map(String::as_str).collect::<Vec<_>>());
    if matches!(paging, RecordingsPaging::None | RecordingsPaging::ByRecord) {
        return found.iter().map(all).collect();
    }
    let apart = |(recording, kinds): Placed<'a>| -> Vec<Placed<'a>> {
        match kinds.is_empty() {
            true => vec![(recording, kinds)],
            false => kinds.into_iter().map(|kind| (recording, vec![kind])).collect(),
        }
    };
    let mut places: Vec<Placed<'a>> = found.iter().map(all).flat_map(apart).collect();
    if paging == RecordingsPaging::ByFormatNested {
        places.sort_by_key(|(_, kinds)| kinds.first().copied());
    }
    places
}

/// A page's places with the formats of one recording together.
fn merged<'a>(places: &[Placed<'a>]) -> Vec<Placed<'a>> {
    let mut merged: Vec<Placed<'a>> = Vec::new();
    for (recording, kinds) in places {
        match merged.iter_mut().find(|(known, _)| std::ptr::eq(*known, *recording)) {
            Some((_, known)) => known.extend(kinds),
            None => merged.push((recording, kinds.clone())),
        }
    }
    merged
}

fn is_wanted(recording: &Recording, prefixes: &[String], params: &Params) -> bool {
    let states = ids(params, "state");
    let state = match states.is_empty() {
        true => recording.lives(),
        false => states.iter().any(|state| state == "any" || *state == recording.state),
    };
    let named = prefixes.is_empty() || prefixes.iter().any(|p| recording.record_id.starts_with(p));
    let mut wanted = params.iter().filter_map(|(n, v)| Some((n.strip_prefix("meta_")?, v)));
    state
        && named
        && wanted.all(|(name, value)| recording.meta(name).is_some_and(|m| like(m, value)))
}

/// A `%` at either end stands for anything.
fn like(value: &str, wanted: &str) -> bool {
    let (start, end) = (wanted.ends_with('%'), wanted.starts_with('%'));
    let core = wanted.trim_matches('%');
    match (start, end) {
        (true, true) => value.contains(core),
        (true, false) => value.starts_with(core),
        (false, true) => value.ends_with(core),
        (false, false) => value == wanted,
    }
}

/// The calls that change recordings: ids are exact, and unknown ones are left out unless there is no other.
fn change(machine: &mut Machine, call: &str, params: &Params, times: Times) -> Reply {
    let ids = ids(params, "recordID");
    let named = |r: &&mut Recording| r.lives() && ids.contains(&r.record_id);
    let mut found = machine.recordings.iter_mut().filter(named).peekable();
    if found.peek().is_none() {
        return Failure::new("notFound", "We could not find recordings").reply();
    }
    let publish = params.get("publish").unwrap_or_default();
    let mut changed = Vec::new();
    for recording in found {
        match call {
            "publishRecordings" => {
                let published = publish.eq_ignore_ascii_case("true");
                recording.rewritten = true;
                recording.state = if published { "published" } else { "unpublished" }.to_owned();
            }
            "deleteRecordings" => recording.state = "deleted".to_owned(),
            _ => {
                recording.rewritten = true;
                for (name, value) in params.iter() {
                    if let Some(name) = name.strip_prefix("meta_") {
                        recording.set(&name.to_lowercase(), value);
                    }
                }
            }
        }
        if call != "updateRecordings" {
            changed.push(recording.clone());
        }
    }
    for recording in changed {
        let id = format!("rap-{}", recording.state);
        events::changed(machine, &id, &recording, times);
    }
    let (name, value) = match call {
        "publishRecordings" => ("published", publish),
        "deleteRecordings" => ("deleted", "true"),
        _ => ("updated", "true"),
    };
    cacheable_xml(flat(|x| {
        x.leaf(name, value);
    }))
}
