//! The tenants as a plain value: found by host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::warn;

use super::message::{TenantError, TenantWish};
use crate::determinism::HashMap;
use crate::domain::secret::Secret;
use crate::domain::tenant::{Tenant, TenantDocument, TenantId};
use crate::outside::store::TenantChange;

/// Every tenant's document, and the tenant it resolves to.
#[derive(Debug)]
pub(super) struct Book {
    documents: BTreeMap<String, Arc<TenantDocument>>,
    by_host: HashMap<String, Arc<Tenant>>,
    by_id: HashMap<TenantId, Arc<Tenant>>,
    /// Hosts whose tenant is not served: another one is marked with that name already.
    shadowed: BTreeSet<String>,
    global: Secret,
}

impl Book {
    pub(super) fn new(global: Secret) -> Self {
        Self {
            documents: BTreeMap::new(),
            by_host: HashMap::default(),
            by_id: HashMap::default(),
            shadowed: BTreeSet::new(),
            global,
        }
    }

    /// The tenant of exactly this host, else of the host without its port. Case does not count.
    pub(super) fn find(&self, host: &str) -> Option<Arc<Tenant>> {
        let found = self.by_host.get(host).or_else(|| {
            let lower = host.to_ascii_lowercase();
            self.by_host.get(&lower).or_else(|| self.by_host.get(without_port(&lower)))
        });
        found.cloned()
    }

    /// The tenant that things are marked with this for, whatever its host is now.
    pub(super) fn identify(&self, tenant: &TenantId) -> Option<Arc<Tenant>> {
        self.by_id.get(tenant).cloned()
    }

    pub(super) fn documents(&self) -> Vec<Arc<TenantDocument>> {
        self.documents.values().cloned().collect()
    }

    pub(super) fn contains(&self, host: &str) -> bool {
        self.documents.contains_key(host)
    }

    /// What is to be stored for a wish, as the tenants are now.
    pub(super) fn judge(&self, wish: TenantWish) -> Result<TenantChange, TenantError> {
        match wish {
            TenantWish::Put(document) => self.may_put(*document),
            TenantWish::Delete(host) if self.contains(&host) => {
                Ok(TenantChange::Delete(TenantId::new(host)))
            }
            TenantWish::Delete(_) => Err(TenantError::NotFound),
            TenantWish::Rename { from, to } => self.may_rename(from, to),
        }
    }

    /// A tenant keeps its tag, and has none that is another's.
    fn may_put(&self, mut document: TenantDocument) -> Result<TenantChange, TenantError> {
        let spec = &mut document.spec;
        let known = self.documents.get(&spec.host).map(|known| known.id());
        let said = spec.tag.take().filter(|tag| !tag.is_empty());
        let id = match (known, said) {
            (Some(known), Some(said)) if said != known.as_str() => {
                let host = spec.host.clone();
                return Err(TenantError::OtherTag { host, tag: known.to_string() });
            }
            (Some(known), _) => known,
            (None, said) => TenantId::new(said.unwrap_or_else(|| spec.host.clone())),
        };
        self.is_free(&id, &spec.host)?;
        spec.tag = (id.as_str() != spec.host).then(|| id.to_string());
        Ok(TenantChange::Put(Box::new(document)))
    }

    fn may_rename(&self, from: String, to: String) -> Result<TenantChange, TenantError> {
        let Some(known) = self.documents.get(&from) else { return Err(TenantError::Unknown(from)) };
        let is_known = |host: &String| host.eq_ignore_ascii_case(&to) && *host != from;
        if from == to || self.documents.keys().any(is_known) {
            return Err(TenantError::Exists(to));
        }
        let id = known.id();
        // A name that others' meetings carry would be theirs, should this tenant lose its own tag.
        self.is_free(&TenantId::new(to.as_str()), &from)?;
        let mut document = (**known).clone();
        document.spec.tag = (id.as_str() != to).then(|| id.to_string());
        document.spec.host = to;
        Ok(TenantChange::Rename { from: TenantId::new(from), document: Box::new(document) })
    }

    /// Refuses a tag that the tenant of another host has.
    fn is_free(&self, id: &TenantId, host: &str) -> Result<(), TenantError> {
        match self.by_id.get(id).filter(|tenant| *tenant.host != *host) {
            Some(tenant) => {
                Err(TenantError::Taken { tag: id.to_string(), host: tenant.host.to_string() })
            }
            None => Ok(()),
        }
    }

    pub(super) fn put(&mut self, document: TenantDocument) {
        let (host, id) = (document.spec.host.clone(), document.id());
        let was = self.documents.insert(host.clone(), Arc::new(document));
        let same = was.is_none_or(|was| was.id() == id);
        let free = self.by_id.get(&id).is_none_or(|tenant| *tenant.host == *host);
        if same && free && self.shadowed.is_empty() {
            self.serve(&host);
        } else {
            self.serve_all();
        }
    }

    pub(super) fn remove(&mut self, host: &str) {
        let Some(document) = self.documents.remove(host) else { return };
        self.by_host.remove(&host.to_ascii_lowercase());
        if self.shadowed.is_empty() {
            self.by_id.remove(&document.id());
        } else {
            self.serve_all();
        }
    }

