use proptest::prelude::*;

use super::*;
use crate::bbb::query::QueryFault;
use crate::bbb::xml::model::{Node, broken, cases, document, node, nodes, word};

const TWO: &[u8] = br#"<response><returncode>SUCCESS</returncode><recordings><recording>
<recordID>c25a-1</recordID><meetingID>test01</meetingID><name>A &amp; B</name><published>true</published>
<state>published</state><startTime>1767225600150</startTime><metadata><meetingName>A &amp; B</meetingName>
<bigblueswarm-tenant><![CDATA[t.example.org]]></bigblueswarm-tenant><empty/></metadata>
<breakoutRooms><recordID>eve</recordID></breakoutRooms><playback><format><state>eve</state></format></playback>
</recording><recording x='1' ><recordID>2</recordID><!-- </recording> --></recording ></recordings>
<totalElements>37</totalElements></response>"#;

#[test]
fn a_list_is_taken_apart_to_the_byte() {
    let list = scan(TWO).expect("a list");
    let [one, two] = list.recordings.as_slice() else { panic!("two recordings") };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = Recorded {
        span: one.span.clone(),
        record_id: "c25a-1".into(),
        state: "published".into(),
        start_time: 1_767_225_600_150,
        tenant: Some("t.example.org".into()),
        metadata: vec![
            pair("meetingName", "A & B"),
            pair("bigblueswarm-tenant", "t.example.org"),
            pair("empty", ""),
        ],
        formats: vec![Format { span: one.formats[0].span.clone(), name: String::new() }],
    };
    let raw = &TWO[one.span.clone()];
    assert_eq!(&raw[one.formats[0].span.clone()], b"<format><state>eve</state></format>");
    assert_eq!(one, &expected);
    assert_eq!(list.total, Some(37));
    let nested = b"<response><returncode>SUCCESS</returncode><recordings/><pagination><pageable><totalElements>1\
        </totalElements></pageable><totalElements> 38 </totalElements></pagination></response>";
    assert_eq!(scan(nested).expect("a list").total, Some(38));
    assert!(TWO[one.span.clone()].starts_with(b"<recording>\n<recordID>c25a-1"));
    assert!(TWO[one.span.clone()].ends_with(b"</playback>\n</recording>"));
    let raw = b"<recording x='1' ><recordID>2</recordID><!-- </recording> --></recording >";
    assert_eq!(&TWO[two.span.clone()], raw);
}

#[test]
fn an_answer_that_is_no_list_is_never_an_empty_one() {
    let check = |body: &str, fault: XmlFault| assert_eq!(scan(body.as_bytes()), Err(fault));
    let forbidden = "<response><returncode>SUCCESS</returncode><messageKey>noRecordings</messageKey></response>";
    check(forbidden, XmlFault::NoRecordings);
    let failed = reply::failed("checksumError", "x");
    check(&failed, XmlFault::failed(Some("checksumError")));
    let nameless = "<response><returncode>SUCCESS</returncode><recordings><recording/></recordings></response>";
    check(nameless, XmlFault::NoRecordId);
    let open = "<response><returncode>SUCCESS</returncode><recordings>";
    check(open, XmlFault::Truncated);
}

/// The answer that lists these, as its bytes.
fn listing(recordings: &[Vec<u8>], total: Option<usize>) -> Vec<u8> {
    let mut piece = Vec::new();
    recordings.iter().for_each(|recording| add(&mut piece, recording));
    merged([piece.into()], total).concat()
}

#[test]
fn lists_are_made_as_bbb_makes_them() {
    let none = "<response>\n<returncode>SUCCESS</returncode>\n<recordings></recordings>\n\
        <messageKey>noRecordings</messageKey>\n<message>There are no recordings for the meeting(s).</message>\n";
    assert_eq!(listing(&[], None), format!("{none}</response>").as_bytes());
    let paged = format!("{none}<totalElements>0</totalElements>\n</response>");
    assert_eq!(listing(&[], Some(0)), paged.as_bytes());
    assert_eq!(scan(&listing(&[], Some(7))), Ok(List { recordings: vec![], total: Some(7) }));
}

#[track_caller]
fn check(query: &str, fits: bool) {
    let list = scan(TWO).expect("a list");
    let filter = Filter::of(query).expect("a filter");
    assert_eq!(filter.fits(&list.recordings[0]), fits, "{query}");
}

#[test]
fn a_filter_takes_what_bbb_would_take() {
    check("", true);
    check("recordID=c25a", true);
    check("recordID=x%2Cc25a-1", true);
    check("recordID=x%252Cc25a-1", true);
    check("recordID=c25a-12", false);
    check("recordID=c25a&meetingID=other", true);
    check("meetingID=other", false);
    check("state=any", true);
    check("state=unpublished,published", true);
    check("state=deleted", false);
    check("meta_meetingname=A+%26+B", true);
    check("meta_meetingName=A%25", true);
    check("meta_meetingName=%25B", true);
    check("meta_meetingName=%25%26%25", true);
    check("meta_meetingName=B%25", false);
    check("meta_absent=%25", false);
    check("meta_bigblueswarm-tenant=u", true);
    let twice = Filter::of("recordID=a&recordID=b");
    assert_eq!(twice, Err(QueryFault::Twice("recordID")));
}

