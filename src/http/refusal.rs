//! The one table from what went wrong to what the client reads.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::metrics::Outcome;
use super::wanted::Wanted;
use crate::bbb::hooks;
use crate::bbb::query::QueryFault;
use crate::bbb::reply;
use crate::flows::refusal::{Refusal, Rejection};

/// The type of every XML answer.
pub(super) const XML: &str = "text/xml;charset=utf-8";

/// The type of answers in JSON.
pub(super) const JSON: &str = "application/json;charset=utf-8";

/// Status, message key and message of a refusal. What is certain is HTTP 200, as with BBB: clients read the text then,
/// and take no server for broken. 5xx is for what is not known just now.
fn words(refusal: &Refusal) -> (StatusCode, &'static str, Cow<'static, str>) {
    const NO_MEETING: &str = "A meeting with that ID does not exist";
    let ok = StatusCode::OK;
    let (status, key, message) = match refusal {
        Refusal::Checksum | Refusal::Query(QueryFault::ChecksumTwice) => {
            (ok, "checksumError", "Checksums do not match")
        }
        Refusal::TenantNotFound => {
            (ok, "tenantNotFound", "BigBlueSwarm does not find the requesting tenant")
        }
        Refusal::Unsupported => (ok, "unsupportedRequest", "This request is not supported."),
        Refusal::ContentType => {
            (ok, "unsupportedContentType", "POST request Content-Type is missing or unsupported")
        }
        Refusal::NoMeetingId => (ok, "missingParamMeetingID", "You must provide a meeting ID"),
        Refusal::EmptyMeetingId => {
            (ok, "validationError", "Meeting ID must be between 2 and 256 characters")
        }
        Refusal::NoMeetingName => (ok, "validationError", "You must provide a meeting name"),
        Refusal::Query(fault @ (QueryFault::Twice(_) | QueryFault::NotText(_))) => {
            return (
                ok,
                "validationError",
                format!("The parameters can't be used: {fault}").into(),
            );
        }
        Refusal::NotFound => (ok, "notFound", NO_MEETING),
        Refusal::NothingToJoin => (ok, "invalidMeetingIdentifier", NO_MEETING),
        Refusal::NoChatMeeting => (ok, "meetingNotFound", "Meeting not found"),
        Refusal::NoRecordId => (ok, "missingParamRecordID", "You must specify a recordID."),
        Refusal::NoPublish => {
            (ok, "missingParamPublish", "You must specify a publish value true or false.")
        }
        Refusal::NoTrackParameter(name) => {
            return (ok, "paramError", format!("Missing param {name}.").into());
        }
        Refusal::NoRecordings => (ok, "notFound", "We could not find recordings"),
        Refusal::RecordingsChecksum => {
            (ok, "checksumError", "You did not pass the checksum security check")
        }
        Refusal::Hooks(failure) => {
            let (key, message) = failure.words();
            (ok, key, message)
        }
        Refusal::NoParent => {
            (ok, "parentMeetingDoesNotExist", "No parent meeting exists for the breakout room")
        }
        Refusal::Unavailable => (
            ok,
            "meetingUnavailable",
            "The server of this meeting is away. Please try again in a moment.",
        ),
        Refusal::Silent => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internalError",
            "BigBlueSwarm failed to reach the meeting's server",
        ),
        Refusal::NoInstance => (
            ok,
            "noInstanceFound",
            "BigBlueSwarm do not find a valid BigBlueButton instance for your request",
        ),
        Refusal::NoTag => {
            (ok, "serverTagUnavailable", "There is no available server with the required tag.")
        }
        Refusal::IdNotUnique => (
            ok,
            "idNotUnique",
            "A meeting already exists with that meeting ID. Please use a different meeting ID.",
        ),
        Refusal::MeetingPool => (
            ok,
            "meetingPoolReached",
            "Your tenant reached the meeting pool limit and can't create a new one.",
        ),
        Refusal::UserPool => (ok, "userPoolReached", "Your tenant reached the user pool limit."),
        Refusal::Maintenance(text) => return (ok, "maintenance", text.to_string().into()),
        Refusal::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "tooLarge", "The request body is too large.")
        }
        Refusal::Rejected(rejection, status) => {
            let (key, why) = match rejection {
                Rejection::Malformed => ("validationError", "is malformed"),
                Rejection::TooLong => ("requestTooLong", "is too long"),
            };
            let status = status.as_u16();
            let message = format!("The request {why} for the servers (HTTP status {status}).");
            return (ok, key, message.into());
        }
        Refusal::Unprocessed(how) => {
            let message = format!("The servers could not process this request: {how}.");
            return (ok, "internalError", message.into());
        }
        Refusal::Server(why) => {
            let message = format!("The server gave no usable answer to this call: {why}.");
            return (StatusCode::INTERNAL_SERVER_ERROR, "internalError", message.into());
        }
        Refusal::Internal(what) => {
            let message = format!("BigBlueSwarm failed to {what}").into();
            return (StatusCode::INTERNAL_SERVER_ERROR, "internalError", message);
        }
    };
    (status, key, message.into())
}

