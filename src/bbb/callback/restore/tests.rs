//! What comes out is what the client once said, and nothing else is touched.

use proptest::prelude::*;

use super::super::tests::{of_meeting, sealer};
use super::*;

const OWN: &str = "https://t.example.org/end?a=1&b='<x>\"";

fn restorer(escape: Escape) -> Restorer {
    Restorer::new(Arc::new(sealer()), "t.example.org", escape)
}

fn ours(base: &str) -> String {
    sealer().url(base, Kind::End, &of_meeting(OWN))
}

#[track_caller]
fn check(escape: Escape, text: &str, expected: &str) {
    let restored = restorer(escape).whole(text.as_bytes()).into_owned();
    assert_eq!(String::from_utf8_lossy(&restored), expected);
}

#[test]
fn a_url_of_ours_is_shown_as_the_clients_own() {
    let xml = "https://t.example.org/end?a=1&amp;b=&apos;&lt;x&gt;&quot;";
    for base in ["https://lb.example.org", "http://[::1]:8080", "https://old.example.org/sub/x"] {
        let url = ours(base);
        check(Escape::Xml, &format!("<a>{url}</a> {url}"), &format!("<a>{xml}</a> {xml}"));
        check(
            Escape::Xml,
            &format!("<a><![CDATA[{url}]]></a>"),
            &format!("<a><![CDATA[{OWN}]]></a>"),
        );
        let json = OWN.replace('"', "\\\"");
        check(Escape::Json, &format!("{{\"a\":\"{url}\"}}"), &format!("{{\"a\":\"{json}\"}}"));
        let slashes = url.replace('/', "\\/");
        check(Escape::Json, &format!("[\"{slashes}\"]"), &format!("[\"{json}\"]"));
    }
}

#[test]
fn what_we_did_not_make_for_this_tenant_stays() {
    let url = ours("https://lb.example.org");
    let theirs = Restorer::new(Arc::new(sealer()), "u.example.org", Escape::Xml);
    assert!(matches!(theirs.whole(url.as_bytes()), Cow::Borrowed(_)));
    let bent = url.replace("/end/", "/ended/");
    for text in [&bent, &url[8..], &format!("{url}x"), &format!("{url}?a=b"), "/callbacks/end/"] {
        check(Escape::Xml, text, text);
    }
    let hook = Sealed::Hook { hook: "1".into(), instance: "x".into() };
    let hook = sealer().url("https://lb.example.org", Kind::Hook, &hook);
    check(Escape::Xml, &hook, &hook);
}

/// Texts with URLs of ours in them, and with much that looks like them.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just(ours("https://lb.example.org")),
        1 => Just(ours("http://lb.example.org:8080/x")[..60].to_owned()),
        2 => Just("<![CDATA[".to_owned()),
        1 => Just("]]>".to_owned()),
        2 => "[<>\" /a-zé]{0,6}",
        1 => Just("https://x/bigblueswarm/callbacks/end/AAAA".to_owned()),
        1 => "h(t(t(p)?)?)?",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn in_parts_as_in_whole(text in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut stream = Stream::new(restorer(Escape::Xml));
        let mut out = Vec::new();
        for pair in cuts.windows(2) {
            out.extend_from_slice(&stream.push(Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])));
        }
        out.extend_from_slice(&stream.end());
        let whole = restorer(Escape::Xml).whole(bytes).into_owned();
        prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole));
    }

    #[test]
    fn any_bytes_without_a_token_of_ours_stay(bytes in any::<Vec<u8>>(), text in text()) {
        for escape in [Escape::Xml, Escape::Json] {
            prop_assert_eq!(&*restorer(escape).whole(&bytes), &*bytes);
            let other = Restorer::new(Arc::new(Sealer::new([8; 32])), "t.example.org", escape);
            prop_assert_eq!(&*other.whole(text.as_bytes()), text.as_bytes());
        }
    }
}
