//! A small balancer for the demo's stories: it routes, tags and re-signs, and can be told to do so wrongly.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::bbb::query::{SignedQuery, signed, tagged, value};
use bigblueswarm::cli::demo::{RunningBalancer, StartBalancer};
use bigblueswarm::config::Config;
use bigblueswarm::sim::client::{Reply, Web};
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vice {
    None,
    JoinsElsewhere,
    CreatesTwice,
    ShowsAll,
    TellsAll,
    /// Acknowledges some creates without making them.
    Pretends,
}

pub(crate) struct StandIn(pub(crate) Vice);

#[derive(Default)]
struct Known {
    /// Those that take meetings, and all there ever were: URL and secret.
    listed: BTreeMap<String, String>,
    all: BTreeMap<String, String>,
    /// Tenant and meeting id to URL.
    routes: HashMap<(String, String), String>,
}

#[derive(Clone)]
struct World {
    known: Arc<watch::Sender<Known>>,
    vice: Vice,
    web: Web,
}

struct Running(JoinHandle<()>);

#[async_trait]
impl RunningBalancer for Running {
    async fn stop(self: Box<Self>) {
        self.0.abort();
    }
}

#[async_trait]
impl StartBalancer for StandIn {
    async fn start(
        &self,
        _: Config,
        listener: TcpListener,
    ) -> anyhow::Result<Box<dyn RunningBalancer>> {
        let known = Arc::new(watch::Sender::new(Known::default()));
        let world = World { known, vice: self.0, web: Web::default() };
        let router = Router::new().fallback(answer).with_state(world);
        let task =
            tokio::spawn(
                async move { axum::serve(listener, router).await.expect("serving goes on") },
            );
        Ok(Box::new(Running(task)))
    }
}

async fn answer(State(world): State<World>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("the whole body comes");
    let path = parts.uri.path();
    match path {
        "/readyz" => StatusCode::OK.into_response(),
        "/api/v2/write" => StatusCode::NO_CONTENT.into_response(),
        "/admin/api/tenants" => StatusCode::CREATED.into_response(),
        "/admin/api/instances" => world.replace(&body),
        _ => match path.strip_prefix("/t/").and_then(|rest| rest.split_once("/bigbluebutton/api/"))
        {
            Some((tenant, call)) => {
                world.call(tenant, call, parts.uri.query().unwrap_or_default()).await
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

impl World {
    fn replace(&self, body: &Bytes) -> Response {
        let list: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        let list = list["instances"].as_object().expect("a list");
        let list = list
            .iter()
            .map(|(url, secret)| (url.clone(), secret.as_str().expect("a secret").to_owned()));
        self.known.send_modify(|known| {
            known.listed = list.collect();
            known.all.extend(known.listed.clone());
        });
        StatusCode::CREATED.into_response()
    }

    async fn call(&self, tenant: &str, call: &str, query: &str) -> Response {
        let query = SignedQuery::parse(query).expect("one checksum").rest;
        let id = value(&query, "meetingID").unwrap_or_default().into_owned();
        let key = (tenant.to_owned(), id);
        match call {
            "create" => self.create(&key, &tagged(&query, tenant)).await,
            "getMeetings" => self.list(tenant).await,
            "join" => match self.home(&key, call) {
                Some(url) => (StatusCode::FOUND, [(LOCATION, self.target(&url, call, &query))])
                    .into_response(),
                None => failed("notFound"),
            },
            _ => match self.home(&key, call) {
                Some(url) => pass(self.send(&url, call, &query).await),
                None => failed("notFound"),
            },
        }
    }

    fn home(&self, key: &(String, String), call: &str) -> Option<String> {
        let known = self.known.borrow();
        let home = known.routes.get(key).cloned();
        match (self.vice, call) {
            (Vice::JoinsElsewhere, "join") => {
                home.and_then(|url| known.all.keys().find(|u| **u != url).cloned())
            }
            (Vice::TellsAll, "getMeetingInfo") => {
                let any = known.routes.iter().find(|((_, id), _)| *id == key.1);
                home.or_else(|| any.map(|(_, url)| url.clone()))
            }
            _ => home,
        }
    }

    async fn create(&self, key: &(String, String), query: &str) -> Response {
        if self.vice == Vice::Pretends && key.1.ends_with("-1") {
            let words = "<response><returncode>SUCCESS</returncode>\
                <internalMeetingID>none</internalMeetingID></response>";
            return words.into_response();
        }
        let mut failed_at = Vec::new();
        while let Some(url) = self.claim(key, &failed_at) {
            let answer = self.send(&url, "create", query).await;
            if answer.is_none() {
                failed_at.push(url);
                continue;
            }
            if self.vice == Vice::CreatesTwice {
                let other = self.known.borrow().all.keys().find(|u| **u != url).cloned();
                self.send(&other.expect("another server"), "create", query).await;
            }
            return pass(answer);
        }
        failed("noInstanceFound")
    }

    /// The meeting's home unless it just failed, else a server that holds no other tenant's meeting of the id.
    fn claim(&self, key: &(String, String), failed_at: &[String]) -> Option<String> {
        let mut home = None;
        self.known.send_modify(|known| {
            let taken = |url: &String| {
                known.routes.iter().any(|(k, u)| k.1 == key.1 && k.0 != key.0 && u == url)
            };
            let free = known.listed.keys().filter(|url| !taken(url) && !failed_at.contains(url));
            let free: Vec<String> = free.cloned().collect();
            let at = key.1.bytes().map(usize::from).sum::<usize>() % free.len().max(1);
            let standing = known.routes.get(key).filter(|url| !failed_at.contains(url)).cloned();
            home = standing.or_else(|| free.get(at).cloned());
            match &home {
                Some(url) => known.routes.insert(key.clone(), url.clone()),
                None => known.routes.remove(key),
            };
        });
        home
    }

    async fn list(&self, tenant: &str) -> Response {
        let urls: Vec<String> = self.known.borrow().all.keys().cloned().collect();
        let mut text = "<response>\n<returncode>SUCCESS</returncode>\n<meetings>\n".to_owned();
        let mark = format!("<bigblueswarm-tenant>{tenant}</bigblueswarm-tenant>");
        for url in urls {
            let Some(reply) = self.send(&url, "getMeetings", "").await else { continue };
            let body = reply.text();
            let all = body
                .split_inclusive("</meeting>\n")
                .filter_map(|part| part.split_once("<meeting>\n"));
            for (_, meeting) in
                all.filter(|(_, m)| self.vice == Vice::ShowsAll || m.contains(&mark))
            {
                text.push_str("<meeting>\n");
                text.push_str(meeting);
            }
        }
        (text + "</meetings>\n</response>").into_response()
    }

    fn target(&self, url: &str, call: &str, query: &str) -> String {
        let secret = self.known.borrow().all.get(url).cloned().expect("its secret is known");
        format!("{url}/api/{call}?{}", signed(query, call, &secret, Algorithm::Sha256))
    }

    async fn send(&self, url: &str, call: &str, query: &str) -> Option<Reply> {
        let target = self.target(url, call, query);
        self.web.send(Method::GET, &target, HeaderMap::new(), Bytes::new()).await.ok()
    }
}

fn pass(reply: Option<Reply>) -> Response {
    reply
        .map_or_else(|| failed("internalError"), |reply| (reply.status, reply.body).into_response())
}

fn failed(key: &str) -> Response {
    let message = "A meeting with that ID does not exist";
    format!("<response><returncode>FAILED</returncode><messageKey>{key}</messageKey><message>{message}</message></response>")
        .into_response()
}
