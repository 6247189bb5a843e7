//! The raw query: its bytes and their order are kept, since checksums cover them.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode,
};

use super::checksum::{Algorithm, sign};

/// The metadata by which we know whose meeting one is; stays visible to everyone.
pub const TENANT_TAG: &str = "meta_bigblueswarm-tenant";

/// What stays as it is in a value that we write ourselves.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a query can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryFault {
    #[error("the checksum is given more than once")]
    ChecksumTwice,
    #[error("{0} is given more than once")]
    Twice(&'static str),
    #[error("{0} is not UTF-8 text")]
    NotText(&'static str),
}

/// A query as it was sent, split in its checksum and all the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedQuery<'q> {
    /// The query without its checksum, in the client's order and escaping.
    pub rest: Cow<'q, str>,
    /// The checksum as supplied, if one was.
    pub checksum: Option<&'q str>,
}

impl<'q> SignedQuery<'q> {
    /// Takes the checksum out of `raw`, wherever it stands.
    pub fn parse(raw: &'q str) -> Result<Self, QueryFault> {
        let raw = raw.trim_matches(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
        let mut found = None;
        let mut at = 0;
        for part in raw.split('&') {
            if decode(name_of(part)) == "checksum" {
                if found.is_some() {
                    return Err(QueryFault::ChecksumTwice);
                }
                found = Some((at, part.len()));
            }
            at += part.len() + 1;
        }
        let Some((start, len)) = found else {
            return Ok(Self { rest: raw.into(), checksum: None });
        };
        let (part, behind) = raw[start..].split_at(len);
        let checksum = part.split_once('=').map_or("", |(_, value)| value);
        // The `&` before it goes too; where it stands first, the one behind it.
        let rest = match (start, behind) {
            (0, behind) => behind.strip_prefix('&').unwrap_or_default().into(),
            (_, "") => raw[..start - 1].into(),
            (_, behind) => [&raw[..start - 1], behind].concat().into(),
        };
        Ok(Self { rest, checksum: Some(checksum) })
    }
}

pub(super) fn name_of(part: &str) -> &str {
    part.split_once('=').map_or(part, |(name, _)| name)
}

/// Decodes a form-encoded text; what is not UTF-8 becomes replacement characters.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// Whether a text stands for itself, as most do.
fn is_plain(text: &str) -> bool {
    !text.bytes().any(|b| matches!(b, b'+' | b'%'))
}

/// Decodes what must be UTF-8.
fn text(raw: &str) -> Option<Cow<'_, str>> {
    if is_plain(raw) {
        return Some(Cow::Borrowed(raw));
    }
    let spaced = raw.replace('+', " ");
    Some(Cow::Owned(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned()))
}

/// A text decoded once more, as some of BBB's calls do with lists of ids.
pub fn decoded(text: &str) -> Cow<'_, str> {
    decode(text)
}

/// Every parameter in order, name and value decoded.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    })
}

/// The first value of a parameter, decoded.
pub fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let part = query.split('&').find(|part| decode(name_of(part)) == name)?;
    Some(decode(part.split_once('=').map_or("", |(_, value)| value)))
}

/// The value of a parameter that must stand at most once and be text.
pub fn single<'q>(query: &'q str, name: &'static str) -> Result<Option<Cow<'q, str>>, QueryFault> {
    let mut found = None;
    for part in query.split('&') {
        let (raw_name, raw) = part.split_once('=').unwrap_or((part, ""));
        if decode(raw_name) != name {
            continue;
        }
        if found.is_some() {
            return Err(QueryFault::Twice(name));
        }
        found = Some(text(raw).ok_or(QueryFault::NotText(name))?);
    }
    Ok(found)
}

/// The query with our tenant tag at its end and every tag the client sent removed; all else as it was.
pub fn tagged(query: &str, tenant: &str) -> String {
    let mut tagged = untagged(query);
    append(&mut tagged, TENANT_TAG, tenant);
    tagged
}

