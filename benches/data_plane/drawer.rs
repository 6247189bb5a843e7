//! The recordings of one instance, as it lists them: filtered by id, tenant and page.

use std::borrow::Cow;
use std::fmt::Write;

use bigblueswarm::bbb::query::value;
use bytes::Bytes;

use crate::texts::{noise, sha1, tenant};

struct Drawn {
    id: String,
    tenant: &'static str,
    text: String,
}

/// All recordings, in no order that means anything.
pub(crate) struct Drawer(Vec<Drawn>);

impl Drawer {
    pub(crate) fn of(instance: usize, recordings: usize) -> Self {
        Self((0..recordings).map(|n| drawn(instance, n)).collect())
    }

    pub(crate) fn answer(&self, query: &str) -> Bytes {
        let ids = value(query, "recordID").unwrap_or_default();
        let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
        let tenant = value(query, "meta_bigblueswarm-tenant");
        let wanted = |drawn: &&Drawn| {
            (ids.is_empty() || ids.iter().any(|id| drawn.id.starts_with(id)))
                && tenant.as_deref().is_none_or(|tenant| tenant == drawn.tenant)
        };
        let found: Vec<&Drawn> = self.0.iter().filter(wanted).collect();
        let number = |name| value(query, name).and_then(|text: Cow<'_, str>| text.parse().ok());
        let (offset, limit) = (number("offset").unwrap_or(0), number("limit").unwrap_or(100));
        let mut text = "<response><returncode>SUCCESS</returncode><recordings>".to_owned();
        for drawn in found.iter().skip(offset).take(limit) {
            text.push_str(&drawn.text);
        }
        let _ =
            write!(text, "</recordings><totalElements>{}</totalElements></response>", found.len());
        text.into()
    }
}

/// A recording with a presentation and a video, about 1.6 KB.
fn drawn(instance: usize, n: usize) -> Drawn {
    let at = 1_700_000_000_000 + noise(instance, n, 20) % 30_000_000_000;
    let meeting = format!("room-{:x}", noise(instance, n, 21) % 5_000);
    let id = format!("{}-{at}", sha1(&format!("{meeting}-{instance}-{n}")));
    let (tenant, context) = (tenant(n).0, noise(instance, n, 22) % 2_000);
    let host = format!("bbb{instance}.example.org");
    let mut text = format!(
        "<recording><recordID>{id}</recordID><meetingID>{meeting}</meetingID><internalMeetingID>{id}</internalMeetingID>\
         <name>Lecture {n} of {context}</name><isBreakout>false</isBreakout><published>true</published><state>published</state>\
         <startTime>{at}</startTime><endTime>{}</endTime><participants>{}</participants><rawSize>{}</rawSize><metadata>\
         <bbb-context>Course {context}</bbb-context><bbb-context-id>{context}</bbb-context-id><bbb-origin>Moodle</bbb-origin>\
         <bbb-origin-server-name>moodle.example.org</bbb-origin-server-name><bbb-recording-name>Lecture {n}</bbb-recording-name>\
         <bigblueswarm-tenant>{tenant}</bigblueswarm-tenant><isBreakout>false</isBreakout><meetingId>{meeting}</meetingId>\
         <meetingName>Lecture {n} of {context}</meetingName></metadata><size>{}</size><playback>",
        at + 3_600_000,
        noise(instance, n, 23) % 40,
        noise(instance, n, 24) % 1_000_000_000,
        noise(instance, n, 25) % 100_000_000,
    );
    for kind in ["presentation/2.3", "video"] {
        let _ = write!(
            text,
            "<format><type>{}</type><url>https://{host}/playback/{kind}/{id}</url><processingTime>{}</processingTime>\
             <length>60</length><size>{}</size><preview><images>\
             <image alt=\"\" height=\"136\" width=\"176\">https://{host}/presentation/{id}/presentation/{:040x}/thumbnails/thumb-1.png</image>\
             </images></preview></format>",
            kind.split('/').next().unwrap_or_default(),
            noise(instance, n, 26) % 10_000_000,
            noise(instance, n, 27) % 100_000_000,
            noise(instance, n, 28),
        );
    }
    text.push_str("</playback><data></data></recording>");
    Drawn { id, tenant, text }
}
