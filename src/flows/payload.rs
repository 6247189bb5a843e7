//! The LRS payload of a create: sealed by the client with its tenant's secret, and for the instance with its own.

use std::borrow::Cow;

use super::World;
use crate::bbb::lrs;
use crate::determinism::{Randomness, aside};
use crate::domain::instance::Instance;
use crate::domain::secret::Secret;
use crate::domain::tenant::Tenant;

/// So many of a tenant's secrets are tried, each at the cost of a derived key.
const MOST_SECRETS: usize = 4;

/// A payload that one of the tenant's secrets opened. No `Debug`: it holds what the client kept secret.
pub(super) struct Payload(String);

impl World {
    /// The payload of a create, if it has one that the tenant sealed; any other passes as it is. Keys are derived
    /// beside the runtime's own threads.
    pub(super) async fn payload(&self, tenant: &Tenant, query: &str) -> Option<Payload> {
        let text = lrs::of(query)?;
        let secrets: Vec<Secret> = tenant.secrets.iter().take(MOST_SECRETS).cloned().collect();
        let opened =
            aside(move || secrets.iter().find_map(|secret| lrs::open(&text, secret.reveal())));
        opened.await.ok()?.map(Payload)
    }
}

impl Payload {
    /// The create's query as this instance can read it.
    pub(super) async fn sealed<'q>(
        &self,
        query: &'q str,
        instance: &Instance,
        randomness: &Randomness,
    ) -> Cow<'q, str> {
        let (plain, secret, salt) = (self.0.clone(), instance.secret.clone(), randomness.draw());
        let sealed = aside(move || lrs::seal(&plain, secret.reveal(), salt));
        match sealed.await {
            Ok(sealed) => Cow::Owned(lrs::with(query, &sealed)),
            Err(_) => Cow::Borrowed(query),
        }
    }
}
