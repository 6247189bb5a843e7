//! Files of documents, in YAML or JSON: read whole and judged whole before anything is sent.

use std::collections::HashSet;
use std::fmt::Display;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use crate::config::MASK;
use crate::domain::secret::Secret;
use crate::domain::tenant::TenantDocument;
use crate::http::admin::{InstanceList, instance_faults, tenant_fault};

/// What is said of a secret that was not printed as it is.
const MASKED: &str = "is masked: print the document with --show-secrets";

/// What can be applied.
#[derive(Debug)]
pub(super) enum Document {
    /// URL and secret of each instance.
    Instances(Vec<(String, Secret)>),
    Tenant(Box<TenantDocument>),
}

/// Every document of a text; or every fault, a line each, with document and key.
pub(super) fn read(text: &str) -> Result<Vec<Document>, Vec<String>> {
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    let values = values(text).map_err(|fault| vec![fault])?;
    for (number, value) in values.into_iter().enumerate() {
        let name = name(number + 1, &value);
        match document(value) {
            Ok(document) => documents.push(document),
            Err(found) => faults.extend(found.iter().map(|fault| format!("{name}: {fault}"))),
        }
    }
    if faults.is_empty() {
        faults = collisions(&documents);
    }
    if faults.is_empty() && documents.is_empty() {
        faults.push("it holds no document".into());
    }
    if faults.is_empty() { Ok(documents) } else { Err(faults) }
}

/// The documents as they were written, without empty ones. JSON is read as such, since not all of it is YAML.
fn values(text: &str) -> Result<Vec<Value>, String> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let mut values = match is_json.then(|| json(text)) {
        Some(Ok(values)) => values,
        // YAML has braces too.
        Some(Err(fault)) => yaml(text).map_err(|_| fault)?,
        None => yaml(text)?,
    };
    values.retain(|value| !value.is_null());
    Ok(values)
}

fn json(text: &str) -> Result<Vec<Value>, String> {
    let documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    documents.collect::<Result<_, _>>().map_err(|error| at("JSON", error.line(), &error))
}

fn yaml(text: &str) -> Result<Vec<Value>, String> {
    let documents = serde_yaml::Deserializer::from_str(text).map(Value::deserialize);
    let line = |error: &serde_yaml::Error| error.location().map_or(0, |at| at.line());
    documents.collect::<Result<_, _>>().map_err(|error| at("YAML", line(&error), &error))
}

fn at(form: &str, line: usize, error: &impl Display) -> String {
    format!("line {line}: is no {form}: {}", wanted(&error.to_string()))
}

/// What a document is called in a fault.
fn name(number: usize, value: &Value) -> String {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or("no kind");
    let host = value.get("spec").and_then(|spec| spec.get("host")).and_then(Value::as_str);
    let host = host.map_or(String::new(), |host| format!(" {host}"));
    format!("document {number} ({kind}{host})")
}

fn document(value: Value) -> Result<Document, Vec<String>> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "InstanceList" => {
            // A list that was forgotten must not empty the pool.
            if value.get("instances").is_some_and(Value::is_null) {
                return Err(vec![
                    "instances: must be a map from URL to secret; {} for none".into(),
                ]);
            }
            some(unquoted(value.get("instances"), "instances"))?;
            let list = typed::<InstanceList>(value)?.instances.0;
            some(instance_faults(&list))?;
            let masked = list.iter().filter(|(_, secret)| secret.reveal() == MASK);
            some(masked.map(|(url, _)| format!("instances.{url}: {MASKED}")).collect())?;
            Ok(Document::Instances(list))
        }
        "Tenant" => {
            some(unquoted_in_tenant(&value))?;
            let tenant: TenantDocument = typed(value)?;
            let faults = tenant_fault(&tenant);
            some(faults.iter().flat_map(|text| text.lines().map(str::to_owned)).collect())?;
            let spec = &tenant.spec;
            if spec.secret.iter().chain(&spec.secrets).any(|secret| secret == MASK) {
                return Err(vec![format!("spec.secret: {MASKED}")]);
            }
            Ok(Document::Tenant(Box::new(tenant)))
        }
        "" => Err(vec!["kind: must be InstanceList or Tenant".into()]),
        other => Err(vec![format!("kind: must be InstanceList or Tenant, not {other}")]),
    }
}

