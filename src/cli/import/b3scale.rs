//! What b3scale's REST API says: backends, and frontends, which are tenants.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use clap::Args;
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::plan::Plan;
use super::{Failure, Output};
use crate::cli::operator::secret;
use crate::cli::web::{self, Web};
use crate::domain::rules;
use crate::domain::secret::Secret;
use crate::domain::tenant::{TenantSpec, texts};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What `import b3scale` can be told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A frontend KEY, whose clients call …/bbb/KEY/bigbluebutton/api there, becomes a tenant: with --domain
its host is KEY.DOMAIN, else its clients call …/t/KEY/bigbluebutton/api here. Running meetings stay
where they are and carry no mark of their tenant, so let them end, or switch when there are none.")]
pub(in crate::cli) struct B3scaleArgs {
    /// Its URL: scheme and host of its API
    #[arg(long)]
    url: String,
    /// A token (JWT) with the scope b3scale:admin; whoever lists this machine's processes (`ps`) can
    /// read it here, but not in the variable
    #[arg(long, env = "B3SCALE_TOKEN", hide_env_values = true, value_parser = secret)]
    token: Secret,
    #[command(flatten)]
    pub(super) output: Output,
}

/// A BBB server.
#[derive(Clone, Debug, Deserialize)]
struct Backend {
    bbb: Server,
    #[serde(default)]
    admin_state: Option<String>,
    #[serde(default)]
    load_factor: Option<f64>,
    #[serde(default, deserialize_with = "null_as_default")]
    settings: BackendSettings,
}

#[derive(Clone, Deserialize)]
struct Server {
    host: String,
    #[serde(default)]
    secret: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct BackendSettings {
    #[serde(deserialize_with = "null_as_default")]
    tags: Vec<String>,
    #[serde(flatten)]
    further: BTreeMap<String, serde_json::Value>,
}

/// A tenant.
#[derive(Clone, Debug, Deserialize)]
struct Frontend {
    bbb: Client,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    settings: FrontendSettings,
}

#[derive(Clone, Deserialize)]
struct Client {
    key: String,
    #[serde(default)]
    secret: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FrontendSettings {
    #[serde(deserialize_with = "null_as_default")]
    required_tags: Vec<String>,
    default_presentation: Option<Presentation>,
    #[serde(deserialize_with = "texts")]
    create_default_params: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts")]
    create_override_params: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts")]
    join_default_params: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts")]
    join_override_params: BTreeMap<String, String>,
    limit_attendees: Option<serde_json::Value>,
    attendees_limit: Option<serde_json::Value>,
    #[serde(flatten)]
    further: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Presentation {
    #[serde(default)]
    url: String,
    #[serde(default)]
    force: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("host", &self.host).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("key", &self.key).finish_non_exhaustive()
    }
}

fn yes() -> bool {
    true
}

fn null_as_default<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Reads everything and says what becomes of it.
pub(super) async fn read(args: &B3scaleArgs) -> Result<Plan, Failure> {
    let url =
        base(&args.url).map_err(|why| Failure::Wrong(format!("--url: {:?} {why}", args.url)))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", args.token.reveal()));
    let mut bearer =
        bearer.map_err(|_| Failure::Wrong("the token holds what no token can".into()))?;
    bearer.set_sensitive(true);
    let rest = Rest { web: Web::new("b3scale", &url, ANSWER_WITHIN)?, url, bearer };
    let backends: Vec<Backend> = rest.list("backends").await?;
    let frontends: Vec<Frontend> = rest.list("frontends").await?;
    Ok(plan(&backends, &frontends, &args.output))
}

/// The URL of the service, also when that of its API is named.
fn base(text: &str) -> Result<Url, &'static str> {
    let trimmed = text.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/v1").unwrap_or(trimmed);
    web::base(trimmed.strip_suffix("/api").unwrap_or(trimmed))
}

struct Rest {
    web: Web,
    url: Url,
    bearer: HeaderValue,
}

impl Rest {
    async fn list<T: DeserializeOwned>(&self, what: &str) -> Result<Vec<T>, Failure> {
        let url = web::call(&self.url, &["api", "v1", what]);
        let request = self.web.client().get(url).header(AUTHORIZATION, self.bearer.clone());
        let said = self.web.send(request).await?;
        let whom = self.web.whom();
        match said.status {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Failure::Wrong(format!("{whom} refuses the token for {what}")));
            }
            status if status.is_server_error() => {
                return Err(Failure::Away(format!("{whom} can't give its {what}: {status}")));
            }
            status => return Err(Failure::Wrong(format!("{whom} refuses {what}: {status}"))),
        }
        // What the reader found may be a secret: only the place is said.
        serde_json::from_slice::<Option<Vec<T>>>(&said.body).map(Option::unwrap_or_default).map_err(
            |error| {
                let at = format!("line {}, column {}", error.line(), error.column());
                Failure::Wrong(format!("{whom} lists {what} in a form that is not known ({at})"))
            },
        )
    }
}

fn plan(backends: &[Backend], frontends: &[Frontend], output: &Output) -> Plan {
    let mut plan = Plan::default();
    let mut tagged = HashMap::new();
    for backend in backends {
        if let Some(url) = take_backend(&mut plan, backend) {
            tagged.insert(url, backend.settings.tags.clone());
        }
    }
    for frontend in frontends {
        take_frontend(&mut plan, frontend, &tagged, output);
    }
    plan
}

