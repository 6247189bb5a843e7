//! Lists of meetings: taking an instance's apart, and making one of the parts, whose bytes stay as they are.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::reply;
use super::xml::{Place, Step, Walk, XmlFault, is_success, truth};
use crate::domain::naming::Spoken;

mod memo; // what a list held the last time
mod names;
mod reading; // a list as it arrives

pub use memo::Memo;
pub use names::names;
pub use reading::Reading;

/// A meeting of an instance's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Where `<meeting>…</meeting>` stands in the answer.
    pub span: Range<usize>,
    /// As BBB prints it, which is with runs of blanks made one.
    pub meeting_id: String,
    /// Our tag in its metadata.
    pub tenant: Option<String>,
    pub participants: u64,
    /// Cameras that are on; 0 when it does not say.
    pub webcams: u64,
    pub running: bool,
    /// Ended by a call, and only waiting to disappear.
    pub ended: bool,
    pub is_breakout: bool,
    /// Milliseconds since 1970 by the instance's clock.
    pub create_time: Option<u64>,
    /// Hex SHA-1 of the meeting ID as it was created, `-`, and the create time.
    pub internal_id: Option<String>,
}

impl Listed {
    /// The meeting that stands here.
    pub fn spoken(&self) -> Spoken<'_> {
        Spoken {
            meeting: Some(&self.meeting_id),
            internal: self.internal_id.as_deref(),
            tenant: self.tenant.as_deref(),
        }
    }
}

/// Reads a whole answer to getMeetings. One that says FAILED or has no list is a fault too, so that
/// it is never taken for an empty list.
pub fn scan(body: &[u8]) -> Result<Vec<Listed>, XmlFault> {
    let (mut scan, mut meetings) = (Scan::default(), Vec::new());
    let take = |found: Arc<Listed>, span| {
        meetings.push(Listed { span, ..Arc::unwrap_or_clone(found) });
    };
    scan.run(&mut Walk::new(body), |_| None, take)?;
    scan.verdict()?;
    Ok(meetings)
}

/// Adds a meeting, raw as `<meeting>…</meeting>`, to others. Every meeting of a list that we answer goes
/// through here.
pub fn add(meetings: &mut Vec<u8>, meeting: &[u8]) {
    meetings.extend_from_slice(meeting);
    meetings.push(b'\n');
}

/// The answer that lists these meetings, in pieces, each made by [`add`].
pub fn merged(meetings: impl IntoIterator<Item = Bytes>) -> Vec<Bytes> {
    const HEAD: &[u8] = b"<response>\n<returncode>SUCCESS</returncode>\n<meetings>\n";
    const TAIL: &[u8] = b"</meetings>\n</response>";
    let mut answer = vec![Bytes::from_static(HEAD)];
    answer.extend(meetings.into_iter().filter(|piece| !piece.is_empty()));
    if answer.len() == 1 {
        return vec![Bytes::from_static(reply::NO_MEETINGS.as_bytes())];
    }
    answer.push(Bytes::from_static(TAIL));
    answer
}

/// A list as far as it was read.
#[derive(Default)]
struct Scan {
    returncode: Option<String>,
    /// Of a refusal: from `messageKey`, or else from `errors/error/key`.
    key: Option<String>,
    error_key: Option<String>,
    listed: bool,
    now: Listed,
    /// Where `now` begins.
    start: usize,
    /// Whether `now` is a meeting that has begun and not ended.
    inside: bool,
    /// The fields of `now` that were read, a bit each: of several elements of a name the first counts.
    seen: u16,
    text: String,
}

impl Scan {
    /// Reads on to the last byte; [`XmlFault::Truncated`] when the list goes on behind it. Each whole
    /// meeting goes to `take`, with its place. Where one may begin, `known` may say what stands there.
    fn run(
        &mut self,
        walk: &mut Walk<'_, At>,
        mut known: impl FnMut(&str) -> Option<(Arc<Listed>, Range<usize>)>,
        mut take: impl FnMut(Arc<Listed>, Range<usize>),
    ) -> Result<(), XmlFault> {
        loop {
            while matches!(walk.place(), Some(At::Meetings))
                && let Some((found, Range { start, end })) = known(walk.ahead())
            {
                let at = walk.pass(end);
                take(found, at + start..at + end);
            }
            match walk.next()? {
                Step::Open { place, at, .. } => self.open(place, at),
                Step::Text(_, piece) => self.text.push_str(piece),
                Step::Char(_, piece) => self.text.push(piece),
                Step::Close { place: At::Meeting, end } => {
                    self.inside = false;
                    if self.now.meeting_id.is_empty() {
                        return Err(XmlFault::NoMeetingId);
                    }
                    take(Arc::new(std::mem::take(&mut self.now)), self.start..end);
                }
                Step::Close { place, .. } => self.close(place),
                Step::End => return Ok(()),
            }
        }
    }

