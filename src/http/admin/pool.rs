//! A list of instances as an admin posts it, and what is wrong with it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::bbb::checksum::Algorithm;
use crate::determinism::{HashMap, HashSet};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::secret::{BLANKS, Secret, has_blanks_around};

/// The body of `POST instances`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceList {
    #[serde(rename = "kind")]
    _kind: Kind,
    pub(crate) instances: Listed,
}

#[derive(serde::Deserialize)]
enum Kind {
    InstanceList,
}

/// URL and secret of each, in the order and as often as they were written.
pub(crate) struct Listed(pub(crate) Vec<(String, Secret)>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ListedVisitor)
    }
}

struct ListedVisitor;

impl<'de> Visitor<'de> for ListedVisitor {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from URL to secret")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
        let mut listed = Vec::new();
        while let Some((url, secret)) = map.next_entry::<String, String>()? {
            listed.push((url, Secret::new(secret)));
        }
        Ok(Listed(listed))
    }
}

/// Everything that is wrong with a list, a line each.
pub(crate) fn faults(listed: &[(String, Secret)]) -> Vec<String> {
    let mut faults = url_faults(listed.iter().map(|(url, _)| url.as_str()));
    let empty = listed.iter().filter(|(_, secret)| secret.is_empty());
    faults.extend(empty.map(|(url, _)| format!("instance URL {url:?}: the secret is empty")));
    let blank = listed.iter().filter(|(_, secret)| has_blanks_around(secret.reveal()));
    faults.extend(blank.map(|(url, _)| format!("instance URL {url:?}: the secret {BLANKS}")));
    let mut servers: HashMap<InstanceId, &(String, Secret)> = HashMap::default();
    for posted @ (url, secret) in listed {
        let first = servers.entry(InstanceId::new(url.as_str())).or_insert(posted);
        if first.0 != *url && first.1 != *secret {
            let other = &first.0;
            faults.push(format!(
                "instance URL {url:?}: is the same server as {other:?}, with another secret"
            ));
        }
    }
    faults
}

/// Everything that is wrong with these URLs: not one, or there twice in the same spelling. In another spelling it
/// is the same instance.
pub(super) fn url_faults<'u>(urls: impl Iterator<Item = &'u str>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut spellings = HashSet::default();
    for url in urls {
        if let Err(fault) = Instance::new(url, Secret::new(""), Algorithm::Sha256) {
            faults.push(fault.to_string());
        } else if !spellings.insert(url) {
            faults.push(format!("instance URL {url:?}: is listed twice"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let list: InstanceList = serde_json::from_str(json).unwrap();
        assert_eq!(faults(&list.instances.0), expected);
    }

    #[test]
    fn every_fault_of_a_list_is_named() {
        check(r#"{"kind":"InstanceList","instances":{}}"#, &[]);
        check(r#"{"kind":"InstanceList","instances":{"https://a/b":"s","https://a/c":"s"}}"#, &[]);
        check(
            r#"{"kind":"InstanceList","instances":{"https://a/b":"s","ftp://x":"s","https://a/b":"t","https://A/b/":"t","https://c":"","https://c:443":"","https://d":" s"}}"#,
            &[
                r#"instance URL "ftp://x": must start with http:// or https://"#,
                r#"instance URL "https://a/b": is listed twice"#,
                r#"instance URL "https://c": the secret is empty"#,
                r#"instance URL "https://c:443": the secret is empty"#,
                &format!(r#"instance URL "https://d": the secret {BLANKS}"#),
                r#"instance URL "https://A/b/": is the same server as "https://a/b", with another secret"#,
            ],
        );
    }
}
