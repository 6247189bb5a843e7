//! What a broken server sends.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode};

use super::faults::BadXml;
use super::reply::{Reply, of_type, xml};

/// So deep is the deep nesting.
const DEPTH: usize = 100_000;
const MIB: usize = 1 << 20;

/// XML that must not be believed.
pub(super) fn bad_xml(kind: BadXml) -> Reply {
    let ok = "<response>\n<returncode>SUCCESS</returncode>\n";
    match kind {
        BadXml::Doctype => {
            xml(format!("<!DOCTYPE response SYSTEM \"http://127.0.0.1/x.dtd\">\n{ok}</response>"))
        }
        BadXml::EntityBomb => xml(format!("{}\n{ok}<message>&j;</message>\n</response>", bomb())),
        BadXml::DeepNesting => {
            xml(format!("{ok}{}{}</response>", "<a>".repeat(DEPTH), "</a>".repeat(DEPTH)))
        }
        BadXml::TwoRoots => xml(format!("{ok}</response>\n{ok}</response>")),
        BadXml::WrongEncoding => {
            let mut bytes =
                b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>\n<returncode>".to_vec();
            bytes.extend(
                b"SUCCESS</returncode>\n<meetingName>J\xF6rg\xC3</meetingName>\n</response>",
            );
            of_type(StatusCode::OK, "text/xml;charset=utf-8", bytes)
        }
        BadXml::Utf16 => {
            let text = format!("\u{FEFF}{ok}</response>");
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            of_type(StatusCode::OK, "text/xml;charset=utf-16", bytes)
        }
        BadXml::OtherEncoding => {
            xml(format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n{ok}</response>"))
        }
        BadXml::LateDoctype => {
            xml(format!("<!-- all is well -->\n<!DOCTYPE response>\n{ok}</response>"))
        }
        BadXml::UnknownEntity => xml(format!("{ok}<message>&secret;</message>\n</response>")),
    }
}

/// Ten entities, each ten times the one before.
fn bomb() -> String {
    let mut text = String::from("<!DOCTYPE response [\n<!ENTITY a \"boom\">\n");
    for (small, big) in ('a'..='i').zip('b'..='j') {
        text.push_str(&format!("<!ENTITY {big} \"{}\">\n", format!("&{small};").repeat(10)));
    }
    text + "]>"
}

/// Bytes that are neither text nor XML.
pub(super) fn garbage() -> Reply {
    let bytes: Vec<u8> =
        (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    of_type(StatusCode::OK, "text/xml;charset=utf-8", bytes)
}

/// A sound list of meetings, made while it is sent.
pub(super) fn huge(mebibytes: usize) -> Response<Body> {
    let head = Bytes::from_static(b"<response>\n<returncode>SUCCESS</returncode>\n<meetings>\n");
    let tail = Bytes::from_static(b"</meetings>\n</response>");
    let chunks = (0..mebibytes).map(mebibyte_of_meetings);
    let all = std::iter::once(head).chain(chunks).chain(std::iter::once(tail));
    let body = Body::from_stream(stream::iter(all.map(Ok::<_, std::io::Error>)));
    xml(String::new()).map(|_| body)
}

fn mebibyte_of_meetings(chunk: usize) -> Bytes {
    let mut text = String::with_capacity(MIB + 1024);
    for n in 0.. {
        if text.len() >= MIB {
            break;
        }
        text.push_str(&format!(
            "<meeting>\n<meetingName>Filler</meetingName>\n<meetingID>filler-{chunk}-{n}</meetingID>\n\
             <running>false</running>\n<participantCount>0</participantCount>\n\
             <hasBeenForciblyEnded>false</hasBeenForciblyEnded>\n<attendees>\n</attendees>\n<metadata>\n\
             </metadata>\n<isBreakout>false</isBreakout>\n</meeting>\n"
        ));
    }
    text.into()
}

/// The first half of an answer, then a broken connection.
pub(super) fn truncated(reply: Reply) -> Response<Body> {
    reply.map(|whole| {
        let half = whole.slice(..whole.len() / 2);
        let parts = [Ok(half), Err(std::io::Error::other("the answer broke off"))];
        Body::from_stream(stream::iter(parts))
    })
}
