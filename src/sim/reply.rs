//! The shapes of answers: XML as BBB's templates print it, redirects, pages.

use std::fmt::Display;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use quick_xml::escape::escape;
use serde::Serialize;
use serde_json::json;
use serde_json::ser::PrettyFormatter;

use super::machine::Ask;
use super::version::Version;

/// A line break inside a document that has none between its elements.
pub(super) const BREAK: char = '\u{1}';
const XML: &str = "text/xml;charset=utf-8";
const JSON: &str = "application/json;charset=utf-8";

/// An answer of a simulated server.
pub(super) type Reply = Response<Bytes>;

/// Why a call failed, in BBB's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) key: String,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(key: &str, message: &str) -> Self {
        Self { key: key.to_owned(), message: message.to_owned() }
    }

    /// The answer in XML; one key has a shape of its own.
    pub(super) fn reply(&self) -> Reply {
        let mut reply = xml(crlf(response("FAILED", |x| {
            if self.key == "nonUniqueVoiceBridge" {
                x.open("errors").open("error").leaf("key", &self.key);
                x.leaf("message", &self.message).close("error").close("errors");
            } else {
                x.leaf("messageKey", &self.key).leaf("message", &self.message);
            }
        })));
        reply.extensions_mut().insert(self.clone());
        reply
    }

    /// The same in JSON, as BBB prints it: four blanks a level.
    fn json(&self) -> Reply {
        let Self { key, message } = self;
        let failed = json!({"returncode": "FAILED", "messageKey": key, "message": message});
        pretty(&json!({ "response": failed }))
    }
}

/// The answer in the form that its asker wants: failures come in JSON too. An old version fails where it has no JSON.
pub(super) fn negotiated(reply: Reply, ask: &Ask, version: Version) -> Reply {
    let accepted = ask.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if !accepted.is_some_and(|kinds| kinds.trim_start().starts_with("application/json")) {
        return reply;
    }
    if let Some(failure) = reply.extensions().get::<Failure>() {
        return failure.json();
    }
    let is_xml = reply.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == XML);
    if version > Version::V2_5 || !is_xml {
        return reply;
    }
    let mut page = failed();
    page.headers_mut()
        .extend(reply.headers().get(CACHE_CONTROL).map(|v| (CACHE_CONTROL, v.clone())));
    page
}

/// JSON as BBB prints it: four blanks a level.
pub(super) fn pretty(value: &impl Serialize) -> Reply {
    let mut text = Vec::new();
    let format = PrettyFormatter::with_indent(b"    ");
    let mut json = serde_json::Serializer::with_formatter(&mut text, format);
    if value.serialize(&mut json).is_err() {
        return failed();
    }
    let mut reply = of_type(StatusCode::OK, JSON, text);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// The page of a server that failed.
pub(super) fn failed() -> Reply {
    html(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

/// What BBB says of a call that it does not have.
pub(super) fn no_such_call(path: &str, wall: u64) -> Reply {
    let body = format!(
        "<Map><timestamp>{wall}</timestamp><status>404</status><error>Not Found</error><path>{}</path></Map>",
        escape(path)
    );
    of_type(StatusCode::NOT_FOUND, "application/xml;charset=UTF-8", body)
}

/// XML under construction: one element per line, nothing indented.
#[derive(Default)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn line(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self.0.push('\n');
        self
    }

    pub(super) fn open(&mut self, name: &str) -> &mut Self {
        self.line(&format!("<{name}>"))
    }

    pub(super) fn close(&mut self, name: &str) -> &mut Self {
        self.line(&format!("</{name}>"))
    }

    /// An element with a value, escaped; runs of white space in it become one, as BBB's templates do.
    pub(super) fn leaf(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = squeeze(&value.to_string());
        self.line(&format!("<{name}>{}</{name}>", escape(value.as_str())))
    }

    /// An element whose value stands as it is, escaped.
    pub(super) fn exact(&mut self, name: &str, value: &str) -> &mut Self {
        self.line(&format!("<{name}>{}</{name}>", escape(value)))
    }

    /// The same as a leaf unless the value is empty.
    pub(super) fn leaf_if_any(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.leaf(name, value) }
    }
}

