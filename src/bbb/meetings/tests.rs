use proptest::prelude::*;

use super::*;
use crate::bbb::xml::model::{Node, broken, cases, document, node, nodes, word};

const TWO: &[u8] = br#"<?xml version="1.0" encoding="UTF-8"?>
<response>
<returncode>SUCCESS</returncode>
<meetings>
<meeting>
<meetingName>A &amp; B</meetingName>
<meetingID>room &lt;1&gt;</meetingID>
<internalMeetingID>00a1-1767225700000</internalMeetingID>
<createTime>1767225700000</createTime>
<running>true</running>
<hasBeenForciblyEnded>true</hasBeenForciblyEnded>
<participantCount>1,204</participantCount>
<videoCount>17</videoCount>
<videoCount>3</videoCount>
<attendees><attendee><meetingID>eve</meetingID><customdata x="&gt;">
<metadata><bigblueswarm-tenant>eve</bigblueswarm-tenant></metadata></customdata></attendee></attendees>
<metadata><bigblueswarm-tenant><![CDATA[t.example.org]]></bigblueswarm-tenant></metadata>
<isBreakout>true</isBreakout>
</meeting>
<meeting x='1' ><meetingID>2</meetingID><!-- </meeting> --></meeting >
</meetings>
</response>
"#;

#[test]
fn a_list_is_taken_apart_to_the_byte() {
    let meetings = scan(TWO).expect("a list");
    let [one, two] = meetings.as_slice() else { panic!("two meetings") };
    let expected = Listed {
        span: one.span.clone(),
        meeting_id: "room <1>".into(),
        tenant: Some("t.example.org".into()),
        participants: 1204,
        webcams: 17,
        running: true,
        ended: true,
        is_breakout: true,
        create_time: Some(1_767_225_700_000),
        internal_id: Some("00a1-1767225700000".into()),
    };
    assert_eq!(one, &expected);
    assert!(TWO[one.span.clone()].starts_with(b"<meeting>\n<meetingName>"));
    assert!(TWO[one.span.clone()].ends_with(b"<isBreakout>true</isBreakout>\n</meeting>"));
    let raw = b"<meeting x='1' ><meetingID>2</meetingID><!-- </meeting> --></meeting >";
    assert_eq!(&TWO[two.span.clone()], raw);
    assert_eq!((two.meeting_id.as_str(), two.webcams), ("2", 0));
}

#[track_caller]
fn check_fault(body: &str, expected: XmlFault) {
    assert_eq!(scan(body.as_bytes()), Err(expected), "{body}");
}

#[test]
fn an_answer_that_is_no_list_is_never_an_empty_one() {
    let doc = |code: &str, rest: &str| {
        format!("<response><returncode>{code}</returncode>{rest}</response>")
    };
    let refused = doc("FAILED", "<messageKey>checksumError</messageKey><meetings/>");
    check_fault(&refused, XmlFault::Failed(Some("checksumError".into())));
    check_fault(&doc("FAILED", ""), XmlFault::Failed(None));
    let odd = doc("FAILED", "<messageKey>a\nb secret=1</messageKey>");
    check_fault(&odd, XmlFault::Failed(None));
    check_fault(&doc("SUCCESS", "<version>2.0</version>"), XmlFault::NoList);
    check_fault(&doc("SUCCESS", "<x><meetings/></x>"), XmlFault::NoList);
    check_fault("<response><meetings/></response>", XmlFault::NoReturncode);
    check_fault(&doc("SUCCESS", "<meetings><meeting/></meetings>"), XmlFault::NoMeetingId);
    check_fault(&doc("SUCCESS", "<meetings>")[..40], XmlFault::Truncated);
    check_fault("<!DOCTYPE response><response/>", XmlFault::Doctype);
    assert_eq!(scan(doc("SUCCESS", "<meetings/>").as_bytes()), Ok(vec![]));
    assert_eq!(scan(reply::NO_MEETINGS.as_bytes()), Ok(vec![]));
}

/// The answer that lists these, as its bytes.
fn listing(meetings: &[Vec<u8>]) -> Vec<u8> {
    let mut piece = Vec::new();
    meetings.iter().for_each(|meeting| add(&mut piece, meeting));
    merged([piece.into()]).concat()
}

#[test]
fn no_parts_give_the_answer_that_there_are_none() {
    assert_eq!(listing(&[]), reply::NO_MEETINGS.as_bytes());
}

