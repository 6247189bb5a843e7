//! Tenants as documents: written byte for byte as the predecessor writes them, read leniently.

use std::collections::BTreeMap;

use serde::Deserialize;
use tracing::warn;

use crate::bbb::checksum::Algorithm;
use crate::domain::tenant::{TenantDocument, TenantSpec, texts};

use super::yaml::{in_order, key, scalar};

/// The document as YAML: indent of four, lists indented, the predecessor's fields first.
pub(super) fn write(document: &TenantDocument) -> String {
    let spec = &document.spec;
    let mut out = format!("kind: {}\nspec:\n", scalar(&document.kind, 4, 4));
    field(&mut out, "host", &spec.host);
    if let Some(tag) = &spec.tag {
        field(&mut out, "tag", tag);
    }
    if let Some(secret) = &spec.secret {
        field(&mut out, "secret", secret);
    }
    for (name, limit) in [("meeting_pool", spec.meeting_pool), ("user_pool", spec.user_pool)] {
        if let Some(limit) = limit {
            out.push_str(&format!("    {name}: {limit}\n"));
        }
    }
    names(&mut out, "secrets", &spec.secrets);
    let algorithms: Vec<String> = spec.algorithms.iter().map(algorithm_name).collect();
    names(&mut out, "algorithms", &algorithms);
    rules(&mut out, spec);
    if !document.metadata.is_empty() {
        out.push_str("metadata:\n");
    }
    for (name, value) in in_order(&document.metadata) {
        out.push_str(&format!("    {} {}\n", key(name, 4), scalar(value, 8, 4)));
    }
    out.push_str(&format!("instances:{}\n", list(&document.instances, 4)));
    out
}

/// What is said of the parameters of calls.
fn rules(out: &mut String, spec: &TenantSpec) {
    map(out, "create_defaults", &spec.create_defaults);
    map(out, "create_overrides", &spec.create_overrides);
    names(out, "create_excluded", &spec.create_excluded);
    map(out, "join_defaults", &spec.join_defaults);
    map(out, "join_overrides", &spec.join_overrides);
    names(out, "join_excluded", &spec.join_excluded);
    if let Some(minutes) = spec.max_duration {
        out.push_str(&format!("    max_duration: {minutes}\n"));
    }
    if let Some(lists) = &spec.merged_lists {
        out.push_str(&format!("    merged_lists:{}\n", list(lists, 8)));
    }
    for (name, text) in [
        ("default_presentation", &spec.default_presentation),
        ("server_tag_default", &spec.server_tag_default),
        ("maintenance", &spec.maintenance),
    ] {
        if let Some(text) = text {
            field(out, name, text);
        }
    }
}

fn map(out: &mut String, name: &str, texts: &BTreeMap<String, String>) {
    if !texts.is_empty() {
        out.push_str(&format!("    {name}:\n"));
    }
    for (name, value) in texts {
        out.push_str(&format!("        {} {}\n", key(name, 8), scalar(value, 12, 4)));
    }
}

fn names(out: &mut String, name: &str, names: &[String]) {
    if !names.is_empty() {
        out.push_str(&format!("    {name}:{}\n", list(names, 8)));
    }
}

fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("    {name}: {}\n", scalar(value, 8, 4)));
}

fn list(items: &[String], indent: usize) -> String {
    if items.is_empty() {
        return " []".into();
    }
    items.iter().map(|item| format!("\n{:indent$}- {}", "", scalar(item, indent + 2, 2))).collect()
}

fn algorithm_name(algorithm: &Algorithm) -> String {
    serde_json::to_value(algorithm)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A document that somebody wrote: what is missing or null has its default, and what is not known is passed over.
#[derive(Deserialize)]
struct Lenient {
    kind: Option<String>,
    spec: Option<LenientSpec>,
    metadata: Option<BTreeMap<String, Option<String>>>,
    instances: Option<Vec<Option<String>>>,
}

#[derive(Deserialize)]
struct LenientSpec {
    host: Option<String>,
    tag: Option<String>,
    secret: Option<String>,
    meeting_pool: Option<i64>,
    user_pool: Option<i64>,
    secrets: Option<Vec<String>>,
    algorithms: Option<Vec<Algorithm>>,
    #[serde(default, deserialize_with = "texts")]
    create_defaults: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "texts")]
    create_overrides: BTreeMap<String, String>,
    create_excluded: Option<Vec<String>>,
    #[serde(default, deserialize_with = "texts")]
    join_defaults: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "texts")]
    join_overrides: BTreeMap<String, String>,
    join_excluded: Option<Vec<String>>,
    max_duration: Option<i64>,
    merged_lists: Option<Vec<String>>,
    default_presentation: Option<String>,
    server_tag_default: Option<String>,
    maintenance: Option<String>,
}

