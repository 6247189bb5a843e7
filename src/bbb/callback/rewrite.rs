//! A create's query with our callback URLs in place of the client's.

use super::Kind;
use crate::bbb::query::{append, decode, escaped, name_of};

/// The name is the client's, as it wrote it.
const MEETING_ENDED: &str = "meetingEndedURL";

/// Where a server tells that a recording is ready: at the first of these that a meeting has. All are replaced, as the
/// first may be taken out of a recording's metadata later.
const READY: [&str; 3] = [
    "meta_bbb-recording-ready-url",
    "meta_bn-recording-ready-url",
    "meta_canvas-recording-ready-url",
];

/// The query with each callback URL replaced by what `ours` makes of it; order and bytes of all else
/// stay. There always is a `meetingEndedURL` afterwards: without one of the client's, made of an empty URL.
pub fn rewritten(query: &str, mut ours: impl FnMut(Kind, &str) -> String) -> String {
    let mut ends = false;
    let parts = query.split('&').map(|part| {
        let name = name_of(part);
        let Some(kind) = kind_of(&decode(name)) else { return part.to_owned() };
        let value = decode(part.get(name.len() + 1..).unwrap_or_default());
        ends |= kind == Kind::Ended;
        // An empty one is as absent for BBB.
        match value.is_empty() && kind != Kind::Ended {
            true => part.to_owned(),
            false => format!("{name}={}", escaped(&ours(kind, &value))),
        }
    });
    let mut query = parts.collect::<Vec<_>>().join("&");
    if !ends {
        append(&mut query, MEETING_ENDED, &ours(Kind::Ended, ""));
    }
    query
}

/// The query without callback URLs, but for empty ones, which take a URL away. The change of a recording is about many
/// meetings, so that none of them can be replaced by one of ours.
pub fn without_urls(query: &str) -> String {
    let names_one = |part: &&str| {
        let name = name_of(part);
        part.len() > name.len() + 1 && kind_of(&decode(name)).is_some()
    };
    query.split('&').filter(|part| !names_one(part)).collect::<Vec<_>>().join("&")
}

/// Whether a create names a URL to call back.
pub fn asks_for_callbacks(query: &str) -> bool {
    query.split('&').any(|part| {
        let name = name_of(part);
        part.len() > name.len() + 1 && kind_of(&decode(name)).is_some()
    })
}

/// The callback that a parameter of this name asks for; BBB folds the case of metadata only.
fn kind_of(name: &str) -> Option<Kind> {
    if name == MEETING_ENDED {
        return Some(Kind::Ended);
    }
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match () {
        () if is("meta_endCallbackUrl") => Some(Kind::End),
        () if READY.into_iter().any(is) => Some(Kind::Recording),
        () if is("meta_analytics-callback-url") => Some(Kind::Analytics),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ours(kind: Kind, url: &str) -> String {
        format!("{}({url})", kind.name())
    }

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(rewritten(query, ours), expected);
    }

    #[test]
    fn callback_urls_become_ours_and_all_else_stays() {
        check("", "meetingEndedURL=ended%28%29");
        check("a=1&meetingEndedURL=x&b=%2B+'", "a=1&meetingEndedURL=ended%28x%29&b=%2B+'");
        check(
            "META_endcallbackurl=x%26y+z&meetingEndedURL=",
            "META_endcallbackurl=end%28x%26y%20z%29&meetingEndedURL=ended%28%29",
        );
        check(
            "meta_bbb-recording-ready-URL=r&meta%5Fanalytics-callback-url=a&meta_endCallbackUrl=",
            "meta_bbb-recording-ready-URL=recording%28r%29&meta%5Fanalytics-callback-url=analytics%28a%29\
             &meta_endCallbackUrl=&meetingEndedURL=ended%28%29",
        );
        check(
            "meta_canvas-recording-ready-url=c&meta_BN-recording-ready-url=b",
            "meta_canvas-recording-ready-url=recording%28c%29&meta_BN-recording-ready-url=recording%28b%29\
             &meetingEndedURL=ended%28%29",
        );
        check("meetingendedurl=x", "meetingendedurl=x&meetingEndedURL=ended%28%29");
    }

    #[test]
    fn a_change_takes_urls_away_and_brings_none() {
        let query =
            "a=1&META_bn-recording-ready-url=x&meta_title=t&meta_endCallbackUrl=&meetingEndedURL=y";
        assert_eq!(without_urls(query), "a=1&meta_title=t&meta_endCallbackUrl=");
        assert_eq!((without_urls("").as_str(), without_urls("b").as_str()), ("", "b"));
    }

    proptest! {
        #[test]
        fn every_other_byte_stays(parts in prop::collection::vec("[a-zA-Z0-9%+'()_-]{0,8}(=[ -%'-~é]{0,8})?", 0..8)) {
            let query = parts.join("&");
            let kept = rewritten(&query, ours);
            let joint = if query.is_empty() { "" } else { "&" };
            prop_assert_eq!(kept, format!("{query}{joint}meetingEndedURL=ended%28%29"));
        }

        #[test]
        fn any_url_is_read_by_the_instance_as_ours(url in any::<String>(), raw in any::<String>()) {
            let query = format!("meta_endCallbackUrl={}", escaped(&url));
            let made = rewritten(&query, ours);
            let read = crate::bbb::query::value(&made, "meta_endCallbackUrl");
            let expected = if url.is_empty() { String::new() } else { format!("end({url})") };
            prop_assert_eq!(read.as_deref(), Some(expected.as_str()));
            let _ = rewritten(&raw, ours);
        }
    }
}
