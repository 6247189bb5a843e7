//! The LRS payload of a create: sealed by the client with its tenant's secret, and for the instance with its own. Clients
//! read back what they sent.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::World;
use super::answer::Answer;
use crate::bbb::lrs;
use crate::determinism::{HashMap, aside};
use crate::domain::instance::Instance;
use crate::domain::secret::Secret;
use crate::domain::tenant::{Tenant, TenantId};

/// So many of a tenant's secrets are tried, each at the cost of a derived key.
const MOST_SECRETS: usize = 4;
/// So many payloads of one answer are looked into that nothing is known of; the others are left out of it.
const MOST_OPENED: usize = 8;
/// What is known is forgotten when it takes so many bytes.
const MOST_KNOWN: usize = 8 << 20;
/// What an entry takes besides its text.
const ENTRY: usize = 96;

/// A payload that one of the tenant's secrets opened. No `Debug`: it holds what the client kept secret.
pub(super) struct Payload {
    plain: String,
    /// As the client sent it.
    sent: String,
    salt: [u8; lrs::SALT],
}

/// Which payloads of tenants stand for which that were sealed for instances. It is made anew from what instances show, at
/// the cost of derived keys. No `Debug`.
#[derive(Default)]
pub struct Payloads(ArcSwap<Known>);

/// A digest of a tenant and of a payload that an instance shows.
type Shown = [u8; 32];

#[derive(Clone, Default)]
struct Known {
    /// What the client sent; nothing where it is the client's own as it stands.
    sent: HashMap<Shown, Option<Arc<str>>>,
    bytes: usize,
}

impl Payloads {
    fn learn(&self, shown: Shown, sent: Option<Arc<str>>) {
        self.0.rcu(|known| {
            let mut known = Known::clone(known);
            let bytes = ENTRY + sent.as_ref().map_or(0, |text| text.len());
            if known.bytes + bytes > MOST_KNOWN {
                known = Known::default();
            }
            if known.sent.insert(shown, sent.clone()).is_none() {
                known.bytes += bytes;
            }
            known
        });
    }

    fn sent(&self, shown: &Shown) -> Option<Option<Arc<str>>> {
        self.0.load().sent.get(shown).cloned()
    }
}

fn shown(tenant: &TenantId, payload: &[u8]) -> Shown {
    let parts = [tenant.as_str().as_bytes(), b"\n", payload];
    parts
        .into_iter()
        .fold(Sha256::new(), |digest, part| digest.chain_update(part))
        .finalize()
        .into()
}

impl World {
    /// The payload of a create, if it has one that the tenant sealed; any other passes as it is. Keys are derived
    /// beside the runtime's own threads.
    pub(super) async fn payload(&self, tenant: &Tenant, query: &str) -> Option<Payload> {
        let sent = lrs::of(query)?;
        let (text, salt) = (sent.clone(), lrs::salt_of(&sent)?);
        let secrets = secrets_of(tenant);
        let opened =
            aside(move || secrets.iter().find_map(|secret| lrs::open(&text, secret.reveal())));
        Some(Payload { plain: opened.await.ok()??, sent, salt })
    }

    /// The create's query as this instance can read it.
    pub(super) async fn sealed<'q>(
        &self,
        tenant: &TenantId,
        payload: &Payload,
        query: &'q str,
        instance: &Instance,
    ) -> Cow<'q, str> {
        let (plain, secret, salt) = (payload.plain.clone(), instance.secret.clone(), payload.salt);
        // With the client's own salt, so that what it sent can be made again.
        let Ok(sealed) = aside(move || lrs::seal(&plain, secret.reveal(), salt)).await else {
            return Cow::Borrowed(query);
        };
        self.payloads.learn(shown(tenant, sealed.as_bytes()), Some(payload.sent.as_str().into()));
        Cow::Owned(lrs::with(query, &sealed))
    }

    /// An answer in XML with the payloads that the tenant's client sent, where instances show theirs.
    pub(super) async fn with_own_payloads(&self, tenant: &Arc<Tenant>, answer: Answer) -> Answer {
        let shows = |part: &Bytes| !lrs::found_in(part).is_empty();
        match answer {
            Answer::Passed(body) if shows(&body) => {
                let mut parts = Box::pin(self.own(tenant, vec![body])).await;
                Answer::Passed(parts.pop().unwrap_or_default())
            }
            Answer::Merged(parts) if parts.iter().any(shows) => {
                Answer::Merged(Box::pin(self.own(tenant, parts)).await)
            }
            other => other,
        }
    }

    /// The same of the parts of an answer.
    async fn own(&self, tenant: &Arc<Tenant>, parts: Vec<Bytes>) -> Vec<Bytes> {
        let (mut all, mut left) = (Vec::with_capacity(parts.len()), MOST_OPENED);
        for part in parts {
            let (mut own, mut done) = (Vec::new(), 0);
            for at in lrs::found_in(&part) {
                own.extend_from_slice(&part[done..at.start]);
                done = at.end;
                match self.sent(tenant, part.slice(at.clone()), &mut left).await {
                    Some(Some(sent)) => {
                        own.extend_from_slice(quick_xml::escape::escape(&*sent).as_bytes());
                    }
                    Some(None) => own.extend_from_slice(&part[at]),
                    None => {}
                }
            }
            own.extend_from_slice(&part[done..]);
            all.push(own.into());
        }
        all
    }

    /// What the client sent for what an instance shows, or nothing where that is its own as it stands; `None` where it
    /// can't be told.
    async fn sent(
        &self,
        tenant: &Arc<Tenant>,
        payload: Bytes,
        left: &mut usize,
    ) -> Option<Option<Arc<str>>> {
        let key = shown(&tenant.id, &payload);
        if let Some(known) = self.payloads.sent(&key) {
            return Some(known);
        }
        *left = left.checked_sub(1)?;
        let roster = self.actors.registry.roster().await.ok()?;
        let (secrets, text) = (secrets_of(tenant), String::from_utf8(payload.to_vec()).ok()?);
        let sent = aside(move || {
            let secret = secrets.first()?;
            let instances = roster.members().iter().map(|member| &member.instance.secret);
            let plain = instances.into_iter().find_map(|own| lrs::open(&text, own.reveal()))?;
            Some(lrs::seal(&plain, secret.reveal(), lrs::salt_of(&text)?))
        });
        let sent: Option<Arc<str>> = sent.await.ok()?.map(Into::into);
        self.payloads.learn(key, sent.clone());
        Some(sent)
    }
}

fn secrets_of(tenant: &Tenant) -> Vec<Secret> {
    tenant.secrets.iter().take(MOST_SECRETS).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded_and_each_tenants_own() {
        let (t, u) = (TenantId::new("t"), TenantId::new("u"));
        let payloads = Payloads::default();
        payloads.learn(shown(&t, b"x"), Some("sent".into()));
        payloads.learn(shown(&t, b"y"), None);
        assert_eq!(payloads.sent(&shown(&t, b"x")), Some(Some("sent".into())));
        assert_eq!(payloads.sent(&shown(&t, b"y")), Some(None));
        assert_eq!(payloads.sent(&shown(&u, b"x")), None);
        let large: Arc<str> = "x".repeat(lrs::MOST_BYTES).into();
        for n in 0..1_000_u32 {
            payloads.learn(shown(&u, &n.to_be_bytes()), Some(large.clone()));
            assert!(payloads.0.load().bytes <= MOST_KNOWN);
        }
    }
}
