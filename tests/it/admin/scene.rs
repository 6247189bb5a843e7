//! The operators' surfaces on actors that hold what a story gives them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bigblueswarm::actors::meetings::{Counts, MeetingsMessage};
use bigblueswarm::actors::metrics::{MetricsMessage, Reading};
use bigblueswarm::actors::registry::{RegistryError, RegistryMessage};
use bigblueswarm::actors::settings::SettingsMessage;
use bigblueswarm::actors::tenants::{FindError, TenantError, TenantsMessage};
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::config::Config;
use bigblueswarm::domain::delivery::DeliveryId;
use bigblueswarm::domain::instance::{Instance, InstanceId, Member, Roster};
use bigblueswarm::domain::meeting::{MeetingId, RouteKey, RouteRecord};
use bigblueswarm::domain::placement::Verdict;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::domain::tenant::{TenantDocument, TenantId};
use bigblueswarm::flows::World;
use bigblueswarm::http::probes::Phase;
use bigblueswarm::http::testing::directory;
use bigblueswarm::http::{admin, probes};
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::outside::servers::{Incoming, Outgoing, SendError, Servers};
use bigblueswarm::outside::store::queue::{
    Due, Owed, Page, Parcel, Pile, Queue, Room, Settle, Tally, Way, Wish,
};
use bigblueswarm::outside::store::{
    InstanceRecord, Shelf, Shelved, Step, Stepped, Store, StoreError, Told,
};
use http::Request;
use http_body_util::BodyExt;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

use super::seats::seated;

pub(crate) const KEY: &str = "kgpqrTipM2yjcXwz5pOxBKViE9oNX76R";

/// What the actors hold. A story changes it while they run.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) tenants: Option<BTreeMap<String, TenantDocument>>,
    pub(crate) members: Option<Vec<Member>>,
    pub(crate) reading: Reading,
    pub(crate) counts: Counts,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) config: Arc<Config>,
    pub(crate) reload: Result<Vec<String>, String>,
    /// Whether the store takes changes.
    pub(crate) stores: bool,
}

impl Held {
    /// A program that is well and has nothing.
    pub(crate) fn nothing() -> Self {
        Self {
            tenants: Some(BTreeMap::new()),
            members: Some(Vec::new()),
            reading: Reading::default(),
            counts: Counts { loaded: true, ..Counts::default() },
            verdicts: Vec::new(),
            config: Arc::new(Config::with_secrets(Secret::new("secret"), Secret::new(KEY))),
            reload: Ok(Vec::new()),
            stores: true,
        }
    }

    fn away(&self) -> Result<(), StoreError> {
        if self.stores { Ok(()) } else { Err(StoreError::Away("refused".into())) }
    }
}

pub(crate) fn member(url: &str, secret: &str) -> Member {
    Member::new(Arc::new(Instance::new(url, Secret::new(secret), Algorithm::Sha256).unwrap()))
}

/// An answer as a story compares it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

pub(crate) struct Scene {
    pub(crate) held: watch::Sender<Held>,
    pub(crate) phase: Phase,
    app: Router,
}

impl Scene {
    pub(crate) async fn open(held: Held) -> Self {
        let config = Arc::clone(&held.config);
        let held = watch::Sender::new(held);
        let actors = directory(
            seated(settings(held.clone())).await,
            seated(tenants(held.clone())).await,
            seated(registry(held.clone())).await,
            seated(metrics(held.clone())).await,
            seated(meetings(held.clone())).await,
            bigblueswarm::actors::seat::seat().1,
        );
        let world = World {
            actors,
            servers: Arc::new(Nobody),
            store: Arc::new(Away(held.clone())),
            clock: Arc::new(RuntimeClock::start()),
            randomness: Default::default(),
            done: tokio::sync::broadcast::channel(1).0,
            doubted: tokio::sync::broadcast::channel(1).0,
            payloads: Default::default(),
            config,
        };
        let phase = Phase::default();
        let show = |config: &Config| serde_json::json!({ "port": config.http.port });
        let app = admin::routes(world.clone(), show).merge(probes::routes(world, phase.clone()));
        Self { held, phase, app }
    }

