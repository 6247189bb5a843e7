//! What BBB checks before it does anything: the checksum first, then all the rest at once. Which of several
//! complaints is told follows from the order of Java's hash buckets.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;

use super::machine::{Ask, Machine};
use super::params::{Params, signature};
use super::reply::Failure;
use super::version::Version;

const ENDED: &str = "You can not join a meeting that has already been forcibly ended";
const UNKNOWN: &str = "A meeting with that ID does not exist";

/// Everything that is checked before the call itself.
pub(super) fn check(
    machine: &Machine,
    call: &str,
    ask: &Ask,
    params: &Params,
) -> Result<(), Failure> {
    signature(ask, call, &machine.settings).map_err(|text| Failure::new("checksumError", text))?;
    let mut found = Complaints::of(machine.settings.version);
    content_type(&mut found, call, ask);
    let lenient = machine.settings.lenient_ids;
    match call {
        "create" => {
            meeting_id(&mut found, lenient, params);
            creation(&mut found, params);
        }
        "join" => {
            meeting_id(&mut found, lenient, params);
            joining(&mut found, machine, params);
        }
        "isMeetingRunning" | "insertDocument" | "sendChatMessage" => {
            meeting_id(&mut found, lenient, params);
        }
        "getMeetingInfo" => {
            meeting_id(&mut found, lenient, params);
            existing(&mut found, machine, params);
        }
        "end" => {
            meeting_id(&mut found, lenient, params);
            existing(&mut found, machine, params);
            moderator(&mut found, machine, params);
        }
        _ => {}
    }
    found.first().map_or(Ok(()), Err)
}

/// What is wrong with a value of its own; before 2.6 each kind had a key.
#[derive(Clone, Copy)]
enum Wrong {
    Missing,
    Empty,
    Size,
    Value,
}

impl Wrong {
    fn key(self, version: Version) -> &'static str {
        match self {
            _ if version > Version::V2_5 => "validationError",
            Self::Missing => "nullError",
            Self::Empty => "emptyError",
            Self::Size => "sizeError",
            Self::Value => "validationError",
        }
    }
}

/// In which bucket of Java's hash map a key lies: the complaint of the first one is told.
fn bucket(key: &str) -> u32 {
    let hash = key.bytes().fold(0u32, |hash, b| hash.wrapping_mul(31).wrapping_add(b.into()));
    (hash ^ (hash >> 16)) & 15
}

struct Complaints {
    version: Version,
    found: Vec<Failure>,
}

impl Complaints {
    fn of(version: Version) -> Self {
        Self { version, found: Vec::new() }
    }

    fn when(&mut self, wrong: bool, key: &str, message: &str) {
        if wrong {
            self.found.push(Failure::new(key, message));
        }
    }

    /// The same under the key that this kind has in this version.
    fn value(&mut self, wrong: bool, kind: Wrong, message: &str) {
        self.when(wrong, kind.key(self.version), message);
    }

    fn first(self) -> Option<Failure> {
        self.found.into_iter().min_by_key(|failure| bucket(&failure.key))
    }
}

fn content_type(found: &mut Complaints, call: &str, ask: &Ask) {
    if !has_body(ask) || found.version == Version::V2_5 {
        return;
    }
    let kind = ask.kind();
    let listed = match kind.as_deref() {
        Some("application/x-www-form-urlencoded" | "multipart/form-data") => {
            call != "insertDocument"
        }
        Some("application/xml") => call == "create" || call == "insertDocument",
        Some("text/xml") => call == "create" && found.version >= Version::V4_0,
        _ => false,
    };
    found.when(
        !listed,
        "unsupportedContentType",
        "POST request Content-Type is missing or unsupported",
    );
}

pub(super) fn has_body(ask: &Ask) -> bool {
    ask.body != Bytes::new() || ask.headers.get(CONTENT_LENGTH).is_some_and(|len| len != "0")
}

fn meeting_id(found: &mut Complaints, lenient: bool, params: &Params) {
    let missing = "You must provide a meeting ID";
    let Some(id) = params.sent("meetingID") else {
        let key =
            if found.version == Version::V2_5 { "nullError" } else { "missingParamMeetingID" };
        found.when(true, key, missing);
        return;
    };
    let least = if lenient { 1 } else { 2 };
    let size_is_wrong = !(least..=256).contains(&id.chars().count());
    let empty = id.is_empty() && found.version > Version::V2_5;
    found.when(empty, "missingParamMeetingID", missing);
    found.value(size_is_wrong, Wrong::Size, "Meeting ID must be between 2 and 256 characters");
    found.value(id.contains(','), Wrong::Value, "Meeting ID cannot contain ','");
}