/// Reads the document that is kept for `host`, which is the tenant's name whatever the text says.
/// An error names no value: there are secrets among them.
pub(super) fn read(host: &str, text: &str) -> Result<TenantDocument, String> {
    let unknown = |path: serde_ignored::Path<'_>| {
        warn!(tenant.name = host, key = %path, "unknown key of a tenant passed over");
    };
    let read: Lenient =
        serde_ignored::deserialize(serde_yaml::Deserializer::from_str(text), unknown)
            .map_err(|e| location(&e))?;
    let spec = read.spec.ok_or("it has no spec")?;
    if spec.host.as_deref().is_some_and(|said| said != host) {
        warn!(tenant.name = host, "the document of a tenant names another host");
    }
    let metadata = read.metadata.unwrap_or_default().into_iter();
    Ok(TenantDocument {
        kind: read.kind.unwrap_or_else(|| "Tenant".into()),
        spec: TenantSpec {
            host: host.to_owned(),
            tag: spec.tag.filter(|tag| !tag.is_empty() && tag != host),
            secret: spec.secret,
            meeting_pool: spec.meeting_pool.and_then(|n| u32::try_from(n).ok()),
            user_pool: spec.user_pool.and_then(|n| u32::try_from(n).ok()),
            secrets: spec.secrets.unwrap_or_default(),
            algorithms: spec.algorithms.unwrap_or_default(),
            create_defaults: spec.create_defaults,
            create_overrides: spec.create_overrides,
            create_excluded: spec.create_excluded.unwrap_or_default(),
            join_defaults: spec.join_defaults,
            join_overrides: spec.join_overrides,
            join_excluded: spec.join_excluded.unwrap_or_default(),
            max_duration: spec.max_duration.and_then(|n| u32::try_from(n).ok()),
            merged_lists: spec.merged_lists,
            default_presentation: spec.default_presentation,
            server_tag_default: spec.server_tag_default,
            maintenance: spec.maintenance,
        },
        metadata: metadata.map(|(name, value)| (name, value.unwrap_or_default())).collect(),
        instances: read.instances.unwrap_or_default().into_iter().flatten().collect(),
    })
}

fn location(error: &serde_yaml::Error) -> String {
    match error.location() {
        Some(at) => format!("line {}, column {}", at.line(), at.column()),
        None => "its structure is not that of a tenant".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let document = read("h.example.org", text).expect("readable");
        assert_eq!(write(&document), expected);
        assert_eq!(read("h.example.org", expected), Ok(document));
    }

    const BARE: &str = "kind: Tenant\nspec:\n    host: h.example.org\ninstances: []\n";

    #[test]
    fn documents_are_read_leniently_and_written_in_one_way() {
        check(BARE, BARE);
        check("kind: Tenant\nspec:\n  host: h.example.org\ninstances: null\n", BARE);
        check("spec: {host: h.example.org, colour: red}\nshape: [round]\n", BARE);
        check("spec: {}\nmetadata:\ninstances:\n", BARE);
        check("spec:\n  host: other.example.org\n  meeting_pool: -1\n", BARE);
        check(
            "spec: {meeting_pool: 3}\nmetadata: {customer: 042}\ninstances:\n- http://a\n- 'null'\n-\n",
            "kind: Tenant\nspec:\n    host: h.example.org\n    meeting_pool: 3\nmetadata:\n    \
             customer: \"042\"\ninstances:\n    - http://a\n    - \"null\"\n",
        );
    }

    #[test]
    fn our_own_fields_are_optional_keys_of_the_spec() {
        let text = "kind: Tenant\nspec:\n    host: h.example.org\n    secret: s\n    secrets:\n        \
                    - \"1\"\n        - two\n    algorithms:\n        - sha256\n        - sha512\ninstances: []\n";
        check(text, text);
    }

    #[test]
    fn rules_for_parameters_are_kept_as_they_were_written() {
        let text = "kind: Tenant\nspec:\n    host: h.example.org\n    create_defaults:\n        \
                    meta_a: b c\n        record: \"true\"\n    create_overrides:\n        logo: https://x\n    \
                    create_excluded:\n        - webVoice\n    join_defaults:\n        role: VIEWER\n    \
                    join_overrides:\n        guest: \"true\"\n    join_excluded:\n        - avatarURL\n    \
                    max_duration: 90\n    merged_lists: []\n    default_presentation: https://x/a.pdf\n    \
                    server_tag_default: blue!\n    maintenance: 'Back at 9: really'\ninstances: []\n";
        check(text, text);
        let by_hand = text.replace("\"true\"", "true");
        check(&by_hand, text);
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(
            texts in proptest::collection::vec(".{0,12}|[ -~\n\t\u{85}\u{2028}é😀]{0,8}|[0-9:._+-]{1,6}", 5),
        ) {
            let [secret, name, value, first, second] = texts.try_into().expect("five");
            let document = TenantDocument {
                kind: "Tenant".into(),
                spec: TenantSpec {
                    host: "h".into(),
                    tag: Some(format!("old-{first}")),
                    secret: Some(secret),
                    secrets: vec![first.clone()],
                    create_defaults: BTreeMap::from([(name.clone(), value.clone())]),
                    join_excluded: vec![second.clone()],
                    server_tag_default: Some(value.clone()),
                    maintenance: Some(second.clone()),
                    ..TenantSpec::default()
                },
                metadata: BTreeMap::from([(name, value)]),
                instances: vec![first, second],
            };
            let text = write(&document);
            proptest::prop_assert_eq!(read("h", &text), Ok(document), "{}", text);
        }
    }

    #[test]
    fn what_is_no_tenant_is_refused_without_showing_it() {
        for text in
            ["", "- a", "kind: [a]", "spec: secret", "spec: {secret: [hidden]}", "\t", "a: b: c"]
        {
            let why = read("h", text).expect_err(text);
            assert!(!why.contains("hidden") && !why.is_empty(), "{why}");
        }
    }
}
