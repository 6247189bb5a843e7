//! A whole answer, checked, and what it says about the call.

use super::{Place, Step, Walk, XmlFault, truth};
use crate::domain::naming::Spoken;

/// What an answer says, less the fields that only pass through us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Whether the returncode is SUCCESS; every other word counts as a failure.
    pub success: bool,
    /// From `messageKey`, else from `errors/error/key`; an empty one is none.
    pub message_key: Option<String>,
    /// From `message`, else from `errors/error/message`; an empty one is none.
    pub message: Option<String>,
    pub meeting_id: Option<String>,
    pub internal_id: Option<String>,
    /// Milliseconds since 1970 by the instance's clock.
    pub create_time: Option<u64>,
    /// Our tag in the meeting's metadata.
    pub tenant: Option<String>,
    pub running: bool,
    pub forcibly_ended: bool,
}

impl Envelope {
    /// The meeting that the answer speaks of.
    pub fn spoken(&self) -> Spoken<'_> {
        Spoken {
            meeting: self.meeting_id.as_deref(),
            internal: self.internal_id.as_deref(),
            tenant: self.tenant.as_deref(),
        }
    }

    /// Whether the answer fails with this key.
    pub fn failed_with(&self, key: &str) -> bool {
        !self.success && self.message_key.as_deref() == Some(key)
    }

    /// Whether the answer of a create says that the meeting stood already.
    pub fn is_duplicate(&self) -> bool {
        self.success && self.message_key.as_deref() == Some("duplicateWarning")
    }

    /// Whether the answer of a create says that it made the meeting.
    pub fn is_created_anew(&self) -> bool {
        self.success && !self.is_duplicate()
    }
}

/// Reads a whole answer. Only elements at their right depth count, and of several the first.
pub fn read(body: &[u8]) -> Result<Envelope, XmlFault> {
    let mut walk = Walk::<At>::new(body);
    let mut found: [Option<String>; FIELDS] = Default::default();
    let mut text = String::new();
    loop {
        match walk.next()? {
            Step::Open { .. } => text.clear(),
            Step::Text(_, piece) => text.push_str(piece),
            Step::Char(_, piece) => text.push(piece),
            Step::Close { place: At::Field(field), .. } => {
                found[field as usize].get_or_insert_with(|| std::mem::take(&mut text));
            }
            Step::End => return envelope(found),
            Step::Close { .. } => {}
        }
    }
}

fn envelope(mut found: [Option<String>; FIELDS]) -> Result<Envelope, XmlFault> {
    let mut take = |field: Field| found[field as usize].take().filter(|text| !text.is_empty());
    let returncode = take(Field::Returncode).ok_or(XmlFault::NoReturncode)?;
    Ok(Envelope {
        success: is_success(&returncode),
        message_key: take(Field::MessageKey).or_else(|| take(Field::ErrorKey)),
        message: take(Field::Message).or_else(|| take(Field::ErrorMessage)),
        meeting_id: take(Field::MeetingId),
        internal_id: take(Field::InternalId),
        create_time: take(Field::CreateTime).and_then(|text| text.trim().parse().ok()),
        tenant: take(Field::Tenant),
        running: take(Field::Running).is_some_and(|text| truth(&text)),
        forcibly_ended: take(Field::ForciblyEnded).is_some_and(|text| truth(&text)),
    })
}

/// Whether a returncode means success; clients compare it in any case.
pub(in crate::bbb) fn is_success(returncode: &str) -> bool {
    returncode.trim().eq_ignore_ascii_case("success")
}

#[derive(Clone, Copy)]
enum At {
    Response,
    Errors,
    Error,
    Metadata,
    Field(Field),
}

#[derive(Clone, Copy)]
enum Field {
    Returncode,
    MessageKey,
    Message,
    ErrorKey,
    ErrorMessage,
    MeetingId,
    InternalId,
    CreateTime,
    Tenant,
    Running,
    ForciblyEnded,
}

const FIELDS: usize = Field::ForciblyEnded as usize + 1;

impl Place for At {
    const ROOT: Self = Self::Response;

    fn has_text(self) -> bool {
        matches!(self, Self::Field(_))
    }

    fn child(self, name: &str) -> Option<Self> {
        Some(match (self, name) {
            (Self::Response, "errors") => Self::Errors,
            (Self::Errors, "error") => Self::Error,
            (Self::Response, "metadata") => Self::Metadata,
            (Self::Response, "returncode") => Self::Field(Field::Returncode),
            (Self::Response, "messageKey") => Self::Field(Field::MessageKey),
            (Self::Response, "message") => Self::Field(Field::Message),
            (Self::Error, "key") => Self::Field(Field::ErrorKey),
            (Self::Error, "message") => Self::Field(Field::ErrorMessage),
            (Self::Response, "meetingID") => Self::Field(Field::MeetingId),
            (Self::Response, "internalMeetingID") => Self::Field(Field::InternalId),
            (Self::Response, "createTime") => Self::Field(Field::CreateTime),
            (Self::Metadata, "bigblueswarm-tenant") => Self::Field(Field::Tenant),
            (Self::Response, "running") => Self::Field(Field::Running),
            (Self::Response, "hasBeenForciblyEnded") => Self::Field(Field::ForciblyEnded),
            _ => return None,
        })
    }
}