fn some(faults: Vec<String>) -> Result<(), Vec<String>> {
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Vec<String>> {
    serde_path_to_error::deserialize(value).map_err(|fault| {
        let path = fault.path().to_string();
        let inner = wanted(&fault.into_inner().to_string());
        vec![if path == "." { inner } else { format!("{path}: {inner}") }]
    })
}

/// A fault without the value that was found: it may be a secret.
fn wanted(fault: &str) -> String {
    let names_value = fault.starts_with("invalid type") || fault.starts_with("invalid value");
    match fault.split_once(", expected ").filter(|_| names_value) {
        Some((_, expected)) => format!("expected {expected}"),
        None => fault.to_owned(),
    }
}

/// Texts of a map or list that are written as numbers or truths, which would lose digits if they were taken for texts.
fn unquoted(values: Option<&Value>, path: &str) -> Vec<String> {
    let is_bare = |value: &Value| matches!(value, Value::Number(_) | Value::Bool(_));
    let named = |key: &dyn Display| format!("{path}.{key}: must be a text: put it in quotes");
    match values {
        Some(Value::Mapping(map)) => {
            let bare = map.iter().filter(|(_, value)| is_bare(value));
            bare.filter_map(|(key, _)| key.as_str()).map(|key| named(&key)).collect()
        }
        Some(Value::Sequence(list)) => {
            let bare = list.iter().enumerate().filter(|(_, value)| is_bare(value));
            bare.map(|(n, _)| format!("{path}[{n}]: must be a text: put it in quotes")).collect()
        }
        Some(value) if is_bare(value) => vec![format!("{path}: must be a text: put it in quotes")],
        _ => Vec::new(),
    }
}

fn unquoted_in_tenant(value: &Value) -> Vec<String> {
    let spec = |key: &str| value.get("spec").and_then(|spec| spec.get(key));
    let mut faults = unquoted(spec("secret"), "spec.secret");
    faults.extend(unquoted(spec("secrets"), "spec.secrets"));
    faults.extend(unquoted(value.get("metadata"), "metadata"));
    faults
}

/// Documents of one file of which the later would undo the earlier.
fn collisions(documents: &[Document]) -> Vec<String> {
    let mut seen = HashSet::new();
    let name = |document: &Document| match document {
        Document::Instances(_) => "InstanceList".to_owned(),
        Document::Tenant(tenant) => format!("Tenant {}", tenant.spec.host),
    };
    let again = documents.iter().enumerate().filter_map(|(n, document)| {
        let name = name(document);
        let fault =
            format!("document {} ({name}): is there twice, and each replaces the other", n + 1);
        (!seen.insert(name)).then_some(fault)
    });
    again.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text holds, or its faults, a line each.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let said: Vec<String> = match read(text) {
            Ok(documents) => documents.iter().map(shown).collect(),
            Err(faults) => faults,
        };
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
            assert!(!said.contains("hidden"), "{said}");
        }
    }

    fn shown(document: &Document) -> String {
        match document {
            Document::Instances(list) => {
                let each = list.iter().map(|(url, secret)| format!("{url}={}", secret.reveal()));
                each.collect::<Vec<_>>().join(" ")
            }
            Document::Tenant(tenant) => format!("{} {:?}", tenant.spec.host, tenant.spec.secret),
        }
    }

    const LIST: &str = "kind: InstanceList\ninstances:\n  http://b/x: s\n  http://a/x: t\n";

    #[test]
    fn a_file_may_hold_several_documents_in_either_form() {
        let tenant = "kind: Tenant\nspec:\n  host: h\n  secret: s\n";
        check(LIST, &["http://b/x=s http://a/x=t"]);
        check(&format!("# note\n---\n{LIST}---\n{tenant}---\n"), &["http://b", "h Some(\"s\")"]);
        let json = r#"{"kind":"Tenant","spec":{"host":"h"},"instances":null} {"kind":"InstanceList","instances":{"http://a":"\ud83d\ude00"}}"#;
        check(json, &["h None", "http://a=😀"]);
        check("{kind: Tenant, spec: {host: h}}", &["h None"]);
    }

    #[test]
    fn every_fault_names_its_document_and_key() {
        check("", &["it holds no document"]);
        check("---\n---\n", &["it holds no document"]);
        check("kind: [", &["line "]);
        check("{\"kind\": \n nonsense", &["line 2: is no JSON: expected"]);
        check("hidden", &["document 1 (no kind): kind: must be InstanceList or Tenant"]);
        check(
            "kind: Tenants\n",
            &["document 1 (Tenants): kind: must be InstanceList or Tenant, not Tenants"],
        );
        check("kind: Tenant\nspec: {}\n", &["document 1 (Tenant): failed to create tenant"]);
        check("kind: Tenant\n", &["document 1 (Tenant): missing field `spec`"]);
        check("kind: Tenant\nspec: hidden\n", &["document 1 (Tenant): spec: expected struct"]);
        check(
            "kind: InstanceList\ninstances:\n",
            &["document 1 (InstanceList): instances: must be a map"],
        );
        check(
            "kind: Tenant\nspec: {host: h, hots: i}\n---\nkind: Tenant\nspec: {host: i, meeting_pool: hidden}\n",
            &[
                "document 1 (Tenant h): spec.hots: unknown field `hots`",
                "document 2 (Tenant i): spec.meeting_pool: expected u32",
            ],
        );
        check(
            "kind: Tenant\nspec: {host: h, create_overrides: {checksum: x}}\ninstances: [http://a, http://a]\n",
            &[
                "document 1 (Tenant h): instance URL \"http://a\": is listed twice",
                "document 1 (Tenant h): spec.create_overrides: checksum",
            ],
        );
    }

    #[test]
    fn a_secret_that_is_a_number_is_asked_to_be_quoted_and_not_shown() {
        check(
            "kind: Tenant\nspec: {host: h, secret: 77, secrets: [a, 1e5]}\nmetadata: {a: b, n: 42}\n",
            &[
                "document 1 (Tenant h): spec.secret",
                "document 1 (Tenant h): spec.secrets[1]: must be a text: put it in quotes",
                "document 1 (Tenant h): metadata.n",
            ],
        );
        check(
            "kind: InstanceList\ninstances: {http://a: 12345}\n",
            &["document 1 (InstanceList): instances.http://a: must be a text"],
        );
    }

    #[test]
    fn nothing_is_there_twice() {
        check("kind: InstanceList\ninstances: {http://a: s, http://a: hidden}\n", &["line "]);
        check(
            r#"{"kind":"InstanceList","instances":{"http://a":"s","http://a":"hidden"}}"#,
            &["line 1: is no JSON: duplicate entry"],
        );
        check(&format!("{LIST}---\n{LIST}"), &["document 2 (InstanceList): is there twice"]);
        let tenant = "kind: Tenant\nspec: {host: h}\n";
        check(&format!("{tenant}---\n{tenant}"), &["document 2 (Tenant h): is there twice"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_upsets_the_reader(text in "\\PC{0,80}|(kind: |Tenant|InstanceList|instances|spec|host|---|[\\[\\]{}:,&*!|> \n\t'\"a])*") {
            if let Err(faults) = read(&text) {
                proptest::prop_assert!(!faults.is_empty());
            }
        }
    }
}