#[test]
fn a_meeting_id_is_the_start_of_its_recordings_ids() {
    let filter = Filter::of("meetingID=random-1,test01").expect("a filter");
    let of = |id: &str| Recorded {
        record_id: id.into(),
        state: "published".into(),
        ..Recorded::default()
    };
    assert!(filter.fits(&of("c25a79c57906ba7027b36d380230db92bbc0fd64-1767225600123")));
    assert!(!filter.fits(&of("d25a79c57906ba7027b36d380230db92bbc0fd64-1767225600123")));
}

#[test]
fn pages_are_cut_as_bbb_cuts_them() {
    let check = |query: &str, page: Option<(usize, usize)>| {
        let expected = page.map(|(offset, limit)| Page { offset, limit });
        assert_eq!(Page::of(query), expected, "{query}");
    };
    check("", None);
    check("offset=3", None);
    check("limit=x&offset=3", None);
    check("limit=0&offset=-3", Some((0, 1)));
    check("limit=500&offset=x", Some((0, 100)));
    check("limit=20&offset=40", Some((40, 20)));
}

/// A recording with its id and state, and anything before, between and behind.
fn recording() -> impl Strategy<Value = Node> {
    let field = |name: &'static str| word().prop_map(move |text| Node::text(name, &text));
    let fields = prop_oneof![
        4 => node(),
        1 => field("state"),
        1 => field("startTime"),
        1 => nodes(4).prop_map(|children| Node::element("metadata", children)),
    ];
    let id = "[a-z0-9 &<-]{1,8}".prop_map(|id| Node::text("recordID", &id));
    (id, prop::collection::vec(fields, 0..8)).prop_map(|(id, mut children)| {
        children.insert(0, id);
        Node::element("recording", children)
    })
}

/// What a tree says of a recording, found the plain way; without where it stands and its metadata.
fn plain(recording: &Node) -> Recorded {
    let mut metadata = recording.children().iter().filter(|node| node.is("metadata"));
    let tagged = metadata.find(|node| node.child(TAG).is_some());
    Recorded {
        record_id: recording.text_of("recordID").expect("the id stands first"),
        state: recording.text_of("state").unwrap_or_default(),
        start_time: recording
            .text_of("startTime")
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or_default(),
        tenant: tagged.and_then(|metadata| metadata.text_of(TAG)),
        ..Recorded::default()
    }
}

/// A list of recordings with blanks and comments between them, in an answer with other things around it.
fn list() -> impl Strategy<Value = (Node, Vec<u8>)> {
    let between = prop_oneof![
        Just(Node::Text("\n".into())),
        Just(Node::Comment("<recording>".into())),
        node(),
    ];
    let inside = prop::collection::vec(prop_oneof![3 => recording(), 1 => between], 0..6);
    let code = Node::text("returncode", "SUCCESS");
    let around = || prop::collection::vec(node(), 0..3);
    let all = (around(), inside, around()).prop_map(move |(before, inside, behind)| {
        let recordings = vec![Node::element("recordings", inside)];
        [vec![code.clone()], before, recordings, behind].concat()
    });
    document(all)
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn the_stream_lists_what_a_plain_reading_of_the_tree_finds((root, body) in list()) {
        let inside = root.child("recordings").expect("a list").children();
        let recordings: Vec<&Node> = inside.iter().filter(|node| node.is("recording")).collect();
        let scanned = scan(&body).expect("a list").recordings;
        prop_assert_eq!(scanned.len(), recordings.len());
        for (found, recording) in scanned.into_iter().zip(recordings) {
            let raw = recording.render();
            prop_assert_eq!(&body[found.span.clone()], raw.as_bytes());
            let alone = alone(raw.as_bytes()).expect("a recording");
            prop_assert_eq!(&alone, &Recorded { span: 0..raw.len(), ..found.clone() });
            let found = Recorded { span: 0..0, metadata: Vec::new(), ..found };
            prop_assert_eq!(found, plain(recording));
        }
    }

    #[test]
    fn whatever_is_inside_a_recording_comes_out_as_the_same_bytes((_, one) in list(), (_, two) in list()) {
        let parts = |body: &[u8]| -> Vec<Vec<u8>> {
            let found = scan(body).expect("a list").recordings;
            found.into_iter().map(|r| body[r.span].to_vec()).collect()
        };
        let all = [parts(&one), parts(&two)].concat();
        let answer = listing(&all, Some(all.len()));
        prop_assert_eq!(scan(&answer).expect("a list").total, Some(all.len()));
        prop_assert_eq!(parts(&answer), all);
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_malformed_list_ends_in_a_refusal_or_a_reading(body in broken(TWO)) {
        for found in scan(&body).unwrap_or_default().recordings {
            prop_assert!(body[found.span.clone()].starts_with(b"<recording"));
            prop_assert!(body[found.span].ends_with(b">"));
        }
    }
}