/// A failure in BBB's form, without a status. What a cache keeps must not be read by others.
pub(super) fn failure(key: &str, message: &str, wanted: Wanted) -> impl IntoResponse {
    let (kind, body) = match wanted {
        Wanted::Json => (JSON, reply::failed_pretty(key, message)),
        Wanted::Xml | Wanted::Page => (XML, reply::failed(key, message)),
    };
    let fields = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "Accept"),
    ];
    (fields, body)
}

/// The status that v3 gave to a refusal, for clients that go by it (`compat.v3Statuses`).
pub(super) fn v3_status(refusal: &Refusal) -> Option<StatusCode> {
    match refusal {
        Refusal::TenantNotFound | Refusal::MeetingPool | Refusal::UserPool => {
            Some(StatusCode::FORBIDDEN)
        }
        Refusal::NoInstance => Some(StatusCode::INTERNAL_SERVER_ERROR),
        _ => None,
    }
}

impl Refusal {
    /// Its message key and message.
    pub(super) fn key_and_message(&self) -> (&'static str, Cow<'static, str>) {
        let (_, key, message) = words(self);
        (key, message)
    }

    /// The refusal as its client wants to read it, with v3's status if `v3_statuses`.
    pub(super) fn respond(&self, wanted: Wanted, v3_statuses: bool) -> Response {
        let (status, key, message) = words(self);
        let status = v3_status(self).filter(|_| v3_statuses).unwrap_or(status);
        let mut response = match self {
            // These calls answer in JSON whatever is asked for.
            Self::NoTrackParameter(_) => {
                let body = reply::failed_json(key, &message);
                (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
            }
            // The webhooks know XML only, in a shape of their own.
            Self::Hooks(_) => {
                let body = hooks::failed(key, &message);
                (status, [(header::CONTENT_TYPE, XML)], body).into_response()
            }
            _ => (status, failure(key, &message, wanted)).into_response(),
        };
        let unknown =
            matches!(self, Self::NoInstance | Self::Silent | Self::Internal(_) | Self::Server(_));
        let outcome = if unknown { Outcome::Failed } else { Outcome::Refused };
        response.extensions_mut().insert(outcome);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_clients_know_them() {
        let check = |refusal: Refusal, status: u16, key: &str| {
            let (found, name, _) = words(&refusal);
            assert_eq!((found.as_u16(), name), (status, key), "{refusal}");
        };
        check(Refusal::Checksum, 200, "checksumError");
        check(Refusal::TenantNotFound, 200, "tenantNotFound");
        check(Refusal::NoInstance, 200, "noInstanceFound");
        check(Refusal::NoTag, 200, "serverTagUnavailable");
        check(Refusal::RecordingsChecksum, 200, "checksumError");
        check(Refusal::NoRecordings, 200, "notFound");
        check(Refusal::MeetingPool, 200, "meetingPoolReached");
        check(Refusal::Maintenance("back at noon".into()), 200, "maintenance");
        check(Refusal::NothingToJoin, 200, "invalidMeetingIdentifier");
        check(Refusal::NoMeetingId, 200, "missingParamMeetingID");
        check(Refusal::EmptyMeetingId, 200, "validationError");
        check(Refusal::Internal("reach its store"), 500, "internalError");
        check(Refusal::Silent, 500, "internalError");
        check(Refusal::Unavailable, 200, "meetingUnavailable");
        let too_long = StatusCode::URI_TOO_LONG;
        check(Refusal::Rejected(Rejection::TooLong, too_long), 200, "requestTooLong");
        check(Refusal::Unprocessed("HTTP status 500".into()), 200, "internalError");
        check(Refusal::Server("HTTP status 500".into()), 500, "internalError");
    }

    #[test]
    fn v3_statuses_are_v3s_where_it_had_others() {
        let check = |refusal: Refusal, as_bbb: u16, as_v3: u16| {
            let status = |v3| refusal.respond(Wanted::Xml, v3).status().as_u16();
            assert_eq!((status(false), status(true)), (as_bbb, as_v3), "{refusal}");
        };
        check(Refusal::TenantNotFound, 200, 403);
        check(Refusal::MeetingPool, 200, 403);
        check(Refusal::UserPool, 200, 403);
        check(Refusal::NoInstance, 200, 500);
        check(Refusal::NotFound, 200, 200);
        check(Refusal::Internal("reach its store"), 500, 500);
    }
}
