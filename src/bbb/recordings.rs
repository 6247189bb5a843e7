//! Lists of recordings: what a client asks for, taking an instance's list apart, and making one of the
//! parts, whose bytes stay as they are.

use std::ops::Range;

use bytes::Bytes;

use super::query;
use super::reply;
use super::xml::{Place, Step, Walk, XmlFault, is_success, read};

mod filter; // which recordings are asked for
mod join; // formats of one recording that were listed apart
mod pages; // how an instance cuts its pages, and whether all was seen

pub use filter::{Described, Filter};
pub use join::joined;
pub use pages::{Ahead, Counted, Pages, counted};

/// The metadata, without its prefix in queries, by which we know whose a recording is.
const TAG: &str = "bigblueswarm-tenant";
/// The most recordings of one page, by BBB.
pub const MOST_OF_A_PAGE: usize = 100;

/// A recording of an instance's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Where `<recording>…</recording>` stands in the answer.
    pub span: Range<usize>,
    pub record_id: String,
    pub state: String,
    /// Milliseconds since 1970 by the instance's clock.
    pub start_time: u64,
    /// Our tag in its metadata.
    pub tenant: Option<String>,
    /// Names and values, in their order.
    pub metadata: Vec<(String, String)>,
    /// Its playback formats, in their order.
    pub formats: Vec<Format>,
}

impl Recorded {
    /// How many places it takes in the pages of an instance that counts formats.
    pub fn places(&self) -> usize {
        self.formats.len().max(1)
    }
}

/// A playback format of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Where `<format>…</format>` stands in the recording.
    pub span: Range<usize>,
    /// Its type and URL, by which it is told from others.
    pub name: String,
}

/// An answer to getRecordings, or a page of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    pub recordings: Vec<Recorded>,
    /// How many there are on all pages, be it recordings or formats; none when the answer does not say.
    pub total: Option<usize>,
}

/// Reads a whole answer to getRecordings. One that says FAILED or has no list is a fault too, so that
/// it is never taken for an empty list.
pub fn scan(body: &[u8]) -> Result<List, XmlFault> {
    let mut walk = Walk::<At>::new(body);
    let mut scan = Scan::default();
    loop {
        match walk.next()? {
            Step::Open { place, name, at } => scan.open(place, name, at),
            Step::Text(_, piece) => scan.text.push_str(piece),
            Step::Char(_, piece) => scan.text.push(piece),
            Step::Close { place, end } => scan.close(place, end)?,
            Step::End => break,
        }
    }
    let returncode = scan.returncode.filter(|code| !code.is_empty());
    if !is_success(&returncode.ok_or(XmlFault::NoReturncode)?) {
        return Err(XmlFault::failed(read(body)?.message_key.as_deref()));
    }
    if scan.listed { Ok(scan.list) } else { Err(XmlFault::NoRecordings) }
}

/// Reads a recording that stands alone, raw as `<recording>…</recording>`.
pub fn alone(raw: &[u8]) -> Option<Recorded> {
    let list = [HEAD, raw, b"</recordings></response>"].concat();
    let mut found = scan(&list).ok()?.recordings;
    let only = found.pop().filter(|_| found.is_empty())?;
    Some(Recorded { span: 0..raw.len(), ..only })
}

const HEAD: &[u8] = b"<response>\n<returncode>SUCCESS</returncode>\n<recordings>";

/// Adds a recording, raw as `<recording>…</recording>`, to others. Every recording of a list that we
/// answer goes through here.
pub fn add(recordings: &mut Vec<u8>, recording: &[u8]) {
    recordings.push(b'\n');
    recordings.extend_from_slice(recording);
}

/// The answer that lists these recordings, in pieces, each made by [`add`]; of a page, with how many
/// there are in all.
pub fn merged(recordings: impl IntoIterator<Item = Bytes>, total: Option<usize>) -> Vec<Bytes> {
    let mut answer = vec![Bytes::from_static(HEAD)];
    answer.extend(recordings.into_iter().filter(|piece| !piece.is_empty()));
    answer.push(Bytes::from_static(match answer.len() {
        1 => reply::NO_RECORDINGS.as_bytes(),
        _ => b"\n</recordings>\n",
    }));
    if let Some(total) = total {
        answer.push(format!("<totalElements>{total}</totalElements>\n").into());
    }
    answer.push(Bytes::from_static(b"</response>"));
    answer
}

/// A list as far as it was read.
#[derive(Default)]
struct Scan {
    returncode: Option<String>,
    listed: bool,
    list: List,
    now: Recorded,
    format: Format,
    /// The fields of `now` that were read, a bit each: of several elements of a name the first counts.
    seen: u8,
    /// Of the metadata that is being read.
    name: String,
    text: String,
}