    /// What a list that was read whole comes to.
    fn verdict(self) -> Result<(), XmlFault> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let returncode = some(self.returncode).ok_or(XmlFault::NoReturncode)?;
        if !is_success(&returncode) {
            return Err(XmlFault::failed(some(self.key).or(some(self.error_key)).as_deref()));
        }
        if self.listed { Ok(()) } else { Err(XmlFault::NoList) }
    }

    fn open(&mut self, place: At, at: usize) {
        self.text.clear();
        match place {
            At::Meetings => self.listed = true,
            At::Meeting => {
                self.now = Listed::default();
                (self.start, self.inside) = (at, true);
                self.seen = 0;
            }
            _ => {}
        }
    }

    fn close(&mut self, place: At) {
        let into = match place {
            At::Returncode => &mut self.returncode,
            At::Key => &mut self.key,
            At::ErrorKey => &mut self.error_key,
            At::Field(field) => return self.fill(field),
            _ => return,
        };
        into.get_or_insert_with(|| std::mem::take(&mut self.text));
    }

    fn fill(&mut self, field: Field) {
        let bit = 1 << field as u16;
        if self.seen & bit != 0 {
            return;
        }
        self.seen |= bit;
        let (now, text) = (&mut self.now, self.text.as_str());
        let some = || Some(text.to_owned()).filter(|text| !text.is_empty());
        match field {
            Field::MeetingId => text.clone_into(&mut now.meeting_id),
            Field::InternalId => now.internal_id = some(),
            Field::Tenant => now.tenant = some(),
            Field::Participants => now.participants = count(text),
            Field::Webcams => now.webcams = count(text),
            Field::CreateTime => now.create_time = text.trim().parse().ok(),
            Field::Running => now.running = truth(text),
            Field::Ended => now.ended = truth(text),
            Field::Breakout => now.is_breakout = truth(text),
        }
    }
}

/// A number as people write it: old templates group thousands (`1,000`).
fn count(text: &str) -> u64 {
    if text.trim_start().starts_with('-') {
        return 0;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).map(|b| u64::from(b - b'0'));
    digits.fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(digit))
}

#[derive(Clone, Copy)]
enum At {
    Response,
    Returncode,
    Key,
    Errors,
    Error,
    ErrorKey,
    Meetings,
    Meeting,
    Metadata,
    Field(Field),
}

#[derive(Clone, Copy)]
enum Field {
    MeetingId,
    InternalId,
    Tenant,
    Participants,
    Webcams,
    CreateTime,
    Running,
    Ended,
    Breakout,
}

impl Place for At {
    const ROOT: Self = Self::Response;

    fn has_text(self) -> bool {
        matches!(self, Self::Field(_) | Self::Returncode | Self::Key | Self::ErrorKey)
    }

    fn child(self, name: &str) -> Option<Self> {
        Some(match (self, name) {
            (Self::Response, "returncode") => Self::Returncode,
            (Self::Response, "messageKey") => Self::Key,
            (Self::Response, "errors") => Self::Errors,
            (Self::Errors, "error") => Self::Error,
            (Self::Error, "key") => Self::ErrorKey,
            (Self::Response, "meetings") => Self::Meetings,
            (Self::Meetings, "meeting") => Self::Meeting,
            (Self::Meeting, "metadata") => Self::Metadata,
            (Self::Metadata, "bigblueswarm-tenant") => Self::Field(Field::Tenant),
            (Self::Meeting, "meetingID") => Self::Field(Field::MeetingId),
            (Self::Meeting, "internalMeetingID") => Self::Field(Field::InternalId),
            (Self::Meeting, "participantCount") => Self::Field(Field::Participants),
            (Self::Meeting, "videoCount") => Self::Field(Field::Webcams),
            (Self::Meeting, "createTime") => Self::Field(Field::CreateTime),
            (Self::Meeting, "running") => Self::Field(Field::Running),
            (Self::Meeting, "hasBeenForciblyEnded") => Self::Field(Field::Ended),
            (Self::Meeting, "isBreakout") => Self::Field(Field::Breakout),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