fn creation(found: &mut Complaints, params: &Params) {
    let name = params.sent("name").map(cleaned);
    let missing = "You must provide a meeting name";
    found.value(name.is_none(), Wrong::Missing, missing);
    if let Some(name) = name {
        let size_is_wrong = !(2..=256).contains(&name.chars().count());
        found.value(name.is_empty(), Wrong::Empty, missing);
        let text = "Meeting name must be between 2 and 256 characters";
        found.value(size_is_wrong, Wrong::Size, text);
    }
    password_size(found, params, "attendeePW");
    password_size(found, params, "moderatorPW");
    let bridge = params.get("voiceBridge").unwrap_or("0");
    let text = "Voice bridge must be an integral value";
    found.value(bridge.trim().parse::<i64>().is_err(), Wrong::Value, text);
    boolean(found, params, "record", "Record must be a boolean value (true or false)");
    let room = "You must provide a boolean value (true or false) for the breakout room";
    boolean(found, params, "isBreakout", room);
    let external = params.get("presentationUploadExternalUrl");
    let is_url = |url: &str| url.parse::<http::Uri>().is_ok_and(|u| u.scheme().is_some());
    let text = "Param 'presentationUploadExternalUrl' is not a valid URL";
    found.value(external.is_some_and(|url| !is_url(url)), Wrong::Value, text);
    let editor = params.get("sharedNotesEditor").filter(|_| found.version >= Version::V4_0);
    let unknown = editor.is_some_and(|editor| !["etherpad", "blockNote"].contains(&editor));
    let text = "sharedNotesEditor must be either etherpad or blockNote";
    found.when(unknown, "invalidSharedNotesEditor", text);
}

fn joining(found: &mut Complaints, machine: &Machine, params: &Params) {
    let name = cleaned(params.get("fullName").unwrap_or_default());
    found.when(name.is_empty(), "missingParamFullName", "You must provide your name");
    password_size(found, params, "password");
    boolean(found, params, "guest", "Guest must be a boolean value (true or false)");
    boolean(found, params, "auth", "Auth must be a boolean value (true or false)");
    let Some(id) = params.get("meetingID") else { return };
    // Whether there is such a meeting, and whether it has ended, are asked apart: of an unknown one both are wrong.
    let known = machine.find(id);
    let over = known.is_none_or(|at| !machine.meetings[at].lives());
    found.when(known.is_none(), "invalidMeetingIdentifier", UNKNOWN);
    found.when(over, "meetingForciblyEnded", ENDED);
}

fn existing(found: &mut Complaints, machine: &Machine, params: &Params) {
    let unknown = params.sent("meetingID").is_none_or(|id| machine.find(id).is_none());
    found.when(unknown, "notFound", UNKNOWN);
}

fn moderator(found: &mut Complaints, machine: &Machine, params: &Params) {
    password_size(found, params, "password");
    let known = params.get("meetingID").and_then(|id| machine.find(id));
    let wrong = known.is_none_or(|at| {
        let right = machine.meetings[at].moderator_pw.reveal();
        params.get("password").is_some_and(|password| password != right)
    });
    found.when(wrong, "invalidPassword", "The supplied moderator password is incorrect");
}

fn password_size(found: &mut Complaints, params: &Params, name: &str) {
    let wrong = params.get(name).is_some_and(|p| !(2..=64).contains(&p.chars().count()));
    match found.version {
        // The words say so; what counts are 2 to 64 characters.
        Version::V2_5 => {
            found.when(wrong, "sizeError", "Password must be between 8 and 20 characters");
        }
        _ => found.when(wrong, "invalidPassword", "Invalid password"),
    }
}

fn boolean(found: &mut Complaints, params: &Params, name: &str, message: &str) {
    let is_boolean =
        |value: &str| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    let wrong = params.get(name).is_some_and(|value| !is_boolean(value));
    found.value(wrong, Wrong::Value, message);
}

/// The text without control characters and outer blanks.
pub(super) fn cleaned(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !c.is_control()).collect();
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_win_in_the_order_of_javas_buckets() {
        let keys = [
            "checksumError",
            "emptyError",
            "missingParamFullName",
            "meetingForciblyEnded",
            "invalidPassword",
            "notFound",
            "sizeError",
            "validationError",
            "missingParamMeetingID",
        ];
        assert!(keys.is_sorted_by_key(|key| bucket(key)));
        assert_eq!(bucket("notFound"), bucket("invalidMeetingIdentifier"));
        assert_eq!(bucket("nullError"), bucket("validationError"));
    }
}
