//! The tenants as a plain value: found by host.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::secret::Secret;
use crate::domain::tenant::{Tenant, TenantDocument, TenantId};

/// Every tenant's document, and the tenant it resolves to.
#[derive(Debug)]
pub(super) struct Book {
    documents: BTreeMap<String, Arc<TenantDocument>>,
    by_host: HashMap<String, Arc<Tenant>>,
    global: Secret,
}

impl Book {
    pub(super) fn new(global: Secret) -> Self {
        Self { documents: BTreeMap::new(), by_host: HashMap::new(), global }
    }

    /// The tenant of exactly this host, else of the host without its port. Case does not count.
    pub(super) fn find(&self, host: &str) -> Option<Arc<Tenant>> {
        let found = self.by_host.get(host).or_else(|| {
            let lower = host.to_ascii_lowercase();
            self.by_host.get(&lower).or_else(|| self.by_host.get(without_port(&lower)))
        });
        found.cloned()
    }

    pub(super) fn documents(&self) -> Vec<Arc<TenantDocument>> {
        self.documents.values().cloned().collect()
    }

    pub(super) fn contains(&self, tenant: &TenantId) -> bool {
        self.documents.contains_key(tenant.as_str())
    }

    pub(super) fn put(&mut self, document: TenantDocument) {
        let tenant = Arc::new(document.resolve(&self.global));
        let host = document.spec.host.clone();
        self.by_host.insert(host.to_ascii_lowercase(), tenant);
        self.documents.insert(host, Arc::new(document));
    }

    pub(super) fn remove(&mut self, tenant: &TenantId) {
        self.documents.remove(tenant.as_str());
        self.by_host.remove(&tenant.as_str().to_ascii_lowercase());
    }

    /// Takes these documents instead of all it had.
    pub(super) fn replace(&mut self, documents: Vec<TenantDocument>) {
        self.documents.clear();
        self.by_host.clear();
        for document in documents {
            self.put(document);
        }
    }

    /// Resolves every tenant again if the global secret is another one.
    pub(super) fn set_global(&mut self, global: &Secret) {
        if self.global == *global {
            return;
        }
        self.global = global.clone();
        let documents = self.documents.values().map(|d| (**d).clone()).collect();
        self.replace(documents);
    }
}

/// `host` of `host:port`; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant::TenantSpec;

    fn book(hosts: &[&str]) -> Book {
        let mut book = Book::new(Secret::new("global"));
        for host in hosts {
            book.put(TenantDocument {
                kind: "Tenant".into(),
                spec: TenantSpec { host: (*host).into(), ..TenantSpec::default() },
                metadata: BTreeMap::new(),
                instances: Vec::new(),
            });
        }
        book
    }

    #[track_caller]
    fn check(hosts: &[&str], asked: &str, expected: Option<&str>) {
        let found = book(hosts).find(asked);
        assert_eq!(found.as_ref().map(|t| t.id.as_str()), expected, "{asked}");
    }

    #[test]
    fn the_exact_host_comes_before_the_host_without_its_port() {
        let both = &["a.example.org", "a.example.org:8443"];
        check(both, "a.example.org", Some("a.example.org"));
        check(both, "a.example.org:8443", Some("a.example.org:8443"));
        check(both, "a.example.org:9000", Some("a.example.org"));
        check(both, "A.Example.org", Some("a.example.org"));
        check(&["a.example.org:8443"], "a.example.org", None);
        check(&["[::1]"], "[::1]:8080", Some("[::1]"));
        check(both, "b.example.org", None);
    }

    #[test]
    fn a_new_global_secret_reaches_tenants_without_one() {
        let mut book = book(&["a"]);
        book.set_global(&Secret::new("next"));
        assert_eq!(book.find("a").map(|t| t.secrets.clone()), Some(vec![Secret::new("next")]));
    }
}
