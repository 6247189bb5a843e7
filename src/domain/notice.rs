//! What operators should know: what was set up so that it can't do what it is for.

use std::sync::Arc;

use super::instance::{InstanceId, Roster};
use super::load::LoadSnapshot;
use super::secret::{BLANKS, has_blanks_around};
use super::tenant::{TenantDocument, TenantId};
use crate::determinism::HashMap;

/// So many names are given of a list.
const NAMED: usize = 3;

/// One thing that an operator should see to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Notice {
    /// `metrics`, `tenants`, `instances` or `callbacks`.
    pub part: &'static str,
    /// The tenant's host or the instance's URL; none when it is about neither.
    pub about: Option<String>,
    pub why: String,
}

impl Notice {
    fn new(part: &'static str, about: &str, why: String) -> Self {
        Self { part, about: Some(about.to_owned()), why }
    }
}

/// Agents whose tag is no instance's, in their order.
pub fn strangers(loads: &LoadSnapshot, roster: &Roster) -> Vec<Notice> {
    let unknown = loads.loads.keys().filter(|id| roster.get(id).is_none());
    let mut unknown: Vec<_> = unknown.collect();
    unknown.sort();
    let why = |id: &&InstanceId| {
        format!(
            "figures come with bigblueswarm_host={:?}, which is no instance of the pool, so they count for none: \
             give the agent there the URL that the instance is listed by",
            id.as_str()
        )
    };
    unknown.iter().map(|id| Notice::new("metrics", id.as_str(), why(id))).collect()
}

/// What is wrong with the instances that a tenant may use.
pub fn of_pool(document: &TenantDocument, roster: &Roster) -> Option<Notice> {
    let listed =
        |url: &str| roster.get(&InstanceId::new(url)).is_some_and(|member| !member.retired);
    let unknown: Vec<&str> =
        document.instances.iter().map(String::as_str).filter(|url| !listed(url)).collect();
    let host = &document.spec.host;
    let names = named(&unknown);
    let why = match unknown.len() {
        0 => return None,
        n if n == document.instances.len() => format!(
            "tenant {host}: none of its instances is in the pool ({names}), so that it can create no meeting"
        ),
        _ => format!("tenant {host}: not all of its instances are in the pool: {names} missing"),
    };
    Some(Notice::new("tenants", host, why))
}

fn named(urls: &[&str]) -> String {
    let mut names = urls.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if urls.len() > NAMED {
        names.push_str(&format!(" and {} more", urls.len() - NAMED));
    }
    names
}

/// Stored secrets with blanks around them: they came from before such were refused.
fn blanks(roster: &Roster, documents: &[Arc<TenantDocument>]) -> Vec<Notice> {
    let instances = roster.members().iter().filter(|member| !member.retired);
    let instances = instances.filter(|m| has_blanks_around(m.instance.secret.reveal())).map(|m| {
        let url = m.instance.id.as_str();
        Notice::new("instances", url, format!("instance {url}: its secret {BLANKS}"))
    });
    let tenants = documents.iter().filter(|document| {
        let spec = &document.spec;
        spec.secret.iter().chain(&spec.secrets).any(|secret| has_blanks_around(secret))
    });
    let tenants = tenants.map(|document| {
        let host = &document.spec.host;
        Notice::new("tenants", host, format!("tenant {host}: one of its secrets {BLANKS}"))
    });
    instances.chain(tenants).collect()
}

/// Tenants that are not served, as the one that was renamed has their name.
fn shadowed(documents: &[Arc<TenantDocument>]) -> Vec<Notice> {
    let renamed = documents.iter().filter(|document| document.spec.tag.is_some());
    let tags: HashMap<TenantId, &str> =
        renamed.map(|document| (document.id(), document.spec.host.as_str())).collect();
    let not_served = documents.iter().filter_map(|document| {
        let host = document.spec.host.as_str();
        let other = tags.get(&document.id()).filter(|other| **other != host)?;
        let why = format!(
            "tenant {host}: is not served, as the meetings of {other} are marked with that name: delete one of the two"
        );
        Some(Notice::new("tenants", host, why))
    });
    not_served.collect()
}

/// All that is to be said of the pool, its figures and the tenants.
pub fn notices(
    loads: &LoadSnapshot,
    roster: &Roster,
    documents: &[Arc<TenantDocument>],
) -> Vec<Notice> {
    let mut all = strangers(loads, roster);
    all.extend(documents.iter().filter_map(|document| of_pool(document, roster)));
    all.extend(shadowed(documents));
    all.extend(blanks(roster, documents));
    all
}

/// That callbacks are wanted and can't be had.
pub fn no_base_url() -> Notice {
    let why = "clients ask for callbacks or webhooks, and callbacks.baseUrl is not set: webhooks are refused, and \
               instances call clients by themselves, signed with secrets that these don't know. Set it to the URL \
               by which instances reach this balancer";
    Notice { part: "callbacks", about: None, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbb::checksum::Algorithm;
    use crate::domain::instance::{Instance, Member};
    use crate::domain::load::Load;
    use crate::domain::secret::Secret;

    fn roster(urls: &[(&str, &str)]) -> Roster {
        let member = |(url, secret): &(&str, &str)| Member {
            retired: url.contains("retired"),
            ..Member::new(Arc::new(
                Instance::new(url, Secret::new(*secret), Algorithm::Sha256).expect("a URL"),
            ))
        };
        Roster::new(urls.iter().map(member).collect())
    }

    fn document(json: &str) -> Arc<TenantDocument> {
        Arc::new(serde_json::from_str(json).expect("a document"))
    }

    #[track_caller]
    fn check(tags: &[&str], documents: &[&str], expected: &[&str]) {
        let pool = [("https://a/x", "s"), ("https://b/x", " s"), ("https://retired/x", "s\t")];
        let loads = tags.iter().map(|tag| (InstanceId::new(*tag), Load::default())).collect();
        let loads = LoadSnapshot { loads, ..LoadSnapshot::default() };
        let documents: Vec<_> = documents.iter().map(|json| document(json)).collect();
        let found = notices(&loads, &roster(&pool), &documents);
        let found: Vec<_> = found.iter().map(|notice| notice.why.as_str()).collect();
        let b = format!("instance https://b/x: its secret {BLANKS}");
        let expected: Vec<&str> = expected.iter().copied().chain([b.as_str()]).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn what_fits_nothing_is_named() {
        check(&["https://a/x", "https://retired/x"], &[], &[]);
        check(&["https://c/x"], &[], &[r#"figures come with bigblueswarm_host="https://c/x""#]);
        let all = r#"{"kind":"Tenant","spec":{"host":"t"}}"#;
        let one = r#"{"kind":"Tenant","spec":{"host":"t"},"instances":["https://a/x"]}"#;
        check(&[], &[all, one], &[]);
        let none = r#"{"kind":"Tenant","spec":{"host":"t"},"instances":["https://c","https://retired/x"]}"#;
        check(
            &[],
            &[none],
            &["tenant t: none of its instances is in the pool (https://c, https://retired/x)"],
        );
        let some =
            r#"{"kind":"Tenant","spec":{"host":"t"},"instances":["https://a/x","https://c"]}"#;
        check(
            &[],
            &[some],
            &["tenant t: not all of its instances are in the pool: https://c missing"],
        );
        let new = r#"{"kind":"Tenant","spec":{"host":"new","tag":"t"}}"#;
        check(&[], &[new, all], &["tenant t: is not served, as the meetings of new"]);
    }
}
