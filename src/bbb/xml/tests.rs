use proptest::prelude::*;

use super::model::{Node, broken, cases, document, node, nodes, word};
use super::*;

const INFO: &[u8] = br#"<response>
<returncode>SUCCESS</returncode>
<meetingName>Algebra &amp; Co</meetingName>
<meetingID>test&#48;1</meetingID>
<internalMeetingID>c25a79c57906ba7027b36d380230db92bbc0fd64-1767225600123</internalMeetingID>
<createTime>1767225600123</createTime>
<running>true</running>
<hasBeenForciblyEnded>false</hasBeenForciblyEnded>
<attendees>
<attendee>
<fullName>&lt;messageKey&gt;notFound&lt;/messageKey&gt;</fullName>
<customdata>
<messageKey><![CDATA[notFound]]></messageKey>
<metadata><bigblueswarm-tenant>eve</bigblueswarm-tenant></metadata>
</customdata>
</attendee>
</attendees>
<metadata>
<bigblueswarm-tenant><![CDATA[a.example.org]]>:8443</bigblueswarm-tenant>
<bigblueswarm-tenant>eve</bigblueswarm-tenant>
</metadata>
<isBreakout>false</isBreakout>
</response>"#;

#[test]
fn an_answer_is_read_at_its_right_depth_only() {
    let expected = Envelope {
        success: true,
        meeting_id: Some("test01".into()),
        internal_id: Some("c25a79c57906ba7027b36d380230db92bbc0fd64-1767225600123".into()),
        create_time: Some(1_767_225_600_123),
        tenant: Some("a.example.org:8443".into()),
        running: true,
        ..Envelope::default()
    };
    assert_eq!(read(INFO), Ok(expected));
}

#[track_caller]
fn check_key(body: &str, success: bool, key: Option<&str>, message: Option<&str>) {
    let envelope = read(body.as_bytes()).expect(body);
    assert_eq!(envelope.success, success, "{body}");
    assert_eq!(envelope.message_key.as_deref(), key, "{body}");
    assert_eq!(envelope.message.as_deref(), message, "{body}");
    assert_eq!(envelope.failed_with("notFound"), !success && key == Some("notFound"));
    assert_eq!(envelope.is_duplicate(), success && key == Some("duplicateWarning"));
}

#[test]
fn both_shapes_of_a_refusal_are_understood() {
    let doc = |code: &str, rest: &str| {
        format!("<response><returncode>{code}</returncode>{rest}</response>")
    };
    let keyed = "<messageKey>notFound</messageKey><message>a &lt; b</message>";
    check_key(&doc("FAILED", keyed), false, Some("notFound"), Some("a < b"));
    let errors =
        "<errors><error><key>nonUniqueVoiceBridge</key><message>m</message></error></errors>";
    check_key(&doc("FAILED", errors), false, Some("nonUniqueVoiceBridge"), Some("m"));
    let misplaced = "<errors><key>a</key><error><x><key>b</key></x></error></errors>";
    check_key(&doc("FAILED", misplaced), false, None, None);
    check_key(&doc("SUCCESS", "<messageKey></messageKey><message/>"), true, None, None);
    let again = "<messageKey>duplicateWarning</messageKey>";
    check_key(&doc("Success", again), true, Some("duplicateWarning"), None);
    check_key(&doc("WHATEVER", ""), false, None, None);
}

#[track_caller]
fn check_fault(body: impl AsRef<[u8]>, expected: XmlFault) {
    let body = body.as_ref();
    assert_eq!(read(body), Err(expected), "{}", String::from_utf8_lossy(body));
}

