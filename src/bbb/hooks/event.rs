//! Events as webhooks post them: a form whose field `event` is a JSON list.

use serde_json::Value;

use crate::bbb::query;

/// The metadata by which we know whose a meeting is.
const TAG: &str = "bigblueswarm-tenant";
/// What stands in place of a parent where there is none.
const NO_PARENT: &str = "bbb-none";

/// The form of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// A JSON list of events; mostly of one.
    pub event: String,
    pub timestamp: String,
}

impl Form {
    /// Reads a body; none when a field is missing, stands twice or is no text.
    pub fn read(body: &str) -> Option<Self> {
        let field = |name| Some(query::single(body, name).ok()??.into_owned());
        let (event, timestamp) = (field("event")?, field("timestamp")?);
        let is_number = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
        is_number.then_some(Self { event, timestamp })
    }
}

/// What an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Such as `meeting-ended`, in lower case; none for an event in BBB's own speech.
    pub id: Option<String>,
    /// The internal id of its meeting, which is the id of its recording too.
    pub internal: Option<String>,
    /// The id of its meeting as its creator chose it.
    pub external: Option<String>,
    /// Whose it is by our tag, where the event shows the metadata.
    pub tenant: Option<String>,
    /// The internal id of the meeting that this breakout room belongs to.
    pub parent: Option<String>,
}

impl Event {
    /// Reads one event, in the shape of the webhooks or in BBB's own.
    pub fn of(event: &Value) -> Self {
        let text = |pointer: &str| {
            let text = event.pointer(pointer).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let any = |pointers: &[&str]| pointers.iter().find_map(|pointer| text(pointer));
        let tag = |at: &str| text(&format!("{at}/{TAG}"));
        Self {
            id: text("/data/id").map(|id| id.to_lowercase()),
            internal: any(&[
                "/data/attributes/meeting/internal-meeting-id",
                "/envelope/routing/meetingId",
                "/core/body/props/meetingProp/intId",
                "/core/header/meetingId",
                "/core/body/meetingId",
                "/payload/meeting_id",
            ]),
            external: any(&[
                "/data/attributes/meeting/external-meeting-id",
                "/core/body/props/meetingProp/extId",
                "/payload/external_meeting_id",
            ]),
            tenant: tag("/data/attributes/meeting/metadata")
                .or_else(|| tag("/data/attributes/recording/metadata"))
                .or_else(|| tag("/core/body/props/metadataProp/metadata"))
                .or_else(|| tag("/payload/metadata")),
            parent: any(&[
                "/data/attributes/meeting/parent-id",
                "/core/body/props/breakoutProps/parentId",
            ])
            .filter(|parent| parent != NO_PARENT),
        }
    }

    /// Whether it is about the processing of a recording.
    pub fn is_about_recording(&self) -> bool {
        self.id.as_deref().is_some_and(|id| id.starts_with("rap-"))
    }
}

/// The events of a list; none when it is no such list.
pub fn events(list: &str) -> Option<Vec<Value>> {
    let events: Vec<Value> = serde_json::from_str(list).ok()?;
    events.iter().all(Value::is_object).then_some(events)
}

/// A list of these events.
pub fn with(events: Vec<Value>) -> String {
    Value::Array(events).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_says_whose_meeting_it_is_about() {
        let check = |event: Value, expected: Event| assert_eq!(Event::of(&event), expected);
        let some = |text: &str| Some(text.to_owned());
        let ids = json!({"internal-meeting-id": "h-1", "external-meeting-id": "x"});
        let ended = json!({"data": {"type": "event", "id": "Meeting-Ended", "attributes": {"meeting": ids}}});
        let known = Event { internal: some("h-1"), external: some("x"), ..Event::default() };
        check(ended, Event { id: some("meeting-ended"), ..known.clone() });
        let mut meeting = ids.clone();
        meeting["metadata"] = json!({"bigblueswarm-tenant": "t", "a": 1});
        meeting["parent-id"] = "bbb-none".into();
        let created =
            json!({"data": {"id": "meeting-created", "attributes": {"meeting": meeting}}});
        check(created, Event { id: some("meeting-created"), tenant: some("t"), ..known.clone() });
        let recording = json!({"metadata": {"bigblueswarm-tenant": "t"}});
        let published = json!({"data": {"id": "rap-publish-ended", "attributes": {"meeting": ids, "recording": recording}}});
        check(
            published.clone(),
            Event { id: some("rap-publish-ended"), tenant: some("t"), ..known.clone() },
        );
        assert!(Event::of(&published).is_about_recording());
        let raw = json!({"envelope": {"name": "X", "routing": {"meetingId": "h-1"}}, "core": {}});
        check(raw, Event { internal: some("h-1"), ..Event::default() });
        check(json!({"data": 1}), Event::default());
    }

    #[test]
    fn a_form_has_each_field_once() {
        let form = |event: &str| Some(Form { event: event.into(), timestamp: "1".into() });
        let check = |body: &str, expected| assert_eq!(Form::read(body), expected, "{body}");
        check("domain=d&event=%5B%7B%7D%5D&timestamp=1", form("[{}]"));
        check("event=a+b&timestamp=1", form("a b"));
        check("event=a", None);
        check("event=a&event=b&timestamp=1", None);
        check("event=a&timestamp=x", None);
        check("event=%FF&timestamp=1", None);
    }

    #[test]
    fn a_list_holds_objects() {
        assert_eq!(events("[{\"b\":1,\"a\":2}]").map(with).as_deref(), Some("[{\"b\":1,\"a\":2}]"));
        for text in ["", "{}", "[1]", "[{}", "null"] {
            assert_eq!(events(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_reading_panic(body in any::<String>(), text in "[\\[\\]{}\",:a-z0-9%=&]{0,60}") {
            for body in [body, format!("event={text}&timestamp=1")] {
                if let Some(form) = Form::read(&body) {
                    let _ = events(&form.event).map(|all| all.iter().map(Event::of).count());
                }
            }
        }
    }
}
