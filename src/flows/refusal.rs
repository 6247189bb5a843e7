//! Why a story ended without what the client asked for. [`crate::http`] has the words for each.

use std::sync::Arc;

use http::StatusCode;

use crate::actors::meetings::{RouteError, Silent};
use crate::actors::seat::AskError;
use crate::bbb::hooks::Failure;
use crate::bbb::query::QueryFault;

/// A refusal of ours; what an instance refuses is passed on in its own words.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no checksum, a wrong one, or more than one")]
    Checksum,
    #[error("no tenant has this host")]
    TenantNotFound,
    #[error("the call is not known, or not with this method")]
    Unsupported,
    #[error("the body's Content-Type is missing or unsupported")]
    ContentType,
    #[error("no meeting id")]
    NoMeetingId,
    #[error("an empty meeting id")]
    EmptyMeetingId,
    #[error("no meeting name")]
    NoMeetingName,
    #[error(transparent)]
    Query(#[from] QueryFault),
    #[error("no such meeting")]
    NotFound,
    /// The same, in the words of join.
    #[error("no such meeting to join")]
    NothingToJoin,
    /// The same, in the words of sendChatMessage.
    #[error("no such meeting to chat in")]
    NoChatMeeting,
    #[error("no recording id")]
    NoRecordId,
    #[error("not said whether to publish")]
    NoPublish,
    /// A parameter of putRecordingTextTrack.
    #[error("no {0}")]
    NoTrackParameter(&'static str),
    #[error("no such recordings")]
    NoRecordings,
    /// As [`Refusal::Checksum`], in the words of the calls about recordings.
    #[error("no checksum, a wrong one, or more than one, for recordings")]
    RecordingsChecksum,
    /// A refusal of the webhooks.
    #[error("{0}")]
    Hooks(#[from] Failure),
    #[error("the parent meeting of the breakout room does not exist")]
    NoParent,
    #[error("the meeting's instance is away")]
    Unavailable,
    /// The instance that has what the call is about does not answer just now: what it has is not known.
    #[error("the instance does not answer")]
    Silent,
    #[error("no instance can take the meeting")]
    NoInstance,
    #[error("no instance with the required tag can take the meeting")]
    NoTag,
    #[error("another meeting has this id")]
    IdNotUnique,
    #[error("the tenant's meeting pool is full")]
    MeetingPool,
    #[error("the tenant's user pool is full")]
    UserPool,
    /// With what the tenant's admin says about it.
    #[error("the tenant is in maintenance")]
    Maintenance(Arc<str>),
    #[error("the body is larger than allowed")]
    TooLarge,
    /// A server of the pool did not even look at the request.
    #[error("the servers do not take the request: {1}")]
    Rejected(Rejection, StatusCode),
    /// More than one server answered in a way that says that the request is at fault: how.
    #[error("the servers could not process the request: {0}")]
    Unprocessed(String),
    /// The server that has what the call is about gave no usable answer: why.
    #[error("the server gave no usable answer: {0}")]
    Server(String),
    /// Something of ours failed: the words behind "BigBlueSwarm failed to".
    #[error("failed to {0}")]
    Internal(&'static str),
}

/// What is wrong with a request that a server does not even look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its bytes are no such request as servers take.
    Malformed,
    TooLong,
}

impl Rejection {
    /// What this status says of the request, if it does.
    pub fn of(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::BAD_REQUEST => Some(Self::Malformed),
            StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Some(Self::TooLong),
            _ => None,
        }
    }
}

impl From<AskError> for Refusal {
    fn from(_: AskError) -> Self {
        Self::Internal("answer in time")
    }
}

impl From<Silent> for Refusal {
    fn from(_: Silent) -> Self {
        Self::Silent
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NoInstance => Self::NoInstance,
            RouteError::NoTag => Self::NoTag,
            RouteError::Taken => Self::IdNotUnique,
            RouteError::PoolFull => Self::MeetingPool,
            RouteError::UsersFull => Self::UserPool,
            RouteError::Unheard => Self::Internal("learn which server has the meeting"),
            RouteError::NotLoaded => Self::Internal("load its state"),
            RouteError::Store(_) => Self::Internal("reach its store"),
            RouteError::Ask(error) => error.into(),
        }
    }
}
