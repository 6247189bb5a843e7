//! Lists of meetings: taking an instance's apart, and making one of the parts, whose bytes stay as they are.

use std::ops::Range;

use super::reply;
use super::xml::{Place, Step, Walk, XmlFault, is_success, read, truth};

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
    pub running: bool,
    /// Ended by a call, and only waiting to disappear.
    pub ended: bool,
    pub is_breakout: bool,
    /// Milliseconds since 1970 by the instance's clock.
    pub create_time: Option<u64>,
    /// Hex SHA-1 of the meeting ID as it was created, `-`, and the create time.
    pub internal_id: Option<String>,
}

/// Reads a whole answer to getMeetings. One that says FAILED or has no list is a fault too, so that
/// it is never taken for an empty list.
pub fn scan(body: &[u8]) -> Result<Vec<Listed>, XmlFault> {
    let mut walk = Walk::<At>::new(body);
    let mut scan = Scan::default();
    loop {
        match walk.next()? {
            Step::Open { place, at } => scan.open(place, at),
            Step::Text(At::Field(_) | At::Returncode, piece) => scan.text.push_str(&piece),
            Step::Char(At::Field(_) | At::Returncode, piece) => scan.text.push(piece),
            Step::Close { place, end } => scan.close(place, end)?,
            Step::End => break,
            Step::Text(..) | Step::Char(..) => {}
        }
    }
    let returncode = scan.returncode.filter(|code| !code.is_empty());
    if !is_success(&returncode.ok_or(XmlFault::NoReturncode)?) {
        return Err(XmlFault::failed(read(body)?.message_key.as_deref()));
    }
    if scan.listed { Ok(scan.meetings) } else { Err(XmlFault::NoList) }
}

/// The names of the meetings of a list that [`scan`] takes, in its order; empty for one without a name.
pub fn names(body: &[u8]) -> Result<Vec<String>, XmlFault> {
    let mut walk = Walk::<Named>::new(body);
    let mut names: Vec<String> = Vec::new();
    // Of several elements of this name the first counts.
    let mut seen = false;
    loop {
        match (walk.next()?, names.last_mut()) {
            (Step::Open { place: Named::Meeting, .. }, _) => {
                names.push(String::new());
                seen = false;
            }
            (Step::Text(Named::Name, piece), Some(name)) if !seen => name.push_str(&piece),
            (Step::Char(Named::Name, piece), Some(name)) if !seen => name.push(piece),
            (Step::Close { place: Named::Name, .. }, _) => seen = true,
            (Step::End, _) => return Ok(names),
            _ => {}
        }
    }
}

/// The places that [`names`] cares about.
#[derive(Clone, Copy)]
enum Named {
    Response,
    Meetings,
    Meeting,
    Name,
}

impl Place for Named {
    const ROOT: Self = Self::Response;

    fn child(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Response, "meetings") => Some(Self::Meetings),
            (Self::Meetings, "meeting") => Some(Self::Meeting),
            (Self::Meeting, "meetingName") => Some(Self::Name),
            _ => None,
        }
    }
}

/// The answer that lists these meetings, each given as its raw `<meeting>…</meeting>`.
pub fn merged<'a>(meetings: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut meetings = meetings.into_iter().peekable();
    if meetings.peek().is_none() {
        return reply::NO_MEETINGS.as_bytes().to_vec();
    }
    let mut answer = b"<response>\n<returncode>SUCCESS</returncode>\n<meetings>\n".to_vec();
    for meeting in meetings {
        answer.extend_from_slice(meeting);
        answer.push(b'\n');
    }
    answer.extend_from_slice(b"</meetings>\n</response>");
    answer
}

/// A list as far as it was read.
#[derive(Default)]
struct Scan {
    returncode: Option<String>,
    listed: bool,
    meetings: Vec<Listed>,
    now: Listed,
    /// The fields of `now` that were read, a bit each: of several elements of a name the first counts.
    seen: u16,
    text: String,
}

impl Scan {
    fn open(&mut self, place: At, at: usize) {
        self.text.clear();
        match place {
            At::Meetings => self.listed = true,
            At::Meeting => {
                self.now = Listed { span: at..at, ..Listed::default() };
                self.seen = 0;
            }
            _ => {}
        }
    }

    fn close(&mut self, place: At, end: usize) -> Result<(), XmlFault> {
        match place {
            At::Returncode => {
                self.returncode.get_or_insert_with(|| std::mem::take(&mut self.text));
            }
            At::Field(field) => self.fill(field),
            At::Meeting => {
                let mut meeting = std::mem::take(&mut self.now);
                if meeting.meeting_id.is_empty() {
                    return Err(XmlFault::NoMeetingId);
                }
                meeting.span.end = end;
                self.meetings.push(meeting);
            }
            _ => {}
        }
        Ok(())
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
    CreateTime,
    Running,
    Ended,
    Breakout,
}

impl Place for At {
    const ROOT: Self = Self::Response;

    fn child(self, name: &str) -> Option<Self> {
        Some(match (self, name) {
            (Self::Response, "returncode") => Self::Returncode,
            (Self::Response, "meetings") => Self::Meetings,
            (Self::Meetings, "meeting") => Self::Meeting,
            (Self::Meeting, "metadata") => Self::Metadata,
            (Self::Metadata, "bigblueswarm-tenant") => Self::Field(Field::Tenant),
            (Self::Meeting, "meetingID") => Self::Field(Field::MeetingId),
            (Self::Meeting, "internalMeetingID") => Self::Field(Field::InternalId),
            (Self::Meeting, "participantCount") => Self::Field(Field::Participants),
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