/// Takes a backend in; answers its URL here.
fn take_backend(plan: &mut Plan, backend: &Backend) -> Option<String> {
    let Backend { bbb, admin_state, load_factor, settings } = backend;
    let state = admin_state.as_deref().unwrap_or("ready");
    if state == "decommissioned" {
        let what = "it is decommissioned there";
        plan.lost("backend", &bbb.host, what, "they are decommissioned there");
        return None;
    }
    let url = plan.server(&bbb.host, &bbb.host, &bbb.secret)?;
    if state != "ready" {
        plan.drain(&url, state);
    }
    let tags: Vec<&str> = settings.tags.iter().map(String::as_str).collect();
    plan.tag(&url, &tags);
    if let Some(factor) = load_factor.filter(|factor| *factor != 1.0) {
        let what = format!("load_factor {factor}; here its measured load counts");
        plan.lost("backend", &url, &what, "load_factor; here their measured load counts");
    }
    if let Some(further) = names(&settings.further) {
        plan.lost("backend", &url, &format!("setting {further}"), "further settings");
    }
    Some(url)
}

fn take_frontend(
    plan: &mut Plan,
    frontend: &Frontend,
    tagged: &HashMap<String, Vec<String>>,
    output: &Output,
) {
    let (key, settings) = (&frontend.bbb.key, &frontend.settings);
    if !frontend.active {
        return plan.lost("frontend", key, "it is disabled there", "they are disabled there");
    }
    if frontend.bbb.secret.is_empty() {
        return plan.remark(format!("frontend {key}: it has no secret"));
    }
    let required = &settings.required_tags;
    let Some(instances) = instances(required, tagged) else {
        return plan.remark(format!(
            "frontend {key}: no backend has all of its tags {}",
            required.join(",")
        ));
    };
    if !instances.is_empty() {
        let (count, tags) = (instances.len(), required.join(","));
        let what = format!("required_tags {tags}; it is bound to the {count} that have them now");
        plan.lost(
            "frontend",
            key,
            &what,
            "required_tags; they are bound to the backends that have them now",
        );
    }
    let presentation = settings.default_presentation.as_ref().filter(|it| !it.url.is_empty());
    if presentation.is_some_and(|it| it.force) {
        let what = "force of default_presentation; a client's own presentation wins here";
        plan.lost("frontend", key, what, what);
    }
    if let Some(further) = names(&settings.further) {
        plan.lost("frontend", key, &format!("setting {further}"), "further settings");
    }
    let mut spec = TenantSpec {
        host: output.host(key),
        secret: Some(frontend.bbb.secret.clone()),
        user_pool: settings.limit(),
        default_presentation: presentation.map(|it| it.url.clone()),
        ..TenantSpec::default()
    };
    for why in take_params(&mut spec, settings) {
        plan.remark(format!("frontend {key}: {why}"));
    }
    plan.tenant(key, spec, instances);
}

/// The names of settings that are not known here.
fn names(further: &BTreeMap<String, serde_json::Value>) -> Option<String> {
    let names: Vec<&str> = further.keys().map(String::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

impl FrontendSettings {
    /// The most attendees at once, written as a number or with a name; 0 is no limit.
    fn limit(&self) -> Option<u32> {
        let number = |value: &serde_json::Value| {
            let inner = value.get("limit").or_else(|| value.get("attendees_limit"));
            let value = inner.unwrap_or(value);
            let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
            number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
        };
        self.attendees_limit.as_ref().or(self.limit_attendees.as_ref()).and_then(number)
    }
}

/// Takes the parameters over that can be ruled here; answers why the others can't.
fn take_params(spec: &mut TenantSpec, settings: &FrontendSettings) -> Vec<String> {
    let mut lost = Vec::new();
    for (params, place) in [
        (&settings.create_default_params, (|s| &mut s.create_defaults) as Place),
        (&settings.create_override_params, |s| &mut s.create_overrides),
        (&settings.join_default_params, |s| &mut s.join_defaults),
        (&settings.join_override_params, |s| &mut s.join_overrides),
    ] {
        for (name, value) in params {
            let mut alone = TenantSpec { host: "probe".into(), ..TenantSpec::default() };
            place(&mut alone).insert(name.clone(), value.clone());
            let faults = rules::faults(&alone);
            if faults.is_empty() {
                place(spec).insert(name.clone(), value.clone());
            } else {
                lost.push(format!("parameter {name}: {}", faults.join("; ")));
            }
        }
    }
    lost
}

/// Where rules for parameters stand.
type Place = fn(&mut TenantSpec) -> &mut BTreeMap<String, String>;

/// The instances that have all of these tags; none, which means all, without tags. Nothing when no one has them.
fn instances(required: &[String], tagged: &HashMap<String, Vec<String>>) -> Option<Vec<String>> {
    if required.is_empty() {
        return Some(Vec::new());
    }
    let has_all = |tags: &Vec<String>| required.iter().all(|tag| tags.contains(tag));
    let fit = tagged.iter().filter(|(_, tags)| has_all(tags));
    let mut urls: Vec<String> = fit.map(|(url, _)| url.clone()).collect();
    urls.sort_unstable();
    (!urls.is_empty()).then_some(urls)
}
