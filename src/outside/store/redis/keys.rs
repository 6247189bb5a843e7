//! Every key's name. What one script or transaction touches has one hash tag, so that it is one slot of a
//! Cluster; only the predecessor's `instances:list` and `tenant:HOST` have none. It can't use a Cluster, so
//! there these have names of ours.

use crate::domain::instance::InstanceMark;
use crate::domain::meeting::{MeetingId, RouteKey};
use crate::domain::tenant::TenantId;
use crate::outside::store::Shelf;
use crate::outside::store::peers::Chore;

/// The predecessor's hash: URL → secret.
const INSTANCES: &str = "instances:list";
/// The same in a Cluster.
const POOLED_INSTANCES: &str = "bigblueswarm:{pool}:instances";
/// In a Cluster: host → the predecessor's YAML.
pub(super) const POOLED_TENANTS: &str = "bigblueswarm:{pool}:tenants";
/// What we know of instances beyond that: URL → JSON.
pub(super) const FACTS: &str = "bigblueswarm:{pool}:facts";
/// The predecessor's hash as it was when one of us read or wrote it last: what other tools take out of it is still known.
pub(super) const LISTED: &str = "bigblueswarm:{pool}:listed";
/// Counts changes: `instances`, `tenants` and by its name each shelf that is told of.
pub(super) const REVISIONS: &str = "bigblueswarm:{pool}:revisions";
/// From which epoch instances and tenants were written again.
pub(super) const BASES: &str = "bigblueswarm:{pool}:bases";
/// Drawn anew when the whole store was emptied.
pub(super) const EPOCH: &str = "bigblueswarm:{pool}:epoch";
/// What callback URLs are sealed with.
pub(super) const CALLBACK_KEY: &str = "bigblueswarm:{callbacks}:key";
/// What is owed to tenants' servers, in the order in which the script knows them.
pub(super) const QUEUE: [&str; 10] = [
    "bigblueswarm:{callbacks}:slips",
    "bigblueswarm:{callbacks}:bodies",
    "bigblueswarm:{callbacks}:waiting",
    "bigblueswarm:{callbacks}:dead",
    "bigblueswarm:{callbacks}:done",
    "bigblueswarm:{callbacks}:bytes",
    "bigblueswarm:{callbacks}:owners",
    "bigblueswarm:{callbacks}:counts",
    "bigblueswarm:{callbacks}:calls",
    "bigblueswarm:{callbacks}:events",
];
/// The records in which a tenant has meetings that its pool counts; not in a Cluster.
pub(super) fn pool(tenant: &TenantId) -> String {
    format!("bigblueswarm:meetings:{tenant}")
}

/// Written to see whether writes succeed; the number makes for another slot.
pub(super) fn check(number: usize) -> String {
    format!("bigblueswarm:check:{{{number}}}")
}

/// Where changes are told.
pub(super) const CHANNEL: &str = "bigblueswarm:changes";
/// Where replicas tell each other what is not stored.
pub(super) const NEWS: &str = "bigblueswarm:news";

const TENANT: &str = "tenant:";
const ROUTE: &str = "bigblueswarm:route:{";

pub(super) const ALL_TENANTS: &str = "tenant:*";
pub(super) const ALL_ROUTES: &str = "bigblueswarm:route:{*}";

/// Who is in the pool, with secrets.
pub(super) fn instances(cluster: bool) -> &'static str {
    if cluster { POOLED_INSTANCES } else { INSTANCES }
}

/// How many of the [`REVISIONS`] were made by this sender.
pub(super) fn own_revisions(sender: &str) -> String {
    format!("bigblueswarm:{{pool}}:by:{sender}")
}

pub(super) fn tenant(host: &str) -> String {
    format!("{TENANT}{host}")
}

/// The host of a tenant's key.
pub(super) fn host_of(key: &str) -> Option<&str> {
    key.strip_prefix(TENANT)
}

pub(super) fn route(key: &RouteKey) -> String {
    format!("{ROUTE}{key}}}")
}

/// The route key in the name of its key.
pub(super) fn route_of(key: &str) -> Option<RouteKey> {
    key.strip_prefix(ROUTE)?.strip_suffix('}')?.parse().ok()
}

/// The hash of a shelf: id → bytes. In one slot with the counts of its changes.
pub(super) fn shelf(shelf: Shelf) -> String {
    format!("bigblueswarm:{{pool}}:shelf:{}", shelf.name())
}

/// Who has the turn at a chore. In one slot with what comes of it.
pub(super) fn turn(chore: Chore, mark: InstanceMark) -> String {
    format!("bigblueswarm:chore:{{{mark}}}:{}:turn", chore.name())
}

/// What came of a chore.
pub(super) fn done(chore: Chore, mark: InstanceMark) -> String {
    format!("bigblueswarm:chore:{{{mark}}}:{}:done", chore.name())
}

/// The predecessor's key for a meeting; one for all tenants.
pub(super) fn hint(meeting: &MeetingId) -> String {
    format!("meeting:{meeting}")
}

/// The predecessor's key for a recording.
pub(super) fn recording_hint(id: &str) -> String {
    format!("recording:{id}")
}