/// Every run of white space becomes one line break if it has one, else one blank.
fn squeeze(value: &str) -> String {
    let mut squeezed = String::with_capacity(value.len());
    let mut run: Option<char> = None;
    for c in value.chars() {
        match (c.is_whitespace(), run) {
            (true, _) => run = Some(if c == '\n' || run == Some('\n') { '\n' } else { ' ' }),
            (false, gap) => {
                squeezed.extend(gap);
                squeezed.push(c);
                run = None;
            }
        }
    }
    squeezed.extend(run);
    squeezed
}

/// A whole document.
pub(super) fn response(returncode: &str, fill: impl FnOnce(&mut Xml)) -> String {
    let mut x = Xml::default();
    x.open("response").leaf("returncode", returncode);
    fill(&mut x);
    x.0.push_str("</response>");
    x.0
}

/// The same with the line ends of Windows, which many of BBB's templates have.
pub(super) fn crlf(document: String) -> String {
    document.replace('\n', "\r\n")
}

/// A whole document without line breaks, as the calls about recordings answer.
pub(super) fn flat(fill: impl FnOnce(&mut Xml)) -> String {
    response("SUCCESS", fill).replace('\n', "")
}

/// The same with the children of the root on lines of their own, as lists of recordings are.
pub(super) fn indented(fill: impl FnOnce(&mut Xml)) -> String {
    const GAP: &str = "\n          ";
    let mut text = flat(fill);
    let found = text.contains("<recording>");
    let starts = ["<returncode>", "<recordings>", "<pagination>", "<messageKey>", "<message>"];
    for start in starts.into_iter().take(if found { 3 } else { starts.len() }) {
        text = text.replacen(start, &format!("{GAP}{start}"), 1);
    }
    if !text.contains("<pagination>") {
        text = text.replacen("<totalElements>", &format!("{GAP}<totalElements>"), 1);
    }
    let open = text.strip_suffix("</response>").unwrap_or(&text);
    format!("{open}\n        </response>").replace(BREAK, "\n")
}

/// The usual answer: 200, XML.
pub(super) fn xml(body: String) -> Reply {
    let mut reply = cacheable_xml(body);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// The same without a word on caching, as getMeetingInfo answers.
pub(super) fn cacheable_xml(body: String) -> Reply {
    of_type(StatusCode::OK, XML, body)
}

/// An answer of this status and type.
pub(super) fn of_type(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// Whether BBB did what was asked.
pub(super) fn succeeded(reply: &Reply) -> bool {
    let sign = b"<returncode>SUCCESS</returncode>";
    reply.body().windows(sign.len()).any(|part| part == sign)
}

/// A page of the web server around BBB.
pub(super) fn html(status: StatusCode, text: &str) -> Reply {
    let text = escape(text);
    let body = format!(
        "<!doctype html><html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"
    );
    of_type(status, "text/html;charset=utf-8", body)
}

/// A 302 to `target`; a target that no header can carry is a fault of the server.
pub(super) fn redirect(target: &str) -> Reply {
    let Ok(location) = HeaderValue::from_bytes(target.as_bytes()) else {
        return failed();
    };
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::FOUND;
    reply.headers_mut().insert(LOCATION, location);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_in_values_is_squeezed() {
        let check = |value, expected| assert_eq!(squeeze(value), expected);
        check("a  b", "a b");
        check("a \n\n b", "a\nb");
        check(" a ", " a ");
        check("", "");
    }

    #[test]
    fn the_voice_bridge_has_its_own_shape() {
        let failure =
            Failure::new("nonUniqueVoiceBridge", "The selected voice bridge is already in use.");
        let expected = "<response>\r\n<returncode>FAILED</returncode>\r\n<errors>\r\n<error>\r\n\
            <key>nonUniqueVoiceBridge</key>\r\n<message>The selected voice bridge is already in use.</message>\r\n\
            </error>\r\n</errors>\r\n</response>";
        assert_eq!(failure.reply().body(), expected.as_bytes());
    }
}