    /// Takes these documents instead of all it had.
    pub(super) fn replace(&mut self, documents: Vec<TenantDocument>) {
        let named = documents.into_iter().map(|d| (d.spec.host.clone(), Arc::new(d)));
        self.documents = named.collect();
        self.serve_all();
    }

    /// Resolves every tenant anew. Of two with one tag the one that was renamed has it: its meetings carry it.
    fn serve_all(&mut self) {
        self.by_host.clear();
        self.by_id.clear();
        let before = std::mem::take(&mut self.shadowed);
        let (renamed, others): (Vec<_>, Vec<_>) =
            self.documents.values().cloned().partition(|document| document.spec.tag.is_some());
        for document in renamed.iter().chain(&others) {
            let host = &document.spec.host;
            match self.by_id.get(&document.id()) {
                None => self.serve(host),
                Some(other) => {
                    if !before.contains(host) {
                        warn!(tenant.name = %host, other = %other.host, "a tenant is not served: another one has its name as tag");
                    }
                    self.shadowed.insert(host.clone());
                }
            }
        }
    }

    fn serve(&mut self, host: &str) {
        let Some(document) = self.documents.get(host) else { return };
        let tenant = Arc::new(document.resolve(&self.global));
        self.by_id.insert(tenant.id.clone(), tenant.clone());
        self.by_host.insert(host.to_ascii_lowercase(), tenant);
    }

    /// Resolves every tenant again if the global secret is another one.
    pub(super) fn set_global(&mut self, global: &Secret) {
        if self.global != *global {
            self.global = global.clone();
            self.serve_all();
        }
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

    fn document(host: &str, tag: Option<&str>) -> TenantDocument {
        let spec =
            TenantSpec { host: host.into(), tag: tag.map(Into::into), ..TenantSpec::default() };
        let (kind, metadata, instances) = ("Tenant".into(), BTreeMap::new(), Vec::new());
        TenantDocument { kind, spec, metadata, instances }
    }

    fn take(book: &mut Book, wish: TenantWish) -> Result<(), String> {
        match book.judge(wish).map_err(|error| error.to_string())? {
            TenantChange::Put(document) => book.put(*document),
            TenantChange::Delete(host) => book.remove(host.as_str()),
            TenantChange::Rename { from, document } => {
                book.remove(from.as_str());
                book.put(*document);
            }
        }
        Ok(())
    }

    fn rename(book: &mut Book, from: &str, to: &str) -> Result<(), String> {
        take(book, TenantWish::Rename { from: from.into(), to: to.into() })
    }

    #[test]
    fn a_renamed_tenant_is_who_it_was_under_another_host() {
        let mut book = book(&["old", "other"]);
        assert_eq!(rename(&mut book, "old", "new"), Ok(()));
        let served = book.find("new").expect("served");
        assert_eq!((served.id.as_str(), &*served.host), ("old", "new"));
        assert!(book.find("old").is_none());
        assert_eq!(book.identify(&TenantId::new("old")).expect("known").host, served.host);
        assert_eq!(rename(&mut book, "new", "newer"), Ok(()));
        assert_eq!(book.find("newer").expect("served").id.as_str(), "old");
        assert_eq!(rename(&mut book, "newer", "old"), Ok(()));
        assert_eq!(book.documents().iter().filter(|d| d.spec.tag.is_some()).count(), 0);
    }

    #[test]
    fn nobody_gets_a_name_that_anothers_meetings_carry() {
        let mut book = book(&["old", "other"]);
        rename(&mut book, "old", "new").expect("free");
        let refused = |done: Result<(), String>| assert!(done.is_err(), "{done:?}");
        refused(rename(&mut book, "other", "new"));
        refused(rename(&mut book, "other", "NEW"));
        refused(rename(&mut book, "other", "old"));
        refused(rename(&mut book, "gone", "x"));
        refused(take(&mut book, TenantWish::Put(Box::new(document("old", None)))));
        refused(take(&mut book, TenantWish::Put(Box::new(document("x", Some("old"))))));
        refused(take(&mut book, TenantWish::Put(Box::new(document("new", Some("other"))))));
        take(&mut book, TenantWish::Put(Box::new(document("new", None)))).expect("its own");
        assert_eq!(book.find("new").expect("served").id.as_str(), "old", "it keeps its tag");
        take(&mut book, TenantWish::Delete("new".into())).expect("there");
        take(&mut book, TenantWish::Put(Box::new(document("old", None)))).expect("free again");
    }

    #[test]
    fn of_two_documents_with_one_tag_the_renamed_one_is_served() {
        let both = || vec![document("new", Some("old")), document("old", None)];
        let mut loaded = book(&[]);
        loaded.replace(both());
        let mut put = book(&["old"]);
        both().into_iter().for_each(|document| put.put(document));
        for mut book in [loaded, put] {
            assert_eq!(book.find("new").expect("served").id.as_str(), "old");
            assert!(book.find("old").is_none());
            book.remove("new");
            assert_eq!(book.find("old").expect("served").id.as_str(), "old");
        }
    }

    #[test]
    fn a_new_global_secret_reaches_tenants_without_one() {
        let mut book = book(&["a"]);
        book.set_global(&Secret::new("next"));
        assert_eq!(book.find("a").map(|t| t.secrets.clone()), Some(vec![Secret::new("next")]));
    }
}
