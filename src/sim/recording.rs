//! A recording as a simulated server keeps it.

use super::reply::{BREAK, Xml};
use crate::domain::meeting::MeetingId;

/// Bytes of one format.
const SIZE: usize = 1024;

/// A recording of a meeting that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub record_id: String,
    pub meeting_id: String,
    pub name: String,
    /// processing, processed, published, unpublished or deleted.
    pub state: String,
    /// Milliseconds since 1970.
    pub start_time: u64,
    pub end_time: u64,
    pub participants: u32,
    pub metadata: Vec<(String, String)>,
    /// The kinds of its playback formats.
    pub formats: Vec<String>,
    pub tracks: Vec<Track>,
    /// It was published or changed since, whereby its file was written anew, with line breaks around URLs.
    pub rewritten: bool,
}

/// Subtitles or captions of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub kind: String,
    pub label: String,
    pub lang: String,
    pub bytes: usize,
}

impl Recording {
    /// A published recording of one hour, started then.
    pub fn new(meeting_id: &str, start_time: u64) -> Self {
        let key = MeetingId::new(meeting_id).key();
        Self {
            record_id: format!("{key}-{start_time}"),
            meeting_id: meeting_id.to_owned(),
            name: format!("Recording of {meeting_id}"),
            state: "published".to_owned(),
            start_time,
            end_time: start_time + 3_600_000,
            participants: 2,
            metadata: Vec::new(),
            formats: ["presentation", "video"].map(str::to_owned).into(),
            tracks: Vec::new(),
            rewritten: false,
        }
    }

    /// The same with one more pair of metadata.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.metadata.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same of this tenant.
    pub fn of(self, tenant: &str) -> Self {
        self.with("bigblueswarm-tenant", tenant)
    }

    /// The same with playback formats of these kinds.
    pub fn formats(self, kinds: &[&str]) -> Self {
        Self { formats: kinds.iter().map(|kind| (*kind).to_owned()).collect(), ..self }
    }

    /// The same in this state.
    pub fn state(self, state: &str) -> Self {
        Self { state: state.to_owned(), ..self }
    }

    /// Whether the file of the recording is there to be changed.
    pub(super) fn lives(&self) -> bool {
        self.state == "published" || self.state == "unpublished"
    }

    /// Changes or, with an empty value, removes metadata.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let at = self.metadata.iter().position(|(known, _)| known == name);
        match (at, value.is_empty()) {
            (Some(at), true) => {
                self.metadata.remove(at);
            }
            (Some(at), false) => self.metadata[at].1 = value.to_owned(),
            (None, true) => {}
            (None, false) => self.metadata.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The value of its metadata of this name; some names are of BBB's own.
    pub(super) fn meta(&self, name: &str) -> Option<&str> {
        match name {
            "meetingId" => Some(&self.meeting_id),
            "meetingName" => Some(&self.name),
            "isBreakout" => Some("false"),
            _ => self.metadata.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()),
        }
    }

    /// The element, as it stands in a list, with these of its formats.
    pub(super) fn print(&self, x: &mut Xml, origin: &str, formats: &[&str]) {
        let id = &self.record_id;
        x.open("recording")
            .leaf("recordID", id)
            .leaf("meetingID", &self.meeting_id)
            .leaf("internalMeetingID", id)
            .leaf("name", &self.name)
            .leaf("isBreakout", false)
            .leaf("published", self.state == "published")
            .leaf("state", &self.state)
            .leaf("startTime", self.start_time)
            .leaf("endTime", self.end_time)
            .leaf("participants", self.participants)
            .leaf("rawSize", 4 * SIZE)
            .open("metadata")
            .leaf("meetingId", &self.meeting_id)
            .leaf("meetingName", &self.name);
        for (name, value) in &self.metadata {
            x.exact(name, value);
        }
        x.close("metadata").leaf("size", SIZE * formats.len()).open("playback");
        for kind in formats {
            self.format(x, origin, kind);
        }
        x.close("playback").line("<data></data>").close("recording");
    }

    fn format(&self, x: &mut Xml, origin: &str, kind: &str) {
        let id = &self.record_id;
        let page = if kind == "presentation" { "presentation/2.3" } else { kind };
        let (url, image) =
            (format!("{origin}/playback/{page}/{id}"), format!("{origin}/{kind}/{id}/thumb-1.png"));
        let (before, after) = match self.rewritten {
            true => (format!("{BREAK}      "), format!("{BREAK}    ")),
            false => (String::new(), String::new()),
        };
        x.open("format")
            .leaf("type", kind)
            .exact("url", &format!("{before}{url}{after}"))
            .leaf("processingTime", 7177)
            .leaf("length", (self.end_time - self.start_time) / 60_000)
            .leaf("size", SIZE)
            .open("preview")
            .open("images")
            .line(&format!("<image alt=\"slide\" height=\"136\" width=\"176\">{image}</image>"))
            .close("images")
            .close("preview")
            .close("format");
    }
}
