//! What a tenant's document says about the parameters of its calls.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use super::tag::{TAG_PARAMETER, TagWish};
use super::tenant::TenantSpec;
use crate::bbb::query::TENANT_TAG;
use crate::bbb::rules::{CallRules, Edit, is_same};

const DURATION: &str = "duration";
const PRESENTATION: &str = "preUploadedPresentation";
/// The parameters whose values are lists, unless the document names others.
const LISTS: [&str; 2] = ["disabledFeatures", "disabledFeaturesExclude"];
/// What the balancer itself goes by, in any call.
const OURS: [&str; 4] = ["meetingID", "checksum", "parentMeetingID", TENANT_TAG];
/// The same, of join only.
const OURS_OF_JOIN: [&str; 1] = ["redirect"];

/// A tenant's rules, ready to be applied.
#[derive(Clone, Default)]
pub struct TenantRules {
    create: CallRules,
    join: CallRules,
    max_duration: Option<u32>,
    default_presentation: Option<String>,
    server_tag_default: Option<String>,
}

/// A presentation's URL may hold a key, so it is not shown.
impl fmt::Debug for TenantRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantRules")
            .field("create", &self.create)
            .field("join", &self.join)
            .field("max_duration", &self.max_duration)
            .field("server_tag_default", &self.server_tag_default)
            .finish_non_exhaustive()
    }
}

impl TenantRules {
    /// The rules of a document. Names that can't be ruled are passed over: documents come by other ways than ours.
    pub fn of(spec: &TenantSpec) -> Self {
        let lists = spec.merged_lists.clone();
        let lists = lists.unwrap_or_else(|| LISTS.map(str::to_owned).to_vec());
        let lists: BTreeSet<String> = lists.into_iter().collect();
        let mut create = CallRules {
            defaults: spec.create_defaults.clone(),
            overrides: spec.create_overrides.clone(),
            excluded: spec.create_excluded.iter().cloned().collect(),
            lists: lists.clone(),
        };
        let mut join = CallRules {
            defaults: spec.join_defaults.clone(),
            overrides: spec.join_overrides.clone(),
            excluded: spec.join_excluded.iter().cloned().collect(),
            lists,
        };
        keep_off(&mut create, &[]);
        keep_off(&mut join, &OURS_OF_JOIN);
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        Self {
            create,
            join,
            max_duration: spec.max_duration.filter(|&minutes| minutes > 0),
            default_presentation: filled(&spec.default_presentation),
            server_tag_default: filled(&spec.server_tag_default),
        }
    }

    /// The query of a create as its instance shall get it, and the instances that it asks for.
    pub fn create(&self, query: &str, has_body: bool) -> (String, TagWish) {
        let mut query = Edit::of(query);
        self.create.apply(&mut query);
        if let Some(most) = self.max_duration {
            limit(&mut query, most);
        }
        if let Some(url) = &self.default_presentation
            && !has_body
            && !query.has(PRESENTATION)
            && !self.create.excludes(PRESENTATION)
        {
            query.set(PRESENTATION, url);
        }
        let tags = self.take_tags(&mut query);
        (query.finish(), tags)
    }

    /// Reads the server tag, which is passed on only if it is required.
    fn take_tags(&self, query: &mut Edit<'_>) -> TagWish {
        let sent = query.values(TAG_PARAMETER).next().map(|text| TagWish::parse(&text));
        let mut tags = sent.unwrap_or_default();
        if let Some(text) = self.server_tag_default.as_ref().filter(|_| tags.is_any()) {
            tags = TagWish::parse(text);
            query.set(TAG_PARAMETER, text);
        }
        if !tags.is_required() {
            query.remove(TAG_PARAMETER);
        }
        tags
    }

    /// The query of a join as its instance shall get it.
    pub fn join<'q>(&self, query: &'q str) -> Cow<'q, str> {
        if self.join.is_empty() {
            return Cow::Borrowed(query);
        }
        let mut edit = Edit::of(query);
        self.join.apply(&mut edit);
        Cow::Owned(edit.finish())
    }

    /// The instances that a create asks for which says nothing of it.
    pub fn default_tags(&self) -> TagWish {
        let (_, tags) = self.create("", false);
        tags
    }
}

