//! A real server's recorded requests, sent again to a simulated server of version 2.5: the answers are alike.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bigblueswarm::sim::{Recording, Track, Version};
use serde_json::Value;

use super::*;

const RECORDED: &str = include_str!("../recorded/real-bbb.json");
/// The secret of the server that was watched, and where it was reached.
const ITS_SECRET: &str = "secret-real-1";
const ITS_ORIGIN: &str = "http://127.0.0.1:18001";

/// What differs, and why: the label of an exchange, and what of its answer is not compared.
const DIFFERENCES: [(&str, Part); 4] = [
    // Real servers list meetings in the order of a hash map, ours in the order of their creation.
    ("getMeetings", Part::Order),
    ("getMeetings, slash", Part::Order),
    // So it does with hooks, where it lists those of one meeting.
    ("hooks/list, of a meeting", Part::Order),
    // One of its recordings lay in two folders at once, and was printed with the formats of both.
    ("getRecordings, state any", Part::Elements),
];

#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// What is listed is compared in any order.
    Order,
    /// No elements are compared.
    Elements,
}

/// The time of day is what the recorded answer says.
struct Replayed(Instant, AtomicU64);

impl Clock for Replayed {
    fn now(&self) -> Moment {
        Moment(self.0.elapsed())
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.1.load(Ordering::Relaxed))
    }
}

async fn stage() -> (SimServer, Arc<Replayed>) {
    let clock = Arc::new(Replayed(Instant::now(), AtomicU64::new(1_796_008_500_000)));
    let settings = SimSettings {
        bbb_version: Some(String::new()),
        ..SimSettings::new(ITS_ORIGIN, ITS_SECRET).version(Version::V2_5)
    };
    let server = SimServer::start(settings, clock.clone());
    let recording = |id: &str, name: &str, second: u64, formats: &[&str]| Recording {
        name: name.to_owned(),
        ..Recording::new(id, 1_796_000_000_000 + second * 1000).formats(formats)
    };
    let track =
        Track { kind: "subtitles".into(), label: "English".into(), lang: "en".into(), bytes: 6 };
    let many = recording("ra", "Room A", 1, &["presentation", "podcast", "video"]);
    let many = many.with("foo", "x  y").with("bbb-origin", "Moodle");
    for kept in [
        recording("rc", "Room", 4, &["presentation"]).of("t2.example.org"),
        Recording { tracks: vec![track], ..many },
        recording("rd", "Room", 5, &["presentation"]),
        recording("rb", "Room B", 2, &["presentation"]),
    ] {
        server.add_recording(kept).await;
    }
    (server, clock)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// What stands between `open` and `close`, first.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    Some(text.split_once(open)?.1.split_once(close)?.0)
}

/// The request as it was sent, with ids that the server drew replaced by those that ours drew.
fn request(recorded: &Value, drawn: &HashMap<String, String>) -> Ask {
    let mut ask = Ask::get(text(recorded, "target"));
    let (path, query) = (ask.path().to_owned(), ask.query().to_owned());
    let named = between(&query, "hookID=", "&").and_then(|id| drawn.get(id));
    if let (Some(ours), Some(call)) = (named, path.strip_prefix("/bigbluebutton/api/")) {
        let signed = query::signed(&format!("hookID={ours}"), call, ITS_SECRET, Algorithm::Sha1);
        ask.target = format!("{path}?{signed}");
    }
    ask.method = text(recorded, "method").parse().expect("a method");
    for (name, value) in recorded["headers"].as_object().into_iter().flatten() {
        let value = HeaderValue::from_str(value.as_str().expect("text")).expect("a value");
        ask.headers.insert(http::HeaderName::try_from(name).expect("a name"), value);
    }
    ask.body = Bytes::from(text(recorded, "body").to_owned());
    ask
}

/// The key of an answer, in XML, in JSON, or in the errors of a redirect.
fn key(body: &str, location: &str) -> Option<String> {
    let in_xml = ["messageKey", "key"]
        .iter()
        .find_map(|name| between(body, &format!("<{name}>"), &format!("</{name}>")));
    let in_json =
        || between(body, "\"messageKey\": \"", "\"").or(between(body, "\"messageKey\":\"", "\""));
    let sent_away = || between(location, "%22key%22:%22", "%22");
    in_xml.or_else(in_json).or_else(sent_away).map(str::to_owned)
}

