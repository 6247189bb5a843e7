//! Webhooks: where a tenant wants the events of its meetings, and which of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tenant::TenantId;

/// A tenant has so many hooks at most.
pub const MOST_OF_A_TENANT: usize = 100;

/// What a tenant asks for when it makes a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Where events go, as the tenant gave it.
    pub url: String,
    /// Only events of the meeting of this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting: Option<String>,
    /// Only events of these ids, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Events as BBB itself speaks of them.
    #[serde(default)]
    pub raw: bool,
}

/// A number that names a hook towards its tenant: drawn from its callback URL, which makes two hooks the same, so that
/// two replicas that make one at the same moment make the same. Another tenant may have the same number. Hooks that
/// were stored when the meeting counted too keep the numbers of that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HookId(pub u32);

/// A hook of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    tenant: String,
    pub id: HookId,
    #[serde(flatten)]
    pub wish: Wish,
}

impl Hook {
    /// The hook that this wish of a tenant makes.
    pub fn new(tenant: &TenantId, wish: Wish) -> Self {
        let digest = digest(&[tenant.as_str(), &wish.url, ""], false);
        // Positive in 32 bits, for clients whose numbers are no larger.
        let id = HookId((digest & 0x7fff_ffff).max(1));
        Self { tenant: tenant.as_str().to_owned(), id, wish }
    }

    pub fn tenant(&self) -> TenantId {
        TenantId::new(self.tenant.as_str())
    }

    /// What names exactly this hook in the URL that instances call: one that is made anew with another meeting or
    /// other events has another name.
    pub fn name(&self) -> String {
        let events = self.wish.events.as_ref().map(|ids| ids.join(",")).unwrap_or_default();
        let mut parts = vec![events.as_str(), if self.wish.raw { "raw" } else { "" }];
        parts.extend(self.wish.meeting.as_deref());
        let rest = digest(&parts, self.wish.events.is_some());
        format!("{}.{rest:08x}.{}", self.id.0, self.tenant)
    }

    /// Whether an event of this id goes there, of a meeting of this external id if that is known.
    pub fn wants(&self, event: Option<&str>, meeting: Option<&str>) -> bool {
        let of_meeting = match (&self.wish.meeting, meeting) {
            (Some(wanted), Some(meeting)) => wanted == meeting,
            // Events in BBB's own speech name their meeting by its internal id: the instance has chosen.
            (Some(_), None) => self.wish.raw,
            (None, _) => true,
        };
        let ids = self.wish.events.as_ref();
        of_meeting
            && ids.is_none_or(|ids| event.is_some_and(|event| ids.iter().any(|id| id == event)))
    }
}

fn digest(parts: &[&str], mark: bool) -> u32 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update([u8::from(mark)]);
    let bytes: [u8; 32] = hash.finalize().into();
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Every tenant's hooks at one moment: a finished value, shared by `Arc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks(BTreeMap<(TenantId, HookId), Arc<Hook>>);

impl Hooks {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, tenant: &TenantId, id: HookId) -> Option<&Arc<Hook>> {
        self.0.get(&(tenant.clone(), id))
    }

    /// The hook that has exactly this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Hook>> {
        let (id, rest) = name.split_once('.')?;
        let (_, tenant) = rest.split_once('.')?;
        let hook = self.get(&TenantId::new(tenant), HookId(id.parse().ok()?))?;
        (hook.name() == name).then_some(hook)
    }

    /// A tenant's hooks, by their numbers.
    pub fn of(&self, tenant: &TenantId) -> impl Iterator<Item = &Arc<Hook>> {
        let all = (tenant.clone(), HookId(0))..=(tenant.clone(), HookId(u32::MAX));
        self.0.range(all).map(|(_, hook)| hook)
    }

    /// The tenant's hook with this callback URL: there is one, as BBB has it. Of two that were stored when there could
    /// be, that of the meeting, else the first.
    pub fn with_url(&self, tenant: &TenantId, wish: &Wish) -> Option<&Arc<Hook>> {
        let same = || self.of(tenant).filter(|hook| hook.wish.url == wish.url);
        same().find(|hook| hook.wish.meeting == wish.meeting).or_else(|| same().next())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Hook>> {
        self.0.values()
    }

    pub fn put(&mut self, hook: Hook) {
        self.0.insert((hook.tenant(), hook.id), Arc::new(hook));
    }

    pub fn remove(&mut self, tenant: &TenantId, id: HookId) {
        self.0.remove(&(tenant.clone(), id));
    }
}

