//! Our own answers, in BBB's shape: one element per line, no declaration.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::escape::partial_escape;

/// The answer of the root, as XML.
pub const VERSION_XML: &str = "<response>\n<returncode>SUCCESS</returncode>\n<version>2.0</version>\n\
    <apiVersion>2.0</apiVersion>\n<bbbVersion></bbbVersion>\n</response>";

/// The answer of the root, as JSON.
pub const VERSION_JSON: &str = r#"{
    "response": {
        "returncode": "SUCCESS",
        "version": "2.0",
        "apiVersion": "2.0",
        "bbbVersion": ""
    }
}"#;

/// The answer to isMeetingRunning of a meeting that nobody is in.
pub const NOT_RUNNING: &str =
    "<response>\n<returncode>SUCCESS</returncode>\n<running>false</running>\n</response>";

/// The answer to getMeetings when there are none.
pub const NO_MEETINGS: &str = "<response>\n<returncode>SUCCESS</returncode>\n<meetings/>\n\
    <messageKey>noMeetings</messageKey>\n<message>no meetings were found on this server</message>\n</response>";

/// The answer that refuses a call.
pub fn failed(key: &str, message: &str) -> String {
    let (key, message) = (escape(key), escape(message));
    format!(
        "<response>\n<returncode>FAILED</returncode>\n<messageKey>{key}</messageKey>\n\
         <message>{message}</message>\n</response>"
    )
}

/// Text as it stands in an element. Characters that XML can't hold are left out.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml) {
        return partial_escape(text);
    }
    let kept: String = text.chars().filter(|&c| is_xml(c)).collect();
    Cow::Owned(partial_escape(kept.as_str()).into_owned())
}

fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{FFFE}' | '\u{FFFF}'))
}

/// What BBB leaves as it is in the `errors` of a redirect; `&` and `+` it leaves too, but then they are lost.
const ERRORS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b';')
    .remove(b':')
    .remove(b'$')
    .remove(b'=')
    .remove(b'@')
    .remove(b'/')
    .remove(b'?')
    .remove(b'[')
    .remove(b']');

/// What can't stand in a header or a URL, such as the line breaks of a forged one.
const TARGET: &AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Where a join that is refused redirects to: `target` as it was given, with BBB's `errors` in its query.
pub fn error_redirect(target: &str, key: &str, message: &str) -> String {
    let (url, fragment) = target.find('#').map_or((target, ""), |at| target.split_at(at));
    let joint = match url.find('?') {
        None => "?",
        Some(_) if url.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    // BBB prints a hash map: the message comes before the key.
    let errors = format!("[{{\"message\":{},\"key\":{}}}]", json(message), json(key));
    let errors = utf8_percent_encode(&errors, ERRORS);
    let shown = |text| utf8_percent_encode(text, TARGET);
    format!("{}{joint}errors={errors}{}", shown(url), shown(fragment))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::Value::String(text.to_owned())
}
