//! An instance's name: one server is one name, however its URL is spelt.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha1::{Digest, Sha1};
use url::Url;

/// An instance's name: its URL, such as `https://bbb1.example.org/bigbluebutton`.
///
/// It is shown and stored as it was spelt. Two spellings of one server are equal: case of scheme and host, a default
/// port, a dot at the end of the host, slashes at the end, `/api` and the case of percent signs make no difference.
/// A text that is no URL equals itself only.
#[derive(Clone)]
pub struct InstanceId(Arc<Spelling>);

struct Spelling {
    shown: Box<str>,
    /// The normal form, if it is another text.
    normal: Option<Box<str>>,
}

impl InstanceId {
    pub fn new(url: impl AsRef<str> + Into<Box<str>>) -> Self {
        let normal = normal(url.as_ref()).filter(|normal| normal != url.as_ref());
        Self(Arc::new(Spelling { shown: url.into(), normal: normal.map(Into::into) }))
    }

    /// As it was spelt.
    pub fn as_str(&self) -> &str {
        &self.0.shown
    }

    /// The same for every spelling of this server.
    pub fn normal(&self) -> &str {
        self.0.normal.as_deref().unwrap_or(&self.0.shown)
    }

    /// Whether it is spelt like the other one, too.
    pub fn is_spelt_as(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }

    /// What names it in keys and news, where a URL may be too long.
    pub fn mark(&self) -> InstanceMark {
        let digest: [u8; 20] = Sha1::digest(self.normal().as_bytes()).into();
        let half = digest.iter().take(8);
        InstanceMark(half.fold(0, |mark, &byte| mark << 8 | u64::from(byte)))
    }
}

/// The normal form of an instance's URL: without a slash or `/api` at its end.
fn normal(url: &str) -> Option<String> {
    let mut url = server(url)?;
    let path = bare(url.path()).to_owned();
    url.set_path(&path);
    // An empty path is printed as a slash.
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// A path without slashes or `/api` at its end, its percent signs in one case.
fn bare(path: &str) -> String {
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/');
    let mut since_percent = 2;
    let one_case = |letter: char| {
        since_percent = if letter == '%' { 0 } else { since_percent + 1 };
        if since_percent <= 2 { letter.to_ascii_uppercase() } else { letter }
    };
    match path.contains('%') {
        true => path.chars().map(one_case).collect(),
        false => path.to_owned(),
    }
}

/// A URL of http or https with a host, which has no dot at its end.
pub(super) fn server(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return None;
    }
    let host = url.host_str()?;
    if let Some(bare) = host.strip_suffix('.').map(str::to_owned) {
        url.set_host(Some(&bare)).ok()?;
    }
    Some(url)
}

impl PartialEq for InstanceId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.normal() == other.normal()
    }
}

impl Eq for InstanceId {}

impl Hash for InstanceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normal().hash(state);
    }
}

impl Ord for InstanceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.normal().cmp(other.normal())
    }
}

impl PartialOrd for InstanceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({:?})", self.as_str())
    }
}

/// The first half of the SHA-1 of an instance's URL in its normal form.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct InstanceMark(pub u64);

impl fmt::Display for InstanceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for InstanceMark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl From<InstanceMark> for String {
    fn from(mark: InstanceMark) -> Self {
        mark.to_string()
    }
}

impl TryFrom<String> for InstanceMark {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(normal: &str, spellings: &[&str]) {
        let id = InstanceId::new(normal);
        assert_eq!(id.normal(), normal);
        for spelling in spellings {
            let other = InstanceId::new(*spelling);
            assert_eq!((other.normal(), other.as_str()), (normal, *spelling));
            assert!(id == other && id.mark() == other.mark() && !id.is_spelt_as(&other));
        }
    }

    #[test]
    fn one_server_is_one_name_however_it_is_spelt() {
        check(
            "https://bbb1.example.org/bigbluebutton",
            &[
                "https://bbb1.example.org/bigbluebutton/",
                "https://bbb1.example.org/bigbluebutton//",
                "https://bbb1.example.org/bigbluebutton/api",
                "https://bbb1.example.org/bigbluebutton/api/",
                "https://bbb1.example.org:443/bigbluebutton",
                "https://bbb1.example.org./bigbluebutton",
                "https://bbb1.example.org.:443/bigbluebutton/api//",
                "HTTPS://BBB1.Example.Org/bigbluebutton",
            ],
        );
        check(
            "http://bbb1.example.org",
            &["http://bbb1.example.org/", "http://bbb1.example.org:80/api"],
        );
        check("http://bbb1.example.org:8080/b", &["http://BBB1.example.org.:8080/b/"]);
        check(
            "http://[2001:db8::1]/b",
            &["http://[2001:DB8:0::1]:80/b", "http://[2001:db8::0001]/b/"],
        );
        check("http://10.0.0.1:8090/b", &["http://10.0.0.1.:8090/b", "http://10.1:8090/b"]);
        check(
            "https://xn--bcher-kva.example/b",
            &["https://bücher.example/b", "https://BÜCHER.example/b/"],
        );
        check(
            "https://a.example/%2Fx%C3%B6",
            &["https://a.example/%2fx%c3%b6", "https://a.example/%2fxö"],
        );
    }

    #[test]
    fn different_servers_and_texts_that_are_no_urls_stay_apart() {
        let all = [
            "https://a.example/b",
            "http://a.example/b",
            "https://a.example/B",
            "https://a.example:8443/b",
            "https://a.example",
            "https://a.example/b/apis",
            "https://b.example/b",
            "s1",
            "S1",
            "",
            "ftp://a.example/b",
        ];
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            assert_eq!(
                InstanceId::new(*one) == InstanceId::new(*other),
                one == other,
                "{one} {other}"
            );
        }
    }
}
