//! What is taken over, and what is not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Failure, instance_url};
use crate::cli::operator::yaml;
use crate::config::MASK;
use crate::domain::tag::tag_fault;
use crate::domain::tenant::{TenantDocument, TenantSpec};
use crate::http::admin::{instance_faults, tenant_fault};

/// Instances and tenants as they will be applied, and what people must know or do besides.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// URL and secret of each.
    pub(super) instances: BTreeMap<String, Hidden>,
    pub(super) tenants: Vec<TenantDocument>,
    /// What could not be taken over.
    pub(super) remarks: Vec<String>,
    /// What is lost in the same way of several: where that is said, and of whom.
    groups: BTreeMap<&'static str, (usize, Vec<String>)>,
    /// What is to be done once the documents are applied.
    pub(super) steps: Vec<String>,
}

/// A secret that is written but never shown by `Debug`.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Hidden(pub(super) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// So many are named of those that lose the same.
const NAMED: usize = 3;

impl Plan {
    /// Takes a server in by its API's URL; `called` is its name over there. Answers its URL here.
    pub(super) fn server(&mut self, called: &str, api: &str, secret: &str) -> Option<String> {
        let url = instance_url(api);
        let listed = [(url.clone(), crate::domain::secret::Secret::new(secret))];
        let faults = instance_faults(&listed);
        if !faults.is_empty() {
            self.remark(format!("server {called}: {}", faults.join("; ")));
            return None;
        }
        if self.instances.insert(url.clone(), Hidden(secret.to_owned())).is_some() {
            self.remark(format!("server {called}: {url} is there twice; one secret was kept"));
        }
        Some(url)
    }

    /// Takes a tenant in, unless its document would be refused.
    pub(super) fn tenant(&mut self, called: &str, spec: TenantSpec, instances: Vec<String>) {
        let metadata = BTreeMap::new();
        let document = TenantDocument { kind: "Tenant".into(), spec, metadata, instances };
        let host = &document.spec.host;
        match tenant_fault(&document) {
            Some(fault) => self.remark(format!("tenant {called}: {}", fault.replace('\n', "; "))),
            None if self.tenants.iter().any(|other| other.spec.host == *host) => {
                self.remark(format!("tenant {called}: another one has the host {host}"));
            }
            None => self.tenants.push(document),
        }
    }

    pub(super) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// Says what is lost of one, such as `server 7`; of several it is said once, with their number. `same` says it of all.
    pub(super) fn lost(&mut self, kind: &'static str, who: &str, what: &str, same: &'static str) {
        let (at, all) = self.groups.entry(same).or_insert((self.remarks.len(), Vec::new()));
        all.push(who.to_owned());
        let Some(first) = self.remarks.get_mut(*at) else {
            return self.remarks.push(format!("{kind} {who}: {what}"));
        };
        let named = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match all.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        *first = format!("{} {kind}s ({named}{more}): {same}", all.len());
    }

    /// A server that takes no new meetings over there shall take none here.
    pub(super) fn drain(&mut self, url: &str, state: &str) {
        self.steps.push(format!("bigblueswarm drain {} # it is {state} there", quoted(url)));
    }

    /// A server that has tags over there shall have them here, as far as they can be tags.
    pub(super) fn tag(&mut self, url: &str, tags: &[&str]) {
        let mut good = Vec::new();
        for tag in tags {
            match tag_fault(tag) {
                Some(fault) => self.remark(format!("server {url}: tag {tag:?} {fault}")),
                None => good.push(*tag),
            }
        }
        if !good.is_empty() {
            self.steps.push(format!("bigblueswarm tag {} {}", quoted(url), good.join(",")));
        }
    }

    /// The same without secrets.
    pub(super) fn masked(&self) -> Self {
        let mut masked = self.clone();
        masked.instances.values_mut().for_each(|secret| *secret = Hidden(MASK.into()));
        for tenant in &mut masked.tenants {
            let spec = &mut tenant.spec;
            spec.secret
                .iter_mut()
                .chain(&mut spec.secrets)
                .for_each(|secret| *secret = MASK.into());
        }
        masked
    }

    /// The list of instances as YAML; empty when there are none.
    pub(super) fn instance_list(&self) -> Result<String, Failure> {
        #[derive(Serialize)]
        struct InstanceList<'a> {
            kind: &'static str,
            instances: &'a BTreeMap<String, Hidden>,
        }
        if self.instances.is_empty() {
            return Ok(String::new());
        }
        yaml(&InstanceList { kind: "InstanceList", instances: &self.instances })
    }

    /// The tenants as YAML documents; empty when there are none.
    pub(super) fn tenant_documents(&self) -> Result<String, Failure> {
        let texts: Result<Vec<String>, Failure> = self.tenants.iter().map(yaml).collect();
        Ok(texts?.join("---\n"))
    }
}

/// A word as a shell takes it for one: another balancer's data is pasted there.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=~".contains(c);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_lose_is_said_once() {
        let mut plan = Plan::default();
        for n in 1..=5 {
            plan.lost("server", &n.to_string(), &format!("factor {n}"), "their factors");
            plan.lost("server", &n.to_string(), "a field", "fields");
        }
        plan.lost("tenant", "t", "a colour", "colours");
        assert_eq!(
            plan.remarks,
            [
                "5 servers (1, 2, 3 and 2 more): their factors",
                "5 servers (1, 2, 3 and 2 more): fields",
                "tenant t: a colour"
            ]
        );
    }

    #[test]
    fn steps_can_be_pasted_into_a_shell() {
        let mut plan = Plan::default();
        plan.drain("https://a/b", "stopped");
        plan.drain("https://a/;reboot'", "odd");
        plan.tag("https://a/b", &["x", "$(reboot)", "y"]);
        let expected = [
            "bigblueswarm drain https://a/b # it is stopped there",
            r"bigblueswarm drain 'https://a/;reboot'\''' # it is odd there",
            "bigblueswarm tag https://a/b x,y",
        ];
        assert_eq!(plan.steps, expected);
        assert_eq!(plan.remarks.len(), 1, "{:?}", plan.remarks);
        assert!(plan.remarks[0].contains("may hold letters"), "{:?}", plan.remarks);
    }
}
