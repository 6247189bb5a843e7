//! A recording as a simulated server keeps it.

use super::reply::Xml;
use crate::domain::meeting::MeetingId;

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
        let length = (self.end_time - self.start_time) / 60_000;
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
            .open("metadata")
            .leaf("isBreakout", false)
            .leaf("meetingId", &self.meeting_id)
            .leaf("meetingName", &self.name);
        for (name, value) in &self.metadata {
            x.leaf(name, value);
        }
        x.close("metadata").open("playback");
        for kind in formats {
            let url = if *kind == "presentation" { "presentation/2.3" } else { kind };
            x.open("format")
                .leaf("type", kind)
                .leaf("url", format!("{origin}/playback/{url}/{id}"))
                .leaf("processingTime", 7177)
                .leaf("length", length)
                .close("format");
        }
        x.close("playback").close("recording");
    }
}
