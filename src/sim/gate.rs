//! What the web servers in front of BBB refuse before BBB sees it, and what it has no call or method for.

use http::{Method, StatusCode};

use super::machine::Ask;
use super::reply::{Reply, html, no_such_call};
use super::settings::SimSettings;
use super::version::Version;
use crate::bbb::call::Call;

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
    let hooks = ask.path().starts_with("/bigbluebutton/api/hooks/");
    let is_tomcats = ask.path().starts_with("/bigbluebutton") && !hooks;
    let raw = ask.query().contains(|c| RAW.contains(c));
    (raw && is_tomcats).then(|| html(StatusCode::BAD_REQUEST, "Bad Request"))
}

/// The refusal of a call that there is not, or not by this method; the oldest version takes any.
pub(super) fn no_call(version: Version, call: &str, ask: &Ask, wall: u64) -> Option<Reply> {
    let newer = call == "sendChatMessage" && version < Version::V3_0;
    let Some(known) = Call::parse(call).filter(|_| !newer) else {
        return Some(no_such_call(ask.path(), wall));
    };
    let is_get = ask.method == Method::GET || ask.method == Method::HEAD;
    let is_post = ask.method == Method::POST;
    let taken = is_get && known.takes_get() || is_post && known.takes_post();
    let refused = !taken && version > Version::V2_5;
    refused.then(|| html(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
}
