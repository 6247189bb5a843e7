//! What BBB checks before it does anything: the checksum first, then all the rest at once. Which of several
//! complaints is told follows from the order of Java's hash buckets.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;

use super::machine::{Ask, Machine};
use super::params::{Params, signed};
use super::reply::Failure;

/// The keys in the order in which they win.
const ORDER: [&str; 9] = [
    "checksumError",
    "unsupportedContentType",
    "missingParamFullName",
    "meetingForciblyEnded",
    "invalidPassword",
    "invalidMeetingIdentifier",
    "notFound",
    "validationError",
    "missingParamMeetingID",
];

const ENDED: &str = "You can not join a meeting that has already been forcibly ended";

/// Everything that is checked before the call itself.
pub(super) fn check(
    machine: &Machine,
    call: &str,
    ask: &Ask,
    params: &Params,
) -> Result<(), Failure> {
    let settings = &machine.settings;
    if !signed(ask, call, settings.secret.reveal(), settings.algorithms) {
        return Err(Failure::new("checksumError", "Checksums do not match"));
    }
    let mut found = Complaints::default();
    content_type(&mut found, call, ask);
    match call {
        "create" => {
            meeting_id(&mut found, machine, params);
            creation(&mut found, params);
        }
        "join" => {
            meeting_id(&mut found, machine, params);
            joining(&mut found, machine, params);
        }
        "isMeetingRunning" | "insertDocument" | "sendChatMessage" => {
            meeting_id(&mut found, machine, params);
        }
        "getMeetingInfo" => {
            meeting_id(&mut found, machine, params);
            existing(&mut found, machine, params);
        }
        "end" => {
            meeting_id(&mut found, machine, params);
            existing(&mut found, machine, params);
            moderator(&mut found, machine, params);
        }
        _ => {}
    }
    found.first().map_or(Ok(()), Err)
}

#[derive(Default)]
struct Complaints(Vec<Failure>);

impl Complaints {
    fn when(&mut self, wrong: bool, key: &str, message: &str) {
        if wrong {
            self.0.push(Failure::new(key, message));
        }
    }

    fn first(self) -> Option<Failure> {
        let rank = |f: &Failure| ORDER.iter().position(|key| *key == f.key);
        self.0.into_iter().min_by_key(|f| rank(f).unwrap_or(ORDER.len()))
    }
}

fn content_type(found: &mut Complaints, call: &str, ask: &Ask) {
    if !has_body(ask) {
        return;
    }
    let kind = ask.kind();
    let listed = match kind.as_deref() {
        Some("application/x-www-form-urlencoded" | "multipart/form-data") => {
            call != "insertDocument"
        }
        Some("application/xml") => call == "create" || call == "insertDocument",
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

fn meeting_id(found: &mut Complaints, machine: &Machine, params: &Params) {
    let Some(id) = params.sent("meetingID") else {
        found.when(true, "missingParamMeetingID", "You must provide a meeting ID");
        return;
    };
    let least = if machine.settings.lenient_ids { 1 } else { 2 };
    let size_is_wrong = !(least..=256).contains(&id.chars().count());
    found.when(id.is_empty(), "missingParamMeetingID", "You must provide a meeting ID");
    found.when(size_is_wrong, "validationError", "Meeting ID must be between 2 and 256 characters");
    found.when(id.contains(','), "validationError", "Meeting ID cannot contain ','");
}

fn creation(found: &mut Complaints, params: &Params) {
    let name = cleaned(params.get("name").unwrap_or_default());
    let size_is_wrong = !(2..=256).contains(&name.chars().count());
    found.when(name.is_empty(), "validationError", "You must provide a meeting name");
    found.when(
        size_is_wrong,
        "validationError",
        "Meeting name must be between 2 and 256 characters",
    );
    password_size(found, params, "attendeePW");
    password_size(found, params, "moderatorPW");
    let bridge = params.get("voiceBridge").unwrap_or("0");
    found.when(
        bridge.trim().parse::<i64>().is_err(),
        "validationError",
        "Voice bridge must be an integral value",
    );
    boolean(found, params, "record", "Record must be a boolean value (true or false)");
    let room = "You must provide a boolean value (true or false) for the breakout room";
    boolean(found, params, "isBreakout", room);
    let external = params.get("presentationUploadExternalUrl");
    let is_url = |url: &str| url.parse::<http::Uri>().is_ok_and(|u| u.scheme().is_some());
    found.when(
        external.is_some_and(|url| !is_url(url)),
        "validationError",
        "Param 'presentationUploadExternalUrl' is not a valid URL",
    );
}

fn joining(found: &mut Complaints, machine: &Machine, params: &Params) {
    let name = cleaned(params.get("fullName").unwrap_or_default());
    found.when(name.is_empty(), "missingParamFullName", "You must provide your name");
    password_size(found, params, "password");
    boolean(found, params, "guest", "Guest must be a boolean value (true or false)");
    boolean(found, params, "auth", "Auth must be a boolean value (true or false)");
    let Some(id) = params.get("meetingID") else { return };
    match machine.find(id) {
        None => {
            let unknown = "A meeting with that ID does not exist";
            found.when(true, "invalidMeetingIdentifier", unknown);
            found.when(true, "meetingForciblyEnded", ENDED);
        }
        Some(at) => {
            found.when(!machine.meetings[at].lives(), "meetingForciblyEnded", ENDED);
        }
    }
}

fn existing(found: &mut Complaints, machine: &Machine, params: &Params) {
    let unknown = params.sent("meetingID").is_none_or(|id| machine.find(id).is_none());
    found.when(unknown, "notFound", "A meeting with that ID does not exist");
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
    found.when(wrong, "invalidPassword", "Invalid password");
}

fn boolean(found: &mut Complaints, params: &Params, name: &str, message: &str) {
    let is_boolean =
        |value: &str| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    let wrong = params.get(name).is_some_and(|value| !is_boolean(value));
    found.when(wrong, "validationError", message);
}

/// The text without control characters and outer blanks.
pub(super) fn cleaned(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !c.is_control()).collect();
    kept.trim().to_owned()
}