/// Keeps the duration between one minute and the maximum; whatever else is sent becomes the maximum.
fn limit(query: &mut Edit<'_>, most: u32) {
    let within = |text: Cow<'_, str>| text.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
    if !query.has(DURATION) || !query.values(DURATION).all(within) {
        query.set(DURATION, &most.to_string());
    }
}

fn is_ours(name: &str, more: &[&str]) -> bool {
    OURS.iter().chain(more).any(|ours| is_same(ours, name))
}

fn keep_off(rules: &mut CallRules, more: &[&str]) {
    rules.defaults.retain(|name, _| !is_ours(name, more));
    rules.overrides.retain(|name, _| !is_ours(name, more));
    rules.excluded.retain(|name| !is_ours(name, more));
}

/// Everything that is wrong with the rules of a document, a line each.
pub fn faults(spec: &TenantSpec) -> Vec<String> {
    let mut faults = Vec::new();
    let create = [
        ("create_defaults", spec.create_defaults.keys().collect::<Vec<_>>()),
        ("create_overrides", spec.create_overrides.keys().collect()),
        ("create_excluded", spec.create_excluded.iter().collect()),
    ];
    let join = [
        ("join_defaults", spec.join_defaults.keys().collect::<Vec<_>>()),
        ("join_overrides", spec.join_overrides.keys().collect()),
        ("join_excluded", spec.join_excluded.iter().collect()),
    ];
    call_faults(&create, &[], &mut faults);
    call_faults(&join, &OURS_OF_JOIN, &mut faults);
    let excluded = |name: &str| spec.create_excluded.iter().any(|n| is_same(n, name));
    if spec.max_duration.is_some_and(|n| n > 0) && excluded(DURATION) {
        faults.push("spec.create_excluded: duration is also given by max_duration".into());
    }
    let Some(url) = &spec.default_presentation else { return faults };
    if excluded(PRESENTATION) {
        faults.push(format!(
            "spec.create_excluded: {PRESENTATION} is also given by default_presentation"
        ));
    }
    let uri = url.parse::<http::Uri>().ok();
    if uri.is_none_or(|u| !matches!(u.scheme_str(), Some("http" | "https"))) {
        faults.push("spec.default_presentation: must be a URL with http:// or https://".into());
    }
    faults
}

