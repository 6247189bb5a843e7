//! Webhooks: the calls of the service beside BBB, with words of its own, and the events that it sends.

mod event;
mod listed;

pub use event::{Event, Form, events, with};
pub use listed::{Listed, scan};

use std::fmt::Write as _;

use super::checksum::{Algorithm, Algorithms, sign, verify};
use super::query::{self, QueryFault};
use super::reply::escape;
use crate::domain::hook::{Hook, HookId, Wish};

/// The answer to hooks/ping.
pub const PING: &str = "bbb-webhooks API up!";
/// The answer to a hooks/destroy that did it.
pub const REMOVED: &str =
    "<response><returncode>SUCCESS</returncode><removed>true</removed></response>";

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("no checksum, a wrong one, or more than one, for webhooks")]
    Checksum,
    #[error("no callback URL")]
    NoUrl,
    #[error("no hook id")]
    NoId,
    #[error("no such hook")]
    Unknown,
    #[error("the hook could not be made")]
    NotMade,
    #[error("the hook could not be made: callbacks.baseUrl is not set")]
    NoBaseUrl,
    #[error("the hooks could not be listed")]
    NotListed,
    #[error("the hook could not be removed")]
    NotRemoved,
}

impl Failure {
    /// Its key and message, as clients know them.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Checksum => ("checksumError", "You did not pass the checksum security check."),
            Self::NoUrl => {
                ("missingParamCallbackURL", "You must specify a callbackURL in the parameters.")
            }
            Self::NoId => ("missingParamHookID", "You must specify a hookID in the parameters."),
            Self::Unknown => ("destroyMissingHook", "The hook informed was not found."),
            Self::NotMade => {
                ("createHookError", "An error happened while creating your hook. Check the logs.")
            }
            Self::NoBaseUrl => (
                "createHookError",
                "This load balancer can't register webhooks, as callbacks.baseUrl is not set in its configuration: its administrator has to set it to the URL by which the BigBlueButton servers reach the load balancer.",
            ),
            Self::NotListed => (
                "listHookError",
                "An error happened while listing registered hooks. Check the logs.",
            ),
            Self::NotRemoved => {
                ("destroyHookError", "An error happened while removing your hook. Check the logs.")
            }
        }
    }
}

/// Bytes of a callback URL, of a meeting's id, and of a list of events at most.
const LONGEST_URL: usize = 4_096;
const LONGEST_MEETING: usize = 1_024;
const LONGEST_EVENTS: usize = 2_048;

/// Why a hook can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookFault {
    #[error(transparent)]
    Query(#[from] QueryFault),
    #[error("no callback URL")]
    NoUrl,
    #[error("the callback URL is not one of http or https")]
    BadUrl,
    #[error("a parameter is too long")]
    TooLong,
}

/// What a hooks/create asks for.
pub fn wish(query: &str) -> Result<Wish, HookFault> {
    let url = query::single(query, "callbackURL")?.ok_or(HookFault::NoUrl)?.trim().to_owned();
    let meeting = given(query, "meetingID")?;
    let events = given(query, "eventID")?;
    let raw = given(query, "getRaw")?.is_some_and(|raw| raw.trim().eq_ignore_ascii_case("true"));
    let is_long =
        |text: &Option<String>, most: usize| text.as_ref().is_some_and(|t| t.len() > most);
    if url.len() > LONGEST_URL
        || is_long(&meeting, LONGEST_MEETING)
        || is_long(&events, LONGEST_EVENTS)
    {
        return Err(HookFault::TooLong);
    }
    let parsed: Option<http::Uri> = url.split('#').next().and_then(|url| url.parse().ok());
    let is_web = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    if !parsed.is_some_and(|uri| is_web(&uri) && uri.host().is_some_and(|host| !host.is_empty())) {
        return Err(HookFault::BadUrl);
    }
    let ids =
        |list: String| list.to_lowercase().split(',').map(|id| id.trim().to_owned()).collect();
    Ok(Wish { url, meeting, events: events.map(ids), raw })
}

/// The hook that a hooks/destroy names; none when it names none. What is no number of ours names no hook.
pub fn hook_id(query: &str) -> Result<Option<Option<HookId>>, QueryFault> {
    let sent = query::single(query, "hookID")?;
    Ok(sent.map(|id| id.trim().parse().ok().map(HookId)))
}

/// The meeting whose hooks a hooks/list asks for.
pub fn meeting(query: &str) -> Result<Option<String>, QueryFault> {
    given(query, "meetingID")
}

/// A parameter that stands once at most; an empty one is none.
fn given(query: &str, name: &'static str) -> Result<Option<String>, QueryFault> {
    let value = query::single(query, name)?;
    Ok(value.filter(|value| !value.is_empty()).map(|value| value.into_owned()))
}

/// The answer to a hooks/create that made a hook.
pub fn created(hook: &Hook) -> String {
    let (id, raw) = (hook.id.0, hook.wish.raw);
    format!(
        "<response><returncode>SUCCESS</returncode><hookID>{id}</hookID>\
         <permanentHook>false</permanentHook><rawData>{raw}</rawData></response>"
    )
}

/// The answer to a hooks/create of a hook that is there already.
pub fn duplicate(hook: &Hook) -> String {
    let id = hook.id.0;
    format!(
        "<response><returncode>SUCCESS</returncode><hookID>{id}</hookID><messageKey>duplicateWarning</messageKey>\
         <message>There is already a hook for this callback URL.</message></response>"
    )
}

