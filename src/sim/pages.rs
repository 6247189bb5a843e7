//! The root of the API, and the page where a joined user lands.

use http::header::CONTENT_TYPE;
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::ser::PrettyFormatter;

use super::join;
use super::machine::{Ask, Machine, Times};
use super::params::Params;
use super::reply::{Reply, html, of_type, response, xml};
use super::settings::SimSettings;
use crate::domain::secret::Secret;

#[derive(Serialize)]
struct RootBody<'a> {
    response: Root<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Root<'a> {
    returncode: &'a str,
    version: &'a str,
    api_version: &'a str,
    bbb_version: &'a str,
    graphql_websocket_url: String,
    graphql_api_url: String,
    html5_plugin_sdk_version: &'a str,
}

/// The root call: no checksum; JSON when the request's content type says so.
pub(super) fn root(settings: &SimSettings, ask: &Ask) -> Reply {
    let socket = settings.origin.replacen("http", "ws", 1);
    let root = Root {
        returncode: "SUCCESS",
        version: "2.0",
        api_version: "2.0",
        bbb_version: settings.bbb_version.as_deref().unwrap_or(settings.version.release()),
        graphql_websocket_url: format!("{socket}/graphql"),
        graphql_api_url: format!("{}/api/rest", settings.origin),
        html5_plugin_sdk_version: "0.0.80",
    };
    if ask.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        return as_json(root);
    }
    xml(response("SUCCESS", |x| {
        x.leaf("version", root.version)
            .leaf("apiVersion", root.api_version)
            .leaf("bbbVersion", root.bbb_version)
            .leaf("html5PluginSdkVersion", root.html5_plugin_sdk_version)
            .leaf("graphqlWebsocketUrl", root.graphql_websocket_url)
            .leaf("graphqlApiUrl", root.graphql_api_url);
    }))
}

fn as_json(root: Root<'_>) -> Reply {
    let mut text = Vec::new();
    let mut json =
        serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    let body = RootBody { response: root };
    if body.serialize(&mut json).is_err() {
        return html(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    }
    let mut reply = of_type(StatusCode::OK, "application/json", text);
    reply.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    reply
}

/// What stands where BBB's client would: who is in which meeting, on which server. Who opens it has connected.
pub(super) fn client(machine: &mut Machine, ask: &Ask, times: Times) -> Reply {
    let params = Params::of(ask);
    let token = Secret::new(params.get("sessionToken").unwrap_or_default());
    join::connect(machine, |user| user.session == token, times);
    let mut everybody =
        machine.meetings.iter().flat_map(|m| m.users.iter().map(move |user| (m, user)));
    match everybody.find(|(_, user)| user.session == token) {
        Some((meeting, user)) => {
            let place = &machine.settings.origin;
            html(StatusCode::OK, &format!("{} is in “{}” on {place}", user.name, meeting.name))
        }
        None => html(StatusCode::NOT_FOUND, "No such session"),
    }
}
