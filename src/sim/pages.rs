//! The root of the API, and the page where a joined user lands.

use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::join;
use super::machine::{Ask, Machine, Times};
use super::params::Params;
use super::reply::{Reply, crlf, html, pretty, response, xml};
use super::settings::SimSettings;
use super::version::Version;
use crate::domain::secret::Secret;

/// The root call: no checksum; since 3.0 in JSON when the request's content type says so.
pub(super) fn root(settings: &SimSettings, ask: &Ask) -> Reply {
    let fields = fields(settings);
    let is_json = ask.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json && settings.version >= Version::V3_0 {
        let mut said = serde_json::Map::new();
        said.insert("returncode".into(), "SUCCESS".into());
        let plugins = |field: &&(&str, String)| field.0 == "html5PluginSdkVersion";
        let others = fields.iter().filter(|field| !plugins(field));
        for (name, value) in others.chain(fields.iter().filter(plugins)) {
            said.insert((*name).into(), value.as_str().into());
        }
        return pretty(&serde_json::json!({ "response": said }));
    }
    xml(crlf(response("SUCCESS", |x| {
        for (name, value) in fields {
            x.leaf(name, value);
        }
    })))
}

/// What the root says, in order.
fn fields(settings: &SimSettings) -> Vec<(&'static str, String)> {
    let release = settings.bbb_version.as_deref().unwrap_or(settings.version.release());
    let mut fields = vec![
        ("version", "2.0".to_owned()),
        ("apiVersion", "2.0".to_owned()),
        ("bbbVersion", release.to_owned()),
    ];
    if settings.version >= Version::V3_0 {
        let socket = settings.origin.replacen("http", "ws", 1);
        fields.push(("html5PluginSdkVersion", "0.0.80".to_owned()));
        fields.push(("graphqlWebsocketUrl", format!("{socket}/graphql")));
        fields.push(("graphqlApiUrl", format!("{}/api/rest", settings.origin)));
    }
    if settings.version >= Version::V4_0 {
        fields.push(("apiUrl", format!("{}/bigbluebutton/api", settings.origin)));
    }
    fields
}

/// The page of the web server in front of BBB, where refused joins end.
pub(super) fn front() -> Reply {
    html(StatusCode::OK, "A simulated BBB server")
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
