//! What a request says, and whether it is signed.

use super::machine::Ask;
use super::settings::SimSettings;
use super::version::Version;
use crate::bbb::checksum::verify;
use crate::bbb::query;

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

/// Whether a request is signed rightly; if not, in BBB's words.
///
/// What is covered differs: before 2.6.18 a form without a query is covered by its sorted parameters, later the body
/// never is, and a parameter in both the URL and the body is refused. Since 3.0.37 a checksum stands only once.
pub(super) fn signature(ask: &Ask, call: &str, settings: &SimSettings) -> Result<(), &'static str> {
    const WRONG: &str = "Checksums do not match";
    let old = settings.version < Version::V3_0;
    let form = form_of(ask);
    let sums = |text: &str| -> Vec<String> {
        let sums = query::pairs(text).filter(|(name, _)| name == "checksum");
        sums.map(|(_, value)| value.trim().to_owned()).collect()
    };
    let (url, body) = (sums(ask.query()), sums(&form));
    let supplied = url.iter().chain(&body).next().ok_or(WRONG)?;
    if supplied.is_empty() {
        return Err("You must provide the checksum");
    }
    if !old && url.len() + body.len() > 1 {
        return Err(WRONG);
    }
    let query = without(ask.query(), supplied);
    let covered = if settings.version == Version::V2_5 && query.is_empty() && !form.is_empty() {
        sorted(&form)
    } else {
        let twice = query::pairs(&form).any(|(name, _)| query::value(&query, &name).is_some());
        if twice && !old {
            return Err(WRONG);
        }
        query
    };
    let exact =
        settings.version > Version::V2_5 || !supplied.bytes().any(|b| b.is_ascii_uppercase());
    let right = verify(supplied, call, &covered, settings.secret.reveal(), settings.accepted());
    if exact && right { Ok(()) } else { Err(WRONG) }
}

/// The same as a question.
pub(super) fn signed(ask: &Ask, call: &str, settings: &SimSettings) -> bool {
    signature(ask, call, settings).is_ok()
}

/// The query without this checksum, wherever it stands: by BBB's three replacements.
fn without(query: &str, checksum: &str) -> String {
    let query = query.trim_matches(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
    let part = format!("checksum={checksum}");
    let query = query.replace(&format!("&{part}"), "").replace(&format!("{part}&"), "");
    query.replace(&part, "")
}

/// A form's parameters as old versions write them for the checksum: sorted, escaped anew.
fn sorted(form: &str) -> String {
    let mut pairs: Vec<_> = query::pairs(form).filter(|(name, _)| name != "checksum").collect();
    pairs.sort();
    let escaped = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let parts = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    parts.collect::<Vec<_>>().join("&")
}
