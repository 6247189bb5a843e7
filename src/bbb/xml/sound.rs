//! Whether a whole answer is well-formed, for answers that pass through us and of which nothing else is read.

use memchr::{memchr, memchr2};

use super::walk::MAX_DEPTH;
use super::{Place, Step, Walk, XmlFault};

/// Checks a whole document from its first byte to its last.
pub fn check(body: &[u8]) -> Result<(), XmlFault> {
    // Nearly every answer is so plain that a much quicker look finds nothing to doubt.
    if is_plain(body) { Ok(()) } else { walk(body) }
}

/// Checks as much of a document as there is.
pub fn check_start(start: &[u8]) -> Result<(), XmlFault> {
    match walk(start) {
        Err(XmlFault::Truncated) => Ok(()),
        checked => checked,
    }
}

fn walk(body: &[u8]) -> Result<(), XmlFault> {
    let mut walk = Walk::<Anywhere>::new(body);
    loop {
        if let Step::End = walk.next()? {
            return Ok(());
        }
    }
}

/// No place matters.
#[derive(Clone, Copy)]
struct Anywhere;

impl Place for Anywhere {
    const ROOT: Self = Self;

    fn has_text(self) -> bool {
        false
    }

    fn child(self, _: &str) -> Option<Self> {
        None
    }
}

/// Whether a document consists of elements without attributes, text and well-known references only, one
/// `response` around all of it. One that does is well-formed; one that does not must be looked at closely.
fn is_plain(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut rest = text.trim_matches([' ', '\t', '\r', '\n']).as_bytes();
    let mut open: [&[u8]; MAX_DEPTH] = [b""; MAX_DEPTH];
    let mut depth = 0;
    while let Some(tag) = rest.strip_prefix(b"<") {
        let Some(end) = memchr(b'>', tag) else { return false };
        let name = &tag[..end];
        rest = &tag[end + 1..];
        if let Some(name) = name.strip_prefix(b"/") {
            if depth == 0 || open[depth - 1] != name {
                return false;
            }
            depth -= 1;
            if depth == 0 {
                return rest.is_empty();
            }
        } else if let Some(name) = name.strip_suffix(b"/") {
            if depth == 0 || depth == MAX_DEPTH || !is_name(name) {
                return false;
            }
        } else {
            if depth == MAX_DEPTH || !is_name(name) || (depth == 0 && name != b"response") {
                return false;
            }
            open[depth] = name;
            depth += 1;
        }
        let Some(behind) = behind_text(rest) else { return false };
        rest = behind;
    }
    false
}

/// What stands behind the text at the start, if that ends at a tag and holds known references only.
fn behind_text(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr2(b'<', b'&', rest)?;
        rest = &rest[at..];
        if rest[0] == b'<' {
            return Some(rest);
        }
        let known = [&b"&amp;"[..], b"&lt;", b"&gt;", b"&quot;", b"&apos;", b"&#39;"];
        let reference = known.into_iter().find(|reference| rest.starts_with(reference))?;
        rest = &rest[reference.len()..];
    }
}

fn is_name(name: &[u8]) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    !name.is_empty() && name.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::model::{Node, broken, cases, document, nodes};
    use super::*;

    #[track_caller]
    fn check_plain(body: &str, plain: bool, expected: Result<(), XmlFault>) {
        assert_eq!(is_plain(body.as_bytes()), plain, "{body}");
        assert_eq!(check(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn a_whole_answer_is_checked_whether_plain_or_not() {
        let inside = |text: &str| format!("<response>{text}</response>\n");
        check_plain(&inside("\n<a>1</a>\n<b/>é &amp; &#39; > x"), true, Ok(()));
        check_plain(&inside("<a b='1'/>"), false, Ok(()));
        check_plain(&inside("<![CDATA[<]]>&#x20;<!-- -->"), false, Ok(()));
        check_plain("<response/>", false, Ok(()));
        let nested = |n| inside(&format!("{}{}", "<a>".repeat(n), "</a>".repeat(n)));
        check_plain(&nested(63), true, Ok(()));
        check_plain(&nested(64), false, Err(XmlFault::TooDeep));
        check_plain(&nested(100_000), false, Err(XmlFault::TooDeep));
        check_plain(&inside(&format!("{}<b/>", "<a>".repeat(63))), false, Err(XmlFault::TooDeep));
        check_plain(&inside("").repeat(2), false, Err(XmlFault::Outside));
        check_plain(&inside("<a></b>"), false, Err(XmlFault::Malformed));
        check_plain(&inside("&b;"), false, Err(XmlFault::Entity));
        check_plain(&inside("&"), false, Err(XmlFault::Malformed));
        check_plain("<response><a>", false, Err(XmlFault::Truncated));
        check_plain("<response>", false, Err(XmlFault::Truncated));
        check_plain("", false, Err(XmlFault::Truncated));
        check_plain(&format!("{}\x0C", inside("")), false, Err(XmlFault::Outside));
        check_plain("<html></html>", false, Err(XmlFault::WrongRoot));
        let comment = format!("<!-- x --><!DOCTYPE response [<!ENTITY a 'b'>]>{}", inside("&a;"));
        check_plain(&comment, false, Err(XmlFault::Doctype));
        for wide in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = inside("").encode_utf16().flat_map(wide).collect();
            assert!(check(&bytes).is_err());
        }
        assert_eq!(check(b"<response>J\xF6rg</response>"), Err(XmlFault::NotUtf8));
    }

    #[test]
    fn a_start_is_good_as_long_as_more_may_come() {
        assert_eq!(check_start(b"<response><a>x &am"), Ok(()));
        assert_eq!(check_start(b"<response><a></b>"), Err(XmlFault::Malformed));
        let deep = format!("<response>{}", "<a>".repeat(100_000));
        assert_eq!(check_start(deep.as_bytes()), Err(XmlFault::TooDeep));
    }

    proptest! {
        #![proptest_config(cases(1000))]

        #[test]
        fn what_looks_plain_is_well_formed(body in broken(
            b"<response>\n<returncode>SUCCESS</returncode>\n<a><b>1 &amp; 2</b><c/></a>\n</response>",
        )) {
            prop_assert_eq!(check(&body), walk(&body));
        }

        #[test]
        fn any_document_is_checked_as_it_is_walked((root, body) in document(nodes(4))) {
            prop_assert_eq!(check(&body), Ok(()));
            prop_assert_eq!(check(&[&body[..], root.render().as_bytes()].concat()), Err(XmlFault::Outside));
        }

        #[test]
        fn plain_documents_are_seen_to_be_plain(words in prop::collection::vec("[ -%'-;=?-~é]{0,9}", 0..20)) {
            let leaves = words.iter().map(|word| Node::text("leaf", word));
            let body = Node::element("response", leaves.chain([Node::element("e", vec![])]).collect());
            prop_assert!(is_plain(body.render().as_bytes()));
        }
    }
}