#[test]
fn what_is_not_an_answer_is_refused_by_its_fault() {
    const OK: &str = "<returncode>SUCCESS</returncode>";
    let inside = |text: &str| format!("<response>{OK}{text}</response>");
    check_fault("<!DOCTYPE html><html></html>", XmlFault::Doctype);
    let bomb = "<!DOCTYPE response [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>";
    check_fault(format!("{bomb}{}", inside("&b;")), XmlFault::Doctype);
    check_fault("<?xml version=\"1.0\"?>\n<!doctype", XmlFault::Doctype);
    check_fault(inside("<!DOCTYPE x>"), XmlFault::Doctype);
    check_fault(inside("&b;"), XmlFault::Entity);
    check_fault(inside("<a b='&nbsp;'/>"), XmlFault::Entity);
    check_fault(inside("<a b='&amp'/>"), XmlFault::Entity);
    check_fault(inside("&#0;"), XmlFault::Entity);
    check_fault(inside("&#xD800;"), XmlFault::Entity);
    check_fault(inside("a & b"), XmlFault::Malformed);
    check_fault(inside("<a b='<'/>"), XmlFault::Malformed);
    check_fault(inside("<a<b></a<b>"), XmlFault::Malformed);
    check_fault(inside("<a></b>"), XmlFault::Malformed);
    check_fault(inside("<>x</>"), XmlFault::Malformed);
    check_fault(inside("<![cdata[x]]>"), XmlFault::Malformed);
    check_fault(inside("<?xml version='1.0'?>"), XmlFault::Malformed);
    check_fault(format!(" <?xml version='1.0'?>{}", inside("")), XmlFault::Malformed);
    check_fault(format!("<?xml encoding='utf-8'?>{}", inside("")), XmlFault::Malformed);
    check_fault(format!("{}{}", inside(""), inside("")), XmlFault::Outside);
    check_fault(format!("{}x", inside("")), XmlFault::Outside);
    check_fault(format!("{}&amp;", inside("")), XmlFault::Outside);
    check_fault(format!("{}<![CDATA[]]>", inside("")), XmlFault::Outside);
    check_fault(format!("\u{FEFF}\u{FEFF}{}", inside("")), XmlFault::Outside);
    check_fault("502 Bad Gateway", XmlFault::Outside);
    check_fault("{\"response\":{}}", XmlFault::Outside);
    check_fault("<html><body/></html>", XmlFault::WrongRoot);
    check_fault("<Response/>", XmlFault::WrongRoot);
    check_fault(format!("<x:{}", &inside("")[1..]), XmlFault::WrongRoot);
    let latin = "<?xml version='1.0' encoding='ISO-8859-1'?>";
    check_fault(format!("{latin}{}", inside("")), XmlFault::NotUtf8);
    check_fault(b"<response>\xFF</response>", XmlFault::NotUtf8);
    check_fault(b"<response>\xC3</response>", XmlFault::NotUtf8);
    check_fault(b"\xFE\xFF\0<\0r", XmlFault::NotUtf8);
    check_fault("", XmlFault::Truncated);
    check_fault("<", XmlFault::Truncated);
    check_fault("<!", XmlFault::Truncated);
    check_fault(b"<response>\xC3", XmlFault::Truncated);
    check_fault("<response><a>&am", XmlFault::Truncated);
    check_fault(&inside("")[..inside("").len() - 1], XmlFault::Truncated);
    check_fault("<response/>", XmlFault::NoReturncode);
    check_fault("<response><returncode/></response>", XmlFault::NoReturncode);
    check_fault("<response><a><returncode>x</returncode></a></response>", XmlFault::NoReturncode);
    let deep = |n: usize| inside(&format!("{}{}", "<a>".repeat(n), "</a>".repeat(n)));
    assert!(read(deep(63).as_bytes()).is_ok());
    check_fault(deep(64), XmlFault::TooDeep);
    check_fault(format!("<response>{}", "<a>".repeat(100_000)), XmlFault::TooDeep);
}

#[test]
fn marks_declarations_and_odd_names_of_users_are_let_through() {
    for start in [
        "\u{FEFF}",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
        "\u{FEFF}<?xml version='1.0'?>\r\n",
    ] {
        let body = format!("{start}<response><returncode>SUCCESS</returncode><1a/></response>\n");
        assert!(read(body.as_bytes()).is_ok_and(|envelope| envelope.success), "{body}");
        assert_eq!(peek(body.as_bytes()), Peek::Success);
    }
}

#[track_caller]
fn check_peek(start: &[u8], expected: Peek) {
    assert_eq!(peek(start), expected, "{}", String::from_utf8_lossy(start));
}