/// The answer to hooks/list.
pub fn list<'h>(hooks: impl IntoIterator<Item = &'h Hook>) -> String {
    let mut text = String::from("<response><returncode>SUCCESS</returncode><hooks>");
    for Hook { id, wish, .. } in hooks {
        let _ = write!(text, "<hook><hookID>{}</hookID>", id.0);
        let _ = write!(text, "<callbackURL>{}</callbackURL>", cdata(&wish.url));
        if let Some(meeting) = &wish.meeting {
            let _ = write!(text, "<meetingID>{}</meetingID>", cdata(meeting));
        }
        if let Some(events) = &wish.events {
            let _ = write!(text, "<eventID>{}</eventID>", escape(&events.join(",")));
        }
        let raw = wish.raw;
        let _ = write!(text, "<permanentHook>false</permanentHook><rawData>{raw}</rawData></hook>");
    }
    text.push_str("</hooks></response>");
    text
}

/// A text that is not read as markup.
fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

/// The answer that refuses a call, in the shape of this service.
pub fn failed(key: &str, message: &str) -> String {
    let (key, message) = (escape(key), escape(message));
    format!(
        "<response><returncode>FAILED</returncode><messageKey>{key}</messageKey><message>{message}</message></response>"
    )
}

/// The query of a hooks/create at an instance: events of this hook go to `url` of ours.
pub fn registration(hook: &Hook, url: &str) -> String {
    let mut asked = String::new();
    query::append(&mut asked, "callbackURL", url);
    if let Some(meeting) = &hook.wish.meeting {
        query::append(&mut asked, "meetingID", meeting);
    }
    if let Some(events) = &hook.wish.events {
        query::append(&mut asked, "eventID", &events.join(","));
    }
    if hook.wish.raw {
        query::append(&mut asked, "getRaw", "true");
    }
    asked
}

/// The checksum of an event that is sent to `url` with this body.
pub fn event_checksum(algorithm: Algorithm, url: &str, body: &str, secret: &str) -> String {
    sign(algorithm, url, body, secret)
}

/// Whether `supplied` is the checksum of an event that was sent to `url` with this body.
pub fn event_is_signed(supplied: &str, url: &str, body: &str, secret: &str) -> bool {
    verify(supplied, url, body, secret, Algorithms::ANY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant::TenantId;

    #[track_caller]
    fn check(query: &str, expected: Result<Wish, HookFault>) {
        assert_eq!(wish(query), expected, "{query}");
    }

    #[test]
    fn a_create_says_where_and_what() {
        let plain = Wish {
            url: "https://a.example.org/cb?x=1".into(),
            meeting: None,
            events: None,
            raw: false,
        };
        check(
            "callbackURL=https%3A%2F%2Fa.example.org%2Fcb%3Fx%3D1&meetingID=&getRaw=",
            Ok(plain.clone()),
        );
        let events = Some(vec!["meeting-created".into(), "user-left".into()]);
        let all = Wish { meeting: Some("a b".into()), events, raw: true, ..plain };
        let query = "eventID=Meeting-Created,+user-left&getRaw=TRUE&meetingID=a+b&callbackURL=https://a.example.org/cb?x%3D1";
        check(query, Ok(all));
        check("", Err(HookFault::NoUrl));
        check("callbackURL=", Err(HookFault::BadUrl));
        check("callbackURL=ftp://a/", Err(HookFault::BadUrl));
        check("callbackURL=/a", Err(HookFault::BadUrl));
        check(
            "callbackURL=http://a/&callbackURL=http://b/",
            Err(QueryFault::Twice("callbackURL").into()),
        );
        check(&format!("callbackURL=http://a/{}", "x".repeat(5_000)), Err(HookFault::TooLong));
    }

    #[test]
    fn a_hook_is_destroyed_by_its_number() {
        assert_eq!(hook_id(""), Ok(None));
        assert_eq!(hook_id("hookID=12"), Ok(Some(Some(HookId(12)))));
        assert_eq!(hook_id("hookID=x"), Ok(Some(None)));
        assert_eq!(hook_id("hookID=1&hookID=1"), Err(QueryFault::Twice("hookID")));
    }

    #[test]
    fn answers_are_those_of_the_service() {
        let tenant = TenantId::new("t");
        let wish = wish("callbackURL=https://app.example.com/cb&meetingID=test01").expect("a wish");
        let mut hook = Hook::new(&tenant, wish);
        hook.id = HookId(1);
        assert_eq!(
            created(&hook),
            "<response><returncode>SUCCESS</returncode><hookID>1</hookID><permanentHook>false</permanentHook><rawData>false</rawData></response>"
        );
        assert_eq!(
            duplicate(&hook),
            "<response><returncode>SUCCESS</returncode><hookID>1</hookID><messageKey>duplicateWarning</messageKey><message>There is already a hook for this callback URL.</message></response>"
        );
        assert_eq!(
            list([&hook]),
            "<response><returncode>SUCCESS</returncode><hooks><hook><hookID>1</hookID><callbackURL><![CDATA[https://app.example.com/cb]]></callbackURL><meetingID><![CDATA[test01]]></meetingID><permanentHook>false</permanentHook><rawData>false</rawData></hook></hooks></response>"
        );
        assert_eq!(
            failed("checksumError", "You did not pass the checksum security check."),
            "<response><returncode>FAILED</returncode><messageKey>checksumError</messageKey><message>You did not pass the checksum security check.</message></response>"
        );
        assert_eq!(cdata("a]]>b"), "<![CDATA[a]]]]><![CDATA[>b]]>");
        let asked = registration(&hook, "http://lb/h");
        assert_eq!(asked, "callbackURL=http%3A%2F%2Flb%2Fh&meetingID=test01");
    }
}
