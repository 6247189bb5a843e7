//! What the web servers in front of BBB refuse before BBB sees it.

use http::StatusCode;

use super::machine::Ask;
use super::reply::{Reply, html};
use super::settings::SimSettings;

/// nginx takes no longer request line than this, in bytes.
const LONGEST_LINE: usize = 8 << 10;
/// What stands in a request line beside method and target: ` `, ` HTTP/1.1`, and its end.
const REST_OF_LINE: usize = 12;
/// Tomcat refuses these where they stand unescaped in a query.
const RAW: &str = "[]{}|\"<>\\^`";

/// The refusal of a request that BBB itself never sees.
pub(super) fn refusal(settings: &SimSettings, ask: &Ask) -> Option<Reply> {
    let line = ask.method.as_str().len() + ask.target.len() + REST_OF_LINE;
    if line > LONGEST_LINE {
        return Some(html(StatusCode::URI_TOO_LONG, "Request-URI Too Large"));
    }
    if ask.body.len() > settings.most_body {
        return Some(html(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"));
    }
    let beside = ask.path().starts_with("/bigbluebutton/api/hooks/");
    let raw = ask.query().contains(|c| RAW.contains(c));
    (raw && !beside).then(|| html(StatusCode::BAD_REQUEST, "Bad Request"))
}
