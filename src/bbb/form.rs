//! Form posts: the texts that their checksum may cover, by the versions of BBB.

use super::query::pairs;

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

#[cfg(test)]
mod tests {
    use super::*;

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