/// The faults of one call's three fields; the last of them excludes.
fn call_faults(fields: &[(&str, Vec<&String>); 3], more: &[&str], faults: &mut Vec<String>) {
    for (field, names) in fields {
        for name in names {
            if name.is_empty() {
                faults.push(format!("spec.{field}: holds an empty name"));
            }
            if is_ours(name, more) {
                faults.push(format!(
                    "spec.{field}: {name} can't be ruled, since the balancer needs it itself"
                ));
            }
        }
    }
    let [defaults, overrides, (field, excluded)] = fields;
    for (other, names) in [defaults, overrides] {
        let both = excluded.iter().filter(|name| names.iter().any(|n| is_same(n, name)));
        faults.extend(both.map(|name| format!("spec.{field}: {name} is also in {other}")));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(json: serde_json::Value) -> TenantSpec {
        serde_json::from_value(json).expect("a spec")
    }

    #[track_caller]
    fn check(rules: serde_json::Value, query: &str, expected: &str, tags: &str) {
        let (query, wish) = TenantRules::of(&spec(rules)).create(query, false);
        assert_eq!((query.as_str(), wish.to_string().as_str()), (expected, tags));
    }

    #[test]
    fn a_duration_that_is_none_or_too_long_becomes_the_maximum() {
        let rules = || serde_json::json!({"max_duration": 60});
        check(rules(), "a=1", "a=1&duration=60", "");
        for bad in ["0", "", "61", "-1", "x", "5x", "99999999999999", "1e3", "%36%31"] {
            check(rules(), &format!("duration={bad}&a=1"), "duration=60&a=1", "");
        }
        for good in ["1", "60", "%36%30"] {
            check(rules(), &format!("duration={good}&a=1"), &format!("duration={good}&a=1"), "");
        }
        check(rules(), "duration=5&a&duration=90", "duration=60&a", "");
        check(serde_json::json!({"max_duration": 0}), "duration=0", "duration=0", "");
    }

    #[test]
    fn a_tag_is_passed_on_only_if_it_is_required() {
        let none = || serde_json::json!({});
        check(none(), "a=1&meta_server-tag=blue&b=2", "a=1&b=2", "blue");
        check(none(), "META_Server%2Dtag=blue!&b", "META_Server%2Dtag=blue!&b", "blue!");
        check(none(), "a=1&meta_server-tag=", "a=1", "");
        let red = || serde_json::json!({"server_tag_default": "red"});
        check(red(), "a=1", "a=1", "red");
        check(red(), "meta_server-tag=&a=1", "a=1", "red");
        check(red(), "meta_server-tag=blue&a=1", "a=1", "blue");
        let required = serde_json::json!({"server_tag_default": "red!"});
        check(required, "a=1", "a=1&meta_server-tag=red%21", "red!");
        let forced = serde_json::json!({"create_overrides": {"meta_server-tag": "red"}});
        check(forced, "meta_server-tag=blue!&a=1", "a=1", "red");
    }

    #[test]
    fn a_presentation_is_given_to_whoever_brings_none() {
        let given = serde_json::json!({"default_presentation": "https://x/a b.pdf"});
        let rules = TenantRules::of(&spec(given));
        let with = |query: &str, has_body| rules.create(query, has_body).0;
        let url = "preUploadedPresentation=https%3A%2F%2Fx%2Fa%20b.pdf";
        assert_eq!(with("a=1", false), format!("a=1&{url}"));
        assert_eq!(with("a=1", true), "a=1");
        assert_eq!(with("preUploadedPresentation=u", false), "preUploadedPresentation=u");
    }

    #[test]
    fn what_the_balancer_needs_itself_is_never_ruled() {
        let rules = serde_json::json!({
            "create_overrides": {"meetingID": "x", "META_bigblueswarm-TENANT": "u"},
            "create_excluded": ["parentMeetingID"], "join_overrides": {"redirect": "false"},
        });
        let faults = faults(&spec(rules.clone()));
        let words = "can't be ruled, since the balancer needs it itself";
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert_eq!(faults[1], format!("spec.create_overrides: meetingID {words}"));
        let rules = TenantRules::of(&spec(rules));
        let query = "meetingID=m&parentMeetingID=p";
        assert_eq!(rules.create(query, false).0, query);
        assert_eq!(rules.join("meetingID=m"), "meetingID=m");
    }

    #[test]
    fn rules_that_contradict_each_other_are_named() {
        let found = |json| faults(&spec(json)).join("\n");
        let both = serde_json::json!({"create_defaults": {"a": "1"}, "create_excluded": ["a"]});
        assert_eq!(found(both), "spec.create_excluded: a is also in create_defaults");
        let join = serde_json::json!({"join_overrides": {"a": "1"}, "join_excluded": ["a", ""]});
        let said = "spec.join_excluded: holds an empty name\nspec.join_excluded: a is also in join_overrides";
        assert_eq!(found(join), said);
        let longest = serde_json::json!({"max_duration": 5, "create_excluded": ["duration"]});
        assert!(found(longest).contains("max_duration"));
        let file = serde_json::json!({"default_presentation": "ftp://x"});
        assert!(found(file).starts_with("spec.default_presentation: must be a URL"));
        assert_eq!(found(serde_json::json!({"create_defaults": {"record": true, "a": 5}})), "");
    }

    proptest! {
        #[test]
        fn no_create_lasts_longer_than_the_maximum(
            parts in prop::collection::vec("((d|%64)uration(=[0-9x%+-]{0,3})?)?|a=[a-z]", 0..5), most in 1..200u32,
        ) {
            let rules = TenantRules::of(&TenantSpec { max_duration: Some(most), ..TenantSpec::default() });
            let query = rules.create(&parts.join("&"), false).0;
            let values: Vec<_> = Edit::of(&query).values(DURATION).map(Cow::into_owned).collect();
            prop_assert!(!values.is_empty());
            for value in values {
                let minutes: u32 = value.parse().expect("a number");
                prop_assert!((1..=most).contains(&minutes));
            }
        }

        #[test]
        fn without_rules_a_query_without_a_tag_stays_as_it_is(query in "[a-z0-9=&%+'é!~]{0,30}") {
            let rules = TenantRules::of(&TenantSpec::default());
            let (created, tags) = rules.create(&query, false);
            prop_assert_eq!(&created, &query);
            prop_assert!(tags.is_any());
            prop_assert_eq!(rules.join(&query), query.as_str());
        }
    }
}