    /// What is answered to a call with the right key.
    pub(crate) async fn call(&self, method: &str, path: &str, body: impl ToString) -> Answer {
        self.from("127.0.0.1:4711", method, path, &[("authorization", KEY)], body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    pub(crate) async fn from(
        &self,
        peer: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer: SocketAddr = peer.parse().unwrap();
        let request = request.extension(ConnectInfo(peer)).body(Body::from(body)).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|v| v.to_str().unwrap().to_owned())
        };
        let (status, content_type) = (response.status().as_u16(), header("content-type"));
        let retry_after = header("retry-after");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            content_type,
            retry_after,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

fn settings(held: watch::Sender<Held>) -> impl FnMut(SettingsMessage) {
    move |message| match message {
        SettingsMessage::Current { reply_to } => {
            let _ = reply_to.send(Arc::clone(&held.borrow().config));
        }
        SettingsMessage::Reload { reply_to } => {
            let _ = reply_to.send(held.borrow().reload.clone());
        }
        _ => {}
    }
}

fn tenants(held: watch::Sender<Held>) -> impl FnMut(TenantsMessage) {
    move |message| match message {
        TenantsMessage::Find { host, reply_to } => {
            let now = held.borrow().clone();
            let found = now.tenants.ok_or(FindError::NotLoaded).and_then(|tenants| {
                let document = tenants.get(&*host).ok_or(FindError::Unknown)?;
                Ok(Arc::new(document.resolve(&now.config.swarm.secret)))
            });
            let _ = reply_to.send(found);
        }
        TenantsMessage::List { reply_to } => {
            let tenants = held.borrow().tenants.clone().unwrap_or_default();
            let _ = reply_to.send(tenants.into_values().map(Arc::new).collect());
        }
        TenantsMessage::Put { document, reply_to } => {
            let host = document.spec.host.clone();
            let _ = reply_to.send(change_tenants(&held, |all| {
                all.insert(host, *document);
                Ok(())
            }));
        }
        TenantsMessage::Delete { host, reply_to } => {
            let _ = reply_to.send(change_tenants(&held, |all| {
                all.remove(&host).map(drop).ok_or(TenantError::NotFound)
            }));
        }
        _ => {}
    }
}

fn change_tenants(
    held: &watch::Sender<Held>,
    change: impl FnOnce(&mut BTreeMap<String, TenantDocument>) -> Result<(), TenantError>,
) -> Result<(), TenantError> {
    held.borrow().away()?;
    let mut result = Ok(());
    held.send_modify(|held| result = change(held.tenants.as_mut().unwrap()));
    result
}

fn registry(held: watch::Sender<Held>) -> impl FnMut(RegistryMessage) {
    move |message| match message {
        RegistryMessage::Roster { reply_to } => {
            let members = held.borrow().members.clone();
            let _ = reply_to.send(Arc::new(members.map(Roster::new).unwrap_or_default()));
        }
        RegistryMessage::Replace { list, reply_to } => {
            let _ = reply_to.send(change_pool(&held, |members| {
                *members = list.iter().map(|(url, key)| member(url, key.reveal())).collect();
                Ok(())
            }));
        }
        RegistryMessage::SetAdmin { instance, admin, reply_to } => {
            let _ = reply_to.send(change_pool(&held, |members| {
                let found = members.iter_mut().find(|m| m.instance.id == instance);
                found.ok_or(RegistryError::NotFound(instance))?.admin = admin;
                Ok(())
            }));
        }
        _ => {}
    }
}

fn change_pool(
    held: &watch::Sender<Held>,
    change: impl FnOnce(&mut Vec<Member>) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    held.borrow().away()?;
    let mut result = Ok(());
    held.send_modify(|held| result = change(held.members.as_mut().unwrap()));
    result
}

fn metrics(held: watch::Sender<Held>) -> impl FnMut(MetricsMessage) {
    move |message| {
        if let MetricsMessage::Current { reply_to } = message {
            let _ = reply_to.send(held.borrow().reading.clone());
        }
    }
}

fn meetings(held: watch::Sender<Held>) -> impl FnMut(MeetingsMessage) {
    move |message| match message {
        MeetingsMessage::Count { reply_to } => {
            let _ = reply_to.send(held.borrow().counts.clone());
        }
        MeetingsMessage::Explain { reply_to, .. } => {
            let _ = reply_to.send(held.borrow().verdicts.clone());
        }
        _ => {}
    }
}

/// Nobody is called by these surfaces.
struct Nobody;

#[async_trait]
impl Servers for Nobody {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError> {
        panic!("{} was called", request.instance.id)
    }
}

/// A store that can be pinged; everything else is the actors' business.
struct Away(watch::Sender<Held>);

#[async_trait]
impl Store for Away {
    fn shared(&self) -> bool {
        false
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.borrow().away()
    }

    async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        panic!("asked past its actor")
    }

    async fn set_instances(&self, _: Vec<InstanceRecord>) -> Result<(), StoreError> {
        panic!("asked past its actor")
    }

    async fn tenants(&self) -> Result<Vec<TenantDocument>, StoreError> {
        panic!("asked past its actor")
    }

    async fn put_tenant(&self, _: TenantDocument) -> Result<(), StoreError> {
        panic!("asked past its actor")
    }

    async fn rename_tenant(&self, _: TenantId, _: TenantDocument) -> Result<(), StoreError> {
        unreachable!()
    }
    async fn delete_tenant(&self, _: TenantId) -> Result<bool, StoreError> {
        panic!("asked past its actor")
    }

    async fn all_routes(&self) -> Result<Vec<(RouteKey, RouteRecord)>, StoreError> {
        panic!("asked past its actor")
    }

    async fn routes(&self, _: Vec<RouteKey>) -> Result<Vec<RouteRecord>, StoreError> {
        panic!("asked past its actor")
    }

    async fn step(&self, _: Vec<Step>) -> Result<Vec<Stepped>, StoreError> {
        panic!("asked past its actor")
    }

    async fn hint(&self, _: &MeetingId) -> Result<Option<InstanceId>, StoreError> {
        panic!("asked past its actor")
    }

    async fn forget_hint(&self, _: &MeetingId, _: &InstanceId) {
        panic!("asked past its actor")
    }

    async fn shelf(&self, _: Shelf) -> Result<Vec<Shelved>, StoreError> {
        panic!("asked past its actor")
    }

    async fn shelve(&self, _: Shelf, _: Vec<Shelved>) -> Result<(), StoreError> {
        panic!("asked past its actor")
    }

    async fn unshelve(&self, _: Shelf, _: Vec<String>) -> Result<(), StoreError> {
        panic!("asked past its actor")
    }

    async fn follow(&self, _: mpsc::Sender<Told>) {}
}

#[async_trait]
impl Queue for Away {
    async fn callback_key(&self, _: [u8; 32]) -> Result<[u8; 32], StoreError> {
        panic!("asked past its actor")
    }

    async fn owe(&self, _: Vec<(Way, Parcel)>, _: u64, _: Room) -> Result<Vec<Owed>, StoreError> {
        panic!("asked past its actor")
    }

    async fn take_due(&self, _: u64, _: u64, _: Wish) -> Result<Due, StoreError> {
        panic!("asked past its actor")
    }

    async fn settle(&self, _: DeliveryId, _: u64, _: Settle, _: Room) -> Result<bool, StoreError> {
        panic!("asked past its actor")
    }

    async fn pile(&self, _: Pile, _: usize, _: usize) -> Result<Page, StoreError> {
        panic!("asked past its actor")
    }

    async fn revive(&self, _: DeliveryId, _: u64) -> Result<bool, StoreError> {
        panic!("asked past its actor")
    }

    async fn discard(&self, _: DeliveryId) -> Result<bool, StoreError> {
        panic!("asked past its actor")
    }

    async fn discard_hook(&self, _: &str, _: &str) -> Result<u64, StoreError> {
        panic!("asked past its actor")
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        panic!("asked past its actor")
    }
}
