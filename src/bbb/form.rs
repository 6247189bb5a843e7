//! Form posts: the texts that their checksum may cover, by the versions of BBB.

use std::collections::{HashMap, HashSet};

use super::query::{decoded, pairs};

/// The parameters sorted by name and encoded anew, as BBB 2.4 to 2.7 hashed a form without a query.
pub fn sorted(form: &str) -> String {
    let mut parameters: Vec<_> = pairs(form).collect();
    parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
    encoded(parameters)
}

/// Parameters as a form writes them.
pub fn encoded(parameters: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(parameters);
    text.finish()
}

/// A form as a query: bytes that no URL may hold are escaped, all others stay.
pub fn as_query(form: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const ODD: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
    utf8_percent_encode(form, ODD).to_string()
}

/// So much of a split query stays in the URL, in bytes.
const MOST_IN_URL: usize = 1024;

/// A query as what stays in the URL and what goes into the form, each in its order.
///
/// Something short stays, since versions of BBB differ in what the checksum of an empty query covers. No
/// parameter stands in both, which BBB refuses.
pub fn split(query: &str) -> (String, String) {
    let name =
        |part: &str| decoded(part.split_once('=').map_or(part, |(name, _)| name)).into_owned();
    let parts: Vec<(String, &str)> =
        query.split('&').filter(|part| !part.is_empty()).map(|part| (name(part), part)).collect();
    let mut lengths: HashMap<&str, usize> = HashMap::new();
    for (name, part) in &parts {
        *lengths.entry(name).or_default() += part.len() + 1;
    }
    let (mut stays, mut left) = (HashSet::new(), MOST_IN_URL);
    for (name, _) in &parts {
        let length = lengths[name.as_str()];
        if length <= left && stays.insert(name.as_str()) {
            left -= length;
        }
    }
    let (url, form): (Vec<_>, Vec<_>) =
        parts.iter().partition(|(name, _)| stays.contains(name.as_str()));
    let joined = |parts: Vec<&(String, &str)>| {
        parts.iter().map(|(_, part)| *part).collect::<Vec<_>>().join("&")
    };
    (joined(url), joined(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_query_loses_nothing_and_names_no_parameter_twice() {
        let long = "x".repeat(2_000);
        let check = |query: &str, url: &str, form: &str| {
            assert_eq!(split(query), (url.to_owned(), form.to_owned()));
        };
        check("", "", "");
        check("name=a+b&x=&meeting%49D=m&y=%27", "name=a+b&x=&meeting%49D=m&y=%27", "");
        check(&format!("w={long}&meetingID=m"), "meetingID=m", &format!("w={long}"));
        check(&format!("name=a&z&n%61me={long}"), "z", &format!("name=a&n%61me={long}"));
        let (a, b) = ("a".repeat(600), "b".repeat(600));
        check(&format!("a={a}&b={b}&c=1"), &format!("a={a}&c=1"), &format!("b={b}"));
    }

    #[test]
    fn a_form_is_sorted_and_encoded_as_java_does() {
        let check = |form: &str, expected: &str| assert_eq!(sorted(form), expected);
        check("", "");
        check("name=a%20b&meetingID=x", "meetingID=x&name=a+b");
        check("b=%7E*-._&a=%C3%A9&c=", "a=%C3%A9&b=%7E*-._&c=");
        check("x=2&x=1&a", "a=&x=2&x=1");
    }

    #[test]
    fn a_form_becomes_a_query_without_odd_bytes() {
        assert_eq!(as_query("a=b c&d=%20+'é#"), "a=b%20c&d=%20+'%C3%A9%23");
    }
}
