//! The error page of the framework that BBB is made with, in XML or JSON. What stands before a server may send it with
//! HTTP status 200.

use serde::Deserialize;

/// The longest text that is taken for one.
pub const MOST_BYTES: usize = 8 * 1024;

/// The page in JSON, as far as it is looked at.
#[derive(Deserialize)]
struct Page {
    status: u16,
    #[serde(rename = "error")]
    _error: String,
    #[serde(rename = "path")]
    _path: String,
}

/// The HTTP status that a whole body names, if it is such a page.
pub fn status(body: &[u8]) -> Option<u16> {
    if body.len() > MOST_BYTES {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    let status = if text.starts_with('{') {
        serde_json::from_str::<Page>(text).ok()?.status
    } else {
        in_xml(text)?
    };
    Some(status).filter(|status| (400..600).contains(status))
}

fn in_xml(text: &str) -> Option<u16> {
    let root = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>")?.1.trim_start(),
        None => text,
    };
    let inside = root.strip_prefix("<Map>")?.strip_suffix("</Map>")?;
    let (_, rest) = inside.split_once("<status>")?;
    rest.split_once("</status>")?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<u16>) {
        assert_eq!(status(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn an_error_page_names_its_status() {
        // As it was recorded from a real server.
        let xml = "<Map><timestamp>1796008510073</timestamp><status>404</status><error>Not Found</error><path>/bigbluebutton/api/bogusCall</path></Map>";
        check(xml, Some(404));
        check(&format!("<?xml version=\"1.0\"?>\n{xml}\n"), Some(404));
        let json = r#"{"timestamp":1796008510073,"status":405,"error":"Method Not Allowed","path":"/bigbluebutton/api/x"}"#;
        check(json, Some(405));
        check(&xml.replace("404", "500"), Some(500));
    }

    #[test]
    fn nothing_else_is_one() {
        check("", None);
        check("<response><returncode>FAILED</returncode><status>404</status></response>", None);
        check("<Map><status>200</status></Map>", None);
        check("<Map><status>404</status>", None);
        check("<Map><error>Not Found</error></Map>", None);
        check(r#"{"response":{"returncode":"FAILED","messageKey":"noRecordings"}}"#, None);
        check(r#"{"status":404}"#, None);
        check(&format!("<Map><status>404</status>{}</Map>", " ".repeat(MOST_BYTES)), None);
    }
}
