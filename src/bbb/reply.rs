//! Our own answers, in BBB's shape: one element per line, no declaration.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::escape::partial_escape;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Value, json};

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

/// The answer to getSessions when there are none; the slip of the pen is BBB's.
pub const NO_SESSIONS: &str = "<response>\n<returncode>SUCCESS</returncode>\n<sessions/>\n\
    <messageKey>noSessions</messageKey>\n<message>no sessions were found on this serverr</message>\n</response>";

/// The rest of an answer to getRecordings behind `<recordings>` when there are none.
pub const NO_RECORDINGS: &str = "</recordings>\n<messageKey>noRecordings</messageKey>\n\
    <message>There are no recordings for the meeting(s).</message>\n";

/// insertDocument for a meeting that does not exist: BBB gives this failure no key.
pub fn no_document_meeting(id: &str) -> String {
    let id = escape(id);
    format!(
        "<response>\n<returncode>FAILED</returncode>\n\
         <message>Meeting with id [{id}] not found.</message>\n</response>"
    )
}

/// The answer that refuses a call.
pub fn failed(key: &str, message: &str) -> String {
    let (key, message) = (escape(key), escape(message));
    format!(
        "<response>\n<returncode>FAILED</returncode>\n<messageKey>{key}</messageKey>\n\
         <message>{message}</message>\n</response>"
    )
}

/// The same in JSON, in one line as the calls about text tracks print it.
pub fn failed_json(key: &str, message: &str) -> String {
    failure(key, message).to_string()
}

/// The same in JSON as all other calls print it.
pub fn failed_pretty(key: &str, message: &str) -> String {
    pretty(&failure(key, message))
}

fn failure(key: &str, message: &str) -> Value {
    let response = json!({ "returncode": "FAILED", "messageKey": key, "message": message });
    json!({ "response": response })
}

/// JSON with an indent of four blanks, as BBB prints it.
pub fn pretty(value: &Value) -> String {
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut to = serde_json::Serializer::with_formatter(&mut text, formatter);
    // A value in memory is always written, and as UTF-8.
    match value.serialize(&mut to) {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        Err(_) => value.to_string(),
    }
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
    let errors = format!("[{{\"message\":{},\"key\":{}}}]", Value::from(message), Value::from(key));
    let errors = utf8_percent_encode(&errors, ERRORS);
    let shown = |text| utf8_percent_encode(text, TARGET);
    format!("{}{joint}errors={errors}{}", shown(url), shown(fragment))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bbb::xml::{Envelope, read};

    #[test]
    fn our_answers_look_like_those_of_an_instance() {
        let expected = "<response>\n<returncode>FAILED</returncode>\n\
            <messageKey>checksumError</messageKey>\n<message>Checksums do not match</message>\n</response>";
        assert_eq!(failed("checksumError", "Checksums do not match"), expected);
        for answer in [VERSION_XML, NOT_RUNNING, NO_MEETINGS, NO_SESSIONS] {
            assert!(read(answer.as_bytes()).is_ok_and(|envelope| envelope.success), "{answer}");
            assert!(answer.starts_with("<response>\n<returncode>SUCCESS</returncode>\n"));
            assert!(answer.lines().all(|line| !line.starts_with(' ')), "{answer}");
        }
        let pretty = "{\n    \"response\": {\n        \"returncode\": \"FAILED\",\n        \
            \"messageKey\": \"k\",\n        \"message\": \"m\"\n    }\n}";
        assert_eq!(failed_pretty("k", "m"), pretty);
        let json: serde_json::Value = serde_json::from_str(VERSION_JSON).expect("JSON");
        assert_eq!(json["response"]["returncode"], "SUCCESS");
        assert_eq!(json["response"]["version"], "2.0");
        assert_eq!(json["response"]["apiVersion"], "2.0");
    }

    #[track_caller]
    fn check(target: &str, expected: &str) {
        let location = error_redirect(target, "k", "a \"b\"");
        let errors =
            "errors=[%7B%22message%22:%22a%20%5C%22b%5C%22%22,%22key%22:%22k%22%7D]".to_owned();
        assert_eq!(location, expected.replace("ERRORS", &errors));
    }

    #[test]
    fn a_refused_join_redirects_with_its_errors() {
        let known = "https://bbb.example.com?errors=[%7B%22message%22:%22Checksums%20do%20not%20match%22,\
            %22key%22:%22checksumError%22%7D]";
        let location =
            error_redirect("https://bbb.example.com", "checksumError", "Checksums do not match");
        assert_eq!(location, known);
        check("https://a/b", "https://a/b?ERRORS");
        check("https://a/b?", "https://a/b?ERRORS");
        check("https://a/b?x=%20+'&y=", "https://a/b?x=%20+'&y=&ERRORS");
        check("https://a/b?x&", "https://a/b?x&ERRORS");
        check("https://a/b#f?g", "https://a/b?ERRORS#f?g");
        check("https://a/?x=[1]#f", "https://a/?x=[1]&ERRORS#f");
        check("https://a/\r\nSet-Cookie: é", "https://a/%0D%0ASet-Cookie:%20%C3%A9?ERRORS");
    }

    proptest! {
        #[test]
        fn a_refusal_of_any_text_is_read_as_that_text(key in "[ -~é]{1,20}", message in "\\PC{1,40}") {
            let envelope = read(failed(&key, &message).as_bytes()).expect("well-formed");
            let expected = Envelope {
                message_key: Some(key),
                message: Some(message).map(|m| m.chars().filter(|&c| is_xml(c)).collect::<String>()),
                ..Envelope::default()
            };
            prop_assert_eq!(envelope.message_key, expected.message_key);
            prop_assert_eq!(envelope.message.unwrap_or_default(), expected.message.unwrap_or_default());
        }

        #[test]
        fn a_redirect_is_a_location_whatever_its_target_and_words(target in any::<String>(), words in any::<String>()) {
            let location = error_redirect(&target, "key", &words);
            prop_assert!(location.bytes().all(|b| b.is_ascii_graphic()), "{location}");
            const KEY: &str = ",%22key%22:%22key%22%7D]";
            let (before, _) = location.split_once(KEY).expect("the key");
            let errors = before.split_once("errors=[").expect("errors").1;
            prop_assert!(!errors.contains(['&', '#', '+']));
            let errors = [errors, "%7D"].concat();
            let decoded = percent_encoding::percent_decode_str(&errors).decode_utf8().expect("text");
            let object: serde_json::Value = serde_json::from_str(&decoded).expect("JSON");
            prop_assert_eq!(&object["message"], &words);
        }
    }
}
