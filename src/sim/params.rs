//! What a request says, and whether it is signed.

use super::machine::Ask;
use crate::bbb::checksum::{Algorithms, verify};
use crate::bbb::query::{self, SignedQuery};

/// The parameters of a request, decoded, in order; those of a form body come after those of the URL.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn of(ask: &Ask) -> Self {
        let form = form_of(ask);
        let both = query::pairs(ask.query()).chain(query::pairs(&form));
        Self(both.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value, even if it is empty.
    pub(super) fn sent(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first value, unless it is empty: for most parameters BBB takes that as not sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.sent(name).filter(|value| !value.is_empty())
    }

    /// A boolean; anything but `true` is false.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A number, or nothing when it is none.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The body as a query, if it is a form.
pub(super) fn form_of(ask: &Ask) -> String {
    let is_form = ask.kind().is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    if is_form { String::from_utf8_lossy(&ask.body).into_owned() } else { String::new() }
}

/// Whether the request carries exactly one checksum, and the right one for its URL's query. The body is never
/// covered; a parameter that stands in both the URL and the body is refused.
pub(super) fn signed(ask: &Ask, call: &str, secret: &str, allowed: Algorithms) -> bool {
    let form = form_of(ask);
    let (Ok(url), Ok(body)) = (SignedQuery::parse(ask.query()), SignedQuery::parse(&form)) else {
        return false;
    };
    let twice = query::pairs(&body.rest).any(|(name, _)| query::value(&url.rest, &name).is_some());
    let supplied = match (&url.checksum, &body.checksum) {
        (Some(one), None) | (None, Some(one)) => one.trim(),
        _ => return false,
    };
    !twice && verify(supplied, call, &url.rest, secret, allowed)
}