/// The elements in order, with the white space between them: names alone, as values are of the day.
fn elements(body: &str) -> Vec<String> {
    if !body.starts_with('<') || body.starts_with("<!") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        let name = tag.split(' ').next().unwrap_or_default();
        let gap = if text.trim().is_empty() { text } else { "…" };
        found.push(format!("<{name}>{}", gap.escape_debug()));
    }
    found
}

/// Metadata of a meeting come in the order of a hash map too.
fn with_sorted_metadata(mut elements: Vec<String>) -> Vec<String> {
    let open = |e: &String| e.starts_with("<metadata>");
    let mut at = 0;
    while let Some(start) = elements[at..].iter().position(open).map(|n| at + n) {
        let len = elements[start..].iter().position(|e| e.starts_with("</metadata>"));
        let end = start + len.expect("it is closed");
        elements[start + 1..end].sort();
        at = end;
    }
    elements
}

/// What a list holds in an order that does not depend on the server's.
fn with_sorted_list(elements: &[String]) -> Vec<String> {
    let starts = ["<meeting>", "<hook>", "</meetings>", "</hooks>"];
    let mut groups: Vec<&[String]> = Vec::new();
    let is_start = |e: &String| starts.iter().any(|start| e.starts_with(start));
    let mut rest = elements;
    while let Some(next) = rest.iter().skip(1).position(is_start) {
        let (group, more) = rest.split_at(next + 1);
        groups.push(group);
        rest = more;
    }
    groups[1..].sort();
    groups.push(rest);
    groups.concat()
}

/// What of an answer is compared.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u64,
    kind: String,
    cache: String,
    key: Option<String>,
    sent_to: String,
    message: String,
    elements: Vec<String>,
}

impl Seen {
    fn of(status: u64, header: impl Fn(&str) -> String, body: &str, ignored: Option<Part>) -> Self {
        let location = header("location");
        let mut elements = with_sorted_metadata(elements(body));
        match ignored {
            Some(Part::Order) => elements = with_sorted_list(&elements),
            Some(Part::Elements) => elements.clear(),
            None => {}
        }
        let sent_to = location.split(['?']).next().unwrap_or_default().to_owned();
        let message = between(body, "<message>", "</message>").unwrap_or_default().to_owned();
        let key = key(body, &location);
        Self {
            status,
            kind: header("content-type"),
            cache: header("cache-control"),
            key,
            sent_to,
            message,
            elements,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_recorded_requests_of_a_real_server_are_answered_alike() {
    let (server, clock) = stage().await;
    let recorded: Value = serde_json::from_str(RECORDED).expect("JSON");
    let exchanges = recorded["exchanges"].as_array().expect("a list");
    assert_eq!(exchanges.len(), 154);
    let mut drawn = HashMap::new();
    let mut differ = Vec::new();
    for exchange in exchanges {
        let label = text(exchange, "label");
        let (sent, answered) = (&exchange["request"], &exchange["response"]);
        let body = text(answered, "body");
        if let Some(made) = between(body, "<createTime>", "</createTime>") {
            clock.1.store(made.parse().expect("a number"), Ordering::Relaxed);
        }
        let reply = send(&server, request(sent, &drawn)).await;
        let ours = reply.text();
        if let (Some(theirs), Some(id)) =
            (between(body, "<hookID>", "</hookID>"), between(&ours, "<hookID>", "</hookID>"))
        {
            drawn.insert(theirs.to_owned(), id.to_owned());
        }
        let ignored = DIFFERENCES.iter().find(|(known, _)| *known == label).map(|(_, part)| *part);
        let theirs = |name: &str| text(&answered["headers"], name).to_owned();
        let status = answered["status"].as_u64().expect("a number");
        let expected = Seen::of(status, theirs, body, ignored);
        let header = |name: &str| {
            let value = reply.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let seen = Seen::of(reply.status.as_u16().into(), header, &ours, ignored);
        if seen != expected {
            differ.push(format!("{label}\n  ours   {seen:?}\n  theirs {expected:?}"));
        }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}