#[test]
fn numbers_are_read_as_people_write_them() {
    for (text, expected) in [
        ("", 0),
        ("7", 7),
        (" 1,000\n", 1000),
        ("1.234.567", 1_234_567),
        ("1\u{a0}000", 1000),
        ("-3", 0),
        ("99999999999999999999999", u64::MAX),
    ] {
        assert_eq!(count(text), expected, "{text}");
    }
}

/// A meeting with its ID, and anything before, between and behind.
fn meeting() -> impl Strategy<Value = Node> {
    let field = |name: &'static str| word().prop_map(move |text| Node::text(name, &text));
    let fields = prop_oneof![
        4 => node(),
        1 => field("participantCount"),
        1 => field("videoCount"),
        1 => field("createTime"),
        1 => field("running"),
        1 => field("hasBeenForciblyEnded"),
        1 => nodes(4).prop_map(|children| Node::element("metadata", children)),
    ];
    let id = "[a-z &<]{1,8}".prop_map(|id| Node::text("meetingID", &id));
    (id, prop::collection::vec(fields, 0..8)).prop_map(|(id, mut children)| {
        children.insert(0, id);
        Node::element("meeting", children)
    })
}

/// What a tree says of a meeting, found the plain way; without where it stands.
fn plain(meeting: &Node) -> Listed {
    let yes = |name| meeting.text_of(name).is_some_and(|text| text.trim() == "true");
    let mut tenant = None;
    for metadata in meeting.children().iter().filter(|node| node.is("metadata")) {
        if tenant.is_none() && metadata.child("bigblueswarm-tenant").is_some() {
            tenant = Some(metadata.text_of("bigblueswarm-tenant"));
        }
    }
    let digits = |text: String| {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if text.trim_start().starts_with('-') { 0 } else { digits.parse().unwrap_or(0) }
    };
    Listed {
        span: 0..0,
        meeting_id: meeting.text_of("meetingID").expect("the ID stands first"),
        tenant: tenant.flatten(),
        participants: meeting.text_of("participantCount").map_or(0, digits),
        webcams: meeting.text_of("videoCount").map_or(0, digits),
        running: yes("running"),
        ended: yes("hasBeenForciblyEnded"),
        is_breakout: yes("isBreakout"),
        create_time: meeting.text_of("createTime").and_then(|text| text.trim().parse().ok()),
        internal_id: meeting.text_of("internalMeetingID"),
    }
}

/// A list of meetings with blanks and comments between them, in an answer with other things around it.
fn list() -> impl Strategy<Value = (Node, Vec<u8>)> {
    let between = prop_oneof![
        Just(Node::Text("\n".into())),
        Just(Node::Comment("<meeting>".into())),
        node().prop_filter("no meeting of its own", |node| !node.is("meeting")),
    ];
    let inside = prop::collection::vec(prop_oneof![3 => meeting(), 1 => between], 0..6);
    let meetings = inside.prop_map(|inside| Node::element("meetings", inside));
    let around = || {
        let around = prop::collection::vec(node(), 0..3);
        around.prop_map(|mut nodes| {
            nodes.retain(|node| !node.is("meetings"));
            nodes
        })
    };
    let code = Node::text("returncode", "SUCCESS");
    document((around(), meetings, around()).prop_map(move |(before, meetings, behind)| {
        [vec![code.clone()], before, vec![meetings], behind].concat()
    }))
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn the_stream_lists_what_a_plain_reading_of_the_tree_finds((root, body) in list()) {
        let inside = root.child("meetings").expect("a list").children();
        let meetings: Vec<&Node> = inside.iter().filter(|node| node.is("meeting")).collect();
        let scanned = scan(&body).expect("a list");
        prop_assert_eq!(scanned.len(), meetings.len());
        for (listed, meeting) in scanned.iter().zip(meetings) {
            let raw = meeting.render();
            prop_assert_eq!(&body[listed.span.clone()], raw.as_bytes());
            let without_span = Listed { span: 0..0, ..listed.clone() };
            prop_assert_eq!(without_span, plain(meeting));
        }
    }

    #[test]
    fn whatever_is_inside_a_meeting_comes_out_as_the_same_bytes((_, one) in list(), (_, two) in list()) {
        let parts = |body: &[u8]| -> Vec<Vec<u8>> {
            scan(body).expect("a list").iter().map(|l| body[l.span.clone()].to_vec()).collect()
        };
        let all = [parts(&one), parts(&two)].concat();
        prop_assert_eq!(parts(&listing(&all)), all);
    }
}