/// The query with every tag the client sent removed; all else as it was.
pub fn untagged(query: &str) -> String {
    without(query, &[TENANT_TAG])
}

/// The query without the parameters of these names, in any case; all else as it was.
pub fn without(query: &str, names: &[&str]) -> String {
    let goes = |name: &str| names.iter().any(|gone| name.eq_ignore_ascii_case(gone));
    let kept = query.split('&').filter(|part| !goes(&decode(name_of(part))));
    kept.collect::<Vec<_>>().join("&")
}

/// The query with another value for a parameter, wherever that stands; all else as it was.
pub fn renamed(query: &str, name: &str, value: &str) -> String {
    let part = |part| match decode(name_of(part)) == name {
        true => Cow::Owned(format!("{}={}", name_of(part), escaped(value))),
        false => Cow::Borrowed(part),
    };
    query.split('&').map(part).collect::<Vec<_>>().join("&")
}

/// Adds `name=value` to a query, both escaped.
pub fn append(query: &mut String, name: &str, value: &str) {
    let joint = if query.is_empty() { "" } else { "&" };
    let _ = write!(query, "{joint}{}={}", escaped(name), escaped(value));
}

/// A text as it stands in a query that we write.
pub(super) fn escaped(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, VALUE)
}

/// The query with its checksum for `call` at the end.
pub fn signed(query: &str, call: &str, secret: &str, algorithm: Algorithm) -> String {
    let checksum = sign(algorithm, call, query, secret);
    let joint = if query.is_empty() { "" } else { "&" };
    [query, joint, "checksum=", &checksum].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, rest: &str, checksum: Option<&str>) {
        let expected = SignedQuery { rest: rest.into(), checksum };
        assert_eq!(SignedQuery::parse(raw), Ok(expected), "{raw}");
    }

    #[test]
    fn the_checksum_is_taken_out_wherever_it_stands() {
        check("", "", None);
        check("checksum=ab", "", Some("ab"));
        check("&checksum=ab", "", Some("ab"));
        check("checksum=ab&a=1", "a=1", Some("ab"));
        check("a=1&checksum=ab&b=%2B+'", "a=1&b=%2B+'", Some("ab"));
        check("a=&b=2&checksum=", "a=&b=2", Some(""));
        check("&a=1&checksum=ab", "&a=1", Some("ab"));
        check("a=1", "a=1", None);
        let twice = SignedQuery::parse("checksum=ab&a=1&check%73um=cd");
        assert_eq!(twice, Err(QueryFault::ChecksumTwice));
    }

    #[test]
    fn the_tag_of_a_client_is_replaced_by_ours() {
        assert_eq!(tagged("", "a.example.org"), "meta_bigblueswarm-tenant=a.example.org");
        let forged = "a=%20+&meta_BigBlueSwarm%2Dtenant=u&b=";
        assert_eq!(tagged(forged, "t:8443"), "a=%20+&b=&meta_bigblueswarm-tenant=t%3A8443");
    }

    #[test]
    fn another_value_stands_where_the_clients_stood_and_nothing_else_changes() {
        for (query, expected) in [
            ("meetingID=12", "meetingID=a-1%2B"),
            ("&b=+%2b&meeting%49D=1+2&c=é&&d", "&b=+%2b&meeting%49D=a-1%2B&c=é&&d"),
            ("meetingId=12&x=meetingID", "meetingId=12&x=meetingID"),
        ] {
            assert_eq!(renamed(query, "meetingID", "a-1+"), expected);
        }
    }

    #[test]
    fn a_single_parameter_stands_once() {
        assert_eq!(single("a=1&b=x%20y+z", "b"), Ok(Some("x y z".into())));
        assert_eq!(single("a=1", "b"), Ok(None));
        assert_eq!(single("b=1&%62=1", "b"), Err(QueryFault::Twice("b")));
        assert_eq!(single("b=%FF", "b"), Err(QueryFault::NotText("b")));
    }

    use proptest::prelude::*;

    use crate::bbb::checksum::{Algorithms, verify};

    /// Raw parameters: names and values as clients write them, right and wrong.
    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-zA-Z0-9%+'()!*~.\\[_-]{0,8}(=[ -%'-~é😀]{0,8})?",
            1 => "(%6d|m|M)eta_(b|B|%62)igblue(s|S|%53)warm(-|%2D|%2d)tenant(=[a-z%=]{0,4})?",
            1 => "meta_bigblueswarm-tenan|xmeta_bigblueswarm-tenant=1|checksu=m|checksums=1",
        ]
    }

    fn parts() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(part(), 0..8)
    }

    fn is_tag(part: &str) -> bool {
        decode(name_of(part)).eq_ignore_ascii_case(TENANT_TAG)
    }

    proptest! {
        #[test]
        fn no_query_makes_reading_panic(raw in any::<String>(), parts in parts()) {
            for query in [raw, parts.join("&"), parts.join("&&=%")] {
                let rest = SignedQuery::parse(&query).map_or(query.as_str().into(), |signed| signed.rest);
                let _ = pairs(&rest).count();
                let _ = (value(&rest, "meetingID"), single(&rest, "meetingID"));
                let _ = (tagged(&rest, "t"), signed(&rest, "create", "s", Algorithm::Sha256));
            }
        }

        #[test]
        fn what_was_signed_is_verified_after_reading(
            parts in parts(), call in "[a-zA-Z/]{1,12}", secret in "[ -~]{1,40}", n in 0..4_usize,
        ) {
            let query = parts.join("&").trim().to_owned();
            let algorithm = Algorithm::ALL[n];
            let sent = signed(&query, &call, &secret, algorithm);
            let read = SignedQuery::parse(&sent).expect("one checksum");
            prop_assert_eq!(&read.rest, &query);
            let supplied = read.checksum.expect("a checksum");
            let more = |text: &str| [text, "x"].concat();
            let holds = |call: &str, query: &str, secret: &str| {
                verify(supplied, call, query, secret, Algorithms::of(&[algorithm]))
            };
            prop_assert!(holds(&call, &read.rest, &secret));
            prop_assert!(!holds(&more(&call), &read.rest, &secret));
            prop_assert!(!holds(&call, &more(&read.rest), &secret));
            prop_assert!(!holds(&call, &read.rest, &more(&secret)));
        }

        #[test]
        fn every_byte_but_the_checksum_stays(parts in parts(), at in any::<prop::sample::Index>()) {
            // Blanks at the ends are dropped, as BBB does before it hashes.
            let parts: Vec<String> = parts.iter().map(|part| part.replace(' ', "")).collect();
            let at = at.index(parts.len() + 1);
            let mut with = parts.clone();
            with.insert(at, "checksum=ab".to_owned());
            let once = with.join("&");
            let read = SignedQuery::parse(&once).expect("one checksum");
            prop_assert_eq!(read.rest, parts.join("&"));
            prop_assert_eq!(read.checksum, Some("ab"));
            with.insert(at, "check%73um".to_owned());
            let twice = with.join("&");
            prop_assert_eq!(SignedQuery::parse(&twice), Err(QueryFault::ChecksumTwice));
        }

        #[test]
        fn every_byte_but_a_tag_stays_and_one_tag_is_left(parts in parts(), tenant in "[a-z.:%&= é]{1,12}") {
            let query = tagged(&parts.join("&"), &tenant);
            prop_assert_eq!(query.split('&').filter(|part| is_tag(part)).count(), 1);
            let tag = value(&query, TENANT_TAG).map(Cow::into_owned);
            prop_assert_eq!(tag.as_ref(), Some(&tenant));
            let kept: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !is_tag(part)).collect();
            let (rest, _) = query.rsplit_once(TENANT_TAG).expect("the tag");
            let rest = rest.strip_suffix('&').unwrap_or(rest);
            prop_assert_eq!(rest, kept.join("&"));
            prop_assert_eq!(tagged(&query, &tenant), query);
        }
    }
}
