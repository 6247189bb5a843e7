//! The calls about hooks, as bbb-webhooks answers them: a service beside BBB with words of its own.

use http::header::{ALLOW, HeaderValue};
use http::{Method, StatusCode};
use quick_xml::escape::escape;

use super::machine::{Ask, Machine};
use super::params::Params;
use super::reply::{Reply, html, of_type};
use crate::bbb::checksum::{Algorithm, verify};
use crate::bbb::query::SignedQuery;

/// The service's own pages are written with a blank, and BBB's without.
const PAGE: &str = "text/html; charset=utf-8";

/// Where events are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// A UUID.
    pub id: String,
    pub callback_url: String,
    /// Only events of the meeting of this id.
    pub meeting_id: Option<String>,
    /// Only events of these ids, in lower case.
    pub event_ids: Option<Vec<String>>,
    /// Events as BBB itself speaks of them.
    pub raw: bool,
    /// Set by the server's configuration: nobody can destroy it, and its events are tried for ever.
    pub permanent: bool,
}

/// The id of the permanent hook, the same on every server.
const PERMANENT: &str = "24c2a2b4-5b29-5a1c-9d4a-8a1b1c1ec1e6";

impl Hook {
    /// The hook of the server's own configuration.
    pub(super) fn permanent(url: String) -> Self {
        let (id, permanent) = (PERMANENT.to_owned(), true);
        Self { id, callback_url: url, meeting_id: None, event_ids: None, raw: false, permanent }
    }

    /// Whether an event of this id, of a meeting of this external id, goes there.
    pub(super) fn wants(&self, event: &str, meeting: &str) -> bool {
        self.meeting_id.as_deref().is_none_or(|id| id == meeting)
            && self
                .event_ids
                .as_ref()
                .is_none_or(|ids| !self.raw && ids.iter().any(|id| id == event))
    }
}

/// Answers a call about hooks; none when it is about something else.
pub(super) fn answer(
    machine: &mut Machine,
    call: &str,
    ask: &Ask,
    params: &Params,
) -> Option<Reply> {
    let call = call.strip_prefix("hooks/")?;
    let get = ask.method == Method::GET || ask.method == Method::HEAD;
    if ask.method == Method::OPTIONS {
        let mut reply = of_type(StatusCode::OK, PAGE, "GET,HEAD");
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        return Some(reply);
    }
    if !get || !["create", "list", "destroy", "ping"].contains(&call) {
        let page = html(StatusCode::NOT_FOUND, "Not Found").into_body();
        return Some(of_type(StatusCode::NOT_FOUND, PAGE, page));
    }
    if call == "ping" {
        return Some(Reply::new("bbb-webhooks API up!".into()));
    }
    if let Some(refusal) = refusal(machine, call, ask) {
        return Some(refusal);
    }
    Some(match call {
        "create" => create(machine, params),
        "list" => list(machine, params),
        _ => destroy(machine, params),
    })
}

/// What an unsigned call gets. A checksum's length tells the hash; one of no known length makes the service fail.
fn refusal(machine: &Machine, call: &str, ask: &Ask) -> Option<Reply> {
    let wrong = || failed("checksumError", "You did not pass the checksum security check.");
    let query = SignedQuery::parse(ask.query()).ok();
    let Some((query, supplied)) = query.and_then(|q| q.checksum.map(|sum| (q.rest, sum))) else {
        return Some(wrong());
    };
    if supplied.is_empty() {
        return Some(wrong());
    }
    if Algorithm::of_length(supplied.len()).is_none() {
        return Some(html(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
    }
    let (secret, allowed) = (machine.settings.secret.reveal(), machine.settings.accepted());
    let is_lower = !supplied.bytes().any(|b| b.is_ascii_uppercase());
    let right = is_lower && verify(supplied, &format!("hooks/{call}"), &query, secret, allowed);
    (!right).then(wrong)
}

fn create(machine: &mut Machine, params: &Params) -> Reply {
    let Some(url) = params.sent("callbackURL") else {
        let text = "You must specify a callbackURL in the parameters.";
        return failed("missingParamCallbackURL", text);
    };
    if let Some(hook) = machine.hooks.iter().find(|hook| hook.callback_url == url) {
        let (id, key) = (&hook.id, "duplicateWarning");
        let text = "There is already a hook for this callback URL.";
        return said(&format!(
            "<hookID>{id}</hookID><messageKey>{key}</messageKey><message>{text}</message>"
        ));
    }
    let ids = |list: &str| list.to_lowercase().split(',').map(|id| id.trim().to_owned()).collect();
    let hook = Hook {
        id: machine.uuid(),
        callback_url: url.to_owned(),
        meeting_id: params.get("meetingID").map(str::to_owned),
        event_ids: params.get("eventID").map(ids),
        raw: params.flag("getRaw"),
        permanent: false,
    };
    let (id, raw) = (hook.id.clone(), hook.raw);
    machine.hooks.push(hook);
    said(&format!(
        "<hookID>{id}</hookID><permanentHook>false</permanentHook><rawData>{raw}</rawData>"
    ))
}

fn list(machine: &Machine, params: &Params) -> Reply {
    let of = params.get("meetingID");
    if of.is_some_and(|id| machine.live(id).is_none()) {
        let text = "An error happened while listing registered hooks. Check the logs.";
        return failed("listHookError", text);
    }
    let mut shown: Vec<&Hook> = machine.hooks.iter().collect();
    if of.is_some() {
        shown.retain(|hook| hook.meeting_id.is_none() || hook.meeting_id.as_deref() == of);
        shown.sort_by_key(|hook| hook.meeting_id.is_some());
    }
    let mut text = String::from("<hooks>");
    for hook in shown {
        let Hook { id, callback_url: url, raw, permanent, .. } = hook;
        text += &format!("<hook><hookID>{id}</hookID><callbackURL><![CDATA[{url}]]></callbackURL>");
        if let Some(id) = &hook.meeting_id {
            text += &format!("<meetingID><![CDATA[{id}]]></meetingID>");
        }
        if let Some(ids) = &hook.event_ids {
            text += &format!("<eventID>{}</eventID>", escape(ids.join(",")));
        }
        text +=
            &format!("<permanentHook>{permanent}</permanentHook><rawData>{raw}</rawData></hook>");
    }
    said(&(text + "</hooks>"))
}

fn destroy(machine: &mut Machine, params: &Params) -> Reply {
    let Some(id) = params.sent("hookID") else {
        return failed("missingParamHookID", "You must specify a hookID in the parameters.");
    };
    match machine.hooks.iter().position(|hook| hook.id == id && !hook.permanent) {
        None => failed("destroyMissingHook", "The hook informed was not found."),
        Some(at) => {
            machine.hooks.remove(at);
            said("<removed>true</removed>")
        }
    }
}

fn said(inner: &str) -> Reply {
    xml(format!("<response><returncode>SUCCESS</returncode>{inner}</response>"))
}

fn failed(key: &str, message: &str) -> Reply {
    xml(format!(
        "<response><returncode>FAILED</returncode><messageKey>{key}</messageKey><message>{message}</message></response>"
    ))
}

fn xml(text: String) -> Reply {
    of_type(StatusCode::OK, "text/xml; charset=utf-8", text)
}
