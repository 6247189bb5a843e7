//! How routes and instances are written down: JSON, the same in the embedded file and in Redis.

use serde::{Deserialize, Serialize};

use crate::bbb::checksum::Algorithm;
use crate::domain::instance::{AdminState, InstanceId};
use crate::domain::meeting::{InternalId, MeetingId, Route, RouteState, Version};
use crate::domain::secret::Secret;
use crate::domain::tenant::TenantId;

use super::{Became, InstanceRecord, StoreError};

/// A route as stored. Its version is text, since Lua's numbers would round it.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredRoute {
    instance: String,
    version: String,
    state: RouteState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tombs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meeting: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    internal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<String>,
}

impl From<&Route> for StoredRoute {
    fn from(route: &Route) -> Self {
        Self {
            instance: route.instance.as_str().to_owned(),
            version: version_text(route.version),
            state: route.state,
            tombs: route.tombs.iter().map(|tomb| tomb.as_str().to_owned()).collect(),
            meeting: route.meeting.as_ref().map(|id| id.as_str().to_owned()),
            internal: route.internal.as_ref().map(|id| id.as_str().to_owned()),
            left: route.left.as_ref().map(|left| left.as_str().to_owned()),
        }
    }
}

impl TryFrom<StoredRoute> for Route {
    type Error = StoreError;

    fn try_from(stored: StoredRoute) -> Result<Self, StoreError> {
        let version = u64::from_str_radix(&stored.version, 16)
            .map_err(|_| StoreError::Unreadable("a route's version is no number".into()))?;
        Ok(Self {
            instance: InstanceId::new(stored.instance),
            version: Version(version),
            state: stored.state,
            tombs: stored.tombs.into_iter().map(InstanceId::new).collect(),
            meeting: stored.meeting.map(MeetingId::new),
            internal: stored.internal.map(InternalId::new),
            left: stored.left.map(InstanceId::new),
        })
    }
}

/// A version as it is stored and compared.
pub(super) fn version_text(version: Version) -> String {
    format!("{:016x}", version.0)
}

/// A route from its stored text.
pub(super) fn read_route(text: &str) -> Result<Route, StoreError> {
    let stored: StoredRoute = serde_json::from_str(text).map_err(|e| unreadable("route", &e))?;
    stored.try_into()
}

/// What became of a route, as it is told.
#[derive(Deserialize)]
struct StoredBecame {
    tenant: String,
    was: Option<String>,
    route: Option<StoredRoute>,
}

/// What became of a route from its told text; nothing when it is not understood.
pub(super) fn read_became(text: &str) -> Option<Became> {
    let told: StoredBecame = serde_json::from_str(text).ok()?;
    let was = told.was.map(|was| u64::from_str_radix(&was, 16)).transpose().ok()?.map(Version);
    let route = told.route.map(Route::try_from).transpose().ok()?;
    Some(Became { tenant: TenantId::new(told.tenant), was, route })
}

/// What is kept of an instance beside its URL. Holds a secret, so it is never shown.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredInstance {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    #[serde(default)]
    pub(super) admin: AdminState,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) retired: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sign_with: Option<Algorithm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
}

impl StoredInstance {
    /// Everything of this instance.
    pub(super) fn whole(record: &InstanceRecord) -> Self {
        Self {
            secret: Some(record.secret.reveal().to_owned()),
            admin: record.admin,
            retired: record.retired,
            sign_with: record.sign_with,
            tags: record.tags.clone(),
        }
    }

    /// The instance of this URL; nothing when its secret is not known.
    pub(super) fn named(self, url: &str) -> Option<InstanceRecord> {
        Some(InstanceRecord {
            id: InstanceId::new(url),
            secret: Secret::new(self.secret?),
            admin: self.admin,
            retired: self.retired,
            sign_with: self.sign_with,
            tags: self.tags,
        })
    }
}

/// Says that something stored can't be read, and why, without showing it.
pub(super) fn unreadable(what: &str, error: &serde_json::Error) -> StoreError {
    let why = error.classify();
    StoreError::Unreadable(format!("{what}: {why:?} error in line {} of its JSON", error.line()))
}

/// A value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs of texts always have a JSON form")
}
