//! What clients send: their queries, forms and checksums.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::bbb::checksum::{Algorithm, Algorithms, sign, verify};
use crate::bbb::form::{as_query, encoded, sorted};
use crate::bbb::query::{self, SignedQuery, TENANT_TAG};
use crate::bbb::recordings::{Filter, Page, ids};
use crate::bbb::reply::error_redirect;
use crate::domain::rules::TenantRules;
use crate::domain::tag::TagWish;
use crate::domain::tenant::TenantSpec;

/// Rules of every kind.
static RULES: LazyLock<TenantRules> = LazyLock::new(|| {
    let spec = serde_json::json!({
        "create_defaults": {"record": "true", "meta_kind": "a b"}, "create_excluded": ["webVoice"],
        "create_overrides": {"disabledFeatures": "chat", "logo": "https://x/?a&b"}, "max_duration": 60,
        "join_overrides": {"guest": "true"}, "default_presentation": "https://x/a.pdf"
    });
    let spec: TenantSpec = serde_json::from_value(spec).expect("a spec");
    TenantRules::of(&spec)
});

/// Any text that a URL can hold is signed, tagged and ruled without losing what is not ours.
pub fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    form(&text);
    TagWish::parse(&text);
    let _ = (Filter::of(&text), Page::of(&text), ids(&text));
    let location = error_redirect(&text, "key", &text);
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
    if !is_query(&text) {
        return;
    }
    let Ok(SignedQuery { rest, checksum }) = SignedQuery::parse(&text) else { return };
    assert!(query::value(&rest, "checksum").is_none(), "{text}");
    assert!(rest.len() <= text.len() && checksum.is_none_or(|sum| text.contains(sum)));
    let signed = query::signed(&rest, "create", "secret", Algorithm::Sha256);
    let again = SignedQuery::parse(&signed).expect("one checksum");
    assert_eq!(again.rest, rest);
    let sum = again.checksum.expect("the checksum");
    assert!(verify(sum, "create", &rest, "secret", Algorithms::ANY));
    let tagged = query::tagged(&rest, "t.example.org");
    assert_eq!(query::value(&tagged, TENANT_TAG).as_deref(), Some("t.example.org"));
    let tags = query::pairs(&tagged).filter(|(name, _)| name.eq_ignore_ascii_case(TENANT_TAG));
    assert_eq!(tags.count(), 1, "{tagged}");
    assert_eq!(query::untagged(&tagged), query::untagged(&rest));
    ruled(&RULES, &rest);
}

/// Whether this is the query of a URL.
fn is_query(text: &str) -> bool {
    let uri = format!("/bigbluebutton/api/create?{text}").parse::<http::Uri>();
    uri.is_ok_and(|uri| uri.query() == Some(text))
}

/// A form becomes a query, whatever it holds.
fn form(text: &str) {
    assert!(is_query(&as_query(text)), "{text:?}");
    let sorted = sorted(text);
    assert!(is_query(&sorted), "{text:?}");
    assert_eq!(encoded(query::pairs(&sorted)), sorted);
    let names: Vec<Cow<'_, str>> = query::pairs(&sorted).map(|(name, _)| name).collect();
    assert!(names.is_sorted(), "{names:?}");
}

/// Rules change neither the meeting nor what makes a text a query, and keep their own word.
pub(super) fn ruled(rules: &TenantRules, text: &str) {
    let of = |text: &str, name: &str| -> Vec<String> {
        let named = query::pairs(text).filter(|(n, _)| n == name);
        named.map(|(_, value)| value.into_owned()).collect()
    };
    let (created, _) = rules.create(text, false);
    let joined = rules.join(text);
    for ruled in [&*created, &*joined] {
        assert!(is_query(ruled), "{ruled}");
        assert_eq!(of(ruled, "meetingID"), of(text, "meetingID"));
        assert_eq!(of(ruled, "checksum"), of(text, "checksum"));
    }
}

/// A checksum is right for exactly what it was made for. The input is its hash's number, then call, query,
/// secret and a supplied checksum, each on a line.
pub fn checksum(data: &[u8]) {
    let Some((number, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (call, covered, secret, supplied) = (next(), next(), next(), next());
    let algorithm = Algorithm::ALL[usize::from(*number) % Algorithm::ALL.len()];
    let sum = sign(algorithm, call, covered, secret);
    let accepts = |supplied: &str| verify(supplied, call, covered, secret, Algorithms::ANY);
    assert_eq!(accepts(&sum), !secret.is_empty());
    assert_eq!(accepts(&sum.to_uppercase()), !secret.is_empty());
    assert!(!verify(&sum, call, covered, &format!("{secret}x"), Algorithms::ANY));
    assert!(!verify(&sum, call, &format!("{covered}x"), secret, Algorithms::ANY));
    let others: Vec<_> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
    assert!(!verify(&sum, call, covered, secret, Algorithms::of(&others)));
    let first = if sum.starts_with('0') { "1" } else { "0" };
    assert!(!accepts(&[first, &sum[1..]].concat()));
    let made = Algorithm::ALL.map(|algorithm| sign(algorithm, call, covered, secret));
    let is_right = made.iter().any(|sum| sum.eq_ignore_ascii_case(supplied));
    assert_eq!(accepts(supplied), is_right && !secret.is_empty());
}