impl FromIterator<Hook> for Hooks {
    fn from_iter<I: IntoIterator<Item = Hook>>(hooks: I) -> Self {
        let mut all = Self::default();
        hooks.into_iter().for_each(|hook| all.put(hook));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(url: &str, meeting: Option<&str>, events: Option<&[&str]>) -> Wish {
        let events = events.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        Wish { url: url.into(), meeting: meeting.map(str::to_owned), events, raw: false }
    }

    fn hook(url: &str, meeting: Option<&str>, events: Option<&[&str]>) -> Hook {
        Hook::new(&TenantId::new("t"), wish(url, meeting, events))
    }

    #[test]
    fn the_same_url_of_a_tenant_is_one_hook() {
        let one = hook("http://a/", None, None);
        assert_eq!(one.id, hook("http://a/", Some("x"), None).id);
        assert_ne!(one.name(), hook("http://a/", Some("x"), None).name());
        assert_ne!(one.name(), hook("http://a/", Some(""), None).name());
        assert_eq!(one.id, hook("http://a/", None, Some(&["meeting-ended"])).id);
        assert_ne!(one.name(), hook("http://a/", None, Some(&["meeting-ended"])).name());
        assert_ne!(one.name(), hook("http://a/", None, Some(&[])).name());
        assert_ne!(one.id, hook("http://b/", None, None).id);
        let of_u = Hook::new(&TenantId::new("u"), wish("http://a/", None, None));
        assert_ne!(one.id, of_u.id);
        assert!(one.id.0 > 0 && one.id.0 <= i32::MAX as u32);
    }

    #[test]
    fn hooks_are_found_by_tenant_and_name() {
        let (one, two) = (hook("http://a/", None, None), hook("http://b/", None, None));
        let of_u = Hook::new(&TenantId::new("u"), wish("http://a/", None, None));
        let all: Hooks = [one.clone(), two.clone(), of_u].into_iter().collect();
        assert_eq!(all.of(&TenantId::new("t")).count(), 2);
        assert_eq!(all.named(&one.name()).map(|hook| &**hook), Some(&one));
        let newer = hook("http://a/", None, Some(&["meeting-ended"]));
        assert_eq!(all.named(&newer.name()), None);
        for name in ["", "1", "1.2", "x.00000000.t"] {
            assert_eq!(all.named(name), None);
        }
    }

    #[test]
    fn two_hooks_that_were_stored_with_one_url_both_stand() {
        let wishes = [Some("x"), Some("y")].map(|meeting| wish("http://a/", meeting, None));
        let stored = wishes.iter().zip([7, 3]).map(|(wish, id)| Hook {
            id: HookId(id),
            ..Hook::new(&TenantId::new("t"), wish.clone())
        });
        let (all, t): (Hooks, _) = (stored.collect(), TenantId::new("t"));
        assert_eq!(all.len(), 2);
        let found = |meeting| all.with_url(&t, &wish("http://a/", meeting, None)).map(|h| h.id.0);
        assert_eq!((found(Some("x")), found(Some("y")), found(None)), (Some(7), Some(3), Some(3)));
        assert_eq!(all.with_url(&TenantId::new("u"), &wishes[0]), None);
    }

    #[track_caller]
    fn check(hook: &Hook, event: Option<&str>, meeting: Option<&str>, wanted: bool) {
        assert_eq!(hook.wants(event, meeting), wanted);
    }

    #[test]
    fn a_hook_wants_what_it_was_made_for() {
        let all = hook("http://a/", None, None);
        check(&all, Some("user-joined"), Some("x"), true);
        check(&all, None, None, true);
        let one = hook("http://a/", Some("x"), Some(&["user-joined"]));
        check(&one, Some("user-joined"), Some("x"), true);
        check(&one, Some("user-joined"), Some("y"), false);
        check(&one, Some("user-left"), Some("x"), false);
        check(&one, Some("user-joined"), None, false);
        check(&one, None, Some("x"), false);
        let mut raw = hook("http://a/", Some("x"), None);
        raw.wish.raw = true;
        check(&raw, None, None, true);
    }
}
