//! Tenants: who may call, with which secrets, on which instances, and how much.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::instance::InstanceId;
use super::rules::TenantRules;
use super::secret::Secret;
use crate::bbb::checksum::{Algorithm, Algorithms};
use crate::determinism::HashSet;

/// A tenant's identity: what its meetings, recordings and callbacks are marked with, for ever. It is the host that the
/// tenant was first given, with a port if that had one; a tenant that is renamed keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    pub fn new(host: impl Into<Arc<str>>) -> Self {
        Self(host.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant ready to be served: a finished value, shared by `Arc`.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub id: TenantId,
    /// By which host it is called now.
    pub host: Arc<str>,
    /// The secrets its calls may be signed with, never empty: its own, else the global one.
    pub secrets: Vec<Secret>,
    pub algorithms: Algorithms,
    /// The instances it may use; `None` means all.
    pub pool: Option<HashSet<InstanceId>>,
    /// Most meetings at once; `None` means no limit.
    pub meeting_pool: Option<u32>,
    /// Most users at once; `None` means no limit.
    pub user_pool: Option<u32>,
    /// Why nothing new begins just now, in words for users; `None` when all is as usual.
    pub maintenance: Option<Arc<str>>,
    /// What is done to the parameters of its creates and joins.
    pub rules: TenantRules,
}

impl Tenant {
    pub fn may_use(&self, instance: &InstanceId) -> bool {
        self.pool.as_ref().is_none_or(|pool| pool.contains(instance))
    }
}

/// A tenant as admins write it (JSON) and as the store keeps it (the predecessor's YAML).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantDocument {
    pub kind: String,
    pub spec: TenantSpec,
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_empty"
    )]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_as_empty")]
    pub instances: Vec<String>,
}

/// What is asked of the balancer for a tenant. The first four fields are the predecessor's.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSpec {
    #[serde(default)]
    pub host: String,
    /// What its meetings and recordings are marked with, where that is not its host: the host it had before it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting_pool: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_pool: Option<u32>,
    /// Further secrets that are accepted, for changing a secret without a gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The hashes its checksums may use; empty means all four.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<Algorithm>,
    /// Parameters of create that are added when they are absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub create_defaults: BTreeMap<String, String>,
    /// Parameters of create that are always so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub create_overrides: BTreeMap<String, String>,
    /// Parameters of create that are never passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create_excluded: Vec<String>,
    /// The same three for join.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub join_defaults: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "texts")]
    pub join_overrides: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join_excluded: Vec<String>,
    /// The longest a meeting may last, in minutes; 0 means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<u32>,
    /// Parameters whose values are lists: an override is merged into the client's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_lists: Option<Vec<String>>,
    /// The URL of the presentation of meetings that are created without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_presentation: Option<String>,
    /// The server tag of creates that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_tag_default: Option<String>,
    /// While it says something no meeting is created and nobody joins; users read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<String>,
}

impl fmt::Debug for TenantSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSpec")
            .field("host", &self.host)
            .field("tag", &self.tag)
            .field("meeting_pool", &self.meeting_pool)
            .field("user_pool", &self.user_pool)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

fn null_as_empty<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A parameter's value as people write it; a number or a truth counts as its text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, a number, true or false")]
enum Written {
    Text(String),
    Truth(bool),
    Number(i64),
}

/// Names and values of parameters.
pub(crate) fn texts<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let read = Option::<BTreeMap<String, Written>>::deserialize(from)?.unwrap_or_default();
    let text = |written| match written {
        Written::Text(text) => text,
        Written::Truth(truth) => truth.to_string(),
        Written::Number(number) => number.to_string(),
    };
    Ok(read.into_iter().map(|(name, written)| (name, text(written))).collect())
}

impl TenantDocument {
    /// Who this is, whatever its host is now.
    pub fn id(&self) -> TenantId {
        TenantId::new(self.spec.tag.as_deref().unwrap_or(&self.spec.host))
    }

    /// The tenant that this document describes; `global` is its secret when it names none.
    pub fn resolve(&self, global: &Secret) -> Tenant {
        let own = self.spec.secret.iter().chain(&self.spec.secrets);
        let mut secrets: Vec<Secret> =
            own.filter(|s| !s.is_empty()).map(|s| Secret::new(s.as_str())).collect();
        if secrets.is_empty() {
            secrets.push(global.clone());
        }
        let pool: HashSet<_> =
            self.instances.iter().map(|url| InstanceId::new(url.as_str())).collect();
        Tenant {
            id: self.id(),
            host: self.spec.host.as_str().into(),
            secrets,
            algorithms: Algorithms::of(&self.spec.algorithms),
            pool: (!pool.is_empty()).then_some(pool),
            meeting_pool: self.spec.meeting_pool.filter(|&n| n > 0),
            user_pool: self.spec.user_pool.filter(|&n| n > 0),
            maintenance: self
                .spec
                .maintenance
                .as_deref()
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(Into::into),
            rules: TenantRules::of(&self.spec),
        }
    }
}