#[test]
fn the_first_bytes_tell_success_failure_or_fault() {
    check_peek(b"", Peek::NeedMore);
    check_peek(b"\xEF\xBB", Peek::NeedMore);
    check_peek(b"<response><returncode>SUCCESS</returncode", Peek::NeedMore);
    check_peek(b"<response><returncode>SUCCESS</returncode>", Peek::Success);
    check_peek(b"<response><returncode>FAILED</returncode><mess", Peek::Failed);
    check_peek(b"<response><returncode>SUCCESS</returncode><<<", Peek::Success);
    check_peek(b"<response><x>1</x></response>", Peek::Fault(XmlFault::NoReturncode));
    check_peek(b"<response><returncode/>", Peek::Fault(XmlFault::NoReturncode));
    check_peek(b"<!DOC", Peek::Fault(XmlFault::Doctype));
    check_peek(b"<html>", Peek::Fault(XmlFault::WrongRoot));
    check_peek(b"\xFF\xFE<", Peek::Fault(XmlFault::NotUtf8));
}

/// What a tree says, found the plain way.
fn plain(root: &Node) -> Result<Envelope, XmlFault> {
    let code = root.text_of("returncode").ok_or(XmlFault::NoReturncode)?;
    let yes = |text: Option<String>| text.is_some_and(|text| text.trim() == "true");
    let mut errors = None;
    let mut error_message = None;
    for error in root.children().iter().filter(|node| node.is("errors")).flat_map(Node::children) {
        if error.is("error") {
            for (name, into) in [("key", &mut errors), ("message", &mut error_message)] {
                if into.is_none() && error.child(name).is_some() {
                    *into = Some(error.text_of(name));
                }
            }
        }
    }
    let mut tenant = None;
    for metadata in root.children().iter().filter(|node| node.is("metadata")) {
        if tenant.is_none() && metadata.child("bigblueswarm-tenant").is_some() {
            tenant = Some(metadata.text_of("bigblueswarm-tenant"));
        }
    }
    Ok(Envelope {
        success: code.trim() == "SUCCESS",
        message_key: root.text_of("messageKey").or(errors.flatten()),
        message: root.text_of("message").or(error_message.flatten()),
        meeting_id: root.text_of("meetingID"),
        internal_id: root.text_of("internalMeetingID"),
        create_time: root.text_of("createTime").and_then(|text| text.trim().parse().ok()),
        tenant: tenant.flatten(),
        running: yes(root.text_of("running")),
        forcibly_ended: yes(root.text_of("hasBeenForciblyEnded")),
    })
}

fn children() -> impl Strategy<Value = Vec<Node>> {
    let code = word().prop_map(|code| Node::text("returncode", &code));
    let named = |name| nodes(4).prop_map(move |children| Node::element(name, children));
    let errors = nodes(4)
        .prop_map(|children| Node::element("errors", vec![Node::element("error", children)]));
    let any = prop_oneof![4 => node(), 1 => named("metadata"), 1 => errors, 2 => code];
    prop::collection::vec(any, 0..8)
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn the_stream_reads_what_a_plain_reading_of_the_tree_finds((root, body) in document(children())) {
        prop_assert_eq!(read(&body), plain(&root));
    }

    #[test]
    fn more_bytes_never_change_what_a_look_at_the_first_found((_, body) in document(children())) {
        let whole = peek(&body);
        prop_assert_ne!(&whole, &Peek::NeedMore);
        for end in 0..body.len() {
            let look = peek(&body[..end]);
            prop_assert!(look == Peek::NeedMore || look == whole, "{end}: {look:?}, then {whole:?}");
        }
        let code = read(&body);
        prop_assert_eq!(whole == Peek::Success, code.is_ok_and(|envelope| envelope.success));
    }

    #[test]
    fn an_answer_that_was_cut_is_never_taken_for_a_whole_one((root, body) in document(children())) {
        let raw = root.render();
        let closed = find(&body, raw.as_bytes()) + raw.len();
        for end in 0..closed {
            prop_assert_eq!(read(&body[..end]), Err(XmlFault::Truncated), "{}", end);
        }
    }
}

fn find(body: &[u8], part: &[u8]) -> usize {
    body.windows(part.len()).position(|window| window == part).expect("the root is in its document")
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_malformed_body_ends_in_a_refusal_or_a_reading(body in broken(INFO)) {
        let whole = read(&body);
        let look = peek(&body);
        if whole.is_ok() {
            prop_assert!(matches!(look, Peek::Success | Peek::Failed));
        }
        for end in 0..body.len() {
            match peek(&body[..end]) {
                Peek::NeedMore => {}
                Peek::Fault(_) => prop_assert!(!matches!(look, Peek::Success | Peek::Failed)),
                answer => prop_assert_eq!(&answer, &look),
            }
        }
    }
}