impl Scan {
    fn open(&mut self, place: At, name: &str, at: usize) {
        self.text.clear();
        match place {
            At::Recordings => self.listed = true,
            At::Recording => {
                self.now = Recorded { span: at..at, ..Recorded::default() };
                self.seen = 0;
            }
            At::Meta => name.clone_into(&mut self.name),
            At::Format => {
                let at = at - self.now.span.start;
                self.format = Format { span: at..at, name: String::new() };
            }
            _ => {}
        }
    }

    fn close(&mut self, place: At, end: usize) -> Result<(), XmlFault> {
        let text = std::mem::take(&mut self.text);
        match place {
            At::Returncode => {
                self.returncode.get_or_insert(text);
            }
            At::Total => self.list.total = text.trim().parse().ok(),
            At::Field(field) => self.fill(field, text),
            At::Meta => self.note(text),
            At::FormatName => {
                self.format.name.push_str(text.trim());
                self.format.name.push('\n');
            }
            At::Format => {
                let mut format = std::mem::take(&mut self.format);
                format.span.end = end - self.now.span.start;
                self.now.formats.push(format);
            }
            At::Recording => {
                let mut recording = std::mem::take(&mut self.now);
                if recording.record_id.is_empty() {
                    return Err(XmlFault::NoRecordId);
                }
                recording.span.end = end;
                self.list.recordings.push(recording);
            }
            At::Response | At::Recordings | At::Pagination | At::Metadata | At::Playback => {}
        }
        Ok(())
    }

    fn fill(&mut self, field: Field, text: String) {
        let bit = 1 << field as u8;
        if self.seen & bit != 0 {
            return;
        }
        self.seen |= bit;
        match field {
            Field::RecordId => self.now.record_id = text,
            Field::State => self.now.state = text,
            Field::StartTime => self.now.start_time = text.trim().parse().unwrap_or_default(),
        }
    }

    fn note(&mut self, text: String) {
        let name = std::mem::take(&mut self.name);
        // Of several tags the first counts, even if it is empty.
        if name == TAG && !self.now.metadata.iter().any(|(known, _)| known == TAG) {
            self.now.tenant = Some(text.clone()).filter(|text| !text.is_empty());
        }
        self.now.metadata.push((name, text));
    }
}

#[derive(Clone, Copy)]
enum At {
    Response,
    Returncode,
    Recordings,
    /// Where older servers write the total.
    Pagination,
    Total,
    Recording,
    Metadata,
    Meta,
    Playback,
    Format,
    /// Its type or URL.
    FormatName,
    Field(Field),
}

#[derive(Clone, Copy)]
enum Field {
    RecordId,
    State,
    StartTime,
}

impl Place for At {
    const ROOT: Self = Self::Response;

    fn has_text(self) -> bool {
        matches!(
            self,
            Self::Returncode | Self::Total | Self::Meta | Self::FormatName | Self::Field(_)
        )
    }

    fn child(self, name: &str) -> Option<Self> {
        Some(match (self, name) {
            (Self::Response, "returncode") => Self::Returncode,
            (Self::Response, "recordings") => Self::Recordings,
            (Self::Response | Self::Recordings, "pagination") => Self::Pagination,
            (Self::Response | Self::Pagination, "totalElements") => Self::Total,
            (Self::Recordings, "recording") => Self::Recording,
            (Self::Recording, "recordID") => Self::Field(Field::RecordId),
            (Self::Recording, "state") => Self::Field(Field::State),
            (Self::Recording, "startTime") => Self::Field(Field::StartTime),
            (Self::Recording, "metadata") => Self::Metadata,
            (Self::Recording, "playback") => Self::Playback,
            (Self::Playback, "format") => Self::Format,
            (Self::Format, "type" | "url") => Self::FormatName,
            (Self::Metadata, _) => Self::Meta,
            _ => return None,
        })
    }
}

/// A list of ids, which BBB decodes once more before it splits it; each once.
pub fn ids(list: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let list = query::decoded(list);
    for id in list.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    ids
}

/// The page that a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub offset: usize,
    pub limit: usize,
}

impl Page {
    /// None when the query names no limit that is a number: then there are no pages.
    pub fn of(query: &str) -> Option<Self> {
        let number = |name| query::value(query, name)?.trim().parse::<i64>().ok();
        let limit = number("limit")?.clamp(1, MOST_OF_A_PAGE as i64);
        let offset = number("offset").unwrap_or(0).max(0);
        let whole = |n| usize::try_from(n).unwrap_or(usize::MAX);
        Some(Self { offset: whole(offset), limit: whole(limit) })
    }
}

#[cfg(test)]
mod tests;
