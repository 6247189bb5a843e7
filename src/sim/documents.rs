//! The calls that put something into a meeting.

use std::time::Duration;

use super::machine::{Ask, Machine, call_of};
use super::params::Params;
use super::reply::{Failure, Reply, cacheable_xml, response, xml};
use super::settings::SimSettings;
use crate::bbb::query;

/// Letters of a chat message at most.
const LONGEST_MESSAGE: usize = 500;
/// Letters of the name it comes from at most.
const LONGEST_NAME: usize = 255;

/// How long the answer waits until the slides of this request are fetched.
pub(super) fn wait(settings: &SimSettings, ask: &Ask) -> Duration {
    let names = |word: &[u8]| ask.body.windows(word.len()).any(|part| part == word);
    let takes = ["create", "insertDocument"].contains(&call_of(ask.path()));
    let fetches =
        names(b"<document") || query::value(ask.query(), "preUploadedPresentation").is_some();
    if takes && fetches { settings.slides_take } else { Duration::ZERO }
}

/// The call insertDocument: BBB answers it without a key.
pub(super) fn insert(machine: &Machine, params: &Params) -> Reply {
    let id = params.get("meetingID").unwrap_or_default();
    let (returncode, message) = match machine.find(id) {
        Some(_) => ("SUCCESS", "Presentation is being uploaded".to_owned()),
        None => ("FAILED", format!("Meeting with id [{id}] not found.")),
    };
    cacheable_xml(response(returncode, |x| {
        x.leaf("message", message);
    }))
}

/// The call sendChatMessage.
pub(super) fn chat(machine: &Machine, params: &Params) -> Reply {
    let message = params.get("message").unwrap_or_default();
    let refuse = |text: &str| Failure::new("validationError", text).reply();
    if message.is_empty() {
        return refuse("You must provide the param message");
    }
    if message.chars().count() > LONGEST_MESSAGE {
        return refuse("Param message must be between 1 and 500 characters");
    }
    if params.get("userName").is_some_and(|name| name.chars().count() > LONGEST_NAME) {
        return refuse("Param userName must not exceed 255 characters");
    }
    let found = params.get("meetingID").and_then(|id| machine.find(id));
    match found.filter(|&at| machine.meetings[at].running()) {
        None => Failure::new("meetingNotFound", "Meeting not found").reply(),
        Some(_) => xml(response("SUCCESS", |x| {
            x.leaf("messageKey", "").leaf("message", "");
        })),
    }
}