/// Meetings as they were found, less their places, and their bytes.
type Found = Vec<(Listed, Vec<u8>)>;

/// Reads an answer in parts that end there, as [`scan`] reads it whole, after another list.
fn in_parts(
    body: &[u8],
    ends: &[prop::sample::Index],
    last: Memo,
) -> Result<(Found, Memo), XmlFault> {
    let mut ends: Vec<usize> = ends.iter().map(|end| end.index(body.len() + 1)).collect();
    ends.extend([0, body.len()]);
    ends.sort_unstable();
    let (mut reading, mut found) = (Reading::after(last.into()), Vec::new());
    let mut take = |listed: Arc<Listed>, raw: &[u8]| {
        found.push((Arc::unwrap_or_clone(listed), raw.to_vec()));
    };
    for pair in ends.windows(2) {
        reading.push(&body[pair[0]..pair[1]], &mut take)?;
    }
    reading.finish(&mut take).map(|memo| (found, memo))
}

fn at_once(body: &[u8]) -> Result<Found, XmlFault> {
    let with_bytes = |listed: Listed| {
        let raw = body[listed.span.clone()].to_vec();
        (Listed { span: 0..0, ..listed }, raw)
    };
    Ok(scan(body)?.into_iter().map(with_bytes).collect())
}

/// What a list holds, for the next one.
fn memo_of(body: &[u8]) -> Memo {
    in_parts(body, &[], Memo::default()).map_or_else(|_| Memo::default(), |(_, memo)| memo)
}

/// Reads an answer after these lists.
fn after(body: &[u8], ends: &[prop::sample::Index], last: &[u8]) -> Result<Found, XmlFault> {
    in_parts(body, ends, memo_of(last)).map(|(found, _)| found)
}

fn ends() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_list_that_comes_in_parts_is_read_as_if_it_came_at_once((_, body) in list(), ends in ends()) {
        prop_assert_eq!(after(&body, &ends, b""), at_once(&body));
    }

    #[test]
    fn a_list_is_read_the_same_whatever_it_held_before(
        (_, body) in list(),
        (_, other) in list(),
        cut in any::<prop::sample::Index>(),
        ends in ends(),
    ) {
        prop_assert_eq!(after(&body, &ends, &body), at_once(&body));
        prop_assert_eq!(after(&body, &ends, &other), at_once(&body));
        // Some of its meetings, and others.
        let parts = |body: &[u8]| -> Vec<Vec<u8>> { at_once(body).expect("a list").into_iter().map(|(_, raw)| raw).collect() };
        let mut mixed = [parts(&body), parts(&other)].concat();
        if !mixed.is_empty() {
            mixed.remove(cut.index(mixed.len()));
        }
        let mixed = listing(&mixed);
        prop_assert_eq!(after(&mixed, &ends, &body), at_once(&mixed));
        prop_assert_eq!(after(&body, &ends, &mixed), at_once(&body));
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_malformed_list_is_the_same_fault_in_parts(body in broken(TWO), ends in ends()) {
        prop_assert_eq!(after(&body, &ends, b""), at_once(&body));
        prop_assert_eq!(after(&body, &ends, TWO), at_once(&body));
    }

    #[test]
    fn a_malformed_list_ends_in_a_refusal_or_a_reading(body in broken(TWO)) {
        for listed in scan(&body).unwrap_or_default() {
            prop_assert!(body[listed.span.clone()].starts_with(b"<meeting"));
            prop_assert!(body[listed.span].ends_with(b">"));
        }
    }
}

#[track_caller]
fn check_names(meetings: &str, expected: &[&str]) {
    let body = format!(
        "<response><returncode>SUCCESS</returncode><meetings>{meetings}</meetings></response>"
    );
    assert_eq!(names(body.as_bytes()).expect("a list"), expected);
}

#[test]
fn names_come_in_the_order_of_the_list() {
    check_names("", &[]);
    check_names(
        "<meeting><meetingName>A &amp; B&#33;</meetingName><meetingID>a</meetingID></meeting>\
         <meeting><meetingID>b</meetingID><metadata><meetingName>no</meetingName></metadata></meeting>\
         <meeting><meetingName><![CDATA[C]]></meetingName><meetingName>D</meetingName></meeting>",
        &["A & B!", "", "C"],
    );
}
